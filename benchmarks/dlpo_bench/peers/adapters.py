"""Who can be measured, how each is started, and what is missing where it can't be."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from dlpo_serving.chunks import STREAM_LADDER

WHOLE = "dlpo-whole"
LONGEST_SENTENCE = 100_000  # frames; more than any sentence has


@dataclass(frozen=True, slots=True)
class Contestant:
    """How to run one, see `driver`."""

    name: str
    title: str
    """what it is, in a few words"""
    kind: str
    """of the driver"""
    settings: Mapping[str, Any]
    """of that kind"""
    python: Path = Path(sys.executable)
    """interpreter of its environment"""
    starts_each_time: bool = False
    """every call starts a program: its load is in its times"""
    note: str = ""
    """what a reader has to know beside its figures"""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """for the record, such as its parameters"""


class Peer(Protocol):
    """Something that people would use in our place."""

    @property
    def name(self) -> str:
        """As the command line knows it."""
        ...

    def missing(self) -> str | None:
        """Why it can't run here and what to do about it; None where it can."""
        ...

    def contestant(self) -> Contestant:
        """How to run it where nothing is missing."""
        ...


def own_voice(voice: str, precision: str) -> Contestant:
    """The voice that peers are compared with, on `cpu`: in the chunks of a stream, as it serves."""
    settings = {"voice": voice, "precision": precision, "ladder": STREAM_LADDER}
    return Contestant("dlpo", f"voice {Path(voice).name}, {precision}", "dlpo", settings)


@dataclass(frozen=True, slots=True)
class WholeSentences:
    """The same voice with each sentence in one chunk, as peers make theirs that don't stream."""

    voice: str
    precision: str

    @property
    def name(self) -> str:
        """As the command line knows it."""
        return WHOLE

    def missing(self) -> str | None:
        """Nothing: it is ours."""
        return None

    def contestant(self) -> Contestant:
        """As `own_voice`, in larger chunks."""
        served = own_voice(self.voice, self.precision)
        return replace(
            served,
            name=self.name,
            title=f"{served.title}, whole sentences",
            settings={**served.settings, "ladder": (LONGEST_SENTENCE,)},
        )


@dataclass(frozen=True, slots=True)
class Program:
    """A program that writes a WAV file."""

    name: str
    title: str
    package: str
    """of apt"""
    arguments: Sequence[str]
    """with {text} and {out}"""

    def missing(self) -> str | None:
        """It is not on the path."""
        if shutil.which(self.name):
            return None
        return f'{self.name} is not installed; run "apt install {self.package}"'

    def contestant(self) -> Contestant:
        """One process for each text."""
        settings = {"command": [self.name, *self.arguments], "version": [self.name, "--version"]}
        return Contestant(
            self.name,
            self.title,
            "command",
            settings,
            starts_each_time=True,
            note="its times have the start of its program in them",
        )


ESPEAK = Program(
    "espeak-ng", "formants", "espeak-ng", ("-v", "en-us", "-w", "{out}", "--", "{text}")
)
FLITE = Program(
    "flite", "clustergen, voice slt", "flite", ("-voice", "slt", "-t", "{text}", "-o", "{out}")
)
