"""The panel of judges: loads those whose weights are there, and says why the others are not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dlpo.errors import CheckpointError, InputError, MissingExtraError
from dlpo.judges import WEIGHTS
from dlpo.judges.distillmos import DistillMOS
from dlpo.judges.dnsmos import Dnsmos
from dlpo.judges.judge import Judge, Recogniser
from dlpo.judges.nisqa import Nisqa
from dlpo.judges.pocketsphinx import PocketSphinx
from dlpo.judges.whisper import Whisper

WORD_ERRORS = "word errors"
WHISPER_ERRORS = "word errors, Whisper"


@dataclass(frozen=True, slots=True)
class Panel:
    """Who listens."""

    judges: Sequence[Judge]
    recognisers: Mapping[str, Recogniser]
    """Measure of word errors -> who understands the words."""
    left_out: Mapping[str, str]
    """Who can't, and why."""


def load_panel(weights: Path, whisper: Path | None = None, utmos: Path | None = None) -> Panel:
    """Every judge that can be had.

    Args:
        weights: directory with nisqa.tar, nisqa_tts.tar and dnsmos_model_v8.onnx. DistillMOS and
            the recogniser bring their own; who lacks theirs is left out.
        whisper: directory of a Whisper checkpoint, for word errors of its own.
        utmos: file of UTMOS's weights.

    Raises:
        InputError: none can be had.
        CheckpointError, MissingExtraError: Whisper or UTMOS was asked for and can't be had.
    """
    makers: dict[str, Callable[[], Judge]] = {
        "DistillMOS": DistillMOS,
        "NISQA": lambda: Nisqa(weights / WEIGHTS["NISQA"]),
        "NISQA-TTS": lambda: Nisqa(weights / WEIGHTS["NISQA-TTS"]),
        "DNSMOS P.808": lambda: Dnsmos(weights / WEIGHTS["DNSMOS P.808"]),
    }
    judges: list[Judge] = []
    recognisers: dict[str, Recogniser] = {}
    left_out = {}
    for name, make in makers.items():
        try:
            judges.append(make())
        except (CheckpointError, MissingExtraError) as error:
            left_out[name] = str(error)
    if utmos is not None:
        judges.append(_utmos(utmos))
    try:
        recognisers[WORD_ERRORS] = PocketSphinx()
    except (InputError, MissingExtraError) as error:
        left_out[WORD_ERRORS] = str(error)
    if whisper is not None:
        recognisers[WHISPER_ERRORS] = Whisper(whisper)
    if not judges and not recognisers:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise InputError(f"no judge can be had ({reasons}); run: pip install 'dlpo[bench]'")
    return Panel(judges, recognisers, left_out)


def _utmos(weights: Path) -> Judge:
    try:
        from dlpo.rl.rewards.utmos import Utmos
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "torch", "bench") from error
    return Utmos(weights)
