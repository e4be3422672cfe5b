"""Static files over HTTP, as any web server sends them."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Self

ISOLATED = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}


class StaticSite:
    """A folder, served until the end of the `with` block or until it is closed."""

    def __init__(
        self, folder: Path, headers: Mapping[str, str] | None = None, port: int = 0
    ) -> None:
        class Handler(http.server.SimpleHTTPRequestHandler):
            def end_headers(self) -> None:
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                super().end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.folder = folder
        handler = partial(Handler, directory=folder)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """From now on nothing answers."""
        self._server.shutdown()
        self._server.server_close()
