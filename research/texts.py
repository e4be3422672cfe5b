"""Sixty texts beyond the corpus' style: are they spoken completely, clearly and without accidents?

    python -m research.texts                                    60 texts, the embedded voice
    python -m research.texts old=old.dlpo new=runs/a/best       side by side, same noise seeds
    python -m research.texts --no-judges                        only measures without a judge
    python -m research.texts --category number --wavs heard     one category, with its audio

    python -m research.texts --texts mine.tsv                   lines of category, text, its words

It runs from a checkout with `pip install -e '.[serve,bench]'`; checkpoints also need `train`. The
texts and how a person reads them are in research/texts.tsv. Measures beyond those of `dlpo eval`:

word errors                   Whisper (--whisper DIRECTORY), else pocketsphinx, against the words as
                              read aloud, pooled; homophones are equal. Compare records, not
                              categories: names and letters are hard for it with any speaker
end of statements, questions  pitch of the last 0.15 s of voiced speech above the sentence's median
loudness spread               standard deviation (BS.1770) across the sentences of a text
quietest blocks               level below which the quietest twentieth of 20 ms blocks stays,
                              relative to the speech: hiss in pauses
sharpest jump                 largest second difference relative to those within 10 ms: a click
DC, clipped samples           the mean, of full scale; flat tops of three samples or more
end                           the last 10 ms relative to the speech: a cut tail
silent words, loud pauses     nothing above -30 dB in a word; pauses of 0.15 s above -10 dB
ms a phoneme                  pace without pauses

Accidents are texts with a defect: a jump above 32 dB (recordings: 30 at most), DC above -50 dB,
clipping, an end above -15 dB (recordings: -31), a silent word, a loud pause, a pace below 45 or
above 300 ms a phoneme. There should be none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from dlpo.cli.bench import Seeds, Voices, run_bench
from dlpo.cli.options import CORPUS, WEIGHTS, Corpus, Record, Weights, of_judges, progress
from dlpo.errors import DataError, InputError
from dlpo.judges.judge import (
    POWER_FLOOR,
    TYPICAL_LEVEL_DB,
    Judge,
    Scores,
    Waveform,
    active_level_db,
    at_level,
)
from dlpo.judges.whisper import Whisper
from dlpo.judges.word_errors import WordErrors, counted, words_of
from dlpo.text import TextFrontEnd
from dlpo_bench.clips import SAMPLE_RATE, TEST_SPLIT, Clip, load_clips
from dlpo_bench.eval import figures, samples, write_judged
from dlpo_bench.judging import (
    WORD_ERRORS,
    Floats,
    JudgePanel,
    Quality,
    SystemScores,
    Take,
    error_fields,
    evaluate,
)
from dlpo_bench.loudness import BLOCK_S as LOUDNESS_BLOCK_S
from dlpo_bench.loudness import integrated_loudness
from dlpo_bench.panel import load_panel
from dlpo_bench.record import Measured
from dlpo_bench.report.quality import short
from dlpo_bench.signals import F0_RANGE_HZ, FRAME_S, f0_track_hz
from dlpo_bench.systems import (
    RECORDINGS,
    Say,
    SpeakingOptions,
    TextVoice,
    only_bundle,
    open_voices,
    recordings,
)
from dlpo_bench.tables import Block, Figures, estimate, table_of
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesis.timing import WordTiming
from research import RECORDS, run_study, study_command

ALL = "all"
LEFT_OUT, ADDED = f"{WORD_ERRORS}, left out", f"{WORD_ERRORS}, added"
STATEMENT_END, QUESTION_END = "end of statements, st", "end of yes-no questions, st"
LOUDNESS_SPREAD = "loudness spread, LU"
JUMP = "sharpest jump, dB"
DC = "DC, dB"
CLIPPED = "clipped samples"
QUIET, LAST = "quietest blocks, dB", "end, dB"
SILENT = "silent words"
LOUD = "loud pauses"
PACE = "ms a phoneme"
TEXT_SCORES = (
    WORD_ERRORS, LEFT_OUT, ADDED, "DistillMOS", "NISQA", "NISQA-TTS", "DNSMOS P.808",
)  # fmt: skip
TEXT_SIGNALS = (
    STATEMENT_END, QUESTION_END, LOUDNESS_SPREAD, QUIET, JUMP, LAST, SILENT, LOUD, PACE,
    "F0 spread, st",
)  # fmt: skip
TEXTS = Path(__file__).with_name("texts.tsv")
LONGEST_PIECE_S = 10.0  # approximate length that the judges were trained on
BLOCK_S = 0.05
YES_NO = "yes-no question"  # category: the only questions with rising pitch
LEVEL_BLOCK = 441  # samples, 20 ms: unit of level measurement
AROUND = 220  # samples on each side, 10 ms, that a jump is compared with
INSIDE = 6  # samples on each side that belong to the jump itself
JUMP_FLOOR = 1e-4  # full scale; smaller jumps are lost in room noise
END = 220  # samples, 10 ms
QUIET_SHARE = 5  # per cent of the blocks: mostly pauses
SHORTEST_WITH_PAUSES_S = 2.0
SILENT_WORD_DB = -30.0  # below the speech level: a whole word is inaudible
PAUSE_S = 0.15  # even in recordings, shorter ones are rarely silent
LOUD_PAUSE_DB = -10.0  # a pause as loud as speech

JUMP_LIMIT_DB = 32.0
DC_LIMIT_DB = -50.0
END_LIMIT_DB = -15.0
PACE_LIMITS = (45.0, 300.0)  # ms per phoneme; isolated letters and words are slow
END_S = 0.15  # voiced part at the end of a sentence
WhisperDir = Annotated[
    Path | None, of_judges(exists=True, help="Whisper checkpoint, in place of pocketsphinx.")
]


@dataclass(frozen=True, slots=True)
class BenchText:
    """One text of the set."""

    name: str
    """category and number, such as "number-02": its name in records"""
    category: str
    text: str
    words: str
    """as a person reads them aloud, "forty two dollars" for "$42\""""


def read_texts(path: Path = TEXTS) -> list[BenchText]:
    """Read the texts of a file: tab-separated lines of category, text and, for numbers,
    abbreviations or spelled letters, the text's words. Blank lines and # are skipped.

    Raises:
        DataError: unreadable, empty, or a malformed line.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: can't be read ({error}); expected texts, one a line") from error
    found: list[BenchText] = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = [field.strip() for field in line.split("\t")]
        category, text, words = (*fields, "", "")[:3]
        if len(fields) not in (2, 3) or not category or not words_of(words or text):
            raise DataError(
                f"{path}, line {number}: {line!r}; expected category, text and perhaps its words,"
                " with tabs between them"
            )
        count = 1 + sum(one.category == category for one in found)
        name = f"{category.replace(' ', '-')}-{count:02}"
        found.append(BenchText(name, category, text, words or text))
    if not found:
        raise DataError(f"{path} has no texts; expected one a line")
    return found


@dataclass(frozen=True, slots=True)
class TimedSentence:
    """One sentence of the audio."""

    words: tuple[WordTiming, ...]
    """in samples from the start of the audio"""
    mark: str
    """its final mark: . ! ? or another, if a text ends without one"""


@dataclass(frozen=True, slots=True)
class TimedSpeech:
    """The audio of one text."""

    waveform: Waveform
    """(T,) float32, as served"""
    sentences: tuple[TimedSentence, ...]

    @property
    def words(self) -> list[WordTiming]:
        """Of all sentences, in order."""
        return [word for sentence in self.sentences for word in sentence.words]


def speak(voice: TextVoice, text: str, seed: int) -> TimedSpeech:
    """Speak one text in chunks, as served.

    Raises:
        InputError: the text can't be spoken.
        EngineError: the runtime failed.
    """
    utterance = voice.synthesizer.read(SpeechRequest(text, seed=seed))
    timed: list[list[WordTiming]] = [[] for _ in utterance.sentences]
    samples = []
    for chunk in voice.synthesizer.stream(utterance, voice.ladder):
        samples.append(chunk.samples)
        timed[chunk.sentence] += chunk.words
    sentences = zip(timed, utterance.sentences, strict=True)
    return TimedSpeech(
        np.concatenate(samples),
        tuple(TimedSentence(tuple(words), read.words[-1].mark) for words, read in sentences),
    )


class InPieces:
    """A judge that scores long speech in pieces; the score is their mean, weighted by length."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self.name = judge.name
        self.sample_rate_hz = judge.sample_rate_hz

    def score(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> Scores:
        """See `Judge.score`."""
        found = []
        for waveform in waveforms:
            parts = pieces(waveform, sample_rate_hz)
            scores = self._judge.score(parts, sample_rate_hz)
            found.append(np.average(scores, weights=[len(part) for part in parts]))
        return np.array(found)


def pieces(waveform: Waveform, sample_rate_hz: int) -> list[Waveform]:
    """Pieces of nearly equal length, cut at quiet places nearby; one piece for short speech."""
    count = -int(-len(waveform) // (LONGEST_PIECE_S * sample_rate_hz))
    block = round(BLOCK_S * sample_rate_hz)
    whole = waveform[: len(waveform) // block * block].reshape(-1, block).astype(np.float64)
    power = np.mean(whole**2, axis=1)
    cuts = []
    for i in range(1, count):
        middle, reach = round(i * len(power) / count), len(power) // count // 3
        first = middle - reach
        cuts.append((first + int(np.argmin(power[first : middle + reach]))) * block + block // 2)
    return np.split(waveform, cuts)


def compare_words(words: str, transcript: str) -> WordErrors:
    """Count substitutions, deletions and insertions; homophones ("b", "bee") are equal."""
    expected, heard = ([_sound(word) for word in words_of(text)] for text in (words, transcript))
    return counted(expected, heard)


@cache
def _front_end() -> TextFrontEnd:
    return TextFrontEnd()


@cache
def _sound(word: str) -> str:
    """Its phonemes without stress, as an isolated word."""
    sentences = _front_end().process(word).sentences
    return " ".join(p.rstrip("012") for s in sentences for w in s.words for p in w.phonemes)


def measure_texts(
    voices: Sequence[TextVoice], texts: Sequence[BenchText], panel: JudgePanel, *,
    recorded: Sequence[Clip] = (), seeds: int = 1, on_text: Callable[[], object] = lambda: None,
    keep: Callable[[str, int, Clip, Waveform], object] = lambda *judged: None,
) -> Measured:  # fmt: skip
    """Speak and judge all texts.

    Args:
        recorded: clips of the speaker, whose accidents are measured for comparison.
        seeds: noise seeds from 0; averaged first.
        on_text: called after each text of each take.
        keep: see `evaluate`.

    Raises:
        InputError: a text can't be spoken; the message names it.
        EngineError, MissingExtraError: see `speak` and `evaluate`.
    """
    clips = [Clip(text.name, text.text, None, text.words) for text in texts]
    speech: dict[tuple[str, int], list[TimedSpeech]] = {}

    def take_of(voice: TextVoice, seed: int) -> Say:
        speech[voice.label, seed] = []

        def say(clip: Clip) -> Waveform:
            speech[voice.label, seed].append(speak(voice, clip.text, seed))
            return speech[voice.label, seed][-1].waveform

        return say

    systems = {voice.label: [take_of(voice, seed) for seed in range(seeds)] for voice in voices}
    in_pieces = JudgePanel([InPieces(j) for j in panel.judges], panel.recognizers, panel.left_out)
    quality = evaluate(systems, clips, in_pieces, on_text, keep=keep)
    scores = {
        label: SystemScores(
            [_completed(take, texts, speech[label, n]) for n, take in enumerate(one.takes)]
        )
        for label, one in quality.scores.items()
    }
    quality = replace(quality, scores=scores)
    found = {
        "texts": len(texts),
        "seeds": seeds,
        "systems": {label: _figures(quality, texts, label) for label in scores},
        "accidents": {label: _accidents(one, texts) for label, one in scores.items()},
        RECORDINGS: _recorded(recorded),
        "left_out": dict(panel.left_out),
    }
    raw = samples(quality, {voice.label: voice.about for voice in voices})
    raw["categories"] = [text.category for text in texts]
    return Measured(found, raw, bundle_sha256=only_bundle(voice.about for voice in voices))


def _completed(take: Take, texts: Sequence[BenchText], speech: Sequence[TimedSpeech]) -> Take:
    """The take with this module's measures added; homophones are equal words."""
    rows = [_signal(text, one) for text, one in zip(texts, speech, strict=True)]
    values = {measure: np.array([row[measure] for row in rows]) for measure in rows[0]}
    errors = {}
    for measure, transcripts in take.transcripts.items():
        counts = [
            None if words is None else compare_words(text.words, words)
            for text, words in zip(texts, transcripts, strict=True)
        ]
        names = error_fields(measure) if measure == WORD_ERRORS else {measure: "errors"}
        for name, field in names.items():
            row = [np.nan if c is None else getattr(c, field) for c in counts]
            errors[name] = np.array(row, float)
    return Take({**take.values, **values}, take.transcripts, errors)


def _signal(text: BenchText, speech: TimedSpeech) -> dict[str, float]:
    """Accidents, ends of sentences and evenness of one text."""
    level = at_level(speech.waveform, SAMPLE_RATE, TYPICAL_LEVEL_DB)
    parts = [level[s.words[0].start : s.words[-1].stop] for s in speech.sentences]

    def mean_end(mark: str) -> float:
        marked = zip(parts, speech.sentences, strict=True)
        ends = [end_semitones(part) for part, sentence in marked if sentence.mark == mark]
        known = [end for end in ends if np.isfinite(end)]
        return float(np.mean(known)) if known else float("nan")

    return {
        **accidents(level),
        **mishaps(speech, level),
        STATEMENT_END: mean_end("."),
        QUESTION_END: mean_end("?") if text.category == YES_NO else float("nan"),
        LOUDNESS_SPREAD: loudness_spread_lu(parts),
    }


def _figures(quality: Quality, texts: Sequence[BenchText], label: str) -> dict[str, Any]:
    """Category, and all -> measure -> value with its interval over texts."""
    found = {}
    for category in [ALL, *dict.fromkeys(text.category for text in texts)]:
        chosen = [i for i, text in enumerate(texts) if category in (ALL, text.category)]
        takes = [
            Take(
                {m: values[chosen] for m, values in take.values.items()},
                {m: [words[i] for i in chosen] for m, words in take.transcripts.items()},
                {m: errors[chosen] for m, errors in take.errors.items()},
            )
            for take in quality.scores[label].takes
        ]
        part = replace(
            quality, clips=[quality.clips[i] for i in chosen], baseline=None,
            scores={label: SystemScores(takes)},
        )  # fmt: skip
        found[category] = {"texts": len(chosen), **figures(part)[label]}
    return found


def _accidents(scores: SystemScores, texts: Sequence[BenchText]) -> dict[str, list[str]]:
    """Text -> accidents in any of its takes; texts without are left out."""
    found: dict[str, list[str]] = {}
    for take in scores.takes:
        for i, text in enumerate(texts):
            names = accident_names({measure: float(v[i]) for measure, v in take.values.items()})
            if names:
                found[text.name] = sorted({*found.get(text.name, []), *names})
    return found


def _recorded(clips: Sequence[Clip]) -> dict[str, Any]:
    """Measure -> mean and extremes over recordings, at the level of the voices."""
    rows: dict[str, list[float]] = {}
    for clip in clips:
        level = at_level(recordings(clip), SAMPLE_RATE, TYPICAL_LEVEL_DB)
        ends = end_semitones(level) if clip.text.rstrip().endswith(".") else float("nan")
        for measure, value in {**accidents(level), STATEMENT_END: ends}.items():
            if np.isfinite(value):
                rows.setdefault(measure, []).append(value)
    return {
        measure: {
            "value": float(np.mean(known)), "least": min(known), "most": max(known),
            "clips": len(known),
        }
        for measure, known in rows.items()
    }  # fmt: skip


def check_categories(texts: Sequence[BenchText], wanted: Sequence[str]) -> list[BenchText]:
    """The texts of some categories; all if none is named; raises InputError for unknown ones."""
    known = list(dict.fromkeys(text.category for text in texts))
    if unknown := [category for category in wanted if category not in known]:
        raise InputError(f"no category {unknown[0]!r}; expected one of {', '.join(known)}")
    return [text for text in texts if not wanted or text.category in wanted]


def accidents(waveform: Waveform) -> dict[str, float]:
    """Measures of any speech, synthetic or recorded.

    Args:
        waveform: (T,) at a common level, 22,050 Hz.

    Returns:
        Measure -> value. `JUMP`: the largest of `jumps`. `DC`: mean, relative to full scale.
        `CLIPPED`: see `clipped`. `QUIET`: level below which the quietest 5 % of the 20 ms blocks
        lie, relative to the speech level; NaN for less than 2 s, which may have no pause; digital
        silence is ignored. `LAST`: level of the last 10 ms, relative to the speech level.
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
    """(T - 2,) ratio of each second difference to those around it.

    A click is a single sample that does not follow from its neighbors. Bursts of plosives and
    glottal pulses have neighbors of their kind; recordings reach at most about 30.
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
    """Measures of speech whose word timestamps are known.

    Args:
        speech: sentences and words.
        waveform: its audio, at a common level.

    Returns:
        `SILENT`: inaudible words. `LOUD`: pauses between words, of 0.15 s or more, that are as loud
        as speech. `PACE`: milliseconds per phoneme, excluding pauses.
    """
    active_db = active_level_db(waveform, SAMPLE_RATE)
    words = speech.words
    silent = sum(
        _level_db(waveform[word.start : word.stop]) - active_db < SILENT_WORD_DB for word in words
    )
    loud = 0
    for before, after in pairwise(words):
        if after.start - before.stop >= PAUSE_S * SAMPLE_RATE:
            third = (after.start - before.stop) // 3  # its middle third: words start and end softly
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
    """Names of the accidents that a listener would notice; empty if there are none.

    The limits lie beyond the values of 20 LJSpeech recordings; the head of this file has both.
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
    """Level of the quietest blocks; NaN for short speech."""
    if len(waveform) < SHORTEST_WITH_PAUSES_S * SAMPLE_RATE:
        return float("nan")
    blocks = (
        waveform[: len(waveform) // LEVEL_BLOCK * LEVEL_BLOCK]
        .reshape(-1, LEVEL_BLOCK)
        .astype(np.float64)
    )
    power = np.mean(blocks**2, axis=1)
    sounding = power[power > POWER_FLOOR]
    return float(10 * np.log10(np.percentile(sounding, QUIET_SHARE))) if len(sounding) else -120.0


def end_semitones(waveform: Waveform) -> float:
    """Pitch of the last 0.15 s of voice in a sentence, relative to the sentence's median.

    Negative if it falls, as in statements; positive if it rises. NaN with too little voiced speech,
    less than twice as much.

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
    long = [s for s in sentences if len(s) >= LOUDNESS_BLOCK_S * SAMPLE_RATE]
    found = np.array([integrated_loudness(s, SAMPLE_RATE) for s in long])
    found = found[np.isfinite(found)]
    return float(found.std()) if len(found) > 1 else float("nan")


def texts_blocks(figures: Figures) -> list[Block]:
    """For each voice: scores by category, signal measures, and accidents."""
    blocks: list[Block] = [f"{figures['texts']} texts{seeds_words(figures)}."]
    blocks += [f"{name} left out: {reason}" for name, reason in figures["left_out"].items()]
    recorded = figures[RECORDINGS]
    for label, categories in figures["systems"].items():
        scores = categories[ALL]
        measures = [m for m in TEXT_SCORES if m in scores]
        rows = {
            category: {m: short(m, one[m]["value"]) for m in measures if m in one}
            | {"texts": one["texts"]}
            for category, one in categories.items()
        }
        if measures:
            blocks.append(table_of(label, rows, {m: m for m in ("texts", *measures)}))
        rows = {
            measure: {
                "mean": estimate(scores[measure], fixed=True),
                "recorded": "{value:.2f}, {least:.2f} to {most:.2f}".format(**recorded[measure])
                if measure in recorded
                else "",
            }
            for measure in TEXT_SIGNALS
            if measure in scores
        }
        header = {"mean": f"{label}, mean [95 %]", "recorded": f"{RECORDINGS}, mean, extremes"}
        blocks.append(table_of("", rows, header))
        accidents = figures["accidents"][label]
        listed = "; ".join(f"{name}: {', '.join(what)}" for name, what in accidents.items())
        blocks.append(f"Accidents of {label}: {listed or 'none'}.")
    return blocks


def seeds_words(figures: Mapping[str, Any]) -> str:
    """The number of noise seeds, if there are several."""
    return f", {figures['seeds']} noise seeds each" if figures["seeds"] > 1 else ""


def main(
    voices: Voices = None,
    seeds: Seeds = 1,
    category: Annotated[
        list[str] | None, of_judges(help="Only these kinds of texts; repeatable.")
    ] = None,
    texts_file: Annotated[
        Path,
        of_judges(
            "--texts",
            exists=True,
            dir_okay=False,
            help="Other texts: category, text, and its words where it has numbers; tabs between.",
        ),
    ] = TEXTS,
    judges: Annotated[
        bool, of_judges(help="--no-judges: only what is measured without them, in half a minute.")
    ] = True,
    corpus: Corpus = CORPUS,
    weights: Weights = WEIGHTS,
    whisper: WhisperDir = None,
    wavs: Annotated[Path | None, of_judges(help="Directory for what the judges heard.")] = None,
    record: Record = False,
) -> None:
    """Speak 60 texts of kinds that the corpus lacks, and look for what goes wrong.

    Words, numbers, questions, lists, names, spelled letters, abbreviations, exclamations,
    tongue-twisters and paragraphs: word errors, judges, clicks, silent words, sentence endings.
    """
    said = check_categories(read_texts(texts_file), category or ())
    speakers = open_voices(voices or ["lj"], SpeakingOptions(seeds=seeds))
    recorded: list[Clip] = []
    if (corpus / "metadata.csv").is_file():
        recorded = [clip for clip in load_clips(corpus, TEST_SPLIT) if clip.recording]
    if not recorded:
        typer.echo(f"no recordings in {corpus}: none beside the voices", err=True)

    def measure() -> Measured:
        panel = load_panel(weights) if judges else JudgePanel([], {}, {})
        if judges and whisper:
            panel = replace(panel, recognizers={WORD_ERRORS: Whisper(whisper)})
        with progress() as bar:
            task = bar.add_task("listening", total=len(speakers) * seeds * len(said))
            return measure_texts(
                speakers, said, panel,
                recorded=recorded, seeds=seeds, on_text=lambda: bar.advance(task),
                keep=partial(write_judged, wavs),
            )  # fmt: skip

    run_bench("texts", measure, texts_blocks, record, RECORDS, study_command("texts"))


if __name__ == "__main__":
    run_study(main)
