"""What voices are called: those that came with dlpo, and the stock names of other APIs."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dlpo.commit import PACKAGE

KOKORO_VOICE = re.compile(r"[abefhijpz]([fm])_([a-z]+)")
KOKORO_SHARE = re.compile(r"([^()*]{1,100})(?:\(([0-9.]{1,20})\)|\*([0-9.]{1,20}))?")
OPENAI_VOICES = dict.fromkeys(("alloy", "coral", "fable", "marin", "nova", "sage", "shimmer"), "f")
OPENAI_VOICES |= dict.fromkeys(("ash", "ballad", "cedar", "echo", "onyx", "verse"), "m")
DEFAULT_MALE_VOICE = "michael"  # the built-in voice that other APIs' male voice names map to


@dataclass(frozen=True, slots=True)
class AboutVoice:
    """What a listener wants to know of a voice before it is heard."""

    speaker: str
    """woman or man; empty if unknown"""
    sounds: str
    """how it sounds, in a few words"""
    origin: str
    """what it was learned from"""

    def __str__(self) -> str:
        return ", ".join(part for part in (self.speaker, self.sounds) if part)


def about_voices() -> dict[str, AboutVoice]:
    """The voices that came with dlpo by name; others have no entry."""
    table = PACKAGE / "voices" / "about.tsv"
    with table.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t")
        return {row["name"]: AboutVoice(row["speaker"], row["sounds"], row["from"]) for row in rows}


def voice_named(name: str, voices: Sequence[str], aliases: Mapping[str, str] | None = None) -> str:
    """Resolve the name of a voice: ours, an alias, or a stock name, see `stock_voice`.

    Names are found in any case. A mix may be written as Kokoro-FastAPI does, `a(2)+b(1)`.

    Args:
        voices: the default first.
        aliases: name that clients use -> voice.

    Returns:
        "" for the default; a name that is none of these as it is.
    """
    aliases = aliases or {}
    if not voices:  # none is loaded yet
        return name
    for spelled in (name, name.lower()):
        if spelled in aliases or spelled in voices:
            return aliases.get(spelled, spelled)
    if "+" in name:

        def voice_of(part: str) -> str:
            return part if part in voices else voice_named(part, voices, aliases) or voices[0]

        return kokoro_mix(name, voice_of)
    stock = stock_voice(name.lower(), voices)
    return name if stock is None else stock


def stock_voice(name: str, voices: Sequence[str]) -> str | None:
    """The voice for one of OpenAI's or Kokoro's names; None if it is no such name.

    Kokoro's `af_heart` maps to `heart` if that is loaded. Otherwise male names map to `michael` if
    loaded, and all others to the default voice, "", so that callers need no change.
    """
    kokoro = KOKORO_VOICE.fullmatch(name)
    if kokoro and kokoro[2] in voices:
        return kokoro[2]
    kind = kokoro[1] if kokoro else OPENAI_VOICES.get(name)
    if kind is None:
        return None
    return DEFAULT_MALE_VOICE if kind == "m" and DEFAULT_MALE_VOICE in voices else ""


def kokoro_mix(name: str, voice_of: Callable[[str], str]) -> str:
    """A mix as Kokoro-FastAPI writes it, in our words: `af_a(2)+af_b(1)` is `a*2+b*1`.

    Args:
        voice_of: resolves the name of one voice.
    """
    parts = [KOKORO_SHARE.fullmatch(part.strip()) for part in name.split("+")]
    if None in parts:
        return name
    found = [(voice_of(part[1]), part[2] or part[3] or "1") for part in parts if part]
    return "+".join(f"{voice}*{weight}" for voice, weight in found)
