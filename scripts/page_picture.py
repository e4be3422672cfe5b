#!/usr/bin/env python3
"""Screenshot of the server's page for the documentation, taken in Chromium: docs/page.png.

    python scripts/page_picture.py [URL]

URL is that of a server's page; by default `dlpo serve` is started. Needs chromium and selenium.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

from selenium import webdriver
from selenium.webdriver.common.by import By

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "page.png"
PORT = 8079
TEXT = "Noise becomes speech in a single step, and each word lights up as it sounds."
WAIT_S = 60.0


def take(url: str) -> None:
    """Start speech and take the screenshot in mid-speech."""
    options = webdriver.ChromeOptions()
    options.add_argument("--headless=new")
    options.add_argument("--no-sandbox")
    options.add_argument("--autoplay-policy=no-user-gesture-required")
    options.add_argument("--window-size=1240,1060")
    with webdriver.Chrome(options=options) as browser:
        browser.get(f"{url}#text={quote(TEXT)}&seed=7")
        ends = time.monotonic() + WAIT_S
        while not browser.find_element(By.ID, "speak").is_enabled() and time.monotonic() < ends:
            time.sleep(0.1)
        browser.find_element(By.ID, "speak").click()
        state = "return document.body.dataset.state"
        while browser.execute_script(state) != "done" and time.monotonic() < ends:
            time.sleep(0.1)
        browser.find_element(By.ID, "again").click()
        time.sleep(2.0)
        browser.find_element(By.CSS_SELECTOR, ".script").screenshot(str(PICTURE))


def main() -> None:
    if len(sys.argv) > 1:
        take(sys.argv[1])
        return
    command = [sys.executable, "-m", "dlpo", "serve", "--port", "0", "--http-port", str(PORT)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            for line in server.stdout or ():
                if "page is at" in line:
                    break
            take(f"http://127.0.0.1:{PORT}/")
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
