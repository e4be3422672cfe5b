"""`spectral`: its transforms against torch's own, and what its voices change."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from dlpo.audio import pre_emphasise
from dlpo.config.models import SpectralConfig
from dlpo.errors import ConfigError
from dlpo.model.blocks import de_emphasise
from dlpo.model.build import build_model
from dlpo.model.gaussian_upsampling import frame_positions
from dlpo.model.reach import context_frames_per_step
from dlpo.model.real_dft import RealDft
from dlpo.model.spectral import SpectralWaveGrad2
from tests.toys import SPECTRAL

TINY = replace(SPECTRAL, voices=("ann", "ann/a", "ann/b", "bob"))


@pytest.fixture
def model() -> SpectralWaveGrad2:
    torch.manual_seed(0)
    return build_model(TINY).eval()


def test_spectra_are_those_of_torch_and_give_back_the_waveform(model: SpectralWaveGrad2) -> None:
    waveform = torch.randn(2, 3000)
    ours = model.spectrum(waveform)
    padded = torch.nn.functional.pad(waveform, (225, 225))
    theirs = torch.stft(
        padded, 600, 150, window=torch.hann_window(600), center=False, return_complex=True
    )
    low = model.dft.frequency <= 300  # the others are mirror images
    expected = theirs.transpose(1, 2)[..., model.dft.frequency[low]]
    torch.testing.assert_close(torch.complex(*ours)[..., low], expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(model.waveform(ours), waveform, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", [6, 128, 400, 600])
def test_products_equal_the_fast_transform(size: int) -> None:
    dft, frames = RealDft(size), torch.randn(2, 3, size)
    spectra = dft(frames)
    torch.testing.assert_close(dft.products(frames), spectra, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(dft.inverse(spectra), frames, atol=1e-5, rtol=1e-4)
    any_ = torch.randn(2, 2, 3, dft.places).unbind()  # no real frame's spectrum
    torch.testing.assert_close(dft.inverse_products(any_), dft.inverse(any_), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("hop", [7, 150, 256])
def test_emphasis_is_undone(hop: int) -> None:
    clean = torch.randn(2, 20 * hop).cumsum(1)
    emphasised = torch.stack([torch.from_numpy(pre_emphasise(row.numpy())) for row in clean])
    torch.testing.assert_close(de_emphasise(emphasised, hop), clean, atol=1e-4, rtol=1e-5)


def test_a_filter_of_one_gives_back_the_source(model: SpectralWaveGrad2) -> None:
    with torch.no_grad():
        model.spectrum_out.weight.zero_()
        model.spectrum_out.bias.zero_()
        model.spectrum_out.bias[: model.dft.places] = 1  # real part of the filter on the source
        noisy, source = torch.randn(2, 1, 3000)
        x0 = model.denoise(noisy, torch.tensor([0.5]), torch.randn(1, 16, 10), source)
    torch.testing.assert_close(x0, source, atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("free_part", [False, True])
def test_only_a_free_part_breaks_silence(free_part: bool) -> None:
    model = build_model(replace(TINY, free_part=free_part)).eval()
    nothing, level = torch.zeros(2, 1, 3000).unbind(), torch.tensor([0.5])
    made = model.denoise(nothing[0], level, torch.randn(1, 16, 10), nothing[1])
    assert bool(made.any()) is free_part


def test_a_voice_is_the_sum_of_speaker_and_session(model: SpectralWaveGrad2) -> None:
    rows = torch.tensor([TINY.rows(voice) for voice in ("ann", "ann/b", "ann/unknown", "bob")])
    speaker, session, unknown, other = model.voice(rows)
    assert speaker.shape == (16 + 16,)
    torch.testing.assert_close(session[:16] - speaker[:16], model.voices.weight[2])
    assert torch.equal(unknown, speaker)
    assert not torch.equal(other, speaker)
    with pytest.raises(ConfigError, match="'eve'; expected one of ann"):
        TINY.rows("eve")


def spoken(model: SpectralWaveGrad2, voice: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Durations and conditioning of a few symbols."""
    phonemes = torch.tensor([[1, 12, 30, 45, 4]])
    mask = torch.ones_like(phonemes, dtype=torch.bool)
    embedded = model.voice(torch.tensor([TINY.rows(voice)]))
    hidden, durations, ranges = model.encode(phonemes, mask, None, embedded)
    frames = torch.full_like(durations, 3.0)
    inputs = (hidden, frames, ranges, frame_positions(15), torch.zeros(1))
    return durations, model.frames(*inputs, embedded)[0]


def test_another_voice_has_other_timing_and_conditioning(model: SpectralWaveGrad2) -> None:
    for ann, bob in zip(spoken(model, "ann"), spoken(model, "bob"), strict=True):
        assert not torch.allclose(ann, bob)


def test_adapters_change_the_voices_that_have_gates_and_no_other(model: SpectralWaveGrad2) -> None:
    adapted = SpectralWaveGrad2(replace(TINY, adapter_channels=4)).eval()
    adapted.load_state_dict(model.state_dict(), strict=False)
    assert adapted.gates is not None
    with torch.no_grad():
        adapted.gates.weight[TINY.voices.index("bob")] = 1
    for ann, before in zip(spoken(adapted, "ann"), spoken(model, "ann"), strict=True):
        assert torch.equal(ann, before)
    for bob, before in zip(spoken(adapted, "bob"), spoken(model, "bob"), strict=True):
        assert not torch.allclose(bob, before)


def test_a_step_looks_a_bounded_way(model: SpectralWaveGrad2) -> None:
    # Two blocks of 7 spectra, 1.5 spectra of window on either side in and out: 9 spectra.
    assert context_frames_per_step(model, 16) in (5, 6)


@pytest.mark.parametrize(
    "values",
    [
        {"stft_hop": 128},
        {"window": 500},
        {"window": 150, "stft_hop": 150},  # no overlap
        {"window": 150, "stft_hop": 75},  # half a sample more on each side
        {"voices": ()},
        {"voices": ("a", "a")},
    ],
)
def test_sizes_that_do_not_fit_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        SpectralConfig(**values)  # type: ignore[arg-type]
