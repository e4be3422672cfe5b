"""Decided answers, as the preference pairs that `dlpo tune --method dpo` learns from."""

from __future__ import annotations

import shutil
from pathlib import Path

from dlpo.data.preferences import PreferencePair, write_pairs
from dlpo.errors import DataError, InputError
from dlpo_bench.listening.answers import AUDIO, PAGE, AnswerKey, Collected
from dlpo_bench.listening.report import make_report


def export_pairs(
    folder: Path, key: AnswerKey, collected: Collected, out: Path, *, trust_all: bool = False
) -> int:
    """Write a file of pairs, and the wavs in a folder of its name; returns the number of pairs.

    One pair for each answer that preferred one of the two systems: neither "no difference" nor
    catch trials. Wavs are sounds of the page: mono 16-bit PCM, 22,050 Hz, at the test's loudness.

    Args:
        folder, key, collected: the test and its answers.
        out: such as pairs.jsonl; the wavs go to `pairs/`.
        trust_all: take raters whose catch trials went wrong as well.

    Raises:
        DataError: there is no decided answer, or the texts of the clips are not known.
        InputError: something is at `out` or the wavs' folder already, or can't be written.
    """
    wavs = out.with_suffix("")
    if wavs == out:
        raise InputError(f"{out} has no ending; expected a name like pairs.jsonl")
    if out.exists() or wavs.exists():
        raise InputError(f"{out} or {wavs} exists; choose another --out, or remove both")
    trials = {trial.trial_id: trial for trial in key.trials}
    report = make_report(key, collected, trust_all=trust_all)
    pairs: dict[tuple[str, str], PreferencePair] = {}  # a rater's later sitting replaces
    for answer in collected.answers:
        trial = trials[answer.trial]
        if trial.kind != "pair" or answer.who not in report.counted:
            continue
        pairs.pop((answer.who, answer.trial), None)
        if answer.choice == "same":
            continue
        if not trial.text:
            raise DataError(
                f"the text of clip {trial.clip_id} is not known, and dpo needs it; make the test"
                " with --texts or --corpus"
            )
        liked = answer.liked(trial)
        (winner,) = [name for name, side in trial.sounds.items() if side == liked]
        (loser,) = trial.sounds.keys() - {winner}
        pairs[answer.who, answer.trial] = PreferencePair(
            trial.text,
            wavs / f"{winner}.wav",
            wavs / f"{loser}.wav",
            key.systems[liked],
            key.systems[trial.sounds[loser]],
            answer.rater,
            answer.session,
        )
    if not pairs:
        raise DataError("no answer that counts preferred a system; there is nothing to learn from")
    try:
        wavs.mkdir(parents=True)
        for name in sorted(
            {wav.name for pair in pairs.values() for wav in (pair.winner, pair.loser)}
        ):
            shutil.copyfile(folder / PAGE / AUDIO / name, wavs / name)
    except OSError as error:
        raise InputError(f"can't copy the sounds to {wavs}: {error}") from error
    return write_pairs(out, pairs.values())
