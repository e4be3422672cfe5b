"""`dlpo serve --dictionary FILE`: words of a whole server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.callers import WAIT_S, server_process
from tests.serving.spoken_by import posted


def size(address: str, text: str, **fields: Any) -> int:
    """Bytes of its sound."""
    url = f"http://{address}/v1/audio/speech"
    return len(posted(url, input=text, response_format="pcm", **fields))


def test_words_of_a_file_are_said_so_for_every_caller(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("tomato T AH0 M AA1 T OW2 M AA1 T OW2 M AA1 T OW2\n")
    with server_process(tmp_path, "--lanes", "1", "--dictionary", str(words)) as server:
        tomato, potato = (size(server.http_address, f"A {word}.") for word in ("tomato", "potato"))
        short = {"tomato": "P AH0 T EY1 T OW2"}
        own = size(server.http_address, "A tomato.", dictionary=short)
    assert tomato > 1.3 * potato
    assert own < 1.1 * potato  # that of a request goes first


def test_a_file_with_a_wrong_phoneme_stops_the_start(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("tomato T QQ1\n")
    command = [sys.executable, "-m", "dlpo_serving", "--port", "0", "--dictionary", str(words)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S)
    assert ended.returncode != 0
    assert "QQ1" in ended.stderr
