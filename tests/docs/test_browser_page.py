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

from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices import open_voice
from tests.browsing import Page
from tests.callers import python_of

ROOT = Path(__file__).resolve().parents[2]
FIRST_SOUND_S = 1.5
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


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """The page's folder, and where it is served as plain files."""
    package = Path(python_of("agents")).parents[1] / "node_modules" / "onnxruntime-web"
    if not package.exists():
        pytest.skip(f"there is no {package}")
    out = tmp_path_factory.mktemp("page")
    environment = {**os.environ, "ONNXRUNTIME_WEB": str(package)}
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
