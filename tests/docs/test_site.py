"""The site: it builds without a warning, from code where it can, and plays and fetches nothing."""

from __future__ import annotations

import importlib
import importlib.util
import json
import logging
import re
import shutil
import warnings
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from selenium.webdriver import Chrome

from dlpo_serving.encodings.sound_file import SoundFile
from tests.static_site import StaticSite

if importlib.util.find_spec("material") is None:
    pytest.skip(
        "mkdocs-material is not installed; it is in the extra docs", allow_module_level=True
    )

ROOT = Path(__file__).resolve().parents[2]
CHARTS = ROOT / "benchmarks" / "results"
SAMPLES = """# Audio samples

## “Hum.”

- [a hum](samples/hum.mp3)
"""


def build(docs: Path, site: Path) -> list[str]:
    """What `mkdocs build` does; returns its warnings, each of which `--strict` ends it for."""
    from mkdocs.commands.build import build as build_site
    from mkdocs.config import load_config

    message: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            message.append(record.getMessage())

    listener = Listener(logging.WARNING)
    log = logging.getLogger("mkdocs")
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")  # of libraries, at their own deprecations
        patch.chdir(ROOT)
        patch.setenv("NO_MKDOCS_2_WARNING", "1")
        log.addHandler(listener)
        try:
            config = load_config("mkdocs.yml", docs_dir=str(docs), site_dir=str(site))
            config.plugins.on_startup(command="build", dirty=False)
            build_site(config)
        finally:
            log.removeHandler(listener)
    return message


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of docs/, with a page of samples of one second."""
    folder = tmp_path_factory.mktemp("site")
    docs = folder / "docs"
    shutil.copytree(ROOT / "docs", docs, ignore=shutil.ignore_patterns("samples*"))
    (docs / "samples.md").write_text(SAMPLES, encoding="utf-8")
    (docs / "samples").mkdir()
    hum = 0.1 * np.sin(2 * np.pi * 200 * np.arange(22_050) / 22_050)
    with SoundFile(docs / "samples" / "hum.mp3", 22_050) as file:
        file.write(hum.astype(np.float32))
    warned = build(docs, folder / "site")
    assert not warned
    return folder / "site"


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    with StaticSite(site) as served:
        yield served.url.rstrip("/")


def test_a_page_that_the_nav_does_not_name_is_in_it(site: Path) -> None:
    html = (site / "index.html").read_text(encoding="utf-8")
    pages = (path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md"))
    linked = set(re.findall(r'href="([^"#]*)"', html))

    for page in pages:
        place = str(page.with_suffix("")) + "/"
        assert place in linked or page.name == "index.md"


def text(site: Path, page: str) -> str:
    """The words of a page."""
    html = (site / page / "index.html").read_text(encoding="utf-8")
    (article,) = re.findall(r"<article.*?</article>", html, re.DOTALL)
    return unescape(re.sub(r"<[^>]+>", "", article))


def test_links_out_of_docs_become_paths_and_pictures_come_along(site: Path) -> None:
    assert "protos/dlpo/v1/speech.proto" in text(site, "api")
    assert 'href="../../' not in (site / "tuning" / "index.html").read_text(encoding="utf-8")
    html = (site / "generated" / "benchmarks" / "index.html").read_text(encoding="utf-8")
    pictures = re.findall(r'src="\.\./\.\./(repository/[^"]+\.svg)"', html)
    assert {Path(one).name for one in pictures} == {one.name for one in CHARTS.glob("*.svg")}
    assert all(b"<svg" in (site / picture).read_bytes() for picture in pictures)


def test_the_film_of_the_front_page_has_captions(site: Path) -> None:
    html = (site / "index.html").read_text(encoding="utf-8")
    (film,) = re.findall(r"<video.*?</video>", html)
    for file in re.findall(r'src="([^"]+)"', film):
        assert (site / file).stat().st_size > 0
    assert 'kind="captions"' in film
    assert 'aria-label="Six voices' in film


def test_samples_play_and_nothing_is_fetched_from_elsewhere(address: str, browser: Chrome) -> None:
    browser.get_log("performance")
    browser.get(f"{address}/samples/")

    durations = browser.execute_async_script(
        """
        const done = arguments[arguments.length - 1];
        const ends = [...document.querySelectorAll("audio")].map((audio) => new Promise((end) => {
            audio.muted = true;
            audio.ontimeupdate = () => audio.currentTime > 0 && end(audio.duration);
            audio.onerror = () => end(0);
            audio.play();
        }));
        Promise.all(ends).then(done);
        """
    )
    assert len(durations) == 1
    assert all(1.0 <= duration < 1.3 for duration in durations)
    browser.get(f"{address}/generated/protocol/")
    sent = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [
        event["params"]["request"]["url"]
        for event in sent
        if event["method"] == "Network.requestWillBeSent"
    ]
    fetched = [url for url in urls if url.startswith("http")]  # not chrome:// and data:
    assert fetched
    assert all(url.startswith(address) for url in fetched), fetched
    severe = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert not severe
