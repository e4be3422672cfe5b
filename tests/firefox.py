"""Firefox, driven over WebDriver BiDi by its own socket: Debian has no geckodriver."""

from __future__ import annotations

import itertools
import json
import subprocess
import time
from pathlib import Path
from typing import Any

from websocket import create_connection

SETTINGS = {
    "media.autoplay.default": 0,
    "media.autoplay.blocking_policy": 0,
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
}
FLAGS = ("--headless", "--no-remote", "--remote-debugging-port", "0")
START_S = 120.0


class Firefox:
    """A headless Firefox with the few methods of selenium's drivers that `Page` calls."""

    def __init__(self, program: str, profile: Path) -> None:
        lines = (f"user_pref({json.dumps(k)}, {json.dumps(v)});\n" for k, v in SETTINGS.items())
        (profile / "user.js").write_text("".join(lines))
        self.process = subprocess.Popen(
            [program, *FLAGS, "--profile", profile],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._numbers = itertools.count()
        self._socket = create_connection(self._address(profile), suppress_origin=True)
        self._call("session.new", capabilities={})
        self._context = self._call("browsingContext.getTree")["contexts"][0]["context"]
        self.set_script_timeout(60)

    def set_script_timeout(self, seconds: float) -> None:
        self._socket.settimeout(seconds)

    def get(self, url: str) -> None:
        self._call("browsingContext.navigate", context=self._context, url=url, wait="complete")

    def set_window_size(self, width: int, height: int) -> None:
        viewport = {"width": width, "height": height}
        self._call("browsingContext.setViewport", context=self._context, viewport=viewport)

    def execute_script(self, script: str, *values: Any) -> Any:
        return self._run(f"(async function () {{ {script} }})(...{json.dumps(values)})")

    def execute_async_script(self, script: str, *values: Any) -> Any:
        given = f"...{json.dumps(values)}, done"
        return self._run(
            "new Promise((done, fail) => {"
            f" (async function () {{ {script} }})({given}).catch(fail); }})"
        )

    def quit(self) -> None:
        self._socket.close()
        self.process.terminate()
        self.process.wait()

    def _run(self, expression: str) -> Any:
        made = self._call(
            "script.evaluate",
            expression=f"({expression}).then((value) => JSON.stringify(value ?? null))",
            target={"context": self._context},
            awaitPromise=True,
            userActivation=True,
        )
        if made["type"] == "exception":
            raise RuntimeError(made["exceptionDetails"]["text"])
        return json.loads(made["result"]["value"])

    def _call(self, method: str, **params: Any) -> Any:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            reply = json.loads(self._socket.recv())
            if reply.get("id") == number:
                if "error" in reply:
                    raise RuntimeError(f"{method}: {reply['message']}")
                return reply["result"]

    def _address(self, profile: Path) -> str:
        """Firefox writes it once it listens."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                found = json.loads((profile / "WebDriverBiDiServer.json").read_text())
                return f"ws://{found['ws_host']}:{found['ws_port']}/session"
            except (OSError, ValueError):
                time.sleep(0.1)
        raise RuntimeError(f"{self.process.args!r} does not listen after {START_S} s")
