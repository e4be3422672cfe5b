"""Options of `dlpo prepare`; the CLI imports this module on startup, so it is light."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from dlpo.config.fields import HIDDEN, Flag
from dlpo.errors import InputError
from dlpo.frame_grid import PUBLISHED_GRID, FrameGrid
from dlpo.text.languages import LANGUAGES

LEADING_SESSION = re.compile(r"(.+)-[^-]+")  # LJ001 of LJ001-0042
F0_ARRAYS = ("phase", "f0")
"""what a dataset without F0 lacks"""
SOUND_ARRAYS = ("audio", "phase", "energy", "mel")
"""what a dataset of pitch alone lacks"""


@dataclass(frozen=True, slots=True)
class CorpusSpeaker:
    """The speaker of a corpus."""

    name: Annotated[str, Flag("--speaker")] = "lj"
    """Speaker name, used as the voice name; by default lj for ljspeech."""
    sessions: Annotated[bool, Flag("--sessions/--no-sessions")] = False
    """Make each recording session a separate voice, which shares what the speaker's sessions have
    in common. A clip's session is the first part of its name, such as LJ001 in LJ001-0042."""
    origin: str | None = None
    """Origin and licence of the speech, for bundle manifests. For synthetic speech, name the model
    and its version. Default: LJSpeech, or recordings of the speaker."""
    language: str = LANGUAGES[0]
    """Language of the speaker, such as es-419; recordings: en-US only. en-US by
    default."""

    def voice_of(self, clip: str) -> str:
        """The voice of a recorded clip: the name, or `name/session` by the clip's id."""
        match = LEADING_SESSION.fullmatch(clip) if self.sessions else None
        return f"{self.name}/{match[1]}" if match else self.name


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """What is measured of each clip."""

    grid: Annotated[FrameGrid, HIDDEN] = PUBLISHED_GRID
    """Sample rate of the clips, and the frames to divide them into."""
    without_f0: bool = False
    """Leave out F0 and source phase, for mini, base and large, which don't read them: much
    faster."""
    unheard: Annotated[frozenset[str], HIDDEN] = frozenset()
    """Ids of clips of which only text and timing are kept."""
    without_sound: bool = False
    """The corpus has no audio: use its durations and the F0 in its folder f0, for contour and
    part=timing."""

    def __post_init__(self) -> None:
        if self.without_f0 and self.without_sound:
            raise InputError("neither F0 nor sound would be left; leave out one of them")

    @property
    def lacks(self) -> tuple[str, ...]:
        """Arrays that its datasets don't have."""
        return (F0_ARRAYS if self.without_f0 else ()) + (SOUND_ARRAYS if self.without_sound else ())

    @property
    def ending(self) -> str:
        """Of the name of a clip's file in an unfinished dataset: others' files aren't taken."""
        without = ".without-f0" if self.without_f0 else ""
        without += ".without-sound" if self.without_sound else ""
        return f".{self.grid.sample_rate_hz}-{self.grid.hop_length}{without}.npz"


LJ = CorpusSpeaker()
EVERYTHING = FeatureSet()
