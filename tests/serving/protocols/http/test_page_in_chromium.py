"""The page in headless Chromium, in front of a server with the fake engine."""

from __future__ import annotations

import wave
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from dlpo_serving.voices.synthesizer import Synthesizer
from tests import browsing
from tests.serving.conftest import GatedEngine
from tests.serving.protocols.http.conftest import RunningServer, StartServer


class Page(browsing.Page):
    def __init__(self, browser: Chrome, url: str) -> None:
        super().__init__(browser, url)
        self.wait_for(lambda: self.text_of("server") == "ready")

    def wait_for_state(self, state: str) -> None:
        self.wait_for(lambda: self.state == state)

    @property
    def state(self) -> str:
        return self.run("return document.body.dataset.state")

    def write(self, text: str) -> None:
        """Replace the text by typing."""
        self.run("document.getElementById('text').focus()")
        self.press_with_control("a")
        self.press(text)

    def speak(self, text: str) -> None:
        """Write, say, and hear to the end."""
        self.write(text)
        self.say()
        self.wait_for_state("done")

    def say(self) -> None:
        """Say what is written."""
        self.run("document.body.dataset.state = 'before'")  # not "done" of the last time
        self.press_with_control(Keys.ENTER)

    def figures(self) -> dict[str, float]:
        names = ("first-audio", "rtf", "underruns")
        samples = self.run("return Number(document.getElementById('length').dataset.samples)")
        return {name: float(self.text_of(name)) for name in names} | {"samples": samples}


@pytest.fixture
def page(browser: Chrome, server: RunningServer) -> Iterator[Page]:
    browser.get_log("browser")
    page = Page(browser, server.url)
    yield page
    assert [entry["message"] for entry in browser.get_log("browser")] == []  # the policy held


@pytest.fixture
def open_page(browser: Chrome) -> Callable[[RunningServer], Page]:
    return lambda server: Page(browser, server.url)


def test_speech_is_heard_to_its_end_and_its_figures_are_shown(page: Page) -> None:
    page.speak("Noise becomes speech.")

    figures = page.figures()
    assert figures["samples"] == page.run(
        "return fetch('v1/audio/speech', {method: 'POST',"
        " headers: {'Content-Type': 'application/json'}, body: JSON.stringify({model: 'dlpo',"
        " input: 'Noise becomes speech.', response_format: 'pcm', sample_rate: 22050})})"
        ".then((reply) => reply.arrayBuffer()).then((audio) => audio.byteLength / 2)"
    )
    assert figures["first-audio"] > 0
    assert figures["rtf"] > 0
    assert figures["underruns"] >= 0
    seconds = f"{figures['samples'] / 22_050:.1f} s"
    assert page.text_of("status") == f"Spoke {seconds}"
    assert page.text_of("clock").endswith(f"of {seconds}")


def test_each_word_is_marked_in_its_turn(page: Page) -> None:
    page.run(
        "window.marked = []; new MutationObserver((changes) => changes.forEach(({target}) => {"
        " if (target.ariaCurrent) marked.push(target.textContent); }))"
        ".observe(document.getElementById('transcript'), {subtree: true, attributes: true,"
        " attributeFilter: ['aria-current']})"
    )

    page.speak("Seventeen 🎈 crimson balloons: $5!")

    assert page.run("return marked") == ["Seventeen", "crimson", "balloons", "$5"]
    assert page.text_of("transcript") == "Seventeen 🎈 crimson balloons: $5!"
    assert page.run("return document.querySelector('#transcript s').textContent") == "🎈"
    assert page.text_of("warning") == "not spoken: 🎈"
    assert page.run("return document.querySelectorAll('[aria-current]').length") == 0


def test_pieces_play_without_a_gap_or_overlap(page: Page) -> None:
    page.run(
        "window.started = []; const {start} = AudioBufferSourceNode.prototype;"
        " AudioBufferSourceNode.prototype.start = function (at) {"
        " started.push([at * this.context.sampleRate, this.buffer.length]);"
        " start.call(this, at); }"
    )

    page.speak("Noise becomes speech.")

    started = page.run("return started")
    assert len(started) > 2
    assert [at for at, _ in started] == pytest.approx([round(at) for at, _ in started], abs=1e-6)
    gaps = [round(after) - round(at) - length for (at, length), (after, _) in pairwise(started)]
    assert min(gaps) == 0
    assert sum(gap > 0 for gap in gaps) == page.figures()["underruns"]
    assert sum(length for _, length in started) == page.figures()["samples"]


def test_a_link_sets_the_page_and_its_request_is_copied(page: Page, server: RunningServer) -> None:
    page.browser.get(f"{server.url}/?#text=It%27s+5.&seed=7&voice=nobody")
    page.wait_for(lambda: page.text_of("server") == "ready")
    page.run(
        "window.copied = []; navigator.clipboard.writeText = async (text) => copied.push(text);"
        "document.querySelectorAll('#copy button').forEach((button) => button.click())"
    )

    curl, python, script, link = page.run("return copied")
    assert '\'{"model":"dlpo","voice":"fake","input":"It\'\\\'\'s 5.","seed":7,' in curl
    compile(python, "python", "exec")
    assert script.startswith(f'const reply = await fetch("{server.url}/v1/audio/speech"')
    assert link.startswith(f"{server.url}/#text=It%27s+5.&voice=fake&")


def test_a_word_is_put_right_and_speech_goes_on_from_anywhere(page: Page) -> None:
    page.speak("Noise becomes speech.")
    page.run("document.querySelectorAll('#transcript .word')[1].click()")
    phonemes = page.browser.find_element(By.ID, "phonemes")
    assert phonemes.get_attribute("value") == "B IH0 K AH1 M Z"
    phonemes.clear()
    phonemes.send_keys("B IY1")
    page.browser.find_element(By.ID, "word-save").click()
    page.wait_for(lambda: not page.run("return document.getElementById('word').open"))
    page.wait_for_state("done")
    assert page.run("return localStorage['dlpo.dictionary']") == '{"becomes":"B IY1"}'

    page.run("document.getElementById('waveform').focus()")
    page.press(Keys.ARROW_LEFT)
    page.wait_for_state("done")
    assert page.text_of("status") == "Played again"
    page.run("localStorage.clear()")


def test_escape_stops_sound_and_work(
    gated_engine: GatedEngine, gated_server: StartServer, open_page: Callable[[RunningServer], Page]
) -> None:
    server = gated_server()
    page = open_page(server)
    gated_engine.permits.release()  # one window of many
    page.write("Noise becomes speech, step by step. " * 8)
    page.say()
    page.wait_for_state("speaking")
    assert server.service.calls == 1

    page.press(Keys.ESCAPE)

    assert page.state == "stopped"
    gated_engine.permits.release(3)  # a browser that has gone is seen when audio is written
    page.wait_for(lambda: server.service.calls == 0)
    assert page.run("return document.getElementById('stop').disabled")
    gated_engine.free()
    page.speak("Again.")


def test_what_is_wrong_is_said_at_its_field(page: Page) -> None:
    page.write("?!")
    page.say()
    page.wait_for_state("failed")

    alert = page.browser.find_element(By.ID, "alert")
    assert alert.is_displayed()
    assert alert.text.startswith("Text: ")
    assert alert.get_attribute("role") == "alert"
    assert page.focused == "text"
    assert page.run("return document.activeElement.ariaInvalid") == "true"
    refused = [e for e in page.browser.get_log("browser") if "400" in e["message"]]
    assert len(refused) == 1  # Chromium notes a reply of 400; the fixture wants no other notes

    page.speak("Better.")
    assert not alert.is_displayed()
    assert page.run("return document.querySelector('[aria-invalid]')") is None


def test_page_reports_and_rejoins_a_lost_server(page: Page) -> None:
    offline = {"offline": True, "latency": 0, "download_throughput": -1, "upload_throughput": -1}
    page.browser.set_network_conditions(**offline)
    try:
        page.say()
        page.wait_for_state("failed")
        page.wait_for(lambda: page.text_of("server") == "not ready")
        assert "can't be reached" in page.text_of("alert")
    finally:
        page.browser.delete_network_conditions()
    page.browser.get_log("browser")  # Chromium's notes of it

    page.wait_for(lambda: page.text_of("server") == "ready")
    page.speak("Go.")


def test_a_saved_file_holds_what_was_heard(page: Page, tmp_path: Path) -> None:
    page.save_to(tmp_path)
    page.speak("Go.")

    page.browser.find_element(By.ID, "download").click()

    page.wait_for(lambda: list(tmp_path.glob("*.wav")))
    (path,) = tmp_path.glob("*.wav")
    assert path.name == "dlpo-fake-0.wav"
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (22_050, 1, 2)
        assert file.getnframes() == page.figures()["samples"]


def test_what_has_arrived_is_saved_while_it_plays(page: Page, tmp_path: Path) -> None:
    page.save_to(tmp_path)
    page.write("Noise becomes speech, step by step, and all of it has arrived long before its end.")
    page.say()
    page.wait_for(lambda: not page.run("return document.getElementById('download').disabled"))
    assert page.state == "speaking"

    page.browser.find_element(By.ID, "download").click()

    page.wait_for(lambda: list(tmp_path.glob("*.wav")))
    page.press(Keys.ESCAPE)


def test_an_empty_text_can_t_be_spoken(page: Page) -> None:
    page.write(" ")
    assert page.run("return document.getElementById('speak').disabled")
    page.say()
    assert page.state == "before"
    page.write("Go.")
    assert not page.run("return document.getElementById('speak').disabled")


def test_a_dropped_text_file_is_the_text(page: Page) -> None:
    drop = (
        "const files = new DataTransfer(); files.items.add(new File([arguments[0]], 'a.txt'));"
        "document.getElementById('form').dispatchEvent(new DragEvent('drop',"
        " {dataTransfer: files, bubbles: true, cancelable: true}))"
    )
    text = "return document.getElementById('text').value"

    page.run(drop, "From a file. " + 20_000 * "x")
    page.wait_for(lambda: page.run(text).startswith("From a file."))
    assert page.text_of("status") == "a.txt: the first 10000 of 20013 characters"
    page.run(drop.replace("arguments[0]", "new Uint8Array([255, 0])"))
    page.wait_for(lambda: "is not a text file in UTF-8" in page.text_of("status"))
    assert page.run(text).startswith("From a file.")


def test_a_phone_shows_voice_and_speak_at_once(page: Page) -> None:
    phone = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        for name in ("text", "voice", "speak"):
            script = f"return document.getElementById('{name}').getBoundingClientRect().bottom"
            assert page.run(script) <= phone["height"]
        assert page.run("return document.documentElement.scrollWidth") <= phone["width"]
        page.browser.get(page.run("return location.origin") + "/docs")
        assert page.run("return document.documentElement.scrollWidth") <= phone["width"]
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_server_that_asks_for_a_token_gets_one_from_the_page(
    synthesizer: Synthesizer, browser: Chrome, start_server: StartServer
) -> None:
    server = start_server(synthesizer, authorize=lambda token: "me")
    browser.get(server.url)
    page = object.__new__(Page)
    page.browser = browser
    field = browser.find_element(By.ID, "token")
    page.wait_for(field.is_displayed)

    field.send_keys("secret", Keys.TAB)

    page.wait_for(lambda: page.text_of("server") == "ready")
    page.speak("Go.")
