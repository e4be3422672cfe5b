"""Several corpora as one: every utterance once, drawn by the shares."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from dlpo.data.dataset import Corpora, Dataset
from dlpo.data.ljspeech import prepare
from dlpo.errors import DataError


@pytest.fixture(scope="module")
def datasets(tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("corpora")
    for speaker in ("ann", "bob"):
        corpus = Path(shutil.copytree(tiny_corpus, root / f"{speaker}-corpus"))
        prepare(corpus, corpus / "alignments.tsv", root / speaker, speaker=speaker, sessions=True)
    return [root / "ann", root / "bob"]


def test_utterances_are_those_of_each_corpus_in_order(datasets: list[Path]) -> None:
    joined, apart = Corpora(datasets, [1, 1]), [Dataset(path) for path in datasets]
    assert joined.voices == (
        "ann", "ann/LJ001", "ann/LJ002", "bob", "bob/LJ001", "bob/LJ002",
    )  # fmt: skip
    second = len(apart[0])
    assert joined.entries[second].voice == "bob/LJ001"
    assert np.array_equal(joined[second].waveform, apart[1][0].waveform)
    assert len(joined.split("train", with_audio=True)) == 4


def test_shares_divide_what_is_drawn(datasets: list[Path]) -> None:
    joined = Corpora(datasets, [3, 1])
    train = joined.split("train", with_audio=True)
    chances = joined.chances(train)
    anns = [joined.entries[i].voice.startswith("ann") for i in train]
    assert chances.sum() == pytest.approx(1)
    assert chances[anns].sum() == pytest.approx(0.75)


@pytest.mark.parametrize("shares", [[1], [1, 0], [1, -1]])
def test_shares_that_make_no_sense_are_refused(datasets: list[Path], shares: list[float]) -> None:
    with pytest.raises(DataError, match="positive share"):
        Corpora(datasets, shares)
