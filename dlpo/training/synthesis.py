"""Speech from a torch model: from text, as a bundle speaks it, or as a copy of a recording.

`search_schedules` and `search_gains` look for the chain that copies best: `dlpo schedule`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlpo.audio import PulseJitter, Waveform, harmonic_source
from dlpo.diffusion import sample
from dlpo.errors import DataError
from dlpo.model.build import Model
from dlpo.model.contour import POINTS
from dlpo.model.gaussian_upsampling import frame_positions
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.noise_schedule import NoiseSchedule, named_schedule
from dlpo.training.acoustics import FrozenAcoustics, measured_mel, measured_prosody
from dlpo.training.batches import CONTEXT, Batches, whole_frames
from dlpo.training.losses import multi_resolution_stft

SPECTRAL_NAMES = (
    "cosine:0.5", "cosine:0.75", "cosine", "cosine:1.5", "cosine:2", "linear", "logarithmic",
)  # fmt: skip
WAVEGRAD_NAMES = (  # it has learned levels down to that of the published chain, 0.08
    "linear",
    *(f"logarithmic:{one:g}:{two:g}" for one in (1e-6, 1e-5, 1e-4) for two in (0.9, 0.97, 0.99)),
)
ETAS = (0.0, 0.25, 0.5, 1.0)
GAIN_RATIO, MOST_TIMES = 1.25, 8  # between gains that are tried, up to 6
Progress = Callable[[int, int], None]


@torch.no_grad()
def speak(
    model: Model,
    symbols: NDArray[np.int64],
    schedule: NoiseSchedule,
    seed: int = 0,
    durations: NDArray[np.float32] | None = None,
    voice: str | None = None,
    jitter: float = 0.0,
) -> Waveform:
    """Speak from symbols alone: durations and all other conditioning are predicted.

    Args:
        model: in eval mode.
        symbols: (P,) symbol ids of one utterance.
        schedule: the reverse chain.
        seed: of the noise.
        durations: (P,) whole frames to use instead of the predicted ones.
        voice: of a model with several; its default if None.
        jitter: see `condition`.

    Returns:
        (T,) float32.
    """
    conditioning, source = condition(model, symbols, durations, seed, voice, jitter)
    return denoise(model, conditioning, source, schedule, seed)


def condition(
    model: Model,
    symbols: NDArray[np.int64],
    durations: NDArray[np.float32] | None = None,
    seed: int = 0,
    voice: str | None = None,
    jitter: float = 0.0,
) -> tuple[Tensor, Waveform]:
    """The denoiser's inputs for one utterance, computed as a bundle's host does.

    Except at the end: a served sentence's last mark lasts at least `FrameGrid.end_frames`.

    Args:
        model: in eval mode.
        symbols: (P,) symbol ids.
        durations: (P,) whole frames to use instead of the predicted ones.
        seed: of the noise from which a voice with a contour draws its pitch.
        voice: of a model with several; its default if None.
        jitter: standard deviation of the pulses' places, in periods.

    Returns:
        (1, C, F) conditioning on the model's device, with the gradient of whatever learns before
        the denoiser, and (F * H,) harmonic source.
    """
    device, embedded = next(model.parameters()).device, model.named_voice(voice)
    hidden, frames, ranges = encode(model, symbols, seed, embedded)
    if durations is not None:
        frames = torch.from_numpy(durations)[None].to(device)
    positions = frame_positions(int(frames.sum()), device)
    no_shift = torch.zeros(1, device=device)
    conditioning, f0 = model.frames(hidden, frames, ranges, positions, no_shift, embedded)
    moved = PulseJitter(jitter, np.random.default_rng(seed)) if jitter else None
    hertz = f0[0].detach().cpu().numpy()
    return conditioning, harmonic_source(hertz, model.config.grid, jitter=moved)


def encode(
    model: Model, symbols: NDArray[np.int64], seed: int, voice: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Hidden sequence, (1, P) whole frames of each symbol, and ranges of one utterance."""
    phonemes = torch.from_numpy(symbols)[None].to(next(model.parameters()).device)
    mask = torch.ones_like(phonemes, dtype=torch.bool)
    noise = torch.randn(
        1, POINTS, phonemes.shape[1], generator=torch.Generator().manual_seed(seed)
    ).to(phonemes.device)
    hidden, predicted, ranges = model.encode(phonemes, mask, noise, voice)
    ends = predicted.detach().double().cumsum(1).round()
    return hidden, torch.diff(ends, prepend=ends.new_zeros(1, 1)).float(), ranges


@torch.no_grad()
def copy(
    model: Model,
    batches: Batches,
    utterance: int,
    schedule: NoiseSchedule,
) -> Waveform:
    """Speak from a recording's own durations, F0 and mel: the best that the denoiser could do.

    WaveGrad 2 speaks from text and durations; its copy is scaled to the recording's peak, since it
    has learned from recordings with a peak of 1.

    Args:
        model: in eval mode.
        batches: of the split that the utterance is in, with the model's voices.
        utterance: its index in the dataset.
        schedule: the reverse chain.
    """
    if not isinstance(model, SpectralWaveGrad2):
        symbols, seconds = batches.dataset.timing(utterance)
        frames = whole_frames(seconds, model.config.grid)
        peak = np.abs(_recording(batches, utterance)).max()
        spoken: Waveform = peak * speak(model, symbols, schedule, durations=frames)
        return spoken
    windows = batches.whole(utterance)
    frozen = FrozenAcoustics(model, batches).of(windows)
    voice = model.voice(windows.sentences.voices)
    conditioning = model.condition(
        frozen.upsampled, measured_prosody(windows), measured_mel(windows), voice
    )[:, :, CONTEXT:-CONTEXT]
    return denoise(model, conditioning, windows.source[0].numpy(), schedule, seed=0)


def denoise(
    model: Model,
    conditioning: Tensor,
    source: Waveform,
    schedule: NoiseSchedule,
    seed: int,
) -> Waveform:
    """(1, C, F) conditioning and (F * H,) source through a whole chain, under the seed's noise."""
    device = conditioning.device
    samples = conditioning.shape[2] * model.config.grid.hop_length
    noise = torch.randn(
        schedule.noise_count, 1, samples, generator=torch.Generator().manual_seed(seed)
    )
    x0 = sample(
        model.denoise,
        schedule,
        conditioning,
        torch.from_numpy(source)[None].to(device),
        noise.to(device),
        model.parametrisation,
        model.x0_limit,
    )
    out: Waveform = model.to_waveform(x0)[0].cpu().numpy()
    return out


@dataclass(frozen=True, slots=True)
class Trial:
    """One schedule and how far its speech is from the recordings."""

    name: str
    eta: float
    distance: float
    """multi-resolution STFT distance of copy-synthesis to the recording, at its level, mean over
    the clips"""


def search_schedules(
    model: Model,
    batches: Batches,
    steps: int,
    clips: int = 4,
    progress: Progress = lambda done, total: None,
    names: Sequence[str] = (),
    etas: Sequence[float] = (),
) -> list[Trial]:
    """Copy the first validation clips with each named schedule and eta; the best comes first.

    A distance to the recording ranks chains of equal length; how many steps to take is for the
    judges to decide, see `dlpo eval`.

    Args:
        model: in eval mode.
        batches: of the validation split, with the model's voices.
        steps: N.
        clips: how many recordings to copy.
        progress: called with trials done and trials in all.
        names: schedules to try; by default, those that suit the model.
        etas: by default, `ETAS`; at N = 1, where there is no noise to add, only the first.

    Raises:
        DataError: the split has no recordings.
        ConfigError: steps out of range.
    """
    etas = (etas or ETAS)[: None if steps > 1 else 1]
    usual = SPECTRAL_NAMES if isinstance(model, SpectralWaveGrad2) else WAVEGRAD_NAMES
    tried = [(name, eta) for name in names or usual for eta in etas]
    trials = []
    for done, (name, eta) in enumerate(tried, 1):
        trials.append(_copied(model, batches, name, steps, eta, clips))
        progress(done, len(tried))
    return sorted(trials, key=lambda trial: trial.distance)


def search_gains(
    model: Model,
    batches: Batches,
    steps: int,
    chain: Trial,
    clips: int = 4,
    progress: Progress = lambda done, total: None,
) -> Trial:
    """Scale the estimates of the waveform in the first steps of a chain, the noisiest first, by
    `GAIN_RATIO` as often as it brings the copies closer; arguments as for `search_schedules`.

    An estimate from almost nothing but noise is a mean of all that could be said, and too quiet.
    The first step that a gain doesn't help ends the search: further on, estimates are as loud as
    speech, and a gain would only play with the distance.
    """
    best, gains = chain, list[float]()
    while len(gains) < steps:
        start = best
        for times in range(1, MOST_TIMES + 1):
            tried = [*gains, GAIN_RATIO**times]
            name = f"{chain.name}@{','.join(f'{gain:.3g}' for gain in tried)}"
            trial = _copied(model, batches, name, steps, chain.eta, clips)
            if trial.distance >= best.distance:
                break
            best = trial
        if best is start:
            break
        gains.append(named_schedule(best.name, steps).gain(len(gains)))
        progress(len(gains), steps)
    progress(steps, steps)
    return best


def _copied(model: Model, batches: Batches, name: str, steps: int, eta: float, clips: int) -> Trial:
    """How far a chain's copies of the first clips are from them."""
    chosen = batches.recorded[:clips]
    if not chosen:
        raise DataError(
            f"{batches.dataset.path}: no validation recordings; prepare a corpus that has some"
        )
    schedule = named_schedule(name, steps, eta)
    distances = [
        _distance(copy(model, batches, i, schedule), _recording(batches, i)) for i in chosen
    ]
    return Trial(name, eta, sum(distances) / len(distances))


def _recording(batches: Batches, utterance: int) -> Waveform:
    return batches.dataset.audio(utterance, 0, batches.dataset.entries[utterance].frames)


def _distance(made: Waveform, recorded: Waveform) -> float:
    both = min(len(made), len(recorded))  # rounded durations may differ by a frame
    heard, wanted = (torch.from_numpy(x[:both])[None] * 5 for x in (made, recorded))
    level = wanted.square().mean().sqrt() / heard.square().mean().sqrt().clamp(min=1e-6)
    return float(multi_resolution_stft(level * heard, wanted))
