"""Train the choice of readings of `dlpo.text` on the sentences of recipe/texts/readings: 20 s.

    python scripts/train_chooser.py

Writes ``readings.zip``, ``periods.zip`` and ``kinds.zip`` in dlpo/text/en_us and ``periods.zip``
in dlpo/text/es, and says how many sentences are right that were left out. A ridge regression: in
each sentence the right reading's score exceeds that of another one by 1.
"""

from __future__ import annotations

import json
import math
import re
import zipfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

from dlpo.text import TextFrontEnd
from dlpo.text.common.choices import seen
from dlpo.text.common.periods import KIND, period_after
from dlpo.text.common.surroundings import PARTS, WHOLE, Surroundings, Vectors
from dlpo.text.common.tables import Tables

ROOT = Path(__file__).resolve().parents[1]
TEXT = ROOT / "dlpo" / "text"
VECTORS = TEXT / "en_us" / "word_vectors.zip"
UNIT = 100  # length of a vector there
TABLES = Tables(str(ROOT / "recipe" / "texts" / "readings" / "README.md"))
SPANISH = Tables(str(ROOT / "recipe" / "texts" / "readings" / "es" / "periods.tsv"))
SENTENCES = ("first", "second", "third")
BUCKETS = 1 << 18  # of hashed features
FEATURE = 0.28  # size of the input
MEANING = (0.5, 0.5, 0.7)  # of the vectors of the words before, after and around
OF_KIND = (0.4, 0.4, 0.0)  # of those for the weights that readings share
RIDGE = 0.3
STEPS = 60  # of conjugate gradients
FOLDS = 10
GATE = 0.7  # log odds that a reading needs which is as common as the first one
USUAL = 30  # how often the first choice of a kind is assumed to occur, where others don't
SMOOTHING = 10  # how often each reading is assumed to occur besides

Array = Any
Readings = dict[str, dict[str, tuple[str, int]]]


class Place(NamedTuple):
    """A word in a sentence."""

    sentence: str
    features: list[str]
    meaning: Array
    """(PARTS, size)"""
    differences: list[dict[str, int]]
    """Of each wrong reading, the weights that score: 1 in favor of the right one, -1 against."""


def readings() -> Readings:
    """Word -> its readings, first that which needs no evidence -> kind and count."""
    found = defaultdict[str, dict[str, tuple[str, int]]](dict)
    for word, phonemes, kind, count in TABLES.rows("readings"):
        found[word][phonemes] = kind, int(count)
    return found


def places(name: str, surroundings: Surroundings) -> list[Place]:
    """Those of a table of words, phonemes and sentences; the word counts where it comes first."""
    front_end, said = TextFrontEnd(), list[Sequence[str]]()
    pronounced = front_end.language.phonemes

    def phonemes(words: Sequence[str], *given: Any) -> Any:
        said.append(words)
        return pronounced(words, *given)

    front_end.language.phonemes = phonemes  # type: ignore[method-assign]
    known, found = readings(), list[Place]()
    for word, right, sentence in TABLES.rows(name):
        said.clear()
        front_end.process(sentence)
        every = ((words, at) for words in said for at, one in enumerate(words))
        words, at = next((words, at) for words, at in every if words[at].lower() == word)
        keys = {
            one: {kind} - {""} | ({f"{word} {one}"} if number else set())
            for number, (one, (kind, _)) in enumerate(known[word].items())
        }
        differences = [
            dict.fromkeys(keys[right] - other, 1) | dict.fromkeys(other - keys[right], -1)
            for one, other in keys.items()
            if one != right
        ]
        found.append(place_of(sentence, words, at, surroundings, differences))
    return found


def periods(surroundings: Surroundings, code: str, tables: Tables) -> list[Place]:
    """Those of the sentences with an abbreviation, at whose period they end or go on."""
    language, found = TextFrontEnd(language=code).language, list[Place]()
    for right, before, after in tables.rows("periods"):
        text = f"{before} {after}"
        tokens = list(language.tokens(text))
        token = [one for one in tokens if one.end <= len(before)][-1]
        following = next(one for one in tokens if one.start > len(before))
        period = period_after(text, token, following)
        assert period, f"{text}: got no abbreviation before the period, expected one"
        keys = dict.fromkeys((period.name, KIND), 1 if right == "end" else -1)
        found.append(place_of(text, period.words, period.place, surroundings, [keys]))
    return found


def kinds(surroundings: Surroundings) -> list[Place]:
    """Those of the sentences with written forms in brackets that may mean several things."""
    found, rows = list[Place](), TABLES.rows("kinds")
    for right, written in rows:
        text = re.sub(r"[][]", "", written)
        others = {one for one, _ in rows if one.split()[0] == right.split()[0]}
        differences = [{right: 1, other: -1} for other in sorted(others - {right})]
        for number, marked in enumerate(re.finditer(r"\[(.*?)\]", written)):
            start = marked.start() - 2 * number
            words, at = seen(text, start, start + len(marked[1]))
            found.append(place_of(text, words, at, surroundings, differences))
    return found


def place_of(
    sentence: str,
    words: Sequence[str],
    at: int,
    surroundings: Surroundings,
    differences: list[dict[str, int]],
) -> Place:
    """The ``at``-th word of a sentence, with what is around it."""
    meaning = np.zeros((PARTS, surroundings.vectors.size))
    for _, part, vector, weight in surroundings.meanings(words, at):
        meaning[part] += np.array(vector) * (weight / WHOLE / UNIT)
    return Place(sentence, surroundings.features(words, at), meaning, differences)


class Equations:
    """One for each wrong reading of each place; unknown are the weights of ``keys``.

    A term is a key in an equation.
    """

    def __init__(self, places: Sequence[Place], keys: Sequence[str]) -> None:
        every = [(place, one) for place in places for one in place.differences]
        self.number = len(every)
        self.keys = len(keys)
        rows = {key: row for row, key in enumerate(keys)}
        terms = sorted(
            (rows[key], number, sign)
            for number, (_, difference) in enumerate(every)
            for key, sign in difference.items()
        )
        self.row, self.equation, self.sign = np.array(terms).T
        self.starts = np.flatnonzero(np.diff(self.row, prepend=-1))
        width = max(len(place.features) for place in places)
        self.buckets = np.full((len(terms), width), BUCKETS)  # the last one is always 0
        for term, (row, number, _) in enumerate(terms):
            features = every[number][0].features
            hashes = np.array([crc32(one.encode()) for one in features])
            self.buckets[term, : len(features)] = (hashes ^ crc32(keys[row].encode())) % BUCKETS
        self.sizes = np.array([MEANING if " " in key else OF_KIND for key in keys])[:, :, None]
        meaning = np.array([every[number][0].meaning for _, number, _ in terms])
        self.meaning = meaning * self.sizes[self.row]

    def weights(self, multipliers: Array) -> tuple[Array, Array]:
        """A multiplier of each equation -> weights (BUCKETS + 1,) and (keys, PARTS, size)."""
        signed = self.sign * multipliers[self.equation]
        repeated = FEATURE * np.repeat(signed, self.buckets.shape[1])
        sparse = np.bincount(self.buckets.ravel(), repeated, minlength=BUCKETS + 1)
        sparse[BUCKETS] = 0.0
        dense = np.zeros((self.keys, *self.meaning.shape[1:]))
        sums = np.add.reduceat(self.meaning * signed[:, None, None], self.starts)
        dense[self.row[self.starts]] = sums
        return sparse, dense

    def scores(self, sparse: Array, dense: Array) -> Array:
        """By how much the right reading exceeds the other one, in each equation."""
        each = FEATURE * sparse[self.buckets].sum(1)
        each += (self.meaning * dense[self.row]).sum((1, 2))
        return np.bincount(self.equation, self.sign * each, minlength=self.number)

    def solved(self, used: Array) -> tuple[Array, Array]:
        """The weights with which the scores of the used equations are about 1."""
        multipliers, rest = np.zeros(self.number), used.astype(float)
        direction, square = rest, float(rest @ rest)
        for _ in range(STEPS):
            image = used * self.scores(*self.weights(direction)) + RIDGE * direction
            step = square / float(direction @ image)
            multipliers, rest = multipliers + step * direction, rest - step * image
            before, square = square, float(rest @ rest)
            direction = rest + square / before * direction
        return self.weights(multipliers)


def left_out(equations: Equations, places: Sequence[Place]) -> Array:
    """The score of each equation by weights that do not know its place."""
    sentences = [place.sentence for place in places for _ in place.differences]
    folds = np.array([crc32(sentence.encode()) % FOLDS for sentence in sentences])
    every = [equations.scores(*equations.solved(folds != fold)) for fold in range(FOLDS)]
    return np.choose(folds, every)


def slope_of(scores: Array) -> float:
    """What scores are multiplied by to be log odds of being right."""
    slopes = np.linspace(1.0, 12.0, 111)
    return float(min(slopes, key=lambda slope: np.logaddexp(0.0, -slope * scores).mean()))


def write(
    output: Path,
    known: Readings,
    sparse: Array,
    dense: Array,
    keys: Sequence[str],
    slope: float,
    classes: dict[str, list[str]],
) -> None:
    """The file that `Chooser` reads."""
    quantum = np.abs(dense if dense.size else sparse).max() / 127
    step = math.ceil(np.abs(sparse).max() / quantum / 127)
    unit = 1 / (slope * quantum)
    gates = dict[str, int]()
    kinds = {key: KIND for key in keys if key.endswith(" .")}
    for word, of_word in known.items():
        usual = next(iter(of_word.values()))[1]
        for phonemes, (kind, count) in of_word.items():
            odds = math.log((usual + SMOOTHING) / (count + SMOOTHING))
            gates[f"{word} {phonemes}"] = round(unit * (GATE + odds))
            kinds[f"{word} {phonemes}"] = kind
    header = {
        "keys": keys, "kinds": kinds, "gates": gates, "gate": round(unit * GATE),
        "classes": classes, "step": step, "unit": round(unit),
    }  # fmt: skip
    contents = {
        "header.json": json.dumps(header, indent=0).encode(),
        "sparse.int8": np.rint(sparse / quantum / step).astype(np.int8).tobytes(),
        "dense.int8": np.rint(dense / quantum).astype(np.int8).tobytes(),
    }
    with zipfile.ZipFile(output, "w") as archive:
        for name, data in contents.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED, 9)


def main() -> None:
    classes = TABLES.words("classes")
    surroundings = Surroundings(classes, Vectors(VECTORS))
    found = [place for name in SENTENCES for place in places(name, surroundings)]
    train(TEXT / "en_us" / "readings.zip", found, readings(), classes)
    train(TEXT / "en_us" / "periods.zip", periods(surroundings, "en-US", TABLES), {}, classes)
    choices = dict.fromkeys(one for one, _ in TABLES.rows("kinds"))
    known: Readings = {}
    for kind, choice in map(str.split, choices):
        of_kind = known.setdefault(kind, {})
        of_kind[choice] = "", 0 if of_kind else USUAL
    train(TEXT / "en_us" / "kinds.zip", kinds(surroundings), known, classes)
    classes = SPANISH.words("classes")
    found = periods(Surroundings(classes, Vectors()), "es", SPANISH)
    train(TEXT / "es" / "periods.zip", found, {}, classes)


def train(
    output: Path, found: Sequence[Place], known: Readings, classes: dict[str, list[str]]
) -> None:
    """Write a model, and say how well it does on sentences that it doesn't know."""
    keys = sorted({key for place in found for one in place.differences for key in one})
    equations = Equations(found, keys)
    scores = left_out(equations, found)
    print(f"left out: {(scores > 0).sum()} of {len(scores)} right")
    sparse, dense = equations.solved(np.ones(equations.number))
    dense *= equations.sizes / UNIT
    write(output, known, FEATURE * sparse[:BUCKETS], dense, keys, slope_of(scores), classes)
    print(f"{output}: {output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
