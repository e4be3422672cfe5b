"""The dense reward of copies, against spectra by hand."""

from __future__ import annotations

import numpy as np
import torch

from dlpo.rl.log_spectra import WINDOWS, stretch_rewards

RATE_HZ = 22050
HOP = 300
FRAMES = 3


def bands_by_hand(clip: np.ndarray, size: int, bands: int, frame: int) -> np.ndarray:
    """(bands,) logs of mean amplitudes around the middle of a frame."""
    middle = frame * HOP + HOP // 2
    places = np.arange(middle - size // 2, middle - size // 2 + size)
    inside = (places >= 0) & (places < len(clip))
    heard = np.where(inside, clip[places.clip(0, len(clip) - 1)], 0.0)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    turns = np.exp(-2j * np.pi * np.outer(np.arange(size // 2 + 1), np.arange(size)) / size)
    amplitude = np.abs(turns @ (heard * window))
    hertz = np.arange(size // 2 + 1) * RATE_HZ / size
    mels = np.linspace(0, 2595 * np.log10(1 + RATE_HZ / 2 / 700), bands + 2)
    points, found = 700 * (10 ** (mels / 2595) - 1), []
    for low, peak, high in zip(points, points[1:], points[2:]):  # noqa: B905
        weights = np.interp(hertz, [low, peak, high], [0, 1, 0], 0, 0)
        mean = (weights * amplitude).sum() / max(weights.sum(), 1e-4)
        found.append(np.log(max(mean, 1e-4)))
    return np.array(found)


def test_stretches_score_their_distance_to_the_recording() -> None:
    random = np.random.default_rng(0)
    clips = random.normal(size=(2, 8 * HOP)) * np.linspace(0.01, 0.3, 8 * HOP)
    copy, recording = clips * np.array([[1.0], [0.5]])
    given = torch.from_numpy(np.stack([copy, 3 * recording])).float()
    wanted = torch.from_numpy(np.stack([recording, recording])).float()
    found = stretch_rewards(given, wanted, RATE_HZ, HOP, FRAMES)
    level = copy * np.sqrt((recording**2).mean() / (copy**2).mean())
    apart = np.array(
        [
            np.mean(
                [
                    np.abs(
                        bands_by_hand(level, size, bands, frame)
                        - bands_by_hand(recording, size, bands, frame)
                    ).mean()
                    for size, bands in WINDOWS.items()
                ]
            )
            for frame in range(8)
        ]
    )
    stretches = -np.array([apart[:3].mean(), apart[3:6].mean(), apart[6:].mean()])
    np.testing.assert_allclose(found[:, 0], stretches, rtol=2e-3)
    np.testing.assert_allclose(found[:, 1], 0, atol=1e-3)  # louder alone is no further
