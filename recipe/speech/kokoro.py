"""Kokoro-82M as a teacher: letters in, 24 kHz speech with durations and pitch out."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from recipe.speech.store import FRAME, Sentence
from recipe.speech.texts import CLOSED, QUOTES

SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"  # of kokoro.int8.onnx
FRAMES, F0 = "/encoder/Round_output_0", "/encoder/F0_proj/Conv_output_0"  # inner tensors
Run = Callable[[dict[str, NDArray[Any]]], list[NDArray[Any]]]
STYLES = 256  # numbers of a voice, for each length of a text in letters


class CannotSpeakError(ValueError):
    """This text can't be spoken by this teacher; the message says why."""


class Kokoro:
    """The voices of Kokoro-82M v1.0, from the folders that get_kokoro.sh and get_hibari.sh make."""

    engine = "kokoro-82m-1.0 int8"

    def __init__(self, teachers: Path, weights: Path) -> None:
        """Open the network.

        Args:
            teachers: the folder with teacher.py, whose reader of English is used.
            weights: the folder with kokoro.int8.onnx, vocab.json, voices/ and hibari/.
        """
        sys.path.insert(0, str(teachers))
        import teacher

        self._reader = teacher._Phonemes(weights)
        self._cannot = teacher.CantSpeak
        vocabulary = json.loads((weights / "vocab.json").read_text(encoding="utf-8"))
        self._ids: dict[str, int] = vocabulary["vocab"]
        self._voices = weights / "voices"
        self._run = _runner(_graph(weights / "kokoro.int8.onnx"))

    def read(self, text: str) -> list[tuple[str, tuple[str, ...]]]:
        """Letters, and the word of each letter, of every sentence of an English text.

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
        if mark in CLOSED and mark in self._ids and letters[-1] not in CLOSED + QUOTES:
            read[-1] = (letters + mark, (*words, mark))
        return read

    def say(self, voice: str, read: list[tuple[str, tuple[str, ...]]]) -> Iterator[Sentence]:
        """Speak sentences; the same ones give the same samples."""
        styles = np.fromfile(self._voices / f"{voice}.bin", dtype="<f4").reshape(-1, 1, STYLES)
        for letters, words in read:
            if unknown := {letter for letter in letters if letter not in self._ids}:
                raise CannotSpeakError(f"the teacher doesn't know {' '.join(sorted(unknown))}")
            ids = np.array([[0, *(self._ids[letter] for letter in letters), 0]], np.int64)
            given = {
                "tokens": ids,
                "style": styles[len(letters) - 1],
                "speed": np.ones(1, np.float32),
            }
            waveform, frames, f0 = (value.ravel() for value in self._run(given))
            counts = frames.astype(np.int64)
            if len(waveform) != counts.sum() * FRAME or not np.isfinite(waveform).all():
                raise CannotSpeakError(
                    f"{len(waveform)} samples, durations of {counts.sum() * FRAME}, "
                    f"{(~np.isfinite(waveform)).sum()} of them not finite"
                )
            yield Sentence(letters, words, counts.tolist(), waveform, _audible(f0))


def _graph(file: Path) -> onnx.ModelProto:
    """The published graph with durations and pitch as outputs beside the audio."""
    raw = file.read_bytes()
    if (found := hashlib.sha256(raw).hexdigest()) != SHA256:
        raise SystemExit(f"{file}: sha256 is {found}, expected {SHA256}; run get_kokoro.sh again")
    model = onnx.load_from_string(raw)
    for name in (FRAMES, F0):
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    return model


def _runner(model: onnx.ModelProto) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda given: session.run(None, given)


def _audible(f0: NDArray[np.float32]) -> NDArray[np.float32]:
    """Hz, 0 where the teacher's source is noise: it takes 10 Hz and less for unvoiced."""
    return np.where(f0 > 10, f0, 0).astype(np.float32)
