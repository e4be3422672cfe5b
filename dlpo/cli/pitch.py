"""`dlpo tune` of the pitch flow: how sentences end, or what listeners prefer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlpo.errors import InputError, needs
from dlpo.text.languages import LANGUAGES

if TYPE_CHECKING:
    from dlpo.rl.ending_prompts import EndingPrompt
    from dlpo.rl.endings_tuner import EndingsTuner
    from dlpo.rl.pitch_preferences import PitchPairsTuner

ENDINGS, PITCH = "endings", "pitch"
PAIRS_BETA = 1.0  # weight of the diffusion loss beside listeners' pairs
METHODS: dict[str, dict[str, Any]] = {
    "dlpo": {},
    "control": {"alpha": 0.0},
    "awm": {"beta": 0.0},
    "direct": {"estimator": "gradient"},
    "bent": {"estimator": "bent"},
}


def ending_prompts(texts: Sequence[str], without: Path | None) -> list[EndingPrompt]:
    """The sentences of `--texts FILE[=LANGUAGE]`.

    Raises:
        InputError: there are no files, or a language that can't be read.
    """
    with needs("train"):
        from dlpo.rl.ending_prompts import read_ending_prompts

    if not texts:
        raise InputError("--reward endings draws sentences from texts; give --texts FILE (id|text)")
    found: list[EndingPrompt] = []
    for given in texts:
        name, _, language = given.partition("=")
        found += read_ending_prompts([Path(name)], without, language or LANGUAGES[0], len(found))
    return found


def endings_tuner(
    checkpoint: Path,
    data: tuple[Sequence[Path], Sequence[float]],
    texts: Sequence[str],
    without: Path | None,
    out: Path,
    method: str,
    given: dict[str, float],
    changed: dict[str, Any],
) -> EndingsTuner:
    """The run that a command line asks for.

    Args:
        texts: files of lines `id|text`, each with its language if it isn't American English.
        without: a file of ids that are left out, one a line.
        given: alpha and beta, where the command line has them.
        changed: settings of `EndingsObjective` and `EndingsTuning`.

    Raises:
        InputError: no texts, or a method that doesn't learn from endings.
    """
    with needs("train"):
        from dlpo.config.strict import from_dict
        from dlpo.config.training import EndingsTuning
        from dlpo.data.dataset import Corpora
        from dlpo.rl.endings_tuner import EndingsObjective, EndingsTuner

    if method not in METHODS:
        raise InputError(
            f"--method {method} doesn't learn from endings; expected {', '.join(METHODS)}"
        )
    prompts = ending_prompts(texts, without)
    own = {field.name for field in fields(EndingsObjective)}
    of_method = {key: changed.pop(key) for key in own & changed.keys()}
    objective = from_dict(EndingsObjective, METHODS[method] | given | of_method)
    settings = from_dict(EndingsTuning, changed)
    return EndingsTuner(checkpoint, Corpora(*data), prompts, out, objective, settings)


def pairs_tuner(
    checkpoint: Path,
    data: tuple[Sequence[Path], Sequence[float]],
    pairs: Path | None,
    out: Path,
    method: str,
    beta: float | None,
    changed: dict[str, Any],
) -> PitchPairsTuner:
    """The run of `--method dpo --pairs FILE --set part=pitch`.

    Args:
        changed: settings of `PitchPairsTuning`.

    Raises:
        InputError: another method, or no pairs.
    """
    with needs("train"):
        from dlpo.config.strict import from_dict
        from dlpo.config.training import PitchPairsTuning
        from dlpo.data.dataset import Corpora
        from dlpo.data.preferences import read_pairs
        from dlpo.rl.pitch_preferences import PitchPairsTuner
        from dlpo.rl.preferences import pairs_sha256

    if method != "dpo" or pairs is None:
        raise InputError(
            "part=pitch learns from listeners' pairs; give --method dpo --pairs FILE, or for a"
            " reward of the pitch --reward endings"
        )
    read, settings = read_pairs(pairs), from_dict(PitchPairsTuning, changed)
    weight = PAIRS_BETA if beta is None else beta
    sha256 = pairs_sha256(pairs, read)
    return PitchPairsTuner(checkpoint, Corpora(*data), read, sha256, out, weight, settings)
