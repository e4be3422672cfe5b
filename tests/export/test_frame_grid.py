"""A voice of another sample rate and frame, from its recordings to speech in pieces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dlpo.audio import harmonic_source
from dlpo.bundle import Bundle
from dlpo.data import ljspeech
from dlpo.data.dataset import Corpora
from dlpo.data.ljspeech import prepare
from dlpo.data.options import FeatureSet
from dlpo.errors import DataError
from dlpo.frame_grid import FrameGrid
from dlpo.training.batches import whole_frames
from dlpo.training.spectral_trainer import SpectralTrainer
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices import open_voice
from tests.toys import SPECTRAL, SPECTRAL_TRAINING

GRID = FrameGrid(24_000, 240)
CONFIG = replace(
    SPECTRAL, sample_rate_hz=24_000, hop_length=240, window=720, stft_hop=240, blocks=1
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four hums of a second at 24 kHz, each the word "ah"."""
    root = tmp_path_factory.mktemp("corpus")
    (root / "wavs").mkdir()
    lines = ["id\tphonemes\tdurations_ms\twords"]
    for clip, hertz in (("a1", 110), ("a2", 140), ("a3", 170), ("a4", 200)):
        phase = 2 * np.pi * hertz * np.arange(24_000) / 24_000
        hum = sum(np.sin(k * phase) / k for k in range(1, 12))
        soundfile.write(root / "wavs" / f"{clip}.wav", 0.1 * hum, 24_000)
        lines.append(f"{clip}\tsil AA1 sil\t100 800 100\tah:1-2")
    (root / "alignments.tsv").write_text("\n".join(lines) + "\n")
    (root / "metadata.csv").write_text("".join(f"a{n}|Ah.|Ah.\n" for n in range(1, 5)))
    return root


@pytest.fixture(scope="module")
def dataset(corpus: Path) -> Path:
    out = corpus.parent / "dataset"
    assert (
        prepare(corpus, corpus / "alignments.tsv", out, features=FeatureSet(GRID)).with_audio == 4
    )
    return out


def test_features_follow_the_grid(dataset: Path) -> None:
    corpora = Corpora([dataset])
    assert corpora.grid == GRID
    one = corpora[corpora.split("train", with_audio=True)[0]]
    assert len(one.waveform) == 100 * 240 == 240 * len(one.features.f0)
    known = {110.0, 140.0, 170.0, 200.0}
    assert min(abs(float(np.median(one.features.f0[30:70])) - hertz) for hertz in known) < 2
    assert whole_frames(np.array([0.1, 0.8, 0.1], np.float32), GRID).tolist() == [10, 80, 10]


def test_a_clip_at_another_rate_is_left_out(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="24000 Hz; expected mono, 22050 Hz"):
        prepare(corpus, corpus / "alignments.tsv", tmp_path)


def test_datasets_of_two_grids_are_not_mixed(dataset: Path, tiny_dataset: Path) -> None:
    with pytest.raises(DataError, match="22050 Hz in frames of 300 samples"):
        Corpora([dataset, tiny_dataset], [1.0, 1.0])


def test_a_model_of_another_grid_is_refused(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"model\.sample_rate_hz=24000"):
        SpectralTrainer(SPECTRAL, SPECTRAL_TRAINING, [dataset], [1.0], tmp_path)


@pytest.mark.full
def test_it_trains_and_speaks_in_pieces(
    dataset: Path, tmp_path: Path, export_toy: Callable[..., Path]
) -> None:
    training = replace(SPECTRAL_TRAINING, part="denoiser", updates=2)
    trained = SpectralTrainer(CONFIG, training, [dataset], [1.0], tmp_path / "run").run()
    bundle = export_toy(
        trained, tmp_path / "bundle", steps=(1,), default_steps=1, precisions=("fp32",)
    )
    assert Bundle.load(bundle).manifest.grid == GRID
    voice, request = open_voice(bundle), SpeechRequest("Ah, it hums along.", seed=1)
    whole = voice.speak(request)
    pieces = [chunk.samples for chunk in voice.stream(voice.read(request), (3,))]
    assert len(whole) % 240 == 0
    assert len(pieces) > 1
    np.testing.assert_allclose(np.concatenate(pieces), whole, atol=1e-4)


def test_harmonics_fill_the_band_of_the_rate() -> None:
    source = harmonic_source(np.full(100, 240.0, np.float32), GRID)
    spectrum = np.abs(np.fft.rfft(source))
    hertz = np.fft.rfftfreq(len(source), 1 / 24_000)
    heard = hertz[spectrum > 0.3 * spectrum.max()]
    assert np.allclose(heard % 240, 0)
    assert heard.max() == 240 * int(0.95 * 12_000 / 240)


def test_clips_measured_on_another_grid_are_not_taken(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    out, other = tmp_path / "dataset", FeatureSet(FrameGrid(24_000, 300))
    with monkeypatch.context() as patched:
        patched.setattr(ljspeech, "pack", stop)
        with pytest.raises(KeyboardInterrupt):
            prepare(corpus, corpus / "alignments.tsv", out, features=other)
    prepare(corpus, corpus / "alignments.tsv", out, features=FeatureSet(GRID))
    one = Corpora([out])[0]
    assert len(one.waveform) == 240 * len(one.features.f0)
