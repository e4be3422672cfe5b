"""The interface between synthesis and the run-time that computes a bundle's graphs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from dlpo.bundle import Manifest

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]
Stage = Literal["encode", "frames", "denoise"]


@dataclass(frozen=True, slots=True, eq=False)
class EncoderOutput:
    """The encoder's output for the phonemes of one sentence."""

    hidden: Floats
    """(1, C, P)"""
    durations: Floats
    """(1, P) frames, before the speed is applied; 0 for a mark without a pause"""
    ranges: Floats
    """(1, P) frames, standard deviation of the Gaussian upsampling"""


@dataclass(frozen=True, slots=True, eq=False)
class FrameFeatures:
    """The denoiser's conditioning for some frames of one sentence."""

    conditioning: Floats
    """(1, C, F)"""
    f0: Floats
    """(1, F) Hz, 0 where unvoiced"""


@dataclass(frozen=True, slots=True)
class Unit:
    """One call of a graph; equal units can be computed as one batch."""

    stage: Stage
    size: int
    """symbols to encode, otherwise frames of the window"""
    steps: int
    """reverse steps, N"""
    graphs: object = field(repr=False)
    """`Engine.graphs` of the voice: two bundles may temporarily have the same name"""


class Engine(Protocol):
    """Computes the three graphs of a voice.

    Calls come from one thread at a time, except on the CPU, where several lanes share an engine.
    Every method raises EngineError if the run-time fails.
    """

    @property
    def max_batch(self) -> int:
        """Largest `denoise` batch that is still faster than its rows computed one by one."""

    @property
    def graphs(self) -> object:
        """Identical for engines that differ only in the voice: their rows may share a batch."""

    @property
    def manifest(self) -> Manifest:
        """The bundle's manifest, for the voice that speaks."""

    def speaking(self, voice: str) -> Engine:
        """The same engine for one of a bundle's voices, or a mix; see `Manifest.shares`."""

    def context_frames(self, steps: int) -> int:
        """Context frames on each side of a `steps`-step window, in this engine's precision."""

    def encode(self, phonemes: Ids, noise: Floats | None = None) -> EncoderOutput:
        """Run the encoder on a sentence.

        Args:
            phonemes: (1, P) symbol ids.
            noise: (1, K, P) standard normal, if the voice draws its pitch; see `pitch_noise`.
        """

    def frames(
        self, encoding: EncoderOutput, counts: Ids, start: int, stop: int, pitch_semitones: float
    ) -> FrameFeatures:
        """Frames `start` to `stop` of a sentence; `counts`, (P,), has the frames per symbol."""

    def denoise(self, steps: int, conditioning: Floats, source: Floats, noise: Floats) -> Floats:
        """Run all reverse steps on a window of frames.

        Args:
            steps: one of `manifest.available_steps`.
            conditioning: (B, C, F).
            source: (B, F, hop_length), the harmonic source.
            noise: (K, B, F, hop_length) standard normal.

        Returns:
            (B, F, hop_length) waveform, before the voice's gain.
        """
