"""`dlpo tune --demo`, run short: it speaks its corpus, tunes and writes a page to listen to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dlpo.data.dataset import Corpora
from dlpo.frame_grid import PUBLISHED_GRID
from dlpo.repository import from_repository
from dlpo.rl.demo import HELD_OUT_TEXTS, VOICES, Ends, demo_tuner, ends, write_page
from dlpo_cli.demo import CHECKPOINT, TEXTS, WITHOUT, said

HOP = PUBLISHED_GRID.hop_length


@pytest.mark.full
def test_the_demo_tunes_and_writes_a_page_to_listen_to(tmp_path: Path) -> None:
    start, texts, without = map(from_repository, (CHECKPOINT, TEXTS, WITHOUT))
    tuner = demo_tuner(start, texts, without, tmp_path, updates=1)
    tuner.run()
    found = ends(tuner)
    verdict = said(found)
    page = write_page(tuner, start, tmp_path, verdict).read_text("utf-8")

    assert len(found.before) == len(found.after) >= 6
    assert verdict.startswith("No decided gain: ")
    assert verdict in page

    assert (
        len(list(tmp_path.glob("*.wav")))
        == page.count("<audio")
        == 2 * len(VOICES) * len(HELD_OUT_TEXTS)
    )
    corpus = Corpora([tmp_path / "corpus"])
    for utterance in map(corpus.__getitem__, range(len(corpus))):
        samples = round(float(utterance.durations.sum()) * 24_000)
        assert samples == len(utterance.waveform) == len(utterance.features.f0) * HOP
        assert np.abs(utterance.waveform).max() > 0.05


def test_a_gain_is_claimed_only_if_sentences_agree() -> None:
    before = np.zeros(12)
    assert said(Ends(before, before + 0.5)).startswith("A decided gain: 0 % ")
    assert said(Ends(before + 0.5, before)).startswith("A decided loss: 50 % ")
    one = np.where(np.arange(12) == 3, 1.0, 0.0)
    assert said(Ends(before, one)).startswith("No decided gain: ")
