"""`dlpo tune --demo`, run short: it speaks its corpus, tunes and writes a page to listen to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dlpo.data.dataset import Corpora
from dlpo.frame_grid import PUBLISHED_GRID
from dlpo.rl.demo import HELD_OUT_TEXTS, VOICES, demo_tuner, write_page

HOP = PUBLISHED_GRID.hop_length


@pytest.mark.full
def test_the_demo_tunes_and_writes_a_page_to_listen_to(tmp_path: Path) -> None:
    tuner = demo_tuner(tmp_path, updates=1)
    tuner.run()
    page = write_page(tuner, tmp_path).read_text("utf-8")

    assert (
        len(list(tmp_path.glob("*.wav")))
        == page.count("<audio")
        == 2 * len(VOICES) * len(HELD_OUT_TEXTS)
    )
    corpus = Corpora([tmp_path / "corpus"])
    for utterance in map(corpus.__getitem__, range(len(corpus))):
        samples = round(float(utterance.durations.sum()) * 22_050)
        assert samples == len(utterance.waveform) == len(utterance.features.f0) * HOP
        assert np.abs(utterance.waveform).max() > 0.05
