"""Three ways to denoise a sentence chunk by chunk so that the chunks equal the whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

import numpy as np

from dlpo.errors import MissingExtraError
from dlpo_serving.chunks import cut, sizes_of
from dlpo_serving.engine import Floats

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Denoise = Callable[[Floats, Floats, Floats], Floats]


@dataclass(frozen=True, slots=True, eq=False)
class Sentence:
    """What the denoiser reads for one sentence."""

    conditioning: Floats
    """(1, C, F)"""
    source: Floats
    """(1, F, 300)"""
    noise: Floats
    """(K, 1, F, 300)"""

    @property
    def frames(self) -> int:
        return int(self.source.shape[1])


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A chunk, and what it cost."""

    waveform: Floats
    """(F, 300)"""
    denoised: float
    """frames that were denoised for it, the mean of all reverse steps"""


class Method(Protocol):
    """A way to stream."""

    def stream(self, sentence: Sentence, ladder: Sequence[int]) -> Iterator[Piece]:
        """The sentence in chunks; the last rung of `ladder`, in frames, repeats."""
        ...


class Window:
    """Every chunk from a window with `context` frames each side: no state, as serving does it."""

    def __init__(self, denoise: Denoise, context: int) -> None:
        self._denoise = denoise
        self._context = context

    def stream(self, sentence: Sentence, ladder: Sequence[int]) -> Iterator[Piece]:
        for chunk in cut(sentence.frames, self._context, sizes_of(ladder)):
            window = slice(chunk.window_start, chunk.window_stop)
            denoised = self._denoise(
                sentence.conditioning[:, :, window],
                sentence.source[:, window],
                sentence.noise[:, :, window],
            )
            new = slice(chunk.start - chunk.window_start, chunk.stop - chunk.window_start)
            yield Piece(denoised[0, new], denoised.shape[1])


class Wavefront:
    """Every x_t is kept; a step goes on as far as the one before has come, less `halo` frames."""

    def __init__(self, steps: Sequence[InferenceSession], halo: int) -> None:
        """`steps`: graphs of `WavefrontStep`, the noisiest first."""
        self._steps = steps
        self.halo = halo

    def stream(self, sentence: Sentence, ladder: Sequence[int]) -> Iterator[Piece]:
        frames, halo, count = sentence.frames, self.halo, len(self._steps)
        x = [sentence.noise[0], *(np.zeros_like(sentence.source) for _ in self._steps)]
        done = [frames] + [0] * count  # frames of each x
        for chunk in cut(frames, 0, sizes_of(ladder)):
            denoised = 0
            for step, session in enumerate(self._steps):
                stop = min(frames, chunk.stop + (count - 1 - step) * halo)
                start = done[step + 1]
                if start == stop:
                    continue
                window = slice(max(0, start - halo), min(frames, stop + halo))
                fresh = min(step + 1, len(sentence.noise) - 1)  # or none, and it is not read
                inputs = {
                    "conditioning": sentence.conditioning[:, :, window],
                    "source": sentence.source[:, window],
                    "noisy": x[step][:, window],
                    "noise": sentence.noise[fresh][:, window],
                }
                (after,) = _run(session, "after", inputs)
                x[step + 1][:, start:stop] = after[:, start - window.start : stop - window.start]
                done[step + 1] = stop
                denoised += after.shape[1]
            yield Piece(x[-1][0, chunk.start : chunk.stop], denoised / count)


class Cached:
    """Every layer keeps its last inputs: nothing is computed twice, but all of it is late."""

    def __init__(self, session: InferenceSession, delay_frames: int, state_size: int) -> None:
        """`session`: the graph of a `CachedChain`, the rest its properties."""
        self._session = session
        self.delay_frames = delay_frames
        self.state_size = state_size

    def stream(self, sentence: Sentence, ladder: Sequence[int]) -> Iterator[Piece]:
        frames, delay = sentence.frames, self.delay_frames

        def then_silence(x: Floats, axis: int) -> Floats:
            after = [(0, delay if i == axis else 0) for i in range(x.ndim)]
            return np.pad(x, after)

        conditioning = then_silence(sentence.conditioning, 2)
        source, noise = then_silence(sentence.source, 1), then_silence(sentence.noise, 2)
        state = np.zeros((1, self.state_size), np.float32)
        stops = [chunk.stop + delay for chunk in cut(frames, 0, sizes_of(ladder))]
        for start, stop in pairwise([0, *stops]):
            new = slice(start, stop)
            waveform, state = self._session.run(
                ["waveform", "next_state"],
                {
                    "conditioning": conditioning[:, :, new],
                    "source": source[:, new],
                    "noise": noise[:, :, new],
                    "place": np.array([start, frames]),
                    "state": state,
                },
            )
            late = max(0, delay - start)  # of the first chunk: what comes before the sentence
            yield Piece(waveform[0, late:], stop - start)


def open_graph(model: bytes | str) -> InferenceSession:
    """A graph, serialised or its path, on one CPU thread."""
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("onnxruntime", "bench") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors, not advice
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def whole(session: InferenceSession) -> Denoise:
    """The graph `denoiser_N` of a bundle as a function."""

    def denoise(conditioning: Floats, source: Floats, noise: Floats) -> Floats:
        inputs = {"conditioning": conditioning, "source": source, "noise": noise}
        (waveform,) = _run(session, "waveform", inputs)
        return waveform

    return denoise


def _run(session: InferenceSession, output: str, inputs: Mapping[str, Floats]) -> list[Floats]:
    """What a graph does not use, such as the noise of a last step, is no input of it."""
    wanted = (tensor.name for tensor in session.get_inputs())
    values: list[Floats] = session.run([output], {name: inputs[name] for name in wanted})
    return values


def joined(pieces: Iterator[Piece]) -> Floats:
    """The whole waveform, (T,)."""
    return np.concatenate([piece.waveform for piece in pieces]).reshape(-1)
