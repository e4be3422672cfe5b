"""Every judge through its Protocol. Weights that can't be shipped come from ../shared."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from dlpo.errors import CheckpointError, InputError, MissingExtraError
from dlpo.judges.distillmos import DistillMOS
from dlpo.judges.dnsmos import Dnsmos
from dlpo.judges.judge import Judge, Waveform, active_level_db, high_band_db, listen_at
from dlpo.judges.nisqa import Nisqa
from dlpo.judges.pocketsphinx import PocketSphinx
from dlpo.judges.speaker import SpeakerEncoder
from dlpo.judges.word_errors import word_errors

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
WEIGHTS = SHARED / "models"
CORPUS = SHARED / "data" / "ljspeech"
RATE = 22_050  # Hz

JUDGES: dict[str, Callable[[], Judge]] = {
    "distillmos": DistillMOS,
    "nisqa": lambda: Nisqa(WEIGHTS / "nisqa.tar"),
    "nisqa_tts": lambda: Nisqa(WEIGHTS / "nisqa_tts.tar"),
    "dnsmos": Dnsmos,
}
TIME = np.arange(2 * RATE) / RATE  # s


@pytest.fixture(scope="module", params=JUDGES)
def judge(request: pytest.FixtureRequest) -> Judge:
    if request.param.startswith("nisqa") and not WEIGHTS.is_dir():
        pytest.skip(f"{WEIGHTS} is absent: the weights can't be shipped")
    return JUDGES[request.param]()


def noise(seconds: float, seed: int = 0) -> Waveform:
    generator = np.random.default_rng(seed)
    return 0.1 * generator.standard_normal(round(seconds * RATE)).astype(np.float32)


def recording(clip_id: str) -> Waveform:
    path = CORPUS / "wavs" / f"{clip_id}.flac"
    if not path.is_file():
        pytest.skip(f"{path} is absent: the corpus can't be shipped")
    return np.asarray(soundfile.read(path, dtype="float32")[0])


def first_test_clips() -> list[Waveform]:
    return [recording(f"LJ002-{number:04d}") for number in range(161, 169)]


def test_clips_scored_together_score_as_alone() -> None:
    judge, clips = DistillMOS(), [noise(s, seed) for seed, s in enumerate((1.0, 9.0, 2.0, 0.5))]
    heard = listen_at(judge.sample_rate_hz, clips, RATE)
    batches = list(judge.batches(heard, 3))
    assert [batch.shape[0] for batch in batches] == [1, 1, 2]
    with torch.inference_mode():
        together = [float(x) for b in batches for x in judge.network(torch.from_numpy(b))]
    assert together == pytest.approx(judge.score(clips, RATE), abs=1e-3)


@pytest.mark.full
def test_real_speech_scores_above_itself_in_noise_above_noise(judge: Judge) -> None:
    speech = recording("LJ001-0002")
    hiss = noise(len(speech) / RATE)
    clean, dirty, none = judge.score([speech, speech + 0.2 * hiss, hiss], RATE)
    assert clean > dirty > none


def test_score_of_a_waveform_does_not_depend_on_its_company(judge: Judge) -> None:
    short, long = noise(0.5), noise(1.1, seed=1)
    together = judge.score([short, long], RATE)
    assert together.shape == (2,)
    assert together.dtype == np.float64
    np.testing.assert_allclose(judge.score([long], RATE), together[1:], rtol=1e-5)


def test_silence_gets_a_finite_score_and_no_waveforms_get_none(judge: Judge) -> None:
    assert np.isfinite(judge.score([np.zeros(RATE, np.float32)], RATE)).all()
    assert judge.score([], RATE).shape == (0,)


UNUSABLE = {
    "empty": (np.zeros(0, np.float32), RATE, r"waveform 1 lasts 0\.000 s"),
    "too short": (noise(0.1), RATE, r"expected at least 0\.2 s"),
    "two channels": (np.zeros((2, RATE), np.float32), RATE, r"shape \(2, 22050\)"),
    "NaN": (np.full(RATE, np.nan, np.float32), RATE, "NaN or infinity"),
    "integers": (np.zeros(RATE, np.int16), RATE, "int16; expected float"),
    "rate too low": (noise(1), 100, "100 Hz; expected 8000 to 192000"),
    "negative rate": (noise(1), -RATE, "-22050 Hz"),
}


@pytest.mark.parametrize(("waveform", "rate", "message"), UNUSABLE.values(), ids=UNUSABLE)
def test_unusable_waveform_is_refused_before_listening(
    waveform: Waveform, rate: int, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        listen_at(16_000, [noise(1), waveform], rate)


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_waveform_arrives_at_the_rate_of_the_judge(rate: int) -> None:
    time = np.arange(rate) / rate
    (heard,) = listen_at(16_000, [np.sin(2 * np.pi * 440 * time).astype(np.float32)], rate)
    assert heard.dtype == np.float32
    expected = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    np.testing.assert_allclose(heard[1000:-1000], expected[1000:-1000], atol=1e-3)


@pytest.mark.full
def test_distillmos_of_recordings_is_the_published_figure() -> None:
    assert DistillMOS().score(first_test_clips(), RATE).mean() == pytest.approx(4.39, abs=0.02)


def test_nisqa_of_recordings_is_the_published_figure() -> None:
    clips = first_test_clips()
    if not WEIGHTS.is_dir():
        pytest.skip(f"{WEIGHTS} is absent: the weights can't be shipped")
    nisqa = Nisqa(WEIGHTS / "nisqa.tar")
    assert nisqa.score(clips, RATE).mean() == pytest.approx(4.41, abs=0.02)


@pytest.mark.full
def test_recogniser_understands_speech_better_than_noise() -> None:
    said = "in being comparatively modern"
    speech = recording("LJ001-0002")
    clean, hiss = PocketSphinx().transcribe([speech, noise(1)], RATE)
    assert word_errors(said, clean).rate <= 0.5 < word_errors(said, hiss).rate


def test_missing_or_damaged_weights_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "nisqa.tar"
    with pytest.raises(CheckpointError, match=r"get it from https://github\.com/gabrielmittag"):
        Nisqa(path)
    path.write_bytes(b"not weights at all")
    with pytest.raises(CheckpointError, match=r"nisqa\.tar"):
        Nisqa(path)


@pytest.mark.parametrize(
    "make", [partial(Nisqa, Path("absent")), Dnsmos, partial(SpeakerEncoder, Path("absent"))]
)
def test_judge_without_its_front_end_is_refused(
    make: Callable[[], Judge], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "librosa", None)
    with pytest.raises(MissingExtraError, match="librosa"):
        make()


def tone(hertz: float, amplitude: float = 0.5) -> Waveform:
    return (amplitude * np.sin(2 * np.pi * hertz * TIME)).astype(np.float32)


def test_level_is_that_of_the_speech_without_its_pauses() -> None:
    silence = np.zeros(RATE, np.float32)
    sine_db = 20 * np.log10(0.5) - 3.01
    assert active_level_db(tone(1000, 0.5), RATE) == pytest.approx(sine_db, abs=0.01)
    padded = np.concatenate([silence, tone(1000), silence])
    assert active_level_db(padded, RATE) == pytest.approx(sine_db, abs=0.1)
    assert active_level_db(silence, RATE) == pytest.approx(-120)


def test_high_band_is_the_share_of_energy_above_4_khz() -> None:
    mixed = tone(1000, 0.5) + tone(6000, 0.05)  # a hundredth of the energy
    assert high_band_db(mixed, RATE) == pytest.approx(10 * np.log10(0.01 / 1.01), abs=0.05)
