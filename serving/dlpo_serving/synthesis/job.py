"""Turns an utterance into audio, one call of a graph at a time.

Each sentence is encoded once, when its turn comes. Noise and source depend only on the sentence,
and the chunk plan on the utterance, never on the load: the same call gives the same bits whether
it is streamed or not, alone or in a batch with others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dlpo.audio import Waveform
from dlpo.mark import NoiseMark
from dlpo.text import Sentence
from dlpo_serving.engine import EncoderOutput, Engine, Floats, Stage, Unit
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesis.chunks import STREAM_LADDER, ChunkSpan, cut, sizes_of
from dlpo_serving.synthesis.denoiser_input import DenoiserInput, Window, encoded
from dlpo_serving.synthesis.fitting import FittedPace, fitted
from dlpo_serving.synthesis.level import LevelShaper
from dlpo_serving.synthesis.pauses import Pauses
from dlpo_serving.synthesis.timing import MarkTiming, WordTiming


@dataclass(frozen=True, slots=True, eq=False)
class AudioChunk:
    """A piece of the audio; consecutive pieces join without a gap."""

    samples: Waveform
    """(T,) float32 in [-1, 1]"""
    sample_offset: int
    """index of the first sample in the whole audio"""
    duration_s: float
    sentence: int
    """index of the sentence; the pause between two belongs to the second"""
    words: tuple[WordTiming, ...] = ()
    """words that begin in this piece, in samples of the whole audio"""
    marks: tuple[MarkTiming, ...] = ()
    """SSML marks in this piece, in samples of the whole audio"""
    ends_sentence: bool = False
    warning: str = ""
    """that the text doesn't fit the time that it has"""
    total_samples: int | None = None
    """of the whole audio, once its last sentence is being spoken"""


@dataclass(slots=True)
class _BegunSentence:
    """The sentence that is being spoken."""

    sentence: Sentence
    inputs: DenoiserInput
    chunks: Iterator[ChunkSpan]
    """those after `chunk`"""
    chunk: ChunkSpan
    """the next one"""


class SynthesisJob:
    """Turns sentences into chunks; more may be added while it runs. See `Work`.

    Units of the stages `encode` and `frames` are computed by `advance`. For the stage `denoise`,
    the engine reads `window`, and its output goes to `take`.
    """

    def __init__(
        self,
        engine: Engine,
        request: SpeechRequest,
        steps: int,
        ladder: Sequence[int] = STREAM_LADDER,
        mark: NoiseMark | None = None,
    ) -> None:
        """Start without sentences.

        Args:
            engine: the voice's engine.
            request: how to speak; its text is ignored, see `add`.
            steps: reverse steps, one of the voice's options.
            ladder: sizes of the first chunks in frames; the last one repeats.
            mark: whose signs the noise has; None: its own.
        """
        self.engine = engine
        """of the voice of the request"""
        self._engines = {"": engine}  # of the voices of the sentences; all share their graphs
        self._request = request
        self._steps = steps
        self._mark = mark
        self._context = engine.context_frames(steps)
        manifest = engine.manifest
        gain = manifest.gain * 10 ** (request.volume_db / 20)
        self._shaper = LevelShaper(gain, manifest.sample_rate_hz)
        self._sizes = sizes_of(ladder)
        self._sentences: deque[tuple[Sentence, int]] = deque()  # each with its symbol count
        self._closed = False
        self._begun = 0  # sentences
        self._current: _BegunSentence | None = None
        self._unit: Unit | None = None  # next of the current sentence
        self._pauses = Pauses(request)
        self._encoded: list[EncoderOutput] = []  # all sentences, where the pace depends on them
        self._pace = FittedPace(request.speed) if request.duration_s is None else None
        self._samples = 0  # made so far

    def add(self, sentences: Iterable[Sentence]) -> None:
        """Append sentences to speak."""
        # Counted once: the scheduler reads every stream's next unit for each decision.
        for sentence in sentences:
            self._sentences.append((sentence, len(sentence.symbol_ids())))

    def close(self) -> None:
        """No more sentences will come."""
        self._closed = True

    @property
    def done(self) -> bool:
        """Whether all audio is made and no more text will come."""
        return self._closed and self.next_unit is None

    @property
    def next_unit(self) -> Unit | None:
        """The next unit to compute; None while waiting for more text, and at the end."""
        if self._unit or not self._sentences:
            return self._unit
        if self._pace:
            return Unit("encode", self._sentences[0][1], self._steps, self.engine.graphs)
        if not self._closed:
            return None
        symbols = self._sentences[len(self._encoded)][1]
        return Unit("encode", symbols, self._steps, self.engine.graphs)

    def _speaking(self, voice: str) -> Engine:
        """The engine of one of the bundle's voices."""
        if voice not in self._engines:
            self._engines[voice] = self.engine.speaking(voice)
        return self._engines[voice]

    def _plan(self, current: _BegunSentence) -> None:
        chunk = current.chunk
        size = chunk.window_stop - chunk.window_start
        block = current.inputs.missing_block(chunk.window_stop)
        stage: Stage = "frames" if block else "denoise"
        self._unit = Unit(stage, block or size, self._steps, self.engine.graphs)

    def advance(self) -> None:
        """Compute the next unit, which must be of the stage `encode` or `frames`.

        Raises:
            EngineError: the run-time failed.
        """
        if self._current:
            self._current.inputs.compute_block()
        elif not self._pace and not self._fit():
            return
        else:
            assert self._pace  # `_fit` has found it
            sentence, _ = self._sentences.popleft()
            engine = self._speaking(sentence.voice)
            rate_hz = engine.manifest.sample_rate_hz
            begin = self._samples + round(self._pauses.before(sentence) * rate_hz)
            of = self._encoded[self._begun] if self._encoded else None
            fit = (of, self._pace.speed) if of else None
            inputs = DenoiserInput(
                engine, sentence, self._request, self._steps, self._begun, begin, self._mark, fit
            )
            self._begun += 1
            chunks = cut(inputs.frames, self._context, self._sizes)
            self._current = _BegunSentence(sentence, inputs, chunks, next(chunks))
        self._plan(self._current)

    def _fit(self) -> bool:
        """Encode the next sentence; whether it was the last, and the pace of all is known."""
        index = len(self._encoded)
        sentence, _ = self._sentences[index]
        engine = self._speaking(sentence.voice)
        self._encoded.append(encoded(engine, sentence, self._request.seed, index))
        if index + 1 < len(self._sentences):
            return False
        spoken = [sentence for sentence, _ in self._sentences]
        both = list(zip(spoken, self._encoded, strict=True))
        self._pace = fitted(both, self._request, self.engine.manifest)
        self._pauses = Pauses(self._request, self._pace.speed)
        return True

    def window(self) -> Window:
        """The denoiser's input; the next unit must be of the stage `denoise`."""
        assert self._current  # otherwise the unit has another stage
        chunk = self._current.chunk
        return self._current.inputs.window(chunk.window_start, chunk.window_stop)

    def _total(self, frame: int, before: int) -> int | None:
        """Samples of the whole audio, when frame `frame` follows a pause of `before` samples."""
        if self._sentences or not self._closed or not self._current:
            return None
        manifest = self.engine.manifest
        rest = (self._current.inputs.frames - frame) * manifest.hop_length + self._rest()
        after = round((self._current.sentence.pause_after_s or 0.0) * manifest.sample_rate_hz)
        return self._samples + before + rest + after

    def _rest(self) -> int:
        """Samples of silence that fill the time of the text, after its last sentence."""
        return self._pace.rest if self._pace and not self._sentences else 0

    def take(self, waveform: Floats) -> AudioChunk:
        """The chunk made from the denoised window, (F, hop_length) float32."""
        assert self._current  # its window has been denoised
        current = self._current
        inputs = current.inputs
        chunk = current.chunk
        is_first, is_last = chunk.start == 0, chunk.stop == inputs.frames
        new = slice(chunk.start - chunk.window_start, chunk.stop - chunk.window_start)
        speech = waveform[new].ravel()
        volume = inputs.volume(chunk.start, chunk.stop)
        if volume is not None:
            speech = speech * volume
        speech = self._shaper.apply(speech, first=is_first, last=is_last)

        before_s = self._pauses.before(current.sentence) if is_first else 0.0
        after_s = self._pauses.after(current.sentence) if is_last else 0.0
        rate_hz = self.engine.manifest.sample_rate_hz
        before = np.zeros(round(before_s * rate_hz), np.float32)
        filled = self._rest() if is_last else 0
        after = np.zeros(round(after_s * rate_hz) + filled, np.float32)
        samples = np.concatenate([before, speech, after], dtype=np.float32)
        hop = self.engine.manifest.hop_length
        shift = self._samples + len(before) - chunk.start * hop  # sentence -> whole audio
        words, marks = inputs.timing.words, inputs.timing.marks
        first, end = chunk.start * hop, chunk.stop * hop
        made = AudioChunk(
            samples,
            sample_offset=self._samples,
            duration_s=len(samples) / rate_hz,
            sentence=self._begun - 1,
            words=tuple(w.moved(shift.__add__) for w in words if first <= w.start < end),
            marks=tuple(
                replace(m, sample=m.sample + shift)
                for m in marks
                if first <= m.sample < end + is_last
            ),
            ends_sentence=is_last,
            warning=self._pace.warning if self._pace and not self._samples else "",
            total_samples=self._total(chunk.start, len(before)),
        )
        self._samples += len(samples)
        if is_last:
            self._current = self._unit = None
        else:
            current.chunk = next(current.chunks)
            self._plan(current)
        return made


def compute_unit(unit: Unit, jobs: Sequence[SynthesisJob]) -> list[AudioChunk]:
    """Compute the next unit of several jobs, equal for all of them, in one call of the engine.

    Returns:
        A chunk for each job if the unit denoises, otherwise an empty list.

    Raises:
        EngineError: the run-time failed.
    """
    if unit.stage != "denoise":
        for job in jobs:
            job.advance()
        return []
    windows = list(map(SynthesisJob.window, jobs))
    together = windows[0] if len(windows) == 1 else Window.joined(windows)
    waveform = jobs[0].engine.denoise(
        unit.steps, together.conditioning, together.source, together.noise
    )
    return list(map(SynthesisJob.take, jobs, waveform))
