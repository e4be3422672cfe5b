"""A sentence on its way from noise to speech: what enters each reverse step, what is seen in it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dlpo.audio import SAMPLE_RATE
from dlpo.bundle import Bundle, ScheduleInfo
from dlpo.checkpoint import load_checkpoint
from dlpo.text import TextFrontEnd
from dlpo_bench.candidates import WHOLE
from dlpo_bench.clips import Clip
from dlpo_bench.svg import document, text
from dlpo_bench.systems import text_to_speech
from dlpo_bench.torch_engine import TorchEngine
from dlpo_serving.spectrogram import png
from dlpo_serving.synthesizer import Synthesizer
from dlpo_serving.voices import DEFAULT_VOICE, find_voice

SENTENCE = "Noise becomes speech."
WINDOW, HOP = 1024, 256  # samples
BINS, RANGE_DB, SHADES = 64, 70.0, 16  # of a picture; few shades compress well
TILE, GAP, LEFT, TOP, ACROSS = 250, 22, 110, 92, 160  # pixels
DARK, LIGHT = np.array([13, 17, 38]), np.array([255, 236, 179])


@dataclass(frozen=True, slots=True)
class Stop:
    """One reverse step."""

    noisy: NDArray[np.float32]
    """(T,) that enters"""
    seen: NDArray[np.float32]
    """(T,) clean speech that the network sees in it"""
    sigma: float
    """share of noise in what enters"""


def stops(checkpoint: Path, sentence: str = SENTENCE) -> list[Stop]:
    """Say a sentence with a checkpoint on its own chain and keep every step of it.

    Raises:
        CheckpointError, BundleError: it can't be loaded.
    """
    loaded = load_checkpoint(checkpoint)
    like = Bundle.load(find_voice(DEFAULT_VOICE)).manifest
    tuned, model = loaded.provenance.tuned, loaded.model
    chain = ScheduleInfo(tuned.schedule, tuned.eta) if tuned else like.noise_schedule
    found: list[Stop] = []
    denoise = model.denoise

    def kept(noisy: torch.Tensor, level: torch.Tensor, *inputs: torch.Tensor) -> torch.Tensor:
        seen: torch.Tensor = denoise(noisy, level, *inputs)
        if not torch.is_inference_mode_enabled():  # the engine measures the network's reach
            return seen
        alpha = float(level.reshape(-1)[0])
        heard = [model.to_waveform(x)[0].numpy().copy() for x in (noisy, seen)]
        found.append(Stop(heard[0], heard[1], float(np.sqrt(1 - alpha**2))))
        return seen

    listening: Any = model  # a method is replaced, on this one object
    listening.denoise = kept
    engine = TorchEngine(loaded, like, chain, [tuned.steps if tuned else like.steps])
    text_to_speech(Synthesizer(engine, TextFrontEnd()), ladder=WHOLE)(Clip("chain", sentence, None))
    return found


def draw_chain(checkpoint: Path) -> str:
    """An SVG document: a column for each reverse step, above what enters, below what is seen."""
    made, sha256 = stops(checkpoint), load_checkpoint(checkpoint).sha256
    width = LEFT + len(made) * (TILE + GAP)
    parts = [
        text(20, 26, f"“{SENTENCE}”: {len(made)} reverse steps", "title"),
        text(20, 48, f"spectrograms, 0 to {SAMPLE_RATE / 2000:.0f} kHz; checkpoint {sha256[:12]}"),
    ]
    for row, words in enumerate(("enters", "is seen in it")):
        parts.append(text(LEFT - 12, TOP + ACROSS // 2 + row * (ACROSS + GAP), words, "end"))
    for column, stop in enumerate(made):
        parts += _column(column, stop, last=column == len(made) - 1)
    return document("A sentence at every reverse step", width, TOP + 2 * (ACROSS + GAP) + 20, parts)


def _column(column: int, stop: Stop, last: bool) -> Iterator[str]:
    x = LEFT + column * (TILE + GAP)
    yield text(x, TOP - 12, f"step {column + 1}: {100 * stop.sigma:.0f} % noise")
    for row, waveform in enumerate((stop.noisy, stop.seen)):
        encoded = base64.b64encode(spectrogram(waveform)).decode()
        yield (
            f'<image x="{x}" y="{TOP + row * (ACROSS + GAP)}" width="{TILE}" height="{ACROSS}"'
            f' preserveAspectRatio="none" href="data:image/png;base64,{encoded}"/>'
        )
    if last:
        yield text(x, TOP + 2 * (ACROSS + GAP) + 2, "this is what is sent", "soft")


def spectrogram(waveform: NDArray[np.float32]) -> bytes:
    """(T,) -> a small PNG: time to the right, frequency upwards, in few shades."""
    windows = np.lib.stride_tricks.sliding_window_view(waveform, WINDOW)[::HOP]
    power = np.abs(np.fft.rfft(windows * np.hanning(WINDOW), axis=1)) ** 2
    pooled = power[:, 1:].reshape(len(power), BINS, -1).mean(axis=2)  # (frames, BINS)
    level_db = 10 * np.log10(pooled + 1e-12)
    share = np.clip((level_db - level_db.max()) / RANGE_DB + 1, 0, 1)
    shade = np.round(share * (SHADES - 1)) / (SHADES - 1)
    pixels = DARK + shade.T[::-1, :, None] * (LIGHT - DARK)
    return png(pixels.round().astype(np.uint8))
