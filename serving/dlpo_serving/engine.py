"""The seam between synthesis and the run-time that computes the graphs of a bundle."""

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
    """What the encoder says about the phonemes of one sentence."""

    hidden: Floats
    """(1, C, P)"""
    durations: Floats
    """(1, P) frames, before the speed is applied; 0 for a mark that is no pause"""
    ranges: Floats
    """(1, P) frames, standard deviation of the Gaussian upsampling"""


@dataclass(frozen=True, slots=True, eq=False)
class FrameFeatures:
    """What the denoiser needs to know about some frames of one sentence."""

    conditioning: Floats
    """(1, C, F)"""
    f0: Floats
    """(1, F) Hz, 0 where unvoiced"""


@dataclass(frozen=True, slots=True)
class Unit:
    """One call of a graph; units that are equal can be computed as one batch."""

    stage: Stage
    size: int
    """symbols to encode, else frames of the window"""
    steps: int
    """reverse steps, N"""
    graphs: object = field(repr=False)
    """`Engine.graphs` of the voice: two bundles may have the same name for a while"""


class Engine(Protocol):
    """Computes the three graphs of a voice.

    Calls come from one thread at a time, but with an engine on the CPU: there several lanes share
    it. Every method raises EngineError where the run-time fails.
    """

    @property
    def max_batch(self) -> int:
        """Rows of one call of `denoise` up to which a batch is faster than its rows one by one."""

    @property
    def graphs(self) -> object:
        """The same for engines that differ in the voice only: rows of theirs may share a batch."""

    @property
    def manifest(self) -> Manifest:
        """What the bundle says of itself."""

    def speaking(self, voice: str) -> Engine:
        """The same engine for one of a bundle's voices, or a mix; see `Manifest.shares`."""

    def context_frames(self, steps: int) -> int:
        """Frames each side that a window of `steps` steps needs, in this engine's precision."""

    def encode(self, phonemes: Ids, noise: Floats | None = None) -> EncoderOutput:
        """All that the encoder says of a sentence.

        Args:
            phonemes: (1, P) symbol ids.
            noise: (1, K, P) standard normal, where the voice draws its pitch; see `pitch_noise`.
        """

    def frames(
        self, encoding: EncoderOutput, counts: Ids, start: int, stop: int, pitch_semitones: float
    ) -> FrameFeatures:
        """Frames `start` to `stop` of a sentence; (P,) `counts` are the frames of each symbol."""

    def denoise(self, steps: int, conditioning: Floats, source: Floats, noise: Floats) -> Floats:
        """All reverse steps of a window of frames.

        Args:
            steps: one of `manifest.available_steps`.
            conditioning: (B, C, F).
            source: (B, F, hop_length), the harmonic source.
            noise: (K, B, F, hop_length) standard normal.

        Returns:
            (B, F, hop_length) waveform, before the voice's gain.
        """
