"""Which way is better, for the measures that records hold raw samples of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dlpo_bench.judging import CHARACTER_ERRORS, WORD_ERRORS


@dataclass(frozen=True, slots=True)
class Measure:
    """What to say of more and of less."""

    more: str
    less: str
    more_is_worse: bool


_TIME = Measure("slower", "faster", more_is_worse=True)
_COST = Measure("worse", "better", more_is_worse=True)
_SCORE = Measure("better", "worse", more_is_worse=False)

MEASURES: Mapping[str, Measure] = {
    # of latency and cold-start records
    "first_audio_ms": _TIME,
    "stream_rtf": _TIME,
    "python_ms": _TIME,
    "imports_ms": _TIME,
    "open_voice_ms": _TIME,
    "first_chunk_ms": _TIME,
    "processor_ms": _TIME,
    # of streaming and audio-path records, beside first_chunk_ms
    "whole_ms": _TIME,
    "stream_ms": _TIME,
    "processor_ms_per_s": _TIME,
    "open_ms": _TIME,
    # of load records, beside first_audio_ms
    "refusal_ms": _TIME,
    "freed_ms": _TIME,
    # of stream records, beside those of load records
    "gap_ms": _TIME,
    "first_token_to_speech_ms": _TIME,
    "last_token_to_end_of_speech_ms": _TIME,
    # of rtf records
    "speech_rtf": _TIME,
    "denoiser_rtf": _TIME,
    # of roofline records, beside python_ms and processor_ms
    "kernel_ms": _TIME,
    "graph_ms": _TIME,
    # of judges and recognisers
    "DistillMOS": _SCORE,
    "NISQA": _SCORE,
    "NISQA-TTS": _SCORE,
    "DNSMOS P.808": _SCORE,
    "UTMOS": _SCORE,
    "speaker cosine": _SCORE,
    WORD_ERRORS: _COST,
    CHARACTER_ERRORS: _COST,
    # of texts records: what a listener would call an accident
    f"{WORD_ERRORS}, left out": _COST,
    f"{WORD_ERRORS}, added": _COST,
    "silent words": _COST,
    "loud pauses": _COST,
    "clipped samples": _COST,
    "sharpest jump, dB": _COST,
    "DC, dB": _COST,
}
"""Name of the samples, without where they lie in the record. What isn't here gets no verdict."""

UNDECIDED, NO_VERDICT = "undecided", "no verdict"


def verdict(name: str, more: bool, decided: bool) -> str:
    """What it means that a measure is more, or less, than it was.

    Returns:
        The measure's own word; `UNDECIDED` if it isn't decided that it changed, `NO_VERDICT` if
        neither way is known to be good.
    """
    measure = MEASURES.get(name) or MEASURES.get(name.partition(", ")[0])
    if measure is None:
        return NO_VERDICT
    if not decided:
        return UNDECIDED
    return measure.more if more else measure.less
