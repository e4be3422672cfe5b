"""Kokoro-82M as a teacher: letters in, 24 kHz speech with durations and pitch out."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import onnx.utils
from numpy.typing import NDArray

from recipe.speech.store import FRAME, Sentence
from recipe.speech.texts import CLOSED, QUOTES, Reading

GRAPH = "kokoro.int8.onnx"
SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"  # of GRAPH
FRAMES, F0 = "/encoder/Round_output_0", "/encoder/F0_proj/Conv_output_0"  # inner tensors
STYLES = 256  # numbers of a voice, for each length of a text in letters
ENGINE = "kokoro-82m-1.0 int8"  # in the manifest
VOICED_HZ = 10  # for this and less the teacher's source is noise


class CannotSpeakError(ValueError):
    """This text can't be spoken by this teacher; the message says why."""


class Spoken(NamedTuple):
    """What the network gives for one sentence."""

    waveform: NDArray[np.float32] | None
    """(T,) 24 kHz; None from a network that stops at the pitch"""
    frames: NDArray[np.int64]
    """(letters + 2,) of FRAME samples"""
    f0: NDArray[np.float32]
    """(2 * frames,) Hz, noise where unvoiced"""


Network = Callable[[NDArray[np.int64], NDArray[np.float32]], Spoken]
"""Kokoro-82M itself: (letters + 2,) tokens, 0 at both ends, and the (256,) style of the voice and
the number of letters."""


class Reader:
    """English text -> Kokoro's letters, by the teachers' reader.

    Args:
        teachers: the folder with teacher.py.
        weights: the folder with vocab.json and hibari/.
    """

    def __init__(self, teachers: Path, weights: Path) -> None:
        sys.path.insert(0, str(teachers))
        import teacher

        self._reader = teacher._Phonemes(weights)
        self._cannot = teacher.CantSpeak
        self._letters = _vocabulary(weights)

    def read(self, text: str) -> Reading:
        """Letters, and the word of each letter, of every sentence.

        The reader takes the full stop after a lone letter for an abbreviation's; it is put back.
        """
        try:
            read = [(s.letters, s.words) for s in self._reader.sentences(text)]
        except self._cannot as error:
            raise CannotSpeakError(str(error)) from error
        if not read:
            raise CannotSpeakError("no sentence in it")
        letters, words = read[-1]
        mark = text.rstrip(QUOTES)[-1:]
        if mark in CLOSED and mark in self._letters and letters[-1] not in CLOSED + QUOTES:
            read[-1] = (letters + mark, (*words, mark))
        return read


class Kokoro:
    """The voices of Kokoro-82M v1.0.

    Args:
        weights: the folder with vocab.json and voices/.
        network: what speaks.
    """

    def __init__(self, weights: Path, network: Network) -> None:
        self._network = network
        self._ids = _vocabulary(weights)
        self._voices = weights / "voices"

    def say(self, voice: str, read: Reading) -> list[Sentence]:
        """Speak a text's sentences; the same ones give the same samples.

        Raises:
            CannotSpeakError: a letter is unknown, or what was spoken is broken.
        """
        if unknown := {c for letters, _ in read for c in letters if c not in self._ids}:
            raise CannotSpeakError(f"the teacher doesn't know {' '.join(sorted(unknown))}")
        said = []
        for letters, words in read:
            tokens = np.array([0, *(self._ids[c] for c in letters), 0], np.int64)
            spoken = self._network(tokens, self._styles(voice)[len(letters) - 1])
            if fault := _fault(spoken):
                raise CannotSpeakError(fault)
            f0 = np.where(spoken.f0 > VOICED_HZ, spoken.f0, 0).astype(np.float32)
            said.append(Sentence(letters, words, spoken.frames.tolist(), spoken.waveform, f0))
        return said

    @cache  # noqa: B019 - lives as long as the program
    def _styles(self, voice: str) -> NDArray[np.float32]:
        """(510, 256), a row for each number of letters."""
        return np.fromfile(self._voices / f"{voice}.bin", dtype="<f4").reshape(-1, STYLES)


def published_network(file: Path, *, sound: bool = True) -> Network:
    """The published graph of 8 bits, in onnxruntime, on one thread.

    Args:
        file: kokoro.int8.onnx.
        sound: False stops at durations and pitch, about a fiftieth of the work.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    graph = _graph(file)
    if not sound:
        inputs = [given.name for given in graph.graph.input]
        graph = onnx.utils.Extractor(graph).extract_model(inputs, [FRAMES, F0])
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )

    def speak(tokens: NDArray[np.int64], style: NDArray[np.float32]) -> Spoken:
        given = {"tokens": tokens[None], "style": style[None], "speed": np.ones(1, np.float32)}
        *waveform, frames, f0 = (value.ravel() for value in session.run(None, given))
        return Spoken(waveform[0] if sound else None, frames.astype(np.int64), f0)

    return speak


def _vocabulary(weights: Path) -> dict[str, int]:
    """Letter -> token."""
    vocabulary = json.loads((weights / "vocab.json").read_text(encoding="utf-8"))
    ids: dict[str, int] = vocabulary["vocab"]
    return ids


def _fault(spoken: Spoken) -> str:
    """What is wrong with a sentence; empty if nothing is."""
    if spoken.waveform is None:
        return ""
    expected = int(spoken.frames.sum()) * FRAME
    broken = int((~np.isfinite(spoken.waveform)).sum())
    if len(spoken.waveform) == expected and not broken:
        return ""
    return f"{len(spoken.waveform)} samples, durations of {expected}, {broken} of them not finite"


def _graph(file: Path) -> onnx.ModelProto:
    """The published graph with durations and pitch as outputs beside the audio."""
    raw = file.read_bytes()
    if (found := hashlib.sha256(raw).hexdigest()) != SHA256:
        raise SystemExit(f"{file}: sha256 is {found}, expected {SHA256}; run get_kokoro.sh again")
    model = onnx.load_from_string(raw)
    for name in (FRAMES, F0):
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    return model
