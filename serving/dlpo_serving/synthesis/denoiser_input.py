"""The denoiser's inputs for one sentence, made only as far as needed.

First audio must not wait for the end of a long sentence. The frames graph runs on blocks with
context on both sides; the blocks are fixed, so that a sentence gives the same bits however its
audio is cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from dlpo.audio import PulseJitter
from dlpo.bundle import Manifest
from dlpo.mark import NoiseMark
from dlpo.text import Sentence
from dlpo.text.symbols import FIRST_PHONEME
from dlpo_serving.engine import EncoderOutput, Engine, Floats
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesis.chunks import STREAM_LADDER, end_of_next, sizes_of
from dlpo_serving.synthesis.harmonic_source import LOOKAHEAD, HarmonicSource
from dlpo_serving.synthesis.timing import (
    DurationWarp,
    SentenceTiming,
    Volume,
    sentence_timing,
)

NEXT_BLOCKS = (64, 256)  # frames, the last forever; a longer first one would delay the second chunk
PULSES = 2  # keys the jitter of pulses, as PITCH does
PITCH = 1  # keys the pitch noise, with seed and sentence, so that it differs from the denoiser's


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """The denoiser's inputs for some frames of a sentence."""

    conditioning: Floats
    """(1, C, F)"""
    source: Floats
    """(1, F, hop_length)"""
    noise: Floats
    """(K, 1, F, hop_length)"""

    @classmethod
    def joined(cls, windows: Sequence[Window]) -> Window:
        """Windows of equal length as a batch."""
        return cls(
            np.concatenate([window.conditioning for window in windows]),
            np.concatenate([window.source for window in windows]),
            np.concatenate([window.noise for window in windows], axis=1),
        )


class _FrameBlock(NamedTuple):
    """Frames for one run of the frames graph: up to `stop`, with context on both sides."""

    stop: int
    first: int
    last: int
    pitch_semitones: float


class DenoiserInput:
    """One encoded sentence; its windows must be requested in order."""

    def __init__(
        self,
        engine: Engine,
        sentence: Sentence,
        request: SpeechRequest,
        steps: int,
        index: int,
        begin: int = 0,
        mark: NoiseMark | None = None,
        fitted: tuple[EncoderOutput, float] | None = None,
    ) -> None:
        """Encode the sentence, unless it is.

        Args:
            sentence: its words may have their own pace, pitch and volume.
            request: its speed and pitch apply on top of those.
            steps: reverse steps, N.
            index: of the sentence in its text; with the seed, it keys the noise.
            begin: its first sample in the whole audio; the mark's signs are counted from there.
            mark: whose signs the noise has; None: its own.
            fitted: from `encoded`, and the speed in place of the request's.

        Raises:
            EngineError: the run-time failed, or predicted impossible durations.
        """
        manifest = engine.manifest
        self._engine = engine
        self._sentence = sentence
        self._encoding, speed = fitted or (
            encoded(engine, sentence, request.seed, index),
            request.speed,
        )
        self._pace = DurationWarp.at(
            self._encoding.durations[0],
            np.array(sentence.symbol_ids()) < FIRST_PHONEME,
            speed * np.array(sentence.per_symbol("speed")),
            manifest.grid.end_frames,
        )
        self.frames = len(self._pace.places)
        """length of the sentence"""
        pitch = request.pitch_semitones + np.array(sentence.per_symbol("pitch_semitones"))
        self._pitch = np.repeat(pitch, self._pace.own)  # (N,) semitones
        self._volume = self._volume_of(sentence)
        self._begin = begin
        self._mark = mark
        self._generator = np.random.default_rng([request.seed, index])
        self._harmonics = HarmonicSource(manifest.grid, pulse_jitter(manifest, request.seed, index))
        first_block = self._own_frames(engine.context_frames(steps) + STREAM_LADDER[0])
        self._block_sizes = sizes_of((first_block, *NEXT_BLOCKS))
        self._known = 0  # the voice's own frames that already have conditioning and F0
        self._made = 0  # frames that already have source and noise
        own_frames = len(self._pitch)  # N
        self._conditioning = np.empty((1, 0, own_frames), np.float32)
        self._f0 = np.zeros(own_frames, np.float32)
        self._source = np.zeros((1, self.frames, manifest.hop_length), np.float32)
        planes, *_ = engine.manifest.noise_shape(f"denoiser_{steps}")  # 1 where eta is 0
        self._noise = np.empty((int(planes), 1, self.frames, manifest.hop_length), np.float32)
        self._block = self._next_block()

    def window(self, start: int, stop: int) -> Window:
        """Frames `start` to `stop`."""
        while self.missing_block(stop):
            self.compute_block()
        if stop > self._made:
            self._make_source_and_noise(stop)
        return Window(
            self._pace.read(self._conditioning, start, stop),
            self._source[:, start:stop],
            self._noise[:, :, start:stop],
        )

    @cached_property
    def timing(self) -> SentenceTiming:
        """Timestamps of its words, phonemes and marks."""
        return sentence_timing(self._sentence, self._pace.counts, self._engine.manifest.hop_length)

    def volume(self, start: int, stop: int) -> Floats | None:
        """The gain of frames `start` to `stop`, (T,) float32; None if it is 1 throughout."""
        return self._volume.gain(start, stop) if self._volume else None

    def _volume_of(self, sentence: Sentence) -> Volume | None:
        levels = np.array(sentence.per_symbol("volume_db"))
        if not levels.any():
            return None
        manifest = self._engine.manifest
        level_db = np.repeat(levels, self._pace.counts)
        return Volume(level_db, manifest.hop_length, manifest.sample_rate_hz)

    def missing_block(self, stop: int) -> int:
        """Frames of the block to compute next for a window up to `stop`; 0 if none is needed."""
        if self._known >= self._own_frames(stop):
            return 0
        return self._block.last - self._block.first

    def compute_block(self) -> None:
        """Run the frames graph on the next block."""
        block = self._block
        made = self._engine.frames(
            self._encoding, self._pace.own, block.first, block.last, block.pitch_semitones
        )
        if self._known == 0:
            shape = (1, made.conditioning.shape[1], len(self._f0))
            self._conditioning = np.empty(shape, np.float32)
        new = slice(self._known - block.first, block.stop - block.first)
        self._conditioning[:, :, self._known : block.stop] = made.conditioning[:, :, new]
        self._f0[self._known : block.stop] = made.f0[0, new]
        self._known = block.stop
        if self._known < len(self._f0):
            self._block = self._next_block()

    def _own_frames(self, stop: int) -> int:
        """How many of the voice's own frames a window up to `stop` needs."""
        return self._pace.own_frames(min(stop + LOOKAHEAD, self.frames))

    def _next_block(self) -> _FrameBlock:
        """The next block; the frames graph takes a single pitch, so blocks end where it changes."""
        frames, context = len(self._f0), self._engine.manifest.frames_context
        size = next(self._block_sizes)
        if context is None:  # the graph may look at the whole sentence
            size = context = frames
        pitch = self._pitch[self._known]
        stop = end_of_next(self._known, size, frames)
        (others,) = np.nonzero(self._pitch[self._known : stop] != pitch)
        if others.size:
            stop = self._known + int(others[0])
        first, last = max(0, self._known - context), min(stop + context, frames)
        return _FrameBlock(stop, first, last, float(pitch))

    def _make_source_and_noise(self, stop: int) -> None:
        manifest = self._engine.manifest
        new = slice(self._made, stop)
        frames, planes = stop - self._made, len(self._noise)
        if manifest.uses_source and manifest.source.harmonics:
            f0 = self._pace.read_f0(self._f0, 0, min(stop + LOOKAHEAD, self.frames))
            source = self._harmonics.extend(f0, stop)
            self._source[0, new] = manifest.source.amplitude * source.reshape(frames, -1)
        # Drawn in frame order, so that drawing in parts gives the same noise as drawing it all.
        draw = self._generator.standard_normal((frames, planes, manifest.hop_length), np.float32)
        if self._mark:  # in the first noise alone: planes with the same signs would be correlated
            self._mark.put_on(draw[:, 0], self._begin + self._made * manifest.hop_length)
        self._noise[:, 0, new] = draw.swapaxes(0, 1)
        self._made = stop


def encoded(engine: Engine, sentence: Sentence, seed: int, index: int) -> EncoderOutput:
    """What the encoder makes of a sentence; see `pitch_noise` for arguments."""
    phonemes = np.array([sentence.symbol_ids()], np.int64)
    noise = pitch_noise(engine.manifest, phonemes.shape[1], seed, index)
    return engine.encode(phonemes, noise)


def pitch_noise(manifest: Manifest, symbols: int, seed: int, index: int) -> Floats | None:
    """(1, K, `symbols`) standard normal for a sentence; None for a voice that draws no pitch.

    It is tied to the symbol, as the denoiser's noise is to the frame.

    Args:
        seed: of the request.
        index: of the sentence in its text.
    """
    if manifest.pitch_points is None:
        return None
    generator = np.random.default_rng([seed, index, PITCH, *manifest.pitch_key])
    drawn = generator.standard_normal((1, symbols, manifest.pitch_points), np.float32)
    return np.ascontiguousarray(drawn.swapaxes(1, 2))


def pulse_jitter(manifest: Manifest, seed: int, index: int) -> PulseJitter | None:
    """What moves the pulses of a sentence; None if its voice has no jitter.

    Args:
        seed: of the request.
        index: of the sentence in its text.
    """
    periods = manifest.pulse_jitter
    return PulseJitter(periods, np.random.default_rng([seed, index, PULSES])) if periods else None
