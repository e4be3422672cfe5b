"""The site: it builds without a warning, from code where it can, and plays and fetches nothing."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from selenium.webdriver import Chrome

from dlpo_serving.encodings.sound_file import SoundFile
from tests.static_site import StaticSite

if importlib.util.find_spec("zensical") is None:
    pytest.skip("zensical is not installed; it is in the extra docs", allow_module_level=True)

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = """# Audio samples

## “Hum.”

- [a hum](samples/hum.mp3)
"""


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
    build = [sys.executable, ROOT / "scripts/site/build.py", folder / "site", docs]
    subprocess.run(build, check=True, cwd=folder)  # ends at a warning
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
        place = f"./{page.with_suffix('')}/"
        assert place in linked or page.name == "index.md"


def text(site: Path, page: str) -> str:
    """The words of a page."""
    html = (site / page / "index.html").read_text(encoding="utf-8")
    (article,) = re.findall(r"<article.*?</article>", html, re.DOTALL)
    return unescape(re.sub(r"<[^>]+>", "", article))


def test_links_out_of_docs_become_paths(site: Path) -> None:
    assert "protos/dlpo/v1/speech.proto" in text(site, "api")
    assert 'href="../../' not in (site / "tuning" / "index.html").read_text(encoding="utf-8")


def test_a_search_finds_pages_of_users_before_lists_of_names(site: Path) -> None:
    index = json.loads((site / "search.json").read_text(encoding="utf-8"))
    places = {item["location"] for item in index["items"]}
    assert "generated/settings/" in places
    assert not any(place.startswith("generated/changelog") for place in places)
    split = index["config"]["separator"]
    named = [
        item["location"].partition("#")[0]
        for item in index["items"]
        if any(word.startswith("pause") for word in re.split(split, item["title"].lower()))
    ]
    assert named == ["ssml/", "text/"]


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
