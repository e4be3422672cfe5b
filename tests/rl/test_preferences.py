"""From a file of pairs to a voice that says what listeners preferred."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlpo.audio import Waveform, write_wav
from dlpo.checkpoint import load_checkpoint
from dlpo.config.models import BASE, SPECTRAL
from dlpo.data.preferences import PreferencePair, read_pairs, write_pairs
from dlpo.errors import ConfigError, DataError
from dlpo.frame_grid import PUBLISHED_GRID
from dlpo.judges.judge import active_level_db
from dlpo.model.build import build_model
from dlpo.model.reach import context_frames_per_step
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.chain import ChainPolicy
from dlpo.rl.conditions import conditions_of
from dlpo.rl.noise import seed_keys
from dlpo.rl.objective import Objective
from dlpo.rl.preferences import ListeningPairs, as_chain, pairs_sha256
from dlpo.rl.prompts import Prompt
from dlpo.text import TextFrontEnd
from tests.rl.conftest import Tuning
from tests.rl.toy_judge import spectral_tilt_db

RATE_HZ = PUBLISHED_GRID.sample_rate_hz

TEXTS = ("Hello there.", "Good morning to you.", "What a night it was!")
Say = Callable[[str, int], Waveform]
Pair = Callable[[str], PreferencePair]


@pytest.fixture
def voice(slow_checkpoint: Path) -> SpectralWaveGrad2:
    """Slow enough that its sentences can be judged."""
    model = load_checkpoint(slow_checkpoint).model
    assert isinstance(model, SpectralWaveGrad2)
    return model


@pytest.fixture
def reach(voice: SpectralWaveGrad2) -> int:
    return context_frames_per_step(voice, voice.config.conditioning_channels)


@pytest.fixture
def say(voice: SpectralWaveGrad2, served_chain: NoiseSchedule, reach: int) -> Say:
    """A sentence and a seed -> the waveform that the tiny voice makes of them."""
    front_end = TextFrontEnd()

    def said(text: str, seed: int) -> Waveform:
        (sentence,) = front_end.process(text).sentences
        symbols = np.array(sentence.symbol_ids(), np.int64)
        conditions = conditions_of(voice, [Prompt(0, text, symbols)], reach)
        keys = seed_keys(seed, 1, [0], 1)
        waveform: Waveform = (
            ChainPolicy(voice, served_chain).roll_out(conditions, keys, 1).waveforms(voice)[0]
        )
        return waveform

    return said


def tilted(waveform: Waveform, db_per_octave: float) -> Waveform:
    """The same, brighter or darker."""
    spectrum = np.fft.rfft(waveform)
    octaves = np.log2(np.maximum(np.fft.rfftfreq(len(waveform), 1 / RATE_HZ), 50) / 1000)
    gain = 10 ** (db_per_octave * octaves / 20)
    return np.fft.irfft(spectrum * gain, len(waveform)).astype(np.float32)


@pytest.fixture
def pair(tmp_path: Path, say: Say) -> Pair:
    """A text -> a pair of which the brighter rendering won."""

    def made(text: str) -> PreferencePair:
        number = len(list(tmp_path.glob("*.wav")))
        winner, loser = tmp_path / f"{number}.wav", tmp_path / f"{number + 1}.wav"
        spoken = say(text, number)
        write_wav(winner, 0.1 * tilted(spoken, 1.0), RATE_HZ)
        write_wav(loser, 0.2 * tilted(spoken, -1.0), RATE_HZ)
        return PreferencePair(text, winner, loser)

    return made


@pytest.fixture
def matched(
    voice: SpectralWaveGrad2, served_chain: NoiseSchedule, reach: int
) -> Callable[[list[PreferencePair]], ListeningPairs]:
    return lambda pairs: ListeningPairs(pairs, ChainPolicy(voice, served_chain, reach), seed=0)


@pytest.mark.parametrize("config", [SPECTRAL, BASE], ids=lambda config: config.model)
def test_a_waveform_returns_from_the_chain_unchanged(config: Any) -> None:
    model = build_model(config)
    noise = np.random.default_rng(0).standard_normal(900).astype(np.float32)
    back = model.to_waveform(as_chain(model, noise)[None])[0]
    np.testing.assert_allclose(back.numpy(), noise, atol=1e-4)


def test_renderings_have_the_voices_own_level_and_length(
    voice: SpectralWaveGrad2,
    served_chain: NoiseSchedule,
    matched: Callable[[list[PreferencePair]], ListeningPairs],
    say: Say,
    pair: Pair,
) -> None:
    batch = matched([pair(text) for text in TEXTS]).batch([2, 0], update=5)
    for row, text in enumerate((TEXTS[2], TEXTS[0])):
        end = int(batch.conditions.frames[row]) * 300
        assert end == len(say(text, 0))
        conditions = batch.conditions.rows(slice(row, row + 1))
        spoken = ChainPolicy(voice, served_chain).roll_out(conditions, seed_keys(0, 0, [0], 1), 1)
        own = active_level_db(spoken.waveforms(voice)[0], RATE_HZ)
        winner, loser = (
            voice.to_waveform(side)[row, :end].numpy() for side in (batch.winners, batch.losers)
        )
        for waveform in (winner, loser):
            assert active_level_db(waveform, RATE_HZ) == pytest.approx(own, abs=0.5)
        assert not batch.winners[row, end:].any()
        brighter = spectral_tilt_db(winner, RATE_HZ) - spectral_tilt_db(loser, RATE_HZ)
        assert brighter == pytest.approx(2.0, abs=0.1)


def test_unfit_pairs_are_left_out_with_a_warning(
    matched: Callable[[list[PreferencePair]], ListeningPairs],
    tmp_path: Path,
    pair: Pair,
    caplog: pytest.LogCaptureFixture,
) -> None:
    good = pair(TEXTS[0])
    two = PreferencePair("Hello. Good morning.", good.winner, good.loser)
    paced = PreferencePair(TEXTS[1], good.winner, good.loser)
    wordless = PreferencePair("?!", good.winner, good.loser)
    write_wav(tmp_path / "silence.wav", np.zeros_like(good.waveforms(RATE_HZ)[0]), RATE_HZ)
    silent = PreferencePair(TEXTS[0], tmp_path / "silence.wav", good.loser)
    with caplog.at_level(logging.WARNING):
        pairs = matched([two, good, paced, wordless, silent])
    assert [usable.pair for usable in pairs.usable] == [good]
    for reason in ("1 at a different", "1 with several", "1 with silent", "1 without words"):
        assert reason in caplog.text
    with pytest.raises(DataError, match="none of 2 preference pairs"):
        matched([two, paced])


def test_the_hash_depends_on_the_pairs_and_their_wavs(tmp_path: Path, pair: Pair) -> None:
    path, other = tmp_path / "pairs.jsonl", tmp_path / "other.jsonl"
    first, second = pair(TEXTS[0]), pair(TEXTS[1])
    write_pairs(path, [first])
    write_pairs(other, [first, second])
    before = pairs_sha256(path, read_pairs(path))
    assert before == pairs_sha256(path, read_pairs(path))
    assert before != pairs_sha256(other, read_pairs(other))
    write_wav(first.winner, 0.5 * first.waveforms(RATE_HZ)[0], RATE_HZ)
    assert before != pairs_sha256(path, read_pairs(path))
    first.winner.unlink()
    with pytest.raises(DataError, match="can't be read"):
        pairs_sha256(path, [first])


def test_listeners_compared_the_denoiser_alone(tuning: Tuning, pair: Pair) -> None:
    with pytest.raises(ConfigError, match="part is sound; expected denoiser"):
        tuning.tuner(objective=Objective("dpo"), pairs=[pair(TEXTS[0])], part="sound")


@pytest.mark.full
def test_preference_generalises_to_other_sentences(
    tuning: Tuning, pair: Pair, say: Say, voice: SpectralWaveGrad2
) -> None:
    tuner = tuning.tuner(
        objective=Objective("dpo", preference_beta=20.0), pairs=[pair(text) for text in TEXTS],
        updates=12, sentences=3, rows=6, learning_rate=6e-3, warm_up=1, ema_decay=0.0,
        validate_every=12, save_every=12,
    )  # fmt: skip
    figures: list[dict[str, float]] = []
    tuner.run(lambda update, found: figures.append(found))
    assert figures[-1]["margin"] > 0
    assert figures[-1]["preferences_kept"] == 1.0
    assert figures[-1]["loss"] < figures[0]["loss"]

    text = "Nobody has heard this."
    before = spectral_tilt_db(say(text, 9), RATE_HZ)
    tuned = load_checkpoint(tuning.out / "run" / "checkpoint")
    voice.load_state_dict(tuned.model.state_dict())
    assert spectral_tilt_db(say(text, 9), RATE_HZ) > before + 0.1
