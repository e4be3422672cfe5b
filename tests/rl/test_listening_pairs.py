"""From a file of pairs to a voice that says what listeners preferred."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dlpo.audio import SAMPLE_RATE, Waveform, write_wav
from dlpo.checkpoint import load_checkpoint
from dlpo.config import TuningConfig
from dlpo.data.preferences import PreferencePair, read_pairs, write_pairs
from dlpo.errors import ConfigError, DataError, InputError
from dlpo.judges.levels import active_level_db
from dlpo.model.lite import LiteWaveGrad2
from dlpo.model.reach import context_frames_per_step
from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.conditions import conditions_of
from dlpo.rl.listening_pairs import ListeningPairs, as_chain, pairs_sha256
from dlpo.rl.methods import Objective, Plan
from dlpo.rl.prompts import Prompt
from dlpo.rl.reward_models import RewardModels
from dlpo.rl.rewards.weighted import WeightedSum
from dlpo.rl.rollout import roll_out, seed_keys
from dlpo.rl.tuner import Tuner
from dlpo.text import TextFrontEnd
from dlpo_bench.clips import Clip
from dlpo_bench.systems import Speaking, open_candidates
from research.toy_judge import SpectralTilt, spectral_tilt_db

TEXTS = ("Hello there.", "Good morning to you.", "What a night it was!")
Say = Callable[[str, int], Waveform]


@pytest.fixture
def voice(slow_checkpoint: Path) -> LiteWaveGrad2:
    """Slow enough that its sentences can be judged."""
    model = load_checkpoint(slow_checkpoint).model
    assert isinstance(model, LiteWaveGrad2)
    return model


@pytest.fixture
def reach(voice: LiteWaveGrad2) -> int:
    return context_frames_per_step(voice, voice.config.conditioning_channels)


@pytest.fixture
def say(voice: LiteWaveGrad2, served_chain: NoiseSchedule, reach: int) -> Say:
    """A sentence and a seed -> the waveform that the tiny voice makes of them."""
    front_end = TextFrontEnd()

    def said(text: str, seed: int) -> Waveform:
        (sentence,) = front_end.process(text).sentences
        symbols = np.array(sentence.symbol_ids(), np.int64)
        conditions = conditions_of(voice, [Prompt(0, text, symbols)], reach)
        keys = seed_keys(seed, 1, [0], 1)
        waveform: Waveform = roll_out(voice, conditions, served_chain, keys, 1).waveforms(voice)[0]
        return waveform

    return said


def tilted(waveform: Waveform, db_per_octave: float) -> Waveform:
    """The same, brighter or darker."""
    spectrum = np.fft.rfft(waveform)
    octaves = np.log2(np.maximum(np.fft.rfftfreq(len(waveform), 1 / SAMPLE_RATE), 50) / 1000)
    gain = 10 ** (db_per_octave * octaves / 20)
    return np.fft.irfft(spectrum * gain, len(waveform)).astype(np.float32)


@pytest.fixture
def pair(tmp_path: Path, say: Say) -> Callable[[str], PreferencePair]:
    """A text -> a pair of which the brighter rendering won."""

    def made(text: str) -> PreferencePair:
        number = len(list(tmp_path.glob("*.wav")))
        winner, loser = tmp_path / f"{number}.wav", tmp_path / f"{number + 1}.wav"
        spoken = say(text, number)
        write_wav(winner, 0.1 * tilted(spoken, 1.0))
        write_wav(loser, 0.2 * tilted(spoken, -1.0))
        return PreferencePair(text, winner, loser)

    return made


def test_a_waveform_goes_into_the_chain_as_it_came_out(voice: LiteWaveGrad2) -> None:
    heard = np.random.default_rng(0).standard_normal(900).astype(np.float32)
    back = voice.to_waveform(as_chain(voice, heard)[None])[0]
    np.testing.assert_allclose(back.numpy(), heard, atol=1e-4)


def test_pairs_are_heard_at_the_voices_own_level_beside_their_conditioning(
    voice: LiteWaveGrad2, served_chain: NoiseSchedule, reach: int, say: Say,
    pair: Callable[[str], PreferencePair],
) -> None:  # fmt: skip
    heard = ListeningPairs([pair(text) for text in TEXTS], voice, served_chain, reach, seed=0)
    batch = heard.batch([2, 0], update=5)
    assert len(batch) == 2
    for row, text in enumerate((TEXTS[2], TEXTS[0])):
        spoken = say(text, 0)
        end = int(batch.conditions.frames[row]) * 300
        assert end == len(spoken)
        own = active_level_db(spoken, SAMPLE_RATE)
        for side in (batch.winners, batch.losers):
            waveform = voice.to_waveform(side)[row, :end].numpy()
            assert active_level_db(waveform, SAMPLE_RATE) == pytest.approx(own, abs=0.5)
            assert not side[row, end:].any()
        brighter = voice.to_waveform(batch.winners)[row, :end].numpy()
        darker = voice.to_waveform(batch.losers)[row, :end].numpy()
        difference = spectral_tilt_db(brighter, SAMPLE_RATE) - spectral_tilt_db(darker, SAMPLE_RATE)
        assert difference == pytest.approx(2.0, abs=0.1)


def test_draws_repeat_and_are_shared_out(
    voice: LiteWaveGrad2, served_chain: NoiseSchedule, reach: int,
    pair: Callable[[str], PreferencePair],
) -> None:  # fmt: skip
    heard = ListeningPairs([pair(text) for text in TEXTS], voice, served_chain, reach, seed=0)
    assert sorted(heard.draw(3, 3)) == [0, 1, 2]
    assert heard.draw(3, 2) == heard.draw(3, 2, 0, 2) + heard.draw(3, 2, 1, 2)
    assert len({tuple(heard.draw(update, 3)) for update in range(10)}) > 1
    assert len(heard.draw(0, 8)) == 8  # more than there are: some twice
    with pytest.raises(InputError, match="3 pairs an update for 2 processes"):
        heard.draw(0, 3, 0, 2)


def test_what_does_not_fit_the_voice_is_left_out_and_told(
    voice: LiteWaveGrad2, served_chain: NoiseSchedule, reach: int, tmp_path: Path,
    pair: Callable[[str], PreferencePair], caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    good = pair(TEXTS[0])
    two = PreferencePair("Hello. Good morning.", good.winner, good.loser)
    paced = PreferencePair(TEXTS[1], good.winner, good.loser)
    wordless = PreferencePair("?!", good.winner, good.loser)
    write_wav(tmp_path / "silence.wav", np.zeros_like(good.waveforms()[0]))
    silent = PreferencePair(TEXTS[0], tmp_path / "silence.wav", good.loser)
    with caplog.at_level(logging.WARNING):
        heard = ListeningPairs([two, good, paced, wordless, silent], voice, served_chain, reach, 0)
    assert [usable.pair for usable in heard.usable] == [good]
    assert "4 of 5 preference pairs are left out" in caplog.text
    for reason in ("1 at another pace", "1 of several sentences", "1 of silence", "1 without a w"):
        assert reason in caplog.text
    with pytest.raises(DataError, match="none of 2 preference pairs fits the voice"):
        ListeningPairs([two, paced], voice, served_chain, reach, 0)


def test_what_listeners_hear_of_a_checkpoint_fits_it(
    slow_checkpoint: Path, voice: LiteWaveGrad2, served_chain: NoiseSchedule, reach: int,
    tmp_path: Path,
) -> None:  # fmt: skip
    (candidate,) = open_candidates([str(slow_checkpoint)], Speaking(seeds=2))
    pairs = []
    for text in TEXTS:
        clip = Clip("line-0001", text, None)
        wavs = [tmp_path / f"{len(pairs)}-{take}.wav" for take in range(2)]
        for wav, say in zip(wavs, candidate.takes, strict=True):
            write_wav(wav, say(clip))
        pairs.append(PreferencePair(text, *wavs))
    heard = ListeningPairs(pairs, voice, served_chain, reach, seed=0)
    assert [usable.pair for usable in heard.usable] == pairs


def test_a_rendering_two_frames_shorter_still_fits(
    voice: LiteWaveGrad2, served_chain: NoiseSchedule, reach: int, tmp_path: Path,
    pair: Callable[[str], PreferencePair],
) -> None:  # fmt: skip
    whole = pair(TEXTS[0])
    winner, loser = whole.waveforms()
    write_wav(tmp_path / "short.wav", winner[:-600])
    shorter = PreferencePair(TEXTS[0], tmp_path / "short.wav", whole.loser)
    batch = ListeningPairs([shorter], voice, served_chain, reach, 0).batch([0], 0)
    assert not batch.winners[0, len(loser) - 600 :].any()
    assert batch.losers[0, len(loser) - 600 : len(loser)].any()


def test_the_hash_tells_other_pairs_and_other_wavs(
    tmp_path: Path, pair: Callable[[str], PreferencePair]
) -> None:
    path, other = tmp_path / "pairs.jsonl", tmp_path / "other.jsonl"
    first, second = pair(TEXTS[0]), pair(TEXTS[1])
    write_pairs(path, [first])
    write_pairs(other, [first, second])
    before = pairs_sha256(path, read_pairs(path))
    assert before == pairs_sha256(path, read_pairs(path))
    assert before != pairs_sha256(other, read_pairs(other))
    write_wav(first.winner, 0.5 * first.waveforms()[0])
    assert before != pairs_sha256(path, read_pairs(path))
    first.winner.unlink()
    with pytest.raises(DataError, match="can't be read"):
        pairs_sha256(path, [first])


def test_only_dpo_learns_from_pairs() -> None:
    with pytest.raises(ConfigError, match="dlpo doesn't learn from preference pairs"):
        Plan(Objective("dlpo"), pairs_sha256="0" * 64)


@pytest.mark.full
def test_tuned_on_pairs_a_voice_says_other_sentences_as_it_was_preferred(
    slow_checkpoint: Path, tiny_dataset: Path, tmp_path: Path,
    pair: Callable[[str], PreferencePair], say: Say, voice: LiteWaveGrad2,
) -> None:  # fmt: skip
    path = tmp_path / "pairs.jsonl"
    write_pairs(path, [pair(text) for text in TEXTS])
    pairs = read_pairs(path)
    plan = Plan(
        Objective("dpo", preference_beta=20.0),
        {"spectral_tilt": 1.0},
        pairs_sha256=pairs_sha256(path, pairs),
    )
    settings = TuningConfig(
        updates=12, sentences=3, group=2, rows=6, learning_rate=6e-3, warm_up=1, ema_decay=0.0,
        validate_every=12, log_every=12, save_every=12, validation_sentences=1, guard=False,
    )  # fmt: skip
    listeners = RewardModels(
        WeightedSum([SpectralTilt(lambda text: 0.0)], {"spectral_tilt": 1.0}), []
    )
    tuner = Tuner(slow_checkpoint, tiny_dataset, tmp_path / "run", plan, settings, listeners, pairs)
    figures: list[dict[str, float]] = []
    tuner.run(lambda update, told: figures.append(told))
    assert figures[-1]["margin"] > 0
    assert figures[-1]["preferences_kept"] == 1.0
    assert figures[-1]["loss"] < figures[0]["loss"]

    text = "Nobody has heard this."
    before = spectral_tilt_db(say(text, 9), SAMPLE_RATE)
    tuned = load_checkpoint(tmp_path / "run" / "checkpoint")
    voice.load_state_dict(tuned.model.state_dict())
    after = spectral_tilt_db(say(text, 9), SAMPLE_RATE)
    assert after > before + 0.1
    assert tuned.provenance.tuned is not None
    assert tuned.provenance.tuned.reward.startswith("preference pairs ")
