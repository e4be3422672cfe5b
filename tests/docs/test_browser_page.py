"""The page that speaks without a server, in Chromium: as Python does, and soon after a press."""

from __future__ import annotations

import functools
import http.server
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dlpo.errors import TextError
from dlpo.text import TextFrontEnd
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices import open_voice
from tests.browsing import Page
from tests.callers import python_of

ROOT = Path(__file__).resolve().parents[2]
FIRST_SOUND_S = 1.5
LOADING_S = 180.0  # of Python, on a busy machine
SILENT = """
const done = arguments[1];
const ort = await import("./vendor/ort.wasm.min.mjs");
ort.env.wasm.wasmPaths = new URL("./vendor/", location).href;
ort.env.wasm.numThreads = 1;
const { Voice } = await import("./voice.js");
const read = async (name) => (await fetch(`./voice/${name}`)).arrayBuffer();
const voice = await Voice.load(ort, read);
const samples = [];
for await (const piece of voice.speak(arguments[0], { random: () => 0 })) samples.push(...piece);
done(samples);
"""

READ = """
const done = arguments[1];
const reader = new Worker("./reader.js", { type: "module" });
const found = [];
reader.onmessage = ({ data }) => {
  if (data.type === "error") done(data.message);
  if (data.type === "read" || data.type === "refused") found.push(data.sentences ?? data.message);
  const text = arguments[0][found.length];
  if (text === undefined) done(found);
  else reader.postMessage({ type: "read", id: 1, text });
};
reader.postMessage({ type: "load" });
"""
CASES = ROOT / "tests/text/en_us/spoken_cases.tsv"
STATE, READER = "return document.body.dataset.state", "return document.body.dataset.reader"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """The page's folder, and where it is served as plain files."""
    modules = Path(python_of("agents")).parents[1] / "node_modules"
    for package in ("onnxruntime-web", "pyodide"):
        if not (modules / package).exists():
            pytest.skip(f"there is no {modules / package}")
    out = tmp_path_factory.mktemp("page")
    environment = {**os.environ, "NODE_MODULES": str(modules)}
    subprocess.run([ROOT / "scripts" / "browser-page", out], check=True, env=environment)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=out)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield out, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_it_speaks_as_python_does(
    site: tuple[Path, str], browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, url = site
    entry = json.loads((out / "sentences.json").read_text())[0]
    Page(browser, url)
    browser.set_script_timeout(120)
    heard = np.array(browser.execute_async_script(SILENT, entry["sentences"][0]))
    silence = SimpleNamespace(standard_normal=lambda shape, dtype: np.zeros(shape, dtype))
    monkeypatch.setattr("numpy.random.default_rng", lambda *seed: silence)
    ours = open_voice("lj", precision="int8").speak(SpeechRequest(entry["text"]))
    assert len(heard) == len(ours)
    assert 10 * np.log10((ours @ ours) / ((heard - ours) @ (heard - ours))) > 25  # dB: 8 bits


def test_a_press_is_heard_soon(site: tuple[Path, str], browser: Any) -> None:
    page = Page(browser, site[1])
    for press in range(2):
        page.wait_for(lambda: page.run("return document.body.dataset.state") in ("ready", "done"))
        page.run("document.querySelectorAll('#sentences button')[arguments[0]].click()", press)
        page.wait_for(lambda: page.run("return document.body.dataset.state") == "done")
        assert float(page.run("return document.body.dataset.first")) < 1000 * FIRST_SOUND_S
    assert float(page.run("return document.body.dataset.seconds")) > 3
    assert not [line for line in browser.get_log("browser") if line["level"] == "SEVERE"]


def test_typed_text_has_the_phonemes_of_the_desktop(site: tuple[Path, str], browser: Any) -> None:
    rows = CASES.read_text("utf-8").splitlines()
    texts = [row.split("\t")[1] for row in rows if row and not row.startswith("#")][::9]
    texts = [*texts, "Frobnicators, quoxily blorped.", "   "]
    Page(browser, site[1])
    browser.set_script_timeout(240)
    found = browser.execute_async_script(READ, texts)
    assert isinstance(found, list), found
    front_end = TextFrontEnd()
    for text, sentences in zip(texts, found, strict=True):
        try:
            expected: Any = [one.symbol_ids() for one in front_end.process(text).sentences]
        except TextError as error:
            expected = str(error)
        assert sentences == expected, text


def test_typed_text_is_spoken_and_what_is_not_is_shown(
    site: tuple[Path, str], browser: Any
) -> None:
    page = Page(browser, site[1])
    page.wait_for(lambda: (page.run(READER), page.run(STATE)) == ("ready", "ready"), LOADING_S)
    type_in = "document.getElementById('text').value = arguments[0];"
    press = "document.getElementById('form').requestSubmit(document.getElementById('speak'))"
    page.run(type_in + press, "It is 7:45, blorpington \N{PARTY POPPER}.")
    page.wait_for(lambda: page.run(STATE) == "done")
    assert float(page.run("return document.body.dataset.seconds")) > 1.5
    assert "\N{PARTY POPPER}" in page.run("return document.getElementById('warnings').textContent")
    assert page.run("return document.getElementById('save').href").startswith("blob:")
    page.run(type_in + press, "")
    page.wait_for(lambda: page.run(STATE) == "ready")
    assert "empty" in page.run("return document.getElementById('status').textContent")


@pytest.mark.full
def test_every_file_of_the_page_is_kept_for_offline(site: tuple[Path, str]) -> None:
    out, _ = site
    kept = set(json.loads((out / "offline.json").read_text())["files"])
    files = {str(file.relative_to(out)) for file in out.rglob("*") if file.is_file()}
    assert files - kept == {"offline.js", "offline.json"}
