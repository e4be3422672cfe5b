"""Who can be measured, how each is started, and what is missing where it can't be."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


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
    """The voice that peers are compared with, on `cpu`."""
    return Contestant(
        name="dlpo",
        title=f"voice {Path(voice).name}, {precision}",
        kind="dlpo",
        settings={"voice": voice, "precision": precision},
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
