"""Prompts: never a word of the test, the same for any number of processes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dlpo.data.dataset import Corpora
from dlpo.errors import DataError, InputError
from dlpo.rl.plan import Plan
from dlpo.rl.prompts import Prompts, validation_prompts
from dlpo.text.symbols import PAD, SYMBOL_IDS


def test_what_the_test_says_is_never_a_prompt_whoever_says_it(dataset: Corpora) -> None:
    prompts = Prompts(dataset, seed=0)
    texts = [prompts[i].text for i in range(len(prompts))]
    assert "Hum, hum." not in texts  # also of the train split, for the test split says it
    ids = {dataset.entries[number].id for number in prompts.numbers}
    assert ids == {"LJ003-0001"} | {f"LJ004-000{number}" for number in range(9)}


def test_long_sentences_can_be_left_out(dataset: Corpora) -> None:
    prompts = Prompts(dataset, seed=0, longest_s=3.0)  # a word lasts 0.6 s
    assert {len(prompts[i].text.split()) for i in range(len(prompts))} == {1, 3, 4, 5}


def test_an_update_draws_the_same_whatever_came_before(dataset: Corpora) -> None:
    first, second = Prompts(dataset, seed=4), Prompts(dataset, seed=4)
    first.draw(0, 4)
    drawn = [prompt.number for prompt in first.draw(7, 4)]
    assert drawn == [prompt.number for prompt in second.draw(7, 4)]
    assert len(set(drawn)) == 4
    assert drawn != [prompt.number for prompt in second.draw(8, 4)]
    assert drawn != [prompt.number for prompt in Prompts(dataset, seed=5).draw(7, 4)]


def test_two_processes_share_the_sentences_of_one(dataset: Corpora) -> None:
    prompts = Prompts(dataset, seed=0)
    alone = [prompt.number for prompt in prompts.draw(3, 6)]
    shares = [[p.number for p in prompts.draw(3, 6, rank, 2)] for rank in range(2)]
    assert sorted(alone) == sorted(shares[0] + shares[1])
    assert len(shares[0]) == len(shares[1])


@pytest.mark.parametrize(("size", "ranks"), [(0, 1), (3, 2), (-2, 1)])
def test_shares_that_are_not_equal_are_refused(dataset: Corpora, size: int, ranks: int) -> None:
    with pytest.raises(InputError, match=f"{size} items per update; .* {ranks} processes"):
        Prompts(dataset, seed=0).draw(0, size, 0, ranks)


def test_a_corpus_without_prompts_is_refused(dataset: Corpora) -> None:
    with pytest.raises(DataError, match=r"none of its .* sentences can be a prompt"):
        Prompts(dataset, seed=0, longest_s=0.1)


def test_sentence_with_an_unaligned_word_is_left_out(
    dataset: Corpora, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = Prompts(dataset, seed=0).numbers
    known = dataset.timing

    def timing(number: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        symbols, seconds = known(number)
        if number == numbers[2]:
            symbols = np.where(np.arange(len(symbols)) == 1, SYMBOL_IDS[PAD], symbols)
        return symbols, seconds

    monkeypatch.setattr(dataset, "timing", timing)
    assert Prompts(dataset, seed=0).numbers == numbers[:2] + numbers[3:]


def test_corpora_are_drawn_by_share_and_validated_in_turn(
    wordy_dataset: Path,
) -> None:
    both = Corpora([wordy_dataset, wordy_dataset], [3.0, 1.0])
    drawn = [prompt.number for update in range(200) for prompt in Prompts(both, 0).draw(update, 1)]
    of_first = np.mean([both.corpus_of(number) == 0 for number in drawn])
    assert of_first == pytest.approx(0.75, abs=0.1)
    validation = validation_prompts(both, 2)
    assert [both.corpus_of(prompt.number) for prompt in validation] == [0, 1]


def test_a_reward_that_hears_words_is_asked_in_its_language(
    dataset: Corpora, monkeypatch: pytest.MonkeyPatch
) -> None:
    (speaker,) = dataset.languages
    monkeypatch.setitem(dataset.languages, speaker, "es-419")
    language = Plan(rewards={"distillmos": 1.0, "whisper": 1.0}).language
    with pytest.raises(DataError, match="language that the reward doesn't hear"):
        Prompts(dataset, 0, language=language)
    with pytest.raises(DataError, match="no sentence"):
        validation_prompts(dataset, 2, language=language)
    assert len(Prompts(dataset, 0, language=Plan(rewards={"distillmos": 1.0}).language)) == 10
