"""Every voice says every text; judges, a recogniser and the checks of `accidents` hear it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dlpo.errors import InputError
from dlpo_bench.clips import SAMPLE_RATE, Clip, Waveform
from dlpo_bench.comparison import evaluate
from dlpo_bench.heard import Heard, Quality, Take
from dlpo_bench.judging import WORD_ERRORS, Panel
from dlpo_bench.quality_report import figures, samples
from dlpo_bench.record import Measured
from dlpo_bench.signal_measures import TYPICAL_LEVEL_DB, at_level
from dlpo_bench.systems import RECORDINGS, System, recordings
from dlpo_bench.texts.accidents import accident_names, accidents, mishaps
from dlpo_bench.texts.judging import InPieces, Listener
from dlpo_bench.texts.melody import end_semitones, loudness_spread_lu
from dlpo_bench.texts.reading import BenchText
from dlpo_bench.texts.spoken import Spoken, say

if TYPE_CHECKING:
    from dlpo_bench.candidates import Speaker

LEFT_OUT, ADDED = f"{WORD_ERRORS}, left out", f"{WORD_ERRORS}, added"
STATEMENT_END, QUESTION_END = "end of statements, st", "end of yes-no questions, st"
LOUDNESS_SPREAD = "loudness spread, LU"
YES_NO = "yes-no question"  # category: the only questions that rise
ALL = "all"


def measure_texts(
    speakers: Sequence[Speaker],
    texts: Sequence[BenchText],
    panel: Panel,
    *,
    recorded: Sequence[Clip] = (),
    seeds: int = 1,
    on_text: Callable[[], object] = lambda: None,
    keep: Callable[[str, int, Clip, Waveform], object] = lambda *heard: None,
) -> Measured:
    """Say and hear all texts.

    Args:
        speakers: of `open_speakers`.
        texts: of `read_texts`.
        panel: who listens.
        recorded: clips of the speaker; what `accidents` says of them stands beside the voices.
        seeds: of the noise, 0 and up; averaged first.
        on_text: called after each text of each take.
        keep: see `evaluate`.

    Raises:
        InputError: a text can't be spoken; the message has its name.
        EngineError, MissingExtraError: see `say` and `evaluate`.
    """
    clips = [Clip(text.name, text.text, None, text.words) for text in texts]
    spoken: dict[tuple[str, int, str], Spoken] = {}

    def system(speaker: Speaker, seed: int) -> System:
        def speak(clip: Clip) -> Waveform:
            found = spoken[speaker.label, seed, clip.clip_id] = say(speaker, clip.text, seed)
            return found.waveform

        return speak

    systems = {s.label: [system(s, seed) for seed in range(seeds)] for s in speakers}
    in_pieces = Panel([InPieces(j) for j in panel.judges], panel.recognisers, panel.left_out)
    quality = evaluate(systems, clips, in_pieces, on_text, keep=keep)
    listener = Listener()
    heard = {
        label: Heard(
            [
                _completed(take, texts, [spoken[label, seed, t.name] for t in texts], listener)
                for seed, take in enumerate(found.takes)
            ]
        )
        for label, found in quality.heard.items()
    }
    quality = replace(quality, heard=heard)
    about = {speaker.label: speaker.about for speaker in speakers}
    found = {
        "texts": len(texts),
        "seeds": seeds,
        "systems": {label: _figures(quality, texts, label) for label in heard},
        "accidents": {label: _accidents(quality, texts, label) for label in heard},
        RECORDINGS: _recorded(recorded),
        "left_out": dict(panel.left_out),
    }
    categories = [text.category for text in texts]
    return Measured(found, {**samples(quality, about), "categories": categories})


def _completed(
    take: Take, texts: Sequence[BenchText], spoken: Sequence[Spoken], listener: Listener
) -> Take:
    """With what this module measures; words that sound alike count as alike."""
    rows = [_signal(text, one) for text, one in zip(texts, spoken, strict=True)]
    values = {
        **take.values,
        **{measure: np.array([row[measure] for row in rows]) for measure in rows[0]},
    }
    errors = {}
    for measure, transcripts in take.transcripts.items():
        counts = [
            None if said is None else listener.compare(text.words, said)
            for text, said in zip(texts, transcripts, strict=True)
        ]
        nan = float("nan")
        errors[measure] = np.array([nan if c is None else c.errors for c in counts], float)
        if measure == WORD_ERRORS:
            errors[LEFT_OUT] = np.array([nan if c is None else c.left_out for c in counts], float)
            errors[ADDED] = np.array([nan if c is None else c.added for c in counts], float)
    return Take(values, take.transcripts, errors)


def _signal(text: BenchText, spoken: Spoken) -> dict[str, float]:
    """Accidents, ends of sentences and evenness of one text."""
    level = at_level(spoken.waveform, SAMPLE_RATE, TYPICAL_LEVEL_DB)
    parts = [level[sentence.start : sentence.stop] for sentence in spoken.sentences]
    marks = [sentence.mark for sentence in spoken.sentences]
    statements = [p for p, mark in zip(parts, marks, strict=True) if mark == "."]
    questions = [
        p for p, mark in zip(parts, marks, strict=True) if mark == "?" and text.category == YES_NO
    ]
    return {
        **accidents(level),
        **mishaps(spoken, level),
        STATEMENT_END: _mean([end_semitones(part) for part in statements]),
        QUESTION_END: _mean([end_semitones(part) for part in questions]),
        LOUDNESS_SPREAD: loudness_spread_lu(parts),
    }


def _mean(values: Sequence[float]) -> float:
    """Of those that are known; NaN of none."""
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def _figures(quality: Quality, texts: Sequence[BenchText], label: str) -> dict[str, Any]:
    """Category, and all -> measure -> value with its interval over texts."""
    found = {}
    for category in [ALL, *dict.fromkeys(text.category for text in texts)]:
        chosen = [i for i, text in enumerate(texts) if category in (ALL, text.category)]
        part = _part(quality, label, chosen)
        found[category] = {"texts": len(chosen), **figures(part)[label]}
    return found


def _part(quality: Quality, label: str, chosen: Sequence[int]) -> Quality:
    """One system, some texts."""
    takes = [
        Take(
            {m: values[list(chosen)] for m, values in take.values.items()},
            {m: [said[i] for i in chosen] for m, said in take.transcripts.items()},
            {m: errors[list(chosen)] for m, errors in take.errors.items()},
        )
        for take in quality.heard[label].takes
    ]
    clips = [quality.clips[i] for i in chosen]
    return replace(quality, clips=clips, heard={label: Heard(takes)}, baseline=None)


def _accidents(quality: Quality, texts: Sequence[BenchText], label: str) -> dict[str, list[str]]:
    """Text -> what is broken in any of its takes; texts without are left out."""
    found: dict[str, list[str]] = {}
    for take in quality.heard[label].takes:
        for i, text in enumerate(texts):
            names = accident_names({measure: float(v[i]) for measure, v in take.values.items()})
            if names:
                found[text.name] = sorted({*found.get(text.name, []), *names})
    return found


def _recorded(clips: Sequence[Clip]) -> dict[str, Any]:
    """Measure -> mean and extremes over recordings, at the level of the voices."""
    rows = []
    for clip in clips:
        level = at_level(recordings(clip), SAMPLE_RATE, TYPICAL_LEVEL_DB)
        ends = end_semitones(level) if clip.text.rstrip().endswith(".") else float("nan")
        rows.append({**accidents(level), STATEMENT_END: ends})
    found = {}
    for measure in rows[0] if rows else ():
        known = [row[measure] for row in rows if np.isfinite(row[measure])]
        if known:
            found[measure] = {
                "value": float(np.mean(known)), "least": min(known), "most": max(known),
                "clips": len(known),
            }  # fmt: skip
    return found


def check_categories(texts: Sequence[BenchText], wanted: Sequence[str]) -> list[BenchText]:
    """The texts of some categories; all if none are named.

    Raises:
        InputError: an unknown category.
    """
    known = list(dict.fromkeys(text.category for text in texts))
    for category in wanted:
        if category not in known:
            raise InputError(f"no category {category!r}; expected one of {', '.join(known)}")
    return [text for text in texts if not wanted or text.category in wanted]
