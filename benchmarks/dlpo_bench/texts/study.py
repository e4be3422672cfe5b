"""Texts of many kinds: spoken, scored, and summed up by category."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from dlpo.errors import DataError, InputError
from dlpo.judges.judge import Judge, Scores, Waveform
from dlpo.judges.word_errors import words_of
from dlpo.text import TextFrontEnd
from dlpo_bench.clips import SAMPLE_RATE, Clip
from dlpo_bench.eval import figures, samples
from dlpo_bench.judging import WORD_ERRORS, JudgePanel, Quality, SystemScores, Take, evaluate
from dlpo_bench.record import Measured
from dlpo_bench.signals import TYPICAL_LEVEL_DB, at_level
from dlpo_bench.systems import RECORDINGS, Say, TextVoice, only_bundle, recordings
from dlpo_bench.texts.measures import (
    accident_names,
    accidents,
    end_semitones,
    loudness_spread_lu,
    mishaps,
)
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesis.timing import WordTiming

TEXTS = Path(__file__).with_name("texts.tsv")
LONGEST_PIECE_S = 10.0  # what the judges were trained on, about
BLOCK_S = 0.05
LEFT_OUT, ADDED = f"{WORD_ERRORS}, left out", f"{WORD_ERRORS}, added"
STATEMENT_END, QUESTION_END = "end of statements, st", "end of yes-no questions, st"
LOUDNESS_SPREAD = "loudness spread, LU"
YES_NO = "yes-no question"  # category: the only questions that rise
ALL = "all"


@dataclass(frozen=True, slots=True)
class BenchText:
    """One text of the set."""

    name: str
    """category and number, as "number-02": what records call it"""
    category: str
    text: str
    words: str
    """as a person reads them out, "forty two dollars" for "$42\""""


def read_texts(path: Path = TEXTS) -> list[BenchText]:
    """The texts of a file: lines of category, text and, where the text has numbers, abbreviations
    or letters to be spelled, its words, with tabs between them. Blank lines and # are passed over.

    Raises:
        DataError: unreadable, empty, or a line of another form.
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
    """in samples of the whole audio"""
    mark: str
    """that ends it: . ! ? or another, where a text stops without"""


@dataclass(frozen=True, slots=True)
class TimedSpeech:
    """The audio of one text."""

    waveform: Waveform
    """(T,) float32, as it is served"""
    sentences: tuple[TimedSentence, ...]

    @property
    def words(self) -> list[WordTiming]:
        """Of all sentences, in order."""
        return [word for sentence in self.sentences for word in sentence.words]


def speak(voice: TextVoice, text: str, seed: int) -> TimedSpeech:
    """One text in the chunks that it is served in.

    Raises:
        InputError: it can't be spoken.
        EngineError: the run-time failed.
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
    """A judge that scores long speech in pieces; its score is their mean, by length."""

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
    """Pieces of nearly equal length, cut where it is quietest near by; one of short speech."""
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


@dataclass(frozen=True, slots=True)
class WordCount:
    """The fewest differences of a transcript from the words of a text."""

    changed: int
    left_out: int
    added: int

    @property
    def errors(self) -> int:
        """All of them."""
        return self.changed + self.left_out + self.added


def compare_words(words: str, transcript: str) -> WordCount:
    """Count what was changed, left out and added; homophones are equal, as "b" and "bee"."""
    return align([_sound(word) for word in words_of(words)],
                 [_sound(word) for word in words_of(transcript)])  # fmt: skip


@cache
def _front_end() -> TextFrontEnd:
    return TextFrontEnd()


@cache
def _sound(word: str) -> str:
    """Its phonemes without stress, as a word of its own."""
    sentences = _front_end().process(word).sentences
    return " ".join(p.rstrip("012") for s in sentences for w in s.words for p in w.phonemes)


def align(expected: Sequence[str], found: Sequence[str]) -> WordCount:
    """The fewest changes from one to the other; of equals, those with most words changed.

    Reference: Wagner and Fischer, The String-to-String Correction Problem, 1974.
    """
    row = [WordCount(0, 0, added) for added in range(len(found) + 1)]
    for i, word in enumerate(expected, 1):
        before, row = row, [WordCount(0, i, 0)]
        for j, other in enumerate(found, 1):
            c, d, a = before[j - 1], before[j], row[j - 1]
            ways = (
                WordCount(c.changed + (word != other), c.left_out, c.added),
                WordCount(d.changed, d.left_out + 1, d.added),
                WordCount(a.changed, a.left_out, a.added + 1),
            )
            row.append(min(ways, key=lambda way: way.errors))
    return row[-1]


def measure_texts(
    voices: Sequence[TextVoice], texts: Sequence[BenchText], panel: JudgePanel, *,
    recorded: Sequence[Clip] = (), seeds: int = 1, on_text: Callable[[], object] = lambda: None,
    keep: Callable[[str, int, Clip, Waveform], object] = lambda *judged: None,
) -> Measured:  # fmt: skip
    """Speak and judge all texts.

    Args:
        recorded: clips of the speaker, whose accidents are measured for comparison.
        seeds: of the noise, 0 and up; averaged first.
        on_text: called after each text of each take.
        keep: see `evaluate`.

    Raises:
        InputError: a text can't be spoken; the message has its name.
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
    """With the measures of this module; homophones are equal words."""
    rows = [_signal(text, one) for text, one in zip(texts, speech, strict=True)]
    values = {measure: np.array([row[measure] for row in rows]) for measure in rows[0]}
    errors = {}
    for measure, transcripts in take.transcripts.items():
        counts = [
            None if words is None else compare_words(text.words, words)
            for text, words in zip(texts, transcripts, strict=True)
        ]
        names = {measure: "errors"}
        if measure == WORD_ERRORS:
            names |= {LEFT_OUT: "left_out", ADDED: "added"}
        for name, attribute in names.items():
            row = [np.nan if c is None else getattr(c, attribute) for c in counts]
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
    """The texts of some categories; all if none are named; raises InputError for unknown ones."""
    known = list(dict.fromkeys(text.category for text in texts))
    if unknown := [category for category in wanted if category not in known]:
        raise InputError(f"no category {unknown[0]!r}; expected one of {', '.join(known)}")
    return [text for text in texts if not wanted or text.category in wanted]
