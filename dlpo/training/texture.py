"""What a spectral distance forgives: voices too periodic, soft bursts, and lines at the frame rate.

A network that predicts the average of all plausible waveforms is smoother than speech. Each of
these losses compares one statistic of its output with that of the recording, at places that the
recording decides. All take pre-emphasized waveforms.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from dlpo.frame_grid import FrameGrid

PERIODIC_BANDS = ((1000.0, 2000.0), (2000.0, 4000.0), (4000.0, 7000.0))  # Hz
SEGMENT_S = 0.0272  # what is compared with the same a period later
POOLED_FRAMES = 6  # whose correlations are summed: single ones are noisy
BURST_BAND = ((2000.0, 9000.0),)  # Hz
BURST_STEPS_PER_S = 500  # of levels, each over two steps: 2 and 4 ms
BURST_STEPS = 3  # over which a level rises: 6 ms
BURST_TOLERANCE = 15  # steps, 30 ms: a burst may come earlier or later than the recording's
BURST_FLOOR = 1e-6  # of the window's mean power
LEAST_RISE = 6.0  # dB within 6 ms; bursts count by what they have above it
COMB_BAND = ((3500.0, 48_000.0),)  # Hz
SILENCE = 1e-3  # RMS of a scaled frame below which it counts less


def analytic_bands(waveform: Tensor, rate_hz: int, bands: Sequence[tuple[float, float]]) -> Tensor:
    """(B, T) float32 -> (B, len(bands), T) complex64: the analytic signal of each band, in Hz."""
    length = waveform.shape[1]
    hertz = torch.fft.fftfreq(length, 1 / rate_hz, device=waveform.device)
    edges = torch.tensor(bands, device=waveform.device)
    inside = (hertz >= edges[:, :1]) & (hertz < edges[:, 1:])
    out: Tensor = torch.fft.ifft(2 * torch.fft.fft(waveform.float())[:, None] * inside)
    return out


def periodicity(
    waveform: Tensor, grid: FrameGrid, log_f0: Tensor, voicing: Tensor
) -> tuple[Tensor, Tensor]:
    """How alike a voice is from one period to the next, band by band.

    The magnitude of the analytic signals' correlation at the known period, so that a period of a
    fraction of a sample makes no difference.

    Args:
        waveform: (B, F * H).
        grid: its sample rate and frames.
        log_f0: (B, F) ln Hz.
        voicing: (B, F) 1 where voiced.

    Returns:
        (B, 3, F // 6) from 0 to 1, and (B, F // 6) the voiced frames behind each.
    """
    signals = analytic_bands(waveform, grid.sample_rate_hz, PERIODIC_BANDS)
    frames, hop = log_f0.shape[1], grid.hop_length
    segment = round(SEGMENT_S * grid.sample_rate_hz)
    period = torch.round(grid.sample_rate_hz / log_f0.exp()).long()  # (B, F)
    middle = torch.arange(frames, device=waveform.device) * hop + hop // 2
    start = middle - (segment + period) // 2
    place = start[..., None] + torch.arange(segment, device=waveform.device)
    first, last = place[:, :, 0], place[:, :, -1] + period
    inside = voicing * ((first >= 0) & (last < waveform.shape[1]))
    place = place.clamp(0, waveform.shape[1] - 1)
    later = (place + period[..., None]).clamp(max=waveform.shape[1] - 1)

    def at(places: Tensor) -> Tensor:
        index = places.flatten(1)[:, None].expand(-1, signals.shape[1], -1)
        return signals.gather(2, index).reshape(*signals.shape[:2], *places.shape[1:])

    a, b = at(place), at(later)
    alike = (a * b.conj()).sum(-1).abs() * inside[:, None]
    power = (a.abs().square().sum(-1) * b.abs().square().sum(-1) + 1e-12).sqrt()
    power = power * inside[:, None]
    alike, power, voiced = map(_pooled, (alike, power, inside))
    return alike / power.clamp(min=1e-6), voiced


def _pooled(frames: Tensor) -> Tensor:
    """(..., F) -> (..., F // 6) sums of six frames."""
    whole = frames[..., : frames.shape[-1] // POOLED_FRAMES * POOLED_FRAMES]
    return whole.reshape(*frames.shape[:-1], -1, POOLED_FRAMES).sum(-1)


def periodicity_loss(
    predicted: Tensor, target: Tensor, grid: FrameGrid, log_f0: Tensor, voicing: Tensor
) -> Tensor:
    """Mean L1 of `periodicity` where voiced, (); arguments as there."""
    made, _ = periodicity(predicted, grid, log_f0, voicing)
    recorded, voiced = periodicity(target, grid, log_f0, voicing)
    weight = voiced[:, None].expand_as(made)
    return ((made - recorded).abs() * weight).sum() / weight.sum().clamp(min=1.0)


def rises(waveform: Tensor, rate_hz: int) -> Tensor:
    """(B, T) -> (B, R) dB: the greatest rise within 6 ms of the level of 2-9 kHz, in 30 ms."""
    power = analytic_bands(waveform, rate_hz, BURST_BAND)[:, 0].abs().square()
    step = rate_hz // BURST_STEPS_PER_S
    level = functional.avg_pool1d(power[:, None], 2 * step, step)[:, 0]
    mean = waveform.float().square().mean(1, keepdim=True).detach().clamp(min=1e-6)
    decibels = 10 * torch.log10(level / mean + BURST_FLOOR)
    rise = decibels[:, BURST_STEPS:] - decibels[:, :-BURST_STEPS]
    pooled = functional.max_pool1d(rise[:, None], BURST_TOLERANCE, BURST_TOLERANCE // 2)
    return pooled[:, 0]


def burst_loss(predicted: Tensor, target: Tensor, rate_hz: int) -> Tensor:
    """Mean L1 of `rises`, in units of 10 dB, by how far the recording's rise is a burst, ().

    Args:
        predicted, target: (B, T).
    """
    made, recorded = rises(predicted, rate_hz), rises(target, rate_hz)
    weight = (recorded - LEAST_RISE).clamp(min=0)
    distance = (made - recorded).abs() / 10
    return (distance * weight).sum() / weight.sum().clamp(min=1.0)


def comb(waveform: Tensor, rate_hz: int, hop: int) -> Tensor:
    """Share of the power above 3.5 kHz that repeats every ``hop`` samples, less chance's, ().

    A spectrum that is constant from frame to frame adds up to lines at multiples of the frame rate.

    Args:
        waveform: (B, T), T a multiple of ``hop``.
        hop: samples between the network's frames.
    """
    high = analytic_bands(waveform, rate_hz, COMB_BAND)[:, 0].real
    high = high.view(len(high), -1, hop)  # (B, L, hop)
    level = high.square().mean(2, keepdim=True).sqrt().detach()
    even = high / (level + SILENCE)
    share = even.mean(1).square().mean()
    return (share - even.square().mean() / even.shape[1]).clamp(min=0)
