"""Texts of many kinds: what is spoken, scored, and summed up by category."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from dlpo_bench.systems import RECORDINGS, Say, recordings
from dlpo_bench.texts.measures import (
    accident_names,
    accidents,
    end_semitones,
    loudness_spread_lu,
    mishaps,
)
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesis.denoiser_input import STREAM_LADDER
from dlpo_serving.synthesis.timing import WordTiming

if TYPE_CHECKING:
    from dlpo_bench.systems import TextVoice

TEXTS = Path(__file__).with_name("texts.tsv")


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
class SpokenSentence:
    """One sentence of the audio."""

    words: tuple[WordTiming, ...]
    """in samples of the whole audio"""
    mark: str
    """that ends it: . ! ? or another, where a text stops without"""

    @property
    def start(self) -> int:
        """First sample of its first word."""
        return self.words[0].start

    @property
    def stop(self) -> int:
        """Sample behind its last word."""
        return self.words[-1].stop


@dataclass(frozen=True, slots=True)
class Spoken:
    """The audio of one text."""

    waveform: Waveform
    """(T,) float32, as it is served"""
    sentences: tuple[SpokenSentence, ...]

    @property
    def words(self) -> list[WordTiming]:
        """Of all sentences, in order."""
        return [word for sentence in self.sentences for word in sentence.words]


def say(speaker: TextVoice, text: str, seed: int, steps: int | None = None) -> Spoken:
    """Say one text in the chunks that it is served in.

    Raises:
        InputError: it can't be spoken.
        EngineError: the run-time failed.
    """
    utterance = speaker.synthesizer.read(SpeechRequest(text, seed=seed, steps=steps))
    chunks = list(speaker.synthesizer.stream(utterance, speaker.ladder or STREAM_LADDER))
    timed: list[list[WordTiming]] = [[] for _ in utterance.sentences]
    for chunk in chunks:
        timed[chunk.sentence] += chunk.words
    return Spoken(
        np.concatenate([chunk.samples for chunk in chunks]),
        tuple(
            SpokenSentence(tuple(words), sentence.words[-1].mark)
            for words, sentence in zip(timed, utterance.sentences, strict=True)
        ),
    )


LONGEST_PIECE_S = 10.0  # what the judges were trained on, about
BLOCK_S = 0.05


class InPieces:
    """A judge that hears long speech in pieces; its score is their mean, by length."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self.name = judge.name
        self.sample_rate_hz = judge.sample_rate_hz

    def score(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> Scores:
        """See `Judge.score`."""
        return np.array([self._one(waveform, sample_rate_hz) for waveform in waveforms])

    def _one(self, waveform: Waveform, sample_rate_hz: int) -> float:
        parts = pieces(waveform, sample_rate_hz)
        scores = self._judge.score(parts, sample_rate_hz)
        return float(np.average(scores, weights=[len(part) for part in parts]))


def pieces(waveform: Waveform, sample_rate_hz: int) -> list[Waveform]:
    """Pieces of equal length, nearly, cut where it is quietest near by; one of short speech."""
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
    """How a transcript differs from the words that were to be heard, at the least."""

    changed: int
    left_out: int
    added: int

    @property
    def errors(self) -> int:
        """All of them."""
        return self.changed + self.left_out + self.added


class Listener:
    """Compares transcripts with words; what sounds alike is alike, as "b" and "bee"."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    @cached_property
    def _front_end(self) -> TextFrontEnd:
        return TextFrontEnd()

    def compare(self, words: str, transcript: str) -> WordCount:
        """Count what was changed, left out and added, the fewest in all.

        Args:
            words: as a person reads them out.
            transcript: what was understood.
        """
        expected = [self._sound(word) for word in words_of(words)]
        heard = [self._sound(word) for word in words_of(transcript)]
        return align(expected, heard)

    def _sound(self, word: str) -> str:
        """Its phonemes without stress, as one said alone."""
        if word not in self._known:
            sentences = self._front_end.process(word).sentences
            sounds = [p.rstrip("012") for s in sentences for w in s.words for p in w.phonemes]
            self._known[word] = " ".join(sounds)
        return self._known[word]


def align(expected: Sequence[str], heard: Sequence[str]) -> WordCount:
    """The fewest changes from one to the other; of equals, those with most words changed.

    Reference: Wagner and Fischer, The String-to-String Correction Problem, 1974.
    """
    row = [WordCount(0, 0, added) for added in range(len(heard) + 1)]
    for i, word in enumerate(expected, 1):
        before, row = row, [WordCount(0, i, 0)]
        for j, said in enumerate(heard, 1):
            c, d, a = before[j - 1], before[j], row[j - 1]
            ways = (
                WordCount(c.changed + (word != said), c.left_out, c.added),
                WordCount(d.changed, d.left_out + 1, d.added),
                WordCount(a.changed, a.left_out, a.added + 1),
            )
            row.append(min(ways, key=lambda way: way.errors))
    return row[-1]


LEFT_OUT, ADDED = f"{WORD_ERRORS}, left out", f"{WORD_ERRORS}, added"
STATEMENT_END, QUESTION_END = "end of statements, st", "end of yes-no questions, st"
LOUDNESS_SPREAD = "loudness spread, LU"
YES_NO = "yes-no question"  # category: the only questions that rise
ALL = "all"


def measure_texts(
    speakers: Sequence[TextVoice],
    texts: Sequence[BenchText],
    panel: JudgePanel,
    *,
    recorded: Sequence[Clip] = (),
    seeds: int = 1,
    on_text: Callable[[], object] = lambda: None,
    keep: Callable[[str, int, Clip, Waveform], object] = lambda *heard: None,
) -> Measured:
    """Say and hear all texts.

    Args:
        speakers: of `open_voices`.
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

    def system(speaker: TextVoice, seed: int) -> Say:
        def speak(clip: Clip) -> Waveform:
            found = spoken[speaker.label, seed, clip.clip_id] = say(speaker, clip.text, seed)
            return found.waveform

        return speak

    systems = {s.label: [system(s, seed) for seed in range(seeds)] for s in speakers}
    in_pieces = JudgePanel([InPieces(j) for j in panel.judges], panel.recognizers, panel.left_out)
    quality = evaluate(systems, clips, in_pieces, on_text, keep=keep)
    listener = Listener()
    heard = {
        label: SystemScores(
            [
                _completed(take, texts, [spoken[label, seed, t.name] for t in texts], listener)
                for seed, take in enumerate(found.takes)
            ]
        )
        for label, found in quality.scores.items()
    }
    quality = replace(quality, scores=heard)
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
        for take in quality.scores[label].takes
    ]
    clips = [quality.clips[i] for i in chosen]
    return replace(quality, clips=clips, scores={label: SystemScores(takes)}, baseline=None)


def _accidents(quality: Quality, texts: Sequence[BenchText], label: str) -> dict[str, list[str]]:
    """Text -> what is broken in any of its takes; texts without are left out."""
    found: dict[str, list[str]] = {}
    for take in quality.scores[label].takes:
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
