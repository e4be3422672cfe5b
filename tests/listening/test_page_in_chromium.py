"""The page in headless Chromium: from a file, by keyboard, on a phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.keys import Keys

from dlpo_bench.listening.answers import AnswerKey, read_answers
from dlpo_bench.listening.report import make_report
from tests import browsing


class Page(browsing.Page):
    def reload(self) -> None:
        """Until the new document has run its scripts: the driver may come back before."""
        self.run("window.isOld = true")
        self.browser.refresh()
        self.wait_for(
            lambda: self.run("return !window.isOld && document.readyState === 'complete'")
        )

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
        assert self.text_of("trial-title") == "Pair 1 of 3"

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
def open_page(browser: Chrome) -> Iterator[Callable[[str], Page]]:
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
def page(folder: Path, open_page: Callable[[str], Page]) -> Page:
    return open_page((folder / "page" / "index.html").as_uri())


def key_for(liked: str, key: AnswerKey, sounds: list[str]) -> str:
    """Which key says so."""
    (trial,) = [trial for trial in key.trials if set(trial.sounds) == set(sounds)]
    return "a" if trial.sounds[sounds[0]] == liked else "b"


def test_nothing_can_be_chosen_before_both_were_heard(page: Page) -> None:
    page.begin()
    page.press("a", "n")
    assert (page.chosen, page.text_of("trial-title")) == (None, "Pair 1 of 3")
    assert page.run("return document.querySelectorAll('input:enabled[name=choice]').length") == 0
    page.press("1")
    page.wait_for(lambda: page.run("return heard.has('first')"))
    page.press("a")
    assert page.chosen is None
    page.press("2")
    page.wait_for(lambda: page.text_of("status") == "Now choose.")
    page.press("a")
    assert page.chosen == "first"


def test_one_can_go_back_and_change_an_answer(page: Page) -> None:
    page.begin()
    page.hear_both()
    page.press("a", "n")
    page.press("p")
    assert (page.text_of("trial-title"), page.chosen) == ("Pair 1 of 3", "first")
    page.press("s", "p")
    assert page.is_shown("intro")

    (answer,) = page.state["answers"].values()
    assert (answer["choice"], answer["revision"]) == ("same", 2)


def test_answers_of_a_test_by_keyboard_are_saved_as_a_file(
    key: AnswerKey, page: Page, tmp_path: Path
) -> None:
    page.save_to(tmp_path)
    page.begin("Phil  Lee")
    page.hear_both()
    page.press(key_for("a", key, page.sounds), "n")
    page.reload()
    page.finish(lambda sounds: key_for("a", key, sounds))
    assert page.text_of("end-title") == "Thank you!"
    assert page.text_of("outcome").startswith("Save your 3 answers as a file")
    page.wait_for(lambda: page.run("return document.getElementById('link').value"))
    links = tmp_path / "links.txt"
    links.write_text("mine: " + page.run("return document.getElementById('link').value") + "\n")
    by_link = read_answers([links], key)
    assert (len(by_link.answers), by_link.problems) == (3, ())

    page.press(Keys.TAB, Keys.TAB)
    assert page.focused == "download"
    page.press(Keys.ENTER)

    page.wait_for(lambda: list(tmp_path.glob("*.jsonl")))
    (path,) = tmp_path.glob("*.jsonl")
    assert path.name == f"answers-{key.test_id}-{page.state['session'][:8]}.jsonl"
    found = read_answers([path], key)
    assert (len(found.answers), found.problems) == (3, ())
    assert found == by_link
    report = make_report(key, found)
    assert (report.raters, report.a.count) == (("Phil Lee",), 3)
