"""The page in headless Chromium: from a server, from a file, by keyboard, on a phone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from dlpo_bench.listening.answers import AnswerKey, read_answers
from dlpo_bench.listening.report import make_report

TIMEOUT_S = 20.0
PHONE = {"width": 360, "height": 640, "deviceScaleFactor": 2, "mobile": True}


class Page:
    """What a rater can do and see."""

    def __init__(self, browser: Any, url: str) -> None:
        self.browser = browser
        self.url = url
        browser.get(url)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(script, *arguments)

    def reload(self) -> None:
        """Until the new document has run its scripts: the driver may come back before."""
        self.run("window.isOld = true")
        self.browser.refresh()
        self.wait_for(
            lambda: self.run("return !window.isOld && document.readyState === 'complete'")
        )

    def wait_for(self, condition: Callable[[], object]) -> None:
        WebDriverWait(self.browser, TIMEOUT_S, poll_frequency=0.02).until(lambda _: condition())

    def text_of(self, name: str) -> str:
        return self.run("return document.getElementById(arguments[0]).textContent", name).strip()

    def press(self, *keys: str) -> None:
        actions = ActionChains(self.browser)
        for key in keys:
            actions.send_keys(key)
        actions.perform()

    def click(self, name: str) -> None:
        self.run("document.getElementById(arguments[0]).click()", name)

    @property
    def focused(self) -> str:
        return self.run("return document.activeElement.id || document.activeElement.value")

    @property
    def chosen(self) -> str | None:
        return self.run("return document.querySelector('[name=choice]:checked')?.value")

    @property
    def state(self) -> dict[str, Any]:
        return dict(self.run("return answers.state"))

    def is_shown(self, name: str) -> bool:
        return self.run("return !document.getElementById(arguments[0]).hidden", name)

    def hear_both(self, first: str = "1", second: str = "2") -> None:
        """By keyboard, each to its end."""
        for key, side in ((first, "first"), (second, "second")):
            self.press(key)
            self.wait_for(lambda side=side: self.run(f"return heard.has('{side}')"))

    def begin(self, rater: str = "") -> None:
        self.press(*([Keys.TAB] if self.focused != "rater" else []), rater + Keys.ENTER)
        assert self.text_of("trial-title") == "Pair 1 of 5"

    def finish(self, choice: Callable[[list[str]], str]) -> None:
        """Every pair from here on; `choice` from the names of A and B to a, s or b."""
        while self.is_shown("trial"):
            self.hear_both()
            self.press(choice(self.sounds))
            self.press("n")

    @property
    def sounds(self) -> list[str]:
        return list(self.run("return trials[answers.state.at - 1].sounds"))


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[[str], Page]]:
    """Opens an address with an empty storage; in the end nothing may be on the console."""
    opened = []

    def open_it(url: str) -> Page:
        page = Page(browser, url)
        page.run("localStorage.clear()")
        browser.get_log("browser")
        opened.append(Page(browser, url))
        return opened[-1]

    yield open_it
    notes = [entry["message"] for entry in browser.get_log("browser")]
    for page in opened:
        page.run("localStorage.clear()")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    browser.get("about:blank")
    assert notes == []  # the policy held


@pytest.fixture
def page(door: Any, open_page: Callable[[str], Page]) -> Page:
    return open_page(door.url)


@pytest.fixture
def page_of_file(folder: Path, open_page: Callable[[str], Page]) -> Page:
    return open_page((folder / "page" / "index.html").as_uri())


def key_for(liked: str, key: AnswerKey, sounds: list[str]) -> str:
    """Which key says so: the clean one of a degraded trial, none of identical ones."""
    (trial,) = [trial for trial in key.trials if set(trial.sounds) == set(sounds)]
    if trial.kind == "identical":
        return "s"
    wanted = liked if trial.kind == "pair" else next(iter({"a", "b"} & set(trial.sounds.values())))
    return "a" if trial.sounds[sounds[0]] == wanted else "b"


def test_a_whole_test_by_keyboard_alone(folder: Path, key: AnswerKey, page: Page) -> None:
    page.begin("Ann  Lee")
    page.finish(lambda sounds: key_for("b", key, sounds))

    assert page.text_of("end-title") == "Thank you!"
    page.wait_for(lambda: "5 answers are stored" in page.text_of("outcome"))
    report = make_report(key, read_answers(folder, key))
    assert report.counted == ("Ann Lee",)
    assert (report.pooled.b.count, report.pooled.a.count) == (3, 0)


def test_tab_and_space_are_enough(folder: Path, key: AnswerKey, page: Page) -> None:
    page.run("document.getElementById('shortcuts').checked = false")
    page.begin()
    page.press("1", "b")
    assert page.run("return player.plays.first") == 0
    for side in ("first", "second"):
        page.press(Keys.TAB)
        assert page.focused == f"play-{side}"
        page.press(Keys.SPACE)
        page.wait_for(lambda side=side: page.run(f"return heard.has('{side}')"))
    page.press(Keys.TAB, Keys.ARROW_DOWN)
    assert (page.chosen, page.focused) == ("same", "same")
    page.press(Keys.TAB)
    assert page.focused == "back"
    page.press(Keys.TAB)
    assert page.focused == "next"
    page.press(Keys.ENTER)

    assert (page.text_of("trial-title"), page.focused) == ("Pair 2 of 5", "trial-title")
    page.wait_for(lambda: read_answers(folder, key).answers)


def test_nothing_can_be_chosen_before_both_were_heard(page: Page) -> None:
    page.begin()
    page.press("a", "n")
    assert (page.chosen, page.text_of("trial-title")) == (None, "Pair 1 of 5")
    assert page.run("return document.querySelectorAll('input:enabled[name=choice]').length") == 0
    page.press("1")
    page.wait_for(lambda: page.run("return heard.has('first')"))
    page.press("a")
    assert page.chosen is None
    page.press("2")
    page.wait_for(lambda: page.text_of("status") == "Now choose.")
    page.press("a")
    assert page.chosen == "first"


def test_one_sound_plays_at_a_time_and_escape_stops_it(page: Page) -> None:
    page.begin()
    page.run("window.playing = () => [...document.querySelectorAll('.playing')].map((b) => b.id)")
    page.press("1", "2")
    page.wait_for(lambda: page.run("return playing()") == ["play-second"])
    assert page.run("return player.sounds.first.paused")
    page.press(Keys.ESCAPE)
    page.wait_for(lambda: page.run("return playing()") == [])


def test_one_can_go_back_and_change_an_answer(folder: Path, key: AnswerKey, page: Page) -> None:
    page.begin()
    page.hear_both()
    page.press("a", "n")
    page.press("p")
    assert (page.text_of("trial-title"), page.chosen) == ("Pair 1 of 5", "first")
    page.press("s", "p")
    assert page.is_shown("intro")

    page.wait_for(lambda: page.run("return answers.unsent.length") == 0)
    (answer,) = read_answers(folder, key).answers
    assert (answer.choice, answer.revision) == ("same", 2)


def test_a_reload_keeps_answers_place_and_order(page: Page) -> None:
    page.begin("Bo")
    page.hear_both()
    page.press("b", "n")
    before, sounds = page.state, page.sounds

    page.reload()

    assert (page.text_of("trial-title"), page.sounds) == ("Pair 2 of 5", sounds)
    assert page.state["session"] == before["session"]
    page.press("p")
    assert page.chosen == "second"
    assert page.run("return document.getElementById('progress').value") == 1


def test_sittings_differ_in_order_and_in_what_comes_first(page: Page) -> None:
    orders, firsts = set(), set()
    listed = page.run("return test.trials.map((trial) => trial.sounds[0])")
    for n in range(40):
        shown = page.run("return inOrder(test.trials, arguments[0])", f"{n:08x}" + "0" * 24)
        orders.add(tuple(one["trial"] for one in shown))
        swapped = [one["sounds"][0] not in listed for one in shown]
        firsts.add(tuple(swapped))
        assert sum(swapped) in (2, 3)  # of five
    assert len(orders) > 20
    assert len(firsts) > 5


def test_from_a_file_the_answers_are_saved_as_a_file(
    folder: Path, key: AnswerKey, page_of_file: Page, tmp_path: Path
) -> None:
    page = page_of_file
    page.browser.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    page.begin("Phil")
    page.hear_both()
    page.press(key_for("a", key, page.sounds), "n")
    page.reload()
    page.finish(lambda sounds: key_for("a", key, sounds))
    assert page.text_of("outcome").startswith("Save your 5 answers as a file")

    page.press(Keys.TAB, Keys.TAB)
    assert page.focused == "download"
    page.press(Keys.ENTER)

    page.wait_for(lambda: list(tmp_path.glob("*.jsonl")))
    (path,) = tmp_path.glob("*.jsonl")
    assert path.name == f"answers-{key.test_id}-{page.state['session'][:8]}.jsonl"
    found = read_answers(folder, key, [path])
    assert (len(found.answers), found.problems) == (5, ())
    report = make_report(key, found)
    assert (report.counted, report.pooled.a.count) == (("Phil",), 3)


def test_answers_wait_for_a_server_that_is_away(folder: Path, key: AnswerKey, page: Page) -> None:
    page.begin()
    page.hear_both()
    page.run(
        "window.realFetch = fetch; window.tried = 0;"
        "window.fetch = async () => { tried += 1; throw new TypeError('away'); }"
    )
    page.press("a")
    page.wait_for(lambda: "the server can't be reached" in page.text_of("status"))
    assert "kept here and sent again" in page.text_of("status")
    page.wait_for(lambda: page.run("return tried") > 1)

    page.run("window.fetch = realFetch; dispatchEvent(new Event('online'))")

    page.wait_for(lambda: page.run("return answers.unsent.length") == 0)
    assert len(read_answers(folder, key).answers) == 1
    assert page.text_of("status") == ""


@pytest.mark.parametrize(
    ("status", "error", "told"),
    [(507, "the disk is full", "not stored yet (the disk is full)"), (500, None, "says 500")],
)
def test_an_answer_that_could_not_be_stored_is_kept(
    page: Page, status: int, error: str | None, told: str
) -> None:
    page.begin()
    page.hear_both()
    body = json.dumps({"error": error} if error else {})
    page.run(
        "const [body, status] = arguments; window.realFetch = fetch;"
        "window.fetch = async () => new Response(body, {status})", body, status,
    )  # fmt: skip
    page.press("a")
    page.wait_for(lambda: told in page.text_of("status"))
    assert page.run("return answers.unsent.length") == 1

    page.reload()  # with the real server again

    page.wait_for(lambda: page.run("return answers.unsent.length") == 0)


def test_a_refused_answer_is_told_and_can_be_saved(page: Page) -> None:
    page.begin()
    page.hear_both()
    page.run(
        "window.fetch = async () => new Response(JSON.stringify({error: 'no more'}), {status: 400})"
    )
    page.press("a")

    page.wait_for(lambda: "refused 1 answers (no more)" in page.text_of("status"))
    assert page.run("return answers.line(answers.all[0])").count("refused") == 0


def test_a_server_that_only_has_files_is_like_a_file(page: Page) -> None:
    page.begin()
    page.run("window.fetch = async () => new Response('', {status: 405})")
    page.hear_both()
    page.press("a")
    page.wait_for(lambda: not page.run("return answers.isServed"))
    page.run("go(6)")
    assert "Save your 1 answers" in page.text_of("outcome")


def test_a_browser_that_keeps_nothing_says_so(page_of_file: Page) -> None:
    page = page_of_file
    page.begin()
    page.run("Storage.prototype.setItem = () => { throw new DOMException('full'); }")
    page.hear_both()
    page.press("a")

    assert "keeps nothing" in page.text_of("status")
    assert page.chosen == "first"
    page.press("n")
    page.press("p")
    assert page.chosen == "first"
    page.run("window.onbeforeunload = null; answers.isKept = true")


def test_a_sound_that_does_not_load_is_told(folder: Path, page_of_file: Page) -> None:
    page = page_of_file
    for path in (folder / "page" / "audio").iterdir():
        path.unlink()

    page.begin()

    page.wait_for(lambda: page.is_shown("alert"))
    assert "can't be played" in page.text_of("alert")
    page.browser.get_log("browser")  # Chromium's notes of it


def test_every_control_has_a_name_for_screen_readers(page: Page) -> None:
    operable = {"button", "radio", "checkbox", "textbox", "DisclosureTriangle", "progressbar"}

    def names() -> dict[str, set[str]]:
        nodes = page.browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        found: dict[str, set[str]] = {}
        for node in nodes:
            role = node.get("role", {}).get("value", "")
            if not node["ignored"]:
                found.setdefault(role, set()).add(node.get("name", {}).get("value", "").strip())
        return found

    intro = names()
    assert intro["textbox"] == {"Your name or a nickname (may be left empty)"}
    page.begin()
    trial = names()
    assert trial["button"] >= {"Play A", "Play B", "Back", "Next"}
    assert trial["radio"] == {"A is better", "The same", "B is better"}
    assert trial["progressbar"] == {"Answered pairs"}
    assert "Which one sounds more natural?" in trial["group"]
    assert "Pair 1 of 5" in trial["heading"]
    page.run("go(6)")
    for seen in (intro, trial, names()):
        assert all("" not in found for role, found in seen.items() if role in operable)


def test_what_screen_readers_need_to_know_is_marked(page: Page) -> None:
    assert page.run("return document.documentElement.lang") == "en"
    assert page.run("return document.getElementById('status').role") == "status"
    assert page.run("return document.getElementById('alert').role") == "alert"
    page.begin()
    described = page.run("return document.getElementById('choices').ariaDescribedByElements[0].id")
    assert described == "hint"


@pytest.mark.parametrize("at", [0, 1, 6])
def test_a_phone_shows_all_without_scrolling_sideways(page: Page, at: int) -> None:
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    try:
        page.run("go(arguments[0]); document.querySelector('details').open = true", at)
        assert page.run("return document.documentElement.scrollWidth") <= PHONE["width"]
        small = page.run(
            "return [...document.querySelectorAll('button, .choices label, .switch, summary,"
            " input[type=text]')].filter((one) => one.checkVisibility())"
            ".map((one) => [one.id || one.className || one.textContent,"
            " one.getBoundingClientRect().height, one.getBoundingClientRect().width])"
            ".filter(([, height, width]) => height < 44 || width < 44)"
        )
        assert small == []
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


# Everything with a text of its own, its colour, and the nearest background that is not see-through.
COLOURS = """
const opaque = (one) => {
  const colour = getComputedStyle(one).backgroundColor;
  return colour !== "rgba(0, 0, 0, 0)" || !one.parentElement ? colour : opaque(one.parentElement);
};
return [...document.querySelectorAll("body *")]
  .filter((one) => one.checkVisibility() && [...one.childNodes].some((node) =>
    node.nodeType === Node.TEXT_NODE && node.data.trim()))
  .map((one) => [one.textContent, getComputedStyle(one).color, opaque(one)]);
"""


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_every_text_can_be_read_in_dark_and_light(page: Page, scheme: str) -> None:
    page.browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )
    for at in (0, 1, 6):
        page.run("go(arguments[0]); document.querySelector('details').open = true", at)
        page.run("if (arguments[0] === 1) complain('first')", at)
        for text, ink, ground in page.run(COLOURS):
            lighter, darker = sorted((luminance(ink), luminance(ground)), reverse=True)
            assert lighter / darker >= 4.5, (text, ink, ground)


def luminance(colour: str) -> float:
    """Of rgb(r, g, b), with what WCAG adds for glare. Reference: WCAG 2.2, relative luminance."""
    channels = [int(part) / 255 for part in colour.removeprefix("rgb(").rstrip(")").split(",")]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True)) + 0.05


def test_who_wants_less_motion_sees_none(page: Page) -> None:
    script = (
        "const bar = document.querySelector('.bar'); bar.parentElement.classList.add('playing');"
        " return getComputedStyle(bar).transitionDuration"
    )
    moving = page.run(script)
    page.browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]},
    )

    assert (moving, page.run(script)) == ("0.25s", "0s")


def test_nothing_is_asked_of_other_hosts(page: Page, door: Any) -> None:
    page.browser.get_log("performance")
    page.begin()
    page.hear_both()
    page.press("a")
    page.wait_for(lambda: page.run("return answers.unsent.length") == 0)

    events = [json.loads(e["message"])["message"] for e in page.browser.get_log("performance")]
    sent = [e["params"]["request"]["url"] for e in events if e["method"].endswith("BeSent")]
    assert any(url.endswith("/answers") for url in sent)
    assert all(url.startswith(door.url) for url in sent)
