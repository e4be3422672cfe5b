"""The page that speaks without a server, in Chromium and Firefox: what Python would speak.

What sounds is tested in Chromium alone: without a sound card, Firefox starts no sound.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from selenium.webdriver import Chrome, Keys

from dlpo.bundle import DEFAULT_VOICE
from dlpo_serving.errors import RequestError
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesis.job import AudioChunk
from dlpo_serving.synthesis.timing import WordTiming
from dlpo_serving.voices import open_voice
from tests.browsing import Page
from tests.callers import node_modules
from tests.firefox import Firefox
from tests.static_site import ISOLATED, StaticSite

ROOT = Path(__file__).resolve().parents[2]
BATCH = 100  # texts
CASES = ROOT / "tests/text/en_us/spoken_cases.tsv"
LOADING_S = 240.0  # of voice and Python, on a busy machine
OPEN = """
const done = arguments[arguments.length - 1];
const { Voice } = await import("./voice.js");
const voice = await Voice.load(arguments[0]);
"""
SPEAK = f"""{OPEN}
const pieces = async function* (texts) {{ yield* texts; }};
const text = Array.isArray(arguments[1]) ? pieces(arguments[1]) : arguments[1];
const made = {{ samples: [], words: [], marks: [], warnings: [] }};
try {{
  for await (const chunk of voice.stream(text, {{ noise: 0, ...arguments[2] }})) {{
    if (chunk.offset !== made.samples.length) done("a gap");
    for (const name in made) made[name].push(...chunk[name]);
  }}
  done(made);
}} catch (error) {{
  done(`${{error.name}}: ${{error.message}}`);
}} finally {{
  voice.close();
}}
"""
REGISTERED = """
const done = arguments[arguments.length - 1];
navigator.serviceWorker.getRegistrations().then((all) => done(all.length));
"""
READ = """
const done = arguments[arguments.length - 1];
await window.voice.reading;
const found = [];
for (const text of arguments[0]) {
  try {
    const { sentences } = await window.voice.reader.value("read", text, {});
    found.push(sentences.map(({ symbols }) => symbols));
  } catch ({ message }) {
    found.push(message);
  }
}
done(found);
"""
SENTENCES = """
const done = arguments[arguments.length - 1];
for (let n = 0; n < arguments[0]; n++) {
  for await (const chunk of window.voice.stream(`This is sentence ${n}.`)) {}
}
done(0);
"""
STATE = "return document.body.dataset.state"
TYPE = "document.getElementById('text').value = arguments[0];"
PRESS = "document.getElementById('form').requestSubmit(document.getElementById('speak'));"
LIT = "const lit = CSS.highlights.get('word'); return lit ? String([...lit][0]) : '';"
SSML = (
    '<speak>It was <prosody rate="60%">slow and <emphasis>then</emphasis></prosody> <prosody'
    ' rate="fast" pitch="+3st" volume="-9dB">quick and high</prosody>.<break time="300ms"/>'
    ' <mark name="here"/><voice name="michael">Who is it?</voice></speak>'
)
SPOKEN: tuple[tuple[Any, dict[str, Any]], ...] = (
    ("Noise becomes speech. Is it not strange, said I, at 7:45?", {}),
    ("One thing, [pause 400ms] slowly.\n\nA gif.", {
        "voice": "lj*0.7+nova*0.3", "speed": 0.6, "pitch_semitones": -2.0, "volume_db": -3.0,
        "dictionary": {"gif": "JH IH1 F"},
    }),
    (SSML, {"voice": "heart", "speed": 1.3, "sentence_pause_s": 0.1}),
    (["It comes in pie", "ces, as from a model. Then", " it ends."], {"voice": "nova"}),
)  # fmt: skip


def made_site(out: Path, *options: str) -> Path:
    environment = {**os.environ, "NODE_MODULES": str(node_modules("onnxruntime-web", "pyodide"))}
    subprocess.run([ROOT / "scripts/browser-page", out, *options], check=True, env=environment)
    return out


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StaticSite]:
    """The page as it is built."""
    with StaticSite(made_site(tmp_path_factory.mktemp("page"))) as site:
        yield site


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StaticSite]:
    """The page in float32."""
    out = made_site(tmp_path_factory.mktemp("exact"), "--precision", "fp32")
    with StaticSite(out) as site:
        yield site


class Silence:
    """In the place of numpy's generator."""

    def standard_normal(self, shape: tuple[int, ...], dtype: Any) -> Any:
        return np.zeros(shape, dtype)


def ours_of(text: str | list[str], settings: dict[str, Any]) -> list[AudioChunk]:
    """What Python makes of it."""
    given = dict(settings)
    ours = open_voice(given.pop("voice", DEFAULT_VOICE), precision="fp32")
    if isinstance(text, str):
        return list(ours.stream(ours.read(SpeechRequest(text, **given))))
    return list(ours.stream_pieces(text, SpeechRequest("", **given)))


def word_of(word: WordTiming) -> dict[str, Any]:
    """A word as the page's chunks have it."""
    return {
        "word": word.word,
        "start": word.start,
        "stop": word.stop,
        "textStart": word.text_start,
        "textEnd": word.text_end,
        "phonemes": [dataclasses.asdict(phoneme) for phoneme in word.phonemes],
    }


def test_it_speaks_as_python_does(
    exact: StaticSite, either: Chrome | Firefox, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Page(either, exact.url)
    either.set_script_timeout(LOADING_S)
    monkeypatch.setattr("numpy.random.default_rng", lambda seed: Silence())
    speech = error = 0.0
    for text, settings in SPOKEN:
        made = page.browser.execute_async_script(SPEAK, {}, text, settings)
        assert isinstance(made, dict), made
        chunks = ours_of(text, settings)
        audio = np.concatenate([chunk.samples for chunk in chunks])
        heard = np.array(made["samples"])
        assert len(heard) == len(audio)
        speech += audio @ audio
        error += (heard - audio) @ (heard - audio)
        assert made["words"] == [word_of(word) for chunk in chunks for word in chunk.words]
        marks = [mark for chunk in chunks for mark in chunk.marks]
        assert made["marks"] == [{"name": mark.name, "sample": mark.sample} for mark in marks]
    assert 10 * np.log10(speech / error) > 60  # dB


def test_what_python_refuses_is_refused(site: StaticSite, browser: Chrome) -> None:
    page = Page(browser, site.url)
    browser.set_script_timeout(LOADING_S)
    refused = [
        ("Hello.", {"speed": 9.0}, "RequestError: speed: is 9; expected 0.5 to 2"),
        ("Hello.", {"voice": "bob"}, "RequestError: voice is 'bob'; expected heart, lj"),
        ("<speak>", {}, "RequestError: text: "),
        ([" "], {}, "RequestError: text: the text is empty"),
    ]
    for text, settings, begin in refused:
        found = page.browser.execute_async_script(SPEAK, {}, text, settings)
        assert str(found).startswith(begin)


def opened(site: StaticSite, browser: Chrome | Firefox) -> Page:
    """A page with a voice of its own."""
    page = Page(browser, site.url)
    browser.set_script_timeout(LOADING_S)
    page.browser.execute_async_script(f"{OPEN} window.voice = voice; done(0);", {})
    return page


def phonemes_are_the_same(site: StaticSite, browser: Chrome | Firefox, texts: list[str]) -> None:
    page = opened(site, browser)
    found = []
    for start in range(0, len(texts), BATCH):  # selenium waits for two minutes at most
        found += page.browser.execute_async_script(READ, texts[start : start + BATCH])
    ours = open_voice(DEFAULT_VOICE)
    for text, sentences in zip(texts, found, strict=True):
        try:
            spoken = ours.read(SpeechRequest(text)).sentences
            expected: Any = [one.symbol_ids() for one in spoken]
        except RequestError as error:
            expected = str(error)
        assert sentences == expected, text


def cases() -> list[str]:
    rows = CASES.read_text("utf-8").splitlines()
    return [row.split("\t")[1] for row in rows if row and not row.startswith("#")]


def test_typed_text_has_the_phonemes_of_the_desktop(
    site: StaticSite, either: Chrome | Firefox
) -> None:
    phonemes_are_the_same(site, either, [*cases()[::18], "Frobnicators, quoxily blorped.", "   "])


@pytest.mark.full
def test_every_case_has_the_phonemes_of_the_desktop(site: StaticSite, browser: Chrome) -> None:
    phonemes_are_the_same(site, browser, cases())


def ready(page: Page, state: str = "ready") -> None:
    page.wait_for(lambda: page.run(STATE) == state, LOADING_S)


def typed(page: Page, text: str) -> None:
    page.wait_for(lambda: page.run("return document.body.dataset.reader") == "ready", LOADING_S)
    page.run(TYPE + PRESS, text)


def test_a_prepared_sentence_speaks_before_python_is_there(
    site: StaticSite, browser: Chrome
) -> None:
    page = Page(browser, site.url)
    ready(page)
    page.run("document.querySelector('#sentences button').click()")
    page.wait_for(lambda: page.run("return document.body.dataset.first"), LOADING_S)
    assert page.text_of("heard").startswith("The first words sound")
    ready(page)
    assert float(page.run("return document.body.dataset.seconds")) > 2


def test_the_words_that_are_heard_light_up(site: StaticSite, browser: Chrome) -> None:
    page, seen = Page(browser, site.url), list[str]()
    typed(page, "It is 7:45, \N{PARTY POPPER} blorpington.")

    def over() -> bool:
        word = str(page.run(LIT))
        if word and word not in seen[-1:]:
            seen.append(word)
        return bool(page.run(STATE) == "ready")

    page.wait_for(over, LOADING_S)
    assert seen == ["It", "is", "7:45", "blorpington"]
    assert "\N{PARTY POPPER}" in page.text_of("warnings")
    assert page.text_of("status").startswith("Spoke ")


def test_a_spoken_text_can_be_saved(site: StaticSite, browser: Chrome, tmp_path: Path) -> None:
    page = Page(browser, site.url)
    page.save_to(tmp_path)
    typed(page, "Save me.")
    ready(page)
    page.run("document.getElementById('save').click()")
    page.wait_for(lambda: list(tmp_path.glob("*.wav")))
    import soundfile

    samples, rate = soundfile.read(tmp_path / "dlpo.wav")
    seconds = float(page.run("return document.body.dataset.seconds"))
    assert rate == 24_000
    assert abs(len(samples) / rate - seconds) < 0.06
    assert 0.1 < np.abs(samples).max() < 0.9


def test_stop_ends_the_sound_and_the_work(site: StaticSite, browser: Chrome) -> None:
    page = Page(browser, site.url)
    typed(page, "A long text. " * 40)
    page.wait_for(lambda: page.run("return document.body.dataset.first"), LOADING_S)
    page.run("document.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape' }))")
    assert page.run(STATE) == "ready"
    assert page.text_of("status") == "Stopped."
    typed(page, "Short.")
    ready(page)
    assert page.text_of("status").startswith("Spoke ")
    typed(page, "")
    page.wait_for(lambda: "empty" in page.text_of("status"))


def test_an_isolated_page_computes_in_threads(site: StaticSite, either: Chrome | Firefox) -> None:
    text = "Noise becomes speech."
    with StaticSite(site.folder, ISOLATED) as isolated:
        page = Page(either, isolated.url)
        either.set_script_timeout(LOADING_S)
        assert page.run("return crossOriginIsolated")
        many = page.browser.execute_async_script(SPEAK, {"threads": 2}, text, {})
        one = page.browser.execute_async_script(SPEAK, {"threads": 1}, text, {})
        page.wait_for(lambda: page.run("return document.body.dataset.reader"), LOADING_S)
        assert page.browser.execute_async_script(REGISTERED) == 0  # Firefox can't have both
    assert many["words"] == one["words"]
    expected = np.array(one["samples"])
    error = np.array(many["samples"]) - expected
    assert error @ error < 1e-3 * (expected @ expected)  # 8 bits tip where sums round differently


def test_it_speaks_without_a_network_after_one_visit(
    site: StaticSite, either: Chrome | Firefox
) -> None:
    with StaticSite(site.folder) as server:
        page = Page(either, server.url)
        either.set_script_timeout(LOADING_S)
        page.browser.execute_async_script(
            "const done = arguments[0]; navigator.serviceWorker.ready.then(() => done(0));"
        )
    page = Page(either, server.url)
    made = page.browser.execute_async_script(SPEAK, {}, "And again, blorpington.", {})
    assert isinstance(made, dict), made
    assert len(made["samples"]) > 24_000


@pytest.mark.full
def test_every_file_of_the_page_is_kept_for_offline(site: StaticSite) -> None:
    kept = set(json.loads((site.folder / "offline.json").read_text())["files"])
    found = (str(f.relative_to(site.folder)) for f in site.folder.rglob("*") if f.is_file())
    assert set(found) - kept == {"offline.js", "offline.json"}


def test_it_fits_a_phone_and_is_accessible(site: StaticSite, browser: Chrome) -> None:
    page = Page(browser, site.url)
    ready(page)
    axe = node_modules() / "axe-core/axe.min.js"
    for width in (320, 1280):
        browser.set_window_size(width, 900)
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 700}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        assert page.run("return document.documentElement.scrollWidth") <= width
        if axe.exists():
            page.run(axe.read_text())
            found = browser.execute_async_script(
                "axe.run().then(({ violations }) => arguments[0](violations.map(({ id, nodes }) =>"
                " `${id}: ${nodes.map(({ html }) => html)}`)));"
            )
            assert found == []


def test_it_is_used_by_keyboard_alone(site: StaticSite, browser: Chrome) -> None:
    page = Page(browser, site.url)
    page.wait_for(lambda: page.run("return document.body.dataset.reader") == "ready", LOADING_S)
    page.press(Keys.TAB)
    assert page.focused == "text"
    page.press("Typed.")
    page.press_with_control(Keys.ENTER)
    page.wait_for(lambda: page.text_of("status").startswith("Spoke "), LOADING_S)
    reached = []
    for _ in range(9):
        page.press(Keys.TAB)
        reached.append(page.focused)
    assert set(reached) >= {"speak", "voice", "other", "mix", "speed", "pitch", "save"}


def resident_mb(process: int) -> float:
    """Memory of a process and its descendants, shared pages counted once."""
    found, total = [process], 0
    for one in found:
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            found += map(int, children.read_text().split())
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


@pytest.mark.full
def test_a_hundred_sentences_leave_memory_as_it_was(
    site: StaticSite, either: Chrome | Firefox
) -> None:
    page = opened(site, either)
    process = getattr(either, "process", None) or either.service.process
    sizes = []
    for batches in (3, 10):
        for _ in range(batches):
            page.browser.execute_async_script(SENTENCES, 10)
        sizes.append(resident_mb(process.pid))
    assert sizes[1] < 1.1 * sizes[0]
