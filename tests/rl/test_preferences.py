"""Which pairs of renderings fit a voice, and what identifies them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlpo.audio import write_wav
from dlpo.data.preferences import PreferencePair, read_pairs, write_pairs
from dlpo.errors import DataError
from dlpo.frame_grid import PUBLISHED_GRID
from dlpo.rl.preferences import check_spoken, pairs_sha256, usable_pairs

RATE_HZ = PUBLISHED_GRID.sample_rate_hz
FRAMES = 40  # of each sentence, as the voice says it


@pytest.fixture
def pair(tmp_path: Path) -> PreferencePair:
    """A sentence in two noises of its length."""
    for name in ("winner", "loser"):
        noise = 0.05 * np.random.default_rng(0).standard_normal(FRAMES * PUBLISHED_GRID.hop_length)
        write_wav(tmp_path / f"{name}.wav", noise.astype(np.float32), RATE_HZ)
    return PreferencePair("Hello there.", tmp_path / "winner.wav", tmp_path / "loser.wav")


def fitting(pairs: list[PreferencePair]) -> list[PreferencePair]:
    """Those that are one sentence, of which "night" makes one that takes the voice longer."""

    def usable(pair: PreferencePair, symbols: Any) -> PreferencePair:
        check_spoken(pair, FRAMES + 30 * ("night" in pair.text), PUBLISHED_GRID)
        return pair

    return usable_pairs(pairs, usable)


def test_unfit_pairs_are_left_out_with_a_warning(
    pair: PreferencePair, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    two = PreferencePair("Hello. Good morning.", pair.winner, pair.loser)
    paced = PreferencePair("What a night it was!", pair.winner, pair.loser)
    wordless = PreferencePair("?!", pair.winner, pair.loser)
    write_wav(tmp_path / "silence.wav", np.zeros_like(pair.waveforms(RATE_HZ)[0]), RATE_HZ)
    silent = PreferencePair("Hello there.", tmp_path / "silence.wav", pair.loser)
    with caplog.at_level(logging.WARNING):
        assert fitting([two, pair, paced, wordless, silent]) == [pair]
    for reason in ("1 at a different", "1 with several", "1 with silent", "1 without words"):
        assert reason in caplog.text
    with pytest.raises(DataError, match="none of 2 preference pairs"):
        fitting([two, paced])


def test_the_hash_depends_on_the_pairs_and_their_wavs(pair: PreferencePair, tmp_path: Path) -> None:
    path, other = tmp_path / "pairs.jsonl", tmp_path / "other.jsonl"
    write_pairs(path, [pair])
    write_pairs(other, [pair, pair])
    before = pairs_sha256(path, read_pairs(path))
    assert before == pairs_sha256(path, read_pairs(path))
    assert before != pairs_sha256(other, read_pairs(other))
    write_wav(pair.winner, 0.5 * pair.waveforms(RATE_HZ)[0], RATE_HZ)
    assert before != pairs_sha256(path, read_pairs(path))
    pair.winner.unlink()
    with pytest.raises(DataError, match="can't be read"):
        pairs_sha256(path, [pair])
