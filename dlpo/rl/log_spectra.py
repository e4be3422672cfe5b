"""A dense reward that can be verified: how close each stretch of a copy is to the recording.

    r_p = -mean over windows, bands and the frames of stretch p of |log |X| - log |Y||

X and Y are mel bands of the copy and of the recording, whose durations the copy has. A clip holds
a score for each stretch instead of one in all, so that a draw can be credited where it is better:
advantages (P, B) for `dlpo.rl.awm`.

Brought to the recording's level, so that loudness earns nothing. The mean absolute difference of
logs is smallest at the median spectrum: its own gradient fills valleys with noise, while draws
are compared with each other alone.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from dlpo.audio import MEL_FLOOR, mel_filters

WINDOWS = {512: 40, 1024: 80, 2048: 80}  # samples -> mel bands


def log_spectra(waveforms: Tensor, sample_rate_hz: int, hop: int) -> list[Tensor]:
    """(B, F * hop) -> (B, bands, F) for each of `WINDOWS`, natural logs of mean amplitudes; frames
    are centred on their samples."""
    found = []
    for size, bands in WINDOWS.items():
        filters = torch.from_numpy(mel_filters(sample_rate_hz, size, bands)).to(waveforms)
        filters = filters / filters.sum(1, keepdim=True).clamp(min=MEL_FLOOR)
        window = torch.hann_window(size).to(waveforms)
        side = (size - hop) // 2
        padded = functional.pad(waveforms, (side, size - hop - side))
        spectra = torch.stft(padded, size, hop, window=window, center=False, return_complex=True)
        found.append((filters @ spectra.abs()).clamp(min=MEL_FLOOR).log())
    return found


def stretch_rewards(
    copies: Tensor, recordings: Tensor, sample_rate_hz: int, hop: int, frames: int
) -> Tensor:
    """(P, B) rewards of stretches of so many frames, the last one shorter.

    Args:
        copies: (B, F * hop), 0 past their ends.
        recordings: (B, F * hop), at the same places, 0 past their ends.
    """
    power = (one.square().mean(1, keepdim=True).clamp(min=1e-9) for one in (recordings, copies))
    level = next(power).sqrt() / next(power).sqrt()
    heard, wanted = (log_spectra(one, sample_rate_hz, hop) for one in (level * copies, recordings))
    apart = torch.stack([(x - y).abs().mean(1) for x, y in zip(heard, wanted, strict=True)]).mean(0)
    firsts = range(0, apart.shape[1], frames)
    return -torch.stack([apart[:, first : first + frames].mean(1) for first in firsts])
