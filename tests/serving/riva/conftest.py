"""NVIDIA's own client, in its own environment and process."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
DRIVER = Path(__file__).with_name("riva_process.py")


@dataclass(frozen=True)
class Reply:
    """One SynthesizeSpeechResponse, as the client saw it."""

    after_s: float
    audio: bytes
    id: str
    text: str
    processed_text: str
    predicted_durations: list[float]
    words: list[tuple[str, int, int]]


@dataclass(frozen=True)
class Answer:
    """What came of one call."""

    code: str
    details: str
    raw: list[Any]

    @property
    def replies(self) -> list[Reply]:
        return [
            Reply(
                **{
                    **fields,
                    "audio": base64.b64decode(fields["audio"]),
                    "words": [tuple(word) for word in fields["words"]],
                }
            )
            for fields in self.raw
        ]

    @property
    def audio(self) -> bytes:
        return b"".join(reply.audio for reply in self.replies)


@dataclass(frozen=True)
class RivaClient:
    """The client's process; `client(address, "synthesize", arguments={...})` makes a call."""

    process: subprocess.Popen[str]

    def __call__(self, address: str, do: str, **call: Any) -> Answer:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"address": address, "do": do, **call}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return Answer(answer["code"], answer["details"], answer["replies"])


@pytest.fixture(scope="session")
def python_of() -> Callable[..., Path]:
    """`python_of(variable, default)`: the Python of the environment that a variable names."""

    def find(variable: str, default: Path | None = None) -> Path:
        if variable not in os.environ and default is None:
            pytest.skip(f"{variable} names no environment; see docs/riva.md")
        python = Path(os.environ.get(variable, default)) / "bin/python"
        if not python.exists():
            assert variable not in os.environ, f"{variable}: there is no {python}"
            pytest.skip(f"there is no {python}; make test-all makes it, {variable} names another")
        return python

    return find


@pytest.fixture(scope="session")
def riva_client(python_of: Callable[..., Path]) -> Iterator[RivaClient]:
    python = python_of("DLPO_RIVA_VENV", ROOT / ".venv-riva")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([python, str(DRIVER)], text=True, **pipes) as process:
        yield RivaClient(process)
        process.stdin.close()  # it ends at the end of its input
