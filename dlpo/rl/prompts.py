"""Rollout prompts: the corpus's transcripts, without those of validation and test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlpo.data.dataset import Corpora
from dlpo.errors import DataError, InputError
from dlpo.judges.word_errors import words_of
from dlpo.text.symbols import PAD, SYMBOL_IDS

DRAWING = 8  # ends the keys of what is drawn: numpy takes a key and the same with zeros as one


@dataclass(frozen=True, slots=True)
class Prompt:
    """A sentence to synthesize."""

    number: int
    """its index in the dataset; part of its noise key"""
    text: str
    symbols: NDArray[np.int64]
    """(P,) symbol ids"""
    voice: str | None = None
    """the speaker; None is the model's default"""


def prompt_of(dataset: Corpora, number: int) -> Prompt:
    """A sentence of a dataset."""
    entry = dataset.entries[number]
    return Prompt(number, entry.text, dataset.timing(number)[0], entry.voice.split("/")[0])


def can_prompt(
    dataset: Corpora, number: int, longest_s: float | None, language: str | None = None
) -> bool:
    """Whether a sentence has words, each with phonemes, is not too long and, if a language is
    given, is in it.

    An aligner marks unknown words with `PAD`.
    """
    speaker = dataset.entries[number].voice.split("/")[0]
    if language is not None and dataset.languages[speaker] != language:
        return False
    symbols, seconds = dataset.timing(number)
    short = longest_s is None or float(seconds.sum()) <= longest_s
    return short and SYMBOL_IDS[PAD] not in symbols and bool(words_of(dataset.entries[number].text))


class Prompts:
    """Draws sentences; what update k draws does not depend on earlier updates.

    Left out: the test and validation splits, any clip with the same words as one of theirs, texts
    without words (a recognizer has nothing to check) and texts with a word without phonemes. A
    sentence needs no recording, so all transcripts of LJSpeech can be prompts.

    Args:
        dataset: prepared corpora, each drawn from in proportion to its share.
        seed: of the draws.
        longest_s: seconds; leaves out longer recordings. None keeps all.
        language: of speakers, BCP 47; None takes all. A reward that hears words hears one.

    Raises:
        DataError: nothing is left.
    """

    def __init__(
        self,
        dataset: Corpora,
        seed: int,
        longest_s: float | None = None,
        language: str | None = None,
    ) -> None:
        self.dataset = dataset
        self.seed = seed
        held_out = {
            tuple(words_of(entry.text)) for entry in dataset.entries if entry.split != "train"
        }
        self.numbers = [
            i
            for i, entry in enumerate(dataset.entries)
            if entry.split == "train"
            and tuple(words_of(entry.text)) not in held_out
            and can_prompt(dataset, i, longest_s, language)
        ]
        if not self.numbers:
            raise DataError(
                f"{dataset.path}: none of its {len(dataset)} sentences can be a prompt (they are"
                f" held out, have no words or unknown ones, exceed {longest_s} s, or are of a"
                " language that the reward doesn't hear); prepare a larger corpus"
            )
        self.chances = dataset.chances(self.numbers, by_length=False)

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, i: int) -> Prompt:
        return prompt_of(self.dataset, self.numbers[i])

    def draw(self, update: int, size: int, rank: int = 0, ranks: int = 1) -> list[Prompt]:
        """One process's share of an update's `size` sentences; see `draw_share`."""
        drawn = draw_share((self.seed, update), len(self), size, rank, ranks, self.chances)
        return [self[i] for i in drawn]


def draw_share(
    key: tuple[int, int],
    total: int,
    size: int,
    rank: int,
    ranks: int,
    chances: NDArray[np.float64] | None = None,
) -> list[int]:
    """One process's share of `size` of `total` numbers, without replacement while they last.

    Args:
        key: seed and update; processes share one draw, so that an update is the same however many
            there are.
        chances: (total,) chance of each number; equal if None.

    Raises:
        InputError: `size` is not a positive multiple of `ranks`.
    """
    if size < 1 or size % ranks:
        raise InputError(
            f"{size} items per update; expected a positive multiple of the {ranks} processes"
        )
    drawn = np.random.default_rng((*key, DRAWING)).choice(
        total, size, replace=size > total, p=chances
    )
    return [int(i) for i in drawn[rank::ranks]]


def validation_prompts(dataset: Corpora, count: int, language: str | None = None) -> list[Prompt]:
    """The first pronounceable sentences of the validation split; recorded ones come first, and
    corpora take turns.

    Args:
        dataset: prepared corpora.
        count: how many to return at most.
        language: see `Prompts`.

    Raises:
        DataError: there are none.
    """
    turns: list[tuple[bool, int, int, int]] = []
    for with_audio in (True, False):
        seen = [0] * len(dataset.datasets)
        for i in dataset.split("validation", with_audio=with_audio):
            corpus = dataset.corpus_of(i)
            if can_prompt(dataset, i, None, language):
                turns.append((not with_audio, seen[corpus], corpus, i))
                seen[corpus] += 1
    numbers = [i for *_, i in sorted(turns)[:count]]
    if not numbers:
        raise DataError(
            f"{dataset.path}: the validation split has no sentence, in a language that the reward"
            " hears, to measure on; prepare a corpus with one"
        )
    return [prompt_of(dataset, i) for i in numbers]
