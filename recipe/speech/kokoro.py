"""Kokoro-82M as a teacher: letters in, 24 kHz speech with durations and pitch out."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import onnx
from numpy.typing import NDArray

from recipe.speech.store import FRAME, Sentence
from recipe.speech.texts import CLOSED, QUOTES, Reading

GRAPH = "kokoro.int8.onnx"
SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"  # of GRAPH
FRAMES, F0 = "/encoder/Round_output_0", "/encoder/F0_proj/Conv_output_0"  # inner tensors
TOKENS_AT_ONCE = 4000  # some five minutes of speech, padding included
STYLES = 256  # numbers of a voice, for each length of a text in letters


class CannotSpeakError(ValueError):
    """This text can't be spoken by this teacher; the message says why."""


class Spoken(NamedTuple):
    """What the network gives for one sentence."""

    waveform: NDArray[np.float32]
    """(T,) 24 kHz"""
    frames: NDArray[np.int64]
    """(letters + 2,) of FRAME samples"""
    f0: NDArray[np.float32]
    """(2 * frames,) Hz, noise where unvoiced"""


class Network(Protocol):
    """Kokoro-82M itself."""

    engine: str
    """what it is computed with, for the manifest"""

    def speak(
        self, tokens: Sequence[NDArray[np.int64]], styles: NDArray[np.float32]
    ) -> list[Spoken]:
        """Speak B sentences.

        Args:
            tokens: (letters + 2,) each, 0 at both ends.
            styles: (B, 256), of the voice and the number of letters.
        """
        ...


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
        self.network = network
        self._ids = _vocabulary(weights)
        self._voices = weights / "voices"

    def say(self, asked: Sequence[tuple[str, Reading]]) -> list[list[Sentence] | CannotSpeakError]:
        """Speak texts at once.

        Args:
            asked: voice and sentences of each text.

        Returns:
            The sentences of each text, or why it can't be spoken.
        """
        said = list[list[Sentence] | CannotSpeakError]()
        sentences = list[tuple[int, tuple[str, tuple[str, ...]]]]()
        tokens = list[NDArray[np.int64]]()
        styles = list[NDArray[np.float32]]()
        for number, (voice, read) in enumerate(asked):
            if unknown := {c for letters, _ in read for c in letters if c not in self._ids}:
                names = " ".join(sorted(unknown))
                said.append(CannotSpeakError(f"the teacher doesn't know {names}"))
                continue
            said.append([])
            for letters, words in read:
                sentences.append((number, (letters, words)))
                tokens.append(np.array([0, *(self._ids[c] for c in letters), 0], np.int64))
                styles.append(self._styles(voice)[len(letters) - 1])
        spoken = self.network.speak(tokens, np.stack(styles)) if tokens else []
        for (number, (letters, words)), one in zip(sentences, spoken, strict=True):
            text = said[number]
            if isinstance(text, CannotSpeakError):
                continue
            if fault := _fault(one):
                said[number] = CannotSpeakError(fault)
                continue
            text.append(
                Sentence(letters, words, one.frames.tolist(), one.waveform, _audible(one.f0))
            )
        return said

    @cache  # noqa: B019 - lives as long as the program
    def _styles(self, voice: str) -> NDArray[np.float32]:
        """(510, 256), a row for each number of letters."""
        return np.fromfile(self._voices / f"{voice}.bin", dtype="<f4").reshape(-1, STYLES)


class GraphNetwork:
    """The published graph of 8 bits, in onnxruntime, a sentence at a time on one thread.

    Args:
        file: kokoro.int8.onnx.
    """

    engine = "kokoro-82m-1.0 int8"

    def __init__(self, file: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            _graph(file).SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def speak(
        self, tokens: Sequence[NDArray[np.int64]], styles: NDArray[np.float32]
    ) -> list[Spoken]:
        """See `Network`."""
        spoken = []
        for ids, style in zip(tokens, styles, strict=True):
            given = {"tokens": ids[None], "style": style[None], "speed": np.ones(1, np.float32)}
            waveform, frames, f0 = (value.ravel() for value in self._session.run(None, given))
            spoken.append(Spoken(waveform, frames.astype(np.int64), f0))
        return spoken


class InBatches:
    """Speaks sentences of similar lengths at once.

    Args:
        network: that can speak many; tokens of a batch are padded to the longest sentence.
    """

    def __init__(self, network: Network) -> None:
        self.engine = network.engine
        self._network = network

    def speak(
        self, tokens: Sequence[NDArray[np.int64]], styles: NDArray[np.float32]
    ) -> list[Spoken]:
        """See `Network`."""
        spoken: dict[int, Spoken] = {}
        waiting = sorted(range(len(tokens)), key=lambda number: len(tokens[number]))
        while waiting:
            longest = len(tokens[waiting[-1]])
            count = max(1, TOKENS_AT_ONCE // longest)
            batch = waiting[-count:]
            del waiting[-count:]
            made = self._network.speak([tokens[number] for number in batch], styles[batch])
            spoken.update(zip(batch, made, strict=True))
        return [spoken[number] for number in range(len(tokens))]


def _vocabulary(weights: Path) -> dict[str, int]:
    """Letter -> token."""
    vocabulary = json.loads((weights / "vocab.json").read_text(encoding="utf-8"))
    ids: dict[str, int] = vocabulary["vocab"]
    return ids


def _fault(spoken: Spoken) -> str:
    """What is wrong with a sentence; empty if nothing is."""
    expected = int(spoken.frames.sum()) * FRAME
    broken = int((~np.isfinite(spoken.waveform)).sum())
    if len(spoken.waveform) == expected and not broken:
        return ""
    return f"{len(spoken.waveform)} samples, durations of {expected}, {broken} of them not finite"


def published_graph(file: Path) -> onnx.ModelProto:
    """The graph, if it is the published one."""
    raw = file.read_bytes()
    if (found := hashlib.sha256(raw).hexdigest()) != SHA256:
        raise SystemExit(f"{file}: sha256 is {found}, expected {SHA256}; run get_kokoro.sh again")
    return onnx.load_from_string(raw)


def _graph(file: Path) -> onnx.ModelProto:
    """The published graph with durations and pitch as outputs beside the audio."""
    model = published_graph(file)
    for name in (FRAMES, F0):
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    return model


def _audible(f0: NDArray[np.float32]) -> NDArray[np.float32]:
    """Hz, 0 where the teacher's source is noise: it takes 10 Hz and less for unvoiced."""
    return np.where(f0 > 10, f0, 0).astype(np.float32)
