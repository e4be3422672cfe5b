"""A page in a headless browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.support.wait import WebDriverWait

from tests.firefox import Firefox

TIMEOUT_S = 20.0


class Page:
    """What a person at the keyboard can do and see."""

    def __init__(self, browser: Chrome | Firefox, url: str) -> None:
        self.browser = browser
        browser.get(url)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(script, *arguments)

    def wait_for(self, condition: Callable[[], object], timeout_s: float = TIMEOUT_S) -> None:
        WebDriverWait(self.browser, timeout_s, poll_frequency=0.02).until(lambda _: condition())

    def text_of(self, name: str) -> str:
        script = "return document.getElementById(arguments[0]).textContent"
        return str(self.run(script, name)).strip()

    @property
    def focused(self) -> str:
        return str(self.run("return document.activeElement.id || document.activeElement.value"))

    def press(self, *keys: str) -> None:
        ActionChains(self.browser).send_keys(*keys).perform()

    def press_with_control(self, key: str) -> None:
        actions = ActionChains(self.browser).key_down(Keys.CONTROL)
        actions.send_keys(key).key_up(Keys.CONTROL).perform()

    def save_to(self, folder: Path) -> None:
        """Where what the page offers as a file is put."""
        asked = {"behavior": "allow", "downloadPath": str(folder)}
        self.browser.execute_cdp_cmd("Browser.setDownloadBehavior", asked)
