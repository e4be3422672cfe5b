"""Judges: models that score speech, or transcribe it.

`Judge` scores naturalness (mean opinion scores, 1..5) or the speaker's identity, `Recognizer`
transcribes, `ClipMeasure` gives several figures or knows the text. Import the one you need:
`dlpo.judges.distillmos`, `.nisqa`, `.dnsmos`, `.p835`, `.plcmos`, `.speaker`, `.whisper`,
`.pocketsphinx`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from dlpo.config.fields import Flag

WEIGHTS = {"NISQA": "nisqa.tar", "NISQA-TTS": "nisqa_tts.tar"}
"""Judge -> its weights file, which does not come with dlpo."""
SOURCES = {
    file: f"https://github.com/gabrielmittag/NISQA (weights/{file})" for file in WEIGHTS.values()
}
"""Weights file -> where its authors publish it."""


@dataclass(frozen=True)
class JudgesFolder:
    """Where judges are that come as files."""

    weights: Annotated[Path, Flag(panel="Judges")] = Path("judges")
    """Directory with the weights of NISQA and NISQA-TTS."""
