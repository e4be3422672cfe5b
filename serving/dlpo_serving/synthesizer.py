"""From text to audio, chunk by chunk, with numpy around the graphs of a voice.

Each sentence is encoded once, when its turn comes. Its noise and its source are made for the whole
sentence and each chunk is denoised within enough context, so that the audio does not depend on how
it is cut: chunks joined equal the sentence made at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dlpo.audio import Waveform, harmonic_source
from dlpo.bundle import Manifest
from dlpo.errors import BundleError, EngineError, InputError, TextError
from dlpo.text import Sentence, TextFrontEnd
from dlpo.text.symbols import SYMBOLS
from dlpo_serving.chunks import OFFLINE_LADDER, STREAM_LADDER, cut, sizes_of
from dlpo_serving.engine import Engine, Floats, Ids
from dlpo_serving.request import RequestError, SpeechRequest, Violation, check_request

SENTENCE_PAUSE_S = 0.2  # between sentences at speed 1, beside the pause that the last mark makes
MAX_SYMBOL_FRAMES = 1000  # 14 s; a longer symbol is a broken model


@dataclass(frozen=True, slots=True)
class Utterance:
    """A request that can be spoken: checked, with its text as sentences of words."""

    request: SpeechRequest
    sentences: tuple[Sentence, ...]
    steps: int
    dropped_characters: int
    """characters, such as emoji, that can't be spoken"""

    @property
    def processed_text(self) -> str:
        """The text as it will be spoken, one line a sentence."""
        return "\n".join(sentence.normalized for sentence in self.sentences)


@dataclass(frozen=True, slots=True, eq=False)
class SpeechChunk:
    """A piece of the audio; the pieces follow each other without a gap."""

    samples: Waveform
    """(T,) float32 in [-1, 1]"""
    sample_offset: int
    """place of the first sample in the whole audio"""
    sentence: int
    """index of the sentence; the pause after it belongs to it"""


@dataclass(frozen=True, slots=True, eq=False)
class _DenoiserInput:
    """All that the denoiser needs for one sentence; windows of it are cut along F."""

    conditioning: Floats  # (1, C, F)
    source: Floats  # (1, F, hop_length)
    noise: Floats  # (K, 1, F, hop_length)

    @property
    def frames(self) -> int:
        return int(self.source.shape[1])


class Synthesizer:
    """Speaks with one voice. Calls come from one thread at a time."""

    def __init__(self, engine: Engine, front_end: TextFrontEnd) -> None:
        """Raises BundleError where the voice reads other symbols than the front end writes."""
        if engine.manifest.symbols != SYMBOLS:
            raise BundleError(
                f"voice {engine.manifest.voice!r} reads {len(engine.manifest.symbols)} symbols that"
                f" are not the {len(SYMBOLS)} of this dlpo; export it again with this version"
            )
        self._engine = engine
        self._front_end = front_end

    @property
    def manifest(self) -> Manifest:
        """What the voice says of itself."""
        return self._engine.manifest

    def read(self, request: SpeechRequest) -> Utterance:
        """Check a request and turn its text into sentences of phonemes.

        Raises:
            RequestError: a field is out of range, or the text holds nothing that can be spoken.
        """
        check_request(request, self.manifest)
        try:
            text = self._front_end.process(request.text, request.dictionary or None)
        except TextError as error:
            raise RequestError(Violation("text", str(error))) from error
        except InputError as error:  # the front end reads nothing else
            message = str(error).removeprefix("dictionary: ")
            raise RequestError(Violation("dictionary", message)) from error
        steps = request.steps or self.manifest.steps
        return Utterance(request, text.sentences, steps, text.dropped)

    def stream(
        self, utterance: Utterance, ladder: Sequence[int] = STREAM_LADDER
    ) -> Iterator[SpeechChunk]:
        """The audio in pieces, each made when it is asked for; closing the iterator stops the work.

        Args:
            utterance: from `read`.
            ladder: frames of the first chunks; the last rung repeats.

        Raises:
            EngineError: the run-time failed.
        """
        manifest = self.manifest
        context = manifest.context_frames(utterance.steps)
        pause_s = SENTENCE_PAUSE_S / utterance.request.speed
        pause = np.zeros(round(pause_s * manifest.sample_rate_hz), np.float32)
        sizes = sizes_of(ladder)
        offset = 0
        for index in range(len(utterance.sentences)):
            sentence = self._prepare(utterance, index)
            for chunk in cut(sentence.frames, context, sizes):
                window = slice(chunk.window_start, chunk.window_stop)
                denoised = self._engine.denoise(
                    utterance.steps,
                    sentence.conditioning[:, :, window],
                    sentence.source[:, window],
                    sentence.noise[:, :, window],
                )
                new = slice(chunk.start - window.start, chunk.stop - window.start)
                samples = np.clip(manifest.gain * denoised[0, new].ravel(), -1, 1)
                if chunk.stop == sentence.frames and index + 1 < len(utterance.sentences):
                    samples = np.concatenate([samples, pause])
                yield SpeechChunk(samples, offset, index)
                offset += len(samples)

    def speak(self, request: SpeechRequest) -> Waveform:
        """The whole audio of a request at once, (T,) float32 in [-1, 1].

        Raises:
            RequestError: see `read`.
            EngineError: the run-time failed.
        """
        chunks = self.stream(self.read(request), OFFLINE_LADDER)
        return np.concatenate([chunk.samples for chunk in chunks])

    def _prepare(self, utterance: Utterance, index: int) -> _DenoiserInput:
        request, manifest = utterance.request, self.manifest
        ids = np.array([utterance.sentences[index].symbol_ids()])  # (1, P)
        encoding = self._engine.encode(ids)
        counts = whole_frames(encoding.durations[0], request.speed)
        frames = self._engine.frames(encoding, counts, request.pitch_semitones)
        shape = (int(counts.sum()), manifest.hop_length)
        source = np.zeros(shape, np.float32)
        if manifest.uses_source and manifest.source.harmonics:
            source = manifest.source.amplitude * harmonic_source(frames.f0[0]).reshape(shape)
        generator = np.random.default_rng([request.seed, index])
        planes = noise_planes(manifest, utterance.steps)
        noise = generator.standard_normal((planes, 1, *shape), np.float32)
        return _DenoiserInput(frames.conditioning, source[None], noise)


def whole_frames(durations: Floats, speed: float) -> Ids:
    """Durations as predicted -> whole frames that each symbol lasts, at least one in all.

    The ends are rounded, not the durations, so that errors don't add up.

    Args:
        durations: (P,) frames.
        speed: factor of the pace.

    Returns:
        (P,) int64, not negative.

    Raises:
        EngineError: a duration is negative, not finite or absurdly long.
    """
    if not bool(np.all((durations >= 0) & (durations <= MAX_SYMBOL_FRAMES))):
        raise EngineError(
            f"the encoder predicts durations from {durations.min()} to {durations.max()} frames;"
            f" expected 0 to {MAX_SYMBOL_FRAMES}: the voice is broken, export it again"
        )
    ends = np.rint(np.cumsum(durations, dtype=np.float64) / speed).astype(np.int64)
    ends[-1] = max(ends[-1], 1)
    return np.diff(ends, prepend=0)


def noise_planes(manifest: Manifest, steps: int) -> int:
    """K, how many draws of noise the denoiser of `steps` steps reads: 1 where eta is 0."""
    inputs = {tensor.name: tensor for tensor in manifest.graphs[f"denoiser_{steps}"].inputs}
    return int(inputs["noise"].shape[0])
