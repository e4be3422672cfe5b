"""Faults of a waveform that need no judge: clicks, hiss, silence where a word should be.

Every measure is about speech that was brought to one level, so that figures of voices and of
recordings are comparable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from dlpo.judges.judge import POWER_FLOOR, active_level_db
from dlpo_bench.clips import SAMPLE_RATE, Waveform
from dlpo_bench.judging import Floats
from dlpo_bench.signals import F0_RANGE_HZ, FRAME_S, f0_track_hz
from dlpo_serving.loudness import BLOCK_S, integrated_loudness

if TYPE_CHECKING:
    from dlpo_bench.texts.study import TimedSpeech

BLOCK = 441  # samples, 20 ms: of a level
AROUND = 220  # samples each side, 10 ms: that a jump is compared with
INSIDE = 6  # samples each side that belong to the jump itself
JUMP_FLOOR = 1e-4  # full scale; jumps below are lost in the noise of a room
END = 220  # samples, 10 ms
QUIET_SHARE = 5  # per cent of the blocks: of pauses, mostly
SHORTEST_WITH_PAUSES_S = 2.0
SILENT_WORD_DB = -30.0  # below the level of the speech: a whole word is inaudible
PAUSE_S = 0.15  # shorter ones are hardly silent in recordings either
LOUD_PAUSE_DB = -10.0  # a pause that is as loud as speech

JUMP, DC, CLIPPED, QUIET, LAST = (
    "sharpest jump, dB", "DC, dB", "clipped samples", "quietest blocks, dB", "end, dB",
)  # fmt: skip
SILENT, LOUD, PACE = "silent words", "loud pauses", "ms a phoneme"
JUMP_LIMIT_DB = 32.0
DC_LIMIT_DB = -50.0
END_LIMIT_DB = -15.0
PACE_LIMITS = (45.0, 300.0)  # ms a phoneme; letters and words alone are slow
END_S = 0.15  # of voice, the last of a sentence


def accidents(waveform: Waveform) -> dict[str, float]:
    """Measures of any speech, voice or recording.

    Args:
        waveform: (T,) at one level, 22,050 Hz.

    Returns:
        Measure -> value. `JUMP`: largest of `jumps`. `DC`: of the mean, over full scale. `CLIPPED`:
        see `clipped`. `QUIET`: level that 5 % of the blocks of 20 ms do not reach, below the level
        of the speech; NaN of less than 2 s, which may have no pause; digital silence doesn't count.
        `LAST`: level of the last 10 ms, below that of the speech.
    """
    active_db = active_level_db(waveform, SAMPLE_RATE)
    sharpest = float(jumps(waveform).max(initial=0.0))
    return {
        JUMP: 20 * np.log10(max(sharpest, 1.0)),
        DC: 20 * np.log10(abs(float(waveform.mean(dtype=np.float64))) + 1e-6),
        CLIPPED: float(clipped(waveform)),
        QUIET: _quiet_db(waveform) - active_db,
        LAST: _level_db(waveform[-END:]) - active_db,
    }


def jumps(waveform: Waveform) -> Floats:
    """(T - 2,) how many times larger a second difference is than those around it.

    A click is one sample that does not follow from its neighbors. Bursts of plosives and
    pulses of the voice have neighbors of their kind; a recording has at most about 30.
    """
    bends = np.abs(np.diff(waveform.astype(np.float64), 2))
    total = np.concatenate([[0.0], np.cumsum(bends**2)])
    place = np.arange(len(bends))

    def within(reach: int) -> tuple[Floats, Floats]:
        first, last = np.maximum(place - reach, 0), np.minimum(place + reach + 1, len(bends))
        return total[last] - total[first], (last - first).astype(np.float64)

    (outer, outer_count), (inner, inner_count) = within(AROUND), within(INSIDE)
    power = np.maximum(outer - inner, 0.0) / np.maximum(outer_count - inner_count, 1.0)
    found: Floats = bends / np.maximum(np.sqrt(power), JUMP_FLOOR)
    return found


def clipped(waveform: Waveform) -> int:
    """Samples in flat tops: three or more equal ones in a row at the waveform's own peak."""
    peak = float(np.abs(waveform).max(initial=0.0))
    if not peak:
        return 0
    at_top = (np.abs(waveform) >= peak * 0.9999).astype(np.int8)
    edges = np.diff(np.concatenate([[0], at_top, [0]]))
    lengths = np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)
    return int(lengths[lengths >= 3].sum())


def mishaps(speech: TimedSpeech, waveform: Waveform) -> dict[str, float]:
    """Measures of speech with the times of its words.

    Args:
        speech: sentences and words.
        waveform: its audio, brought to one level.

    Returns:
        `SILENT`: words without a sound. `LOUD`: pauses between words, of 0.15 s or more, that are
        as loud as speech. `PACE`: milliseconds of a phoneme, without pauses.
    """
    active_db = active_level_db(waveform, SAMPLE_RATE)
    words = speech.words
    silent = sum(
        _level_db(waveform[word.start : word.stop]) - active_db < SILENT_WORD_DB for word in words
    )
    loud = 0
    for before, after in pairwise(words):
        if after.start - before.stop >= PAUSE_S * SAMPLE_RATE:
            third = (after.start - before.stop) // 3  # its middle: words end and begin softly
            middle = waveform[before.stop + third : after.start - third]
            loud += _level_db(middle) - active_db > LOUD_PAUSE_DB
    samples = sum(word.stop - word.start for word in words)
    count = sum(len(word.phonemes) for word in words)
    return {
        SILENT: float(silent),
        LOUD: float(loud),
        PACE: 1_000 * samples / SAMPLE_RATE / max(1, count),
    }


def accident_names(values: Mapping[str, float]) -> list[str]:
    """Names of the accidents that a listener would notice; empty without any.

    Limits are beyond what 20 recordings of LJSpeech have; docs/bench-texts.md has both.
    """
    found = []
    if values[JUMP] > JUMP_LIMIT_DB:
        found.append("click")
    if values[DC] > DC_LIMIT_DB:
        found.append("DC")
    if values[CLIPPED]:
        found.append("clipping")
    if values[LAST] > END_LIMIT_DB:
        found.append("cut end")
    if values.get(SILENT):
        found.append("silent word")
    if values.get(LOUD):
        found.append("loud pause")
    if not PACE_LIMITS[0] <= values.get(PACE, PACE_LIMITS[0]) <= PACE_LIMITS[1]:
        found.append("pace")
    return found


def _level_db(samples: Waveform) -> float:
    power = float(np.mean(samples.astype(np.float64) ** 2)) if len(samples) else 0.0
    return float(10 * np.log10(power + POWER_FLOOR))


def _quiet_db(waveform: Waveform) -> float:
    """NaN of a short one."""
    if len(waveform) < SHORTEST_WITH_PAUSES_S * SAMPLE_RATE:
        return float("nan")
    blocks = waveform[: len(waveform) // BLOCK * BLOCK].reshape(-1, BLOCK).astype(np.float64)
    power = np.mean(blocks**2, axis=1)
    sounding = power[power > POWER_FLOOR]
    return float(10 * np.log10(np.percentile(sounding, QUIET_SHARE))) if len(sounding) else -120.0


def end_semitones(waveform: Waveform) -> float:
    """Pitch of the last 0.15 s of voice of a sentence, above the median of the sentence.

    Negative: it falls, as statements do; positive: it rises. NaN with too little voice, less than
    twice as much.

    Raises:
        MissingExtraError: pyworld is not installed.
    """
    track = f0_track_hz(waveform, SAMPLE_RATE, *F0_RANGE_HZ)
    voiced = 12 * np.log2(track[track > 0])
    last = round(END_S / FRAME_S)
    if len(voiced) < 2 * last:
        return float("nan")
    return float(np.median(voiced[-last:]) - np.median(voiced))


def loudness_spread_lu(sentences: Sequence[Waveform]) -> float:
    """Standard deviation of the sentences' loudness, LU; NaN with fewer than two of 0.4 s."""
    long = [s for s in sentences if len(s) >= BLOCK_S * SAMPLE_RATE]
    found = np.array([integrated_loudness(s, SAMPLE_RATE) for s in long])
    found = found[np.isfinite(found)]
    return float(found.std()) if len(found) > 1 else float("nan")
