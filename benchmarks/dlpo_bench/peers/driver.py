"""One peer in its own process: requests arrive as JSON lines, timings are returned.

    python -P driver.py KIND CORE SETTINGS

It is run by path in the peer's interpreter, which need not have dlpo: apart from the standard
library it imports only the peer. Output of libraries goes to standard error.

| request | answer |
|---|---|
| (none, at the start) | `{"version", "size_mb"}`: ready |
| `{"do": "speak", "text", "seed"}` | `{"audio_s", "wall_s", "cpu_s", "first_s"}` |
| the same and `"words_per_s"` | the same of the part spoken first, from the text's first word |
| `{"do": "write", "text", "path"}` | `{}`; the audio is in a WAV file, at the peer's own rate |
| `{"do": "memory", "text"}` | `{"peak_mb"}`, MB of 10^6 bytes |

Any of them may be answered by `{"error"}`. The process exits at the end of its input.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol


class PeerVoice(Protocol):
    """Speaks; only `speak` is timed."""

    version: str
    rate_hz: int
    files: Sequence[str | Path] = ()
    """files and folders of its packages, without their dependencies, and of its voice"""

    def speak(self, text: str, seed: int) -> Iterator[Any]:
        """Yield the audio of a text, (T,) samples in [-1, 1] each, as soon as it is ready."""
        raise NotImplementedError

    def first_part(self, words: Iterator[str]) -> str:
        """What is spoken first of a text that arrives word by word: its first sentence."""
        part = []
        for word in words:
            part.append(word)
            if word.endswith((".", "?", "!")):
                break
        return " ".join(part)

    def write(self, text: str, path: str) -> None:
        """Write the audio of a text to a WAV file."""
        import numpy as np

        samples = np.concatenate([*self.speak(text, 0)])
        with wave.open(path, "wb") as file:
            file.setparams((1, 2, self.rate_hz, 0, "NONE", ""))
            file.writeframes((samples.clip(-1, 1) * 32_767).astype("<i2").tobytes())

    def peak_mb(self, text: str) -> float:
        """Peak resident memory of whatever computes, MB of 10^6 bytes."""
        return _high_water_mb("self")


class OwnVoice(PeerVoice):
    """dlpo: in joined stream chunks, as served; or each sentence in one chunk."""

    def __init__(self, voice: str, precision: str | None, ladder: list[int]) -> None:
        import dlpo
        import dlpo_serving
        from dlpo_serving.request import SpeechRequest
        from dlpo_serving.voices import find_voice, open_voice

        self.files = *dlpo.__path__, *dlpo_serving.__path__, find_voice(voice)
        self.version = f"dlpo {dlpo.__version__}"
        self._synthesizer = open_voice(voice, "cpu", precision)  # type: ignore[arg-type]
        self.rate_hz = self._synthesizer.manifest.sample_rate_hz
        self._request = SpeechRequest
        self._ladder = ladder

    def speak(self, text: str, seed: int) -> Iterator[Any]:
        utterance = self._synthesizer.read(self._request(text, seed=seed))
        for chunk in self._synthesizer.stream(utterance, self._ladder):
            yield chunk.samples

    def first_part(self, words: Iterator[str]) -> str:
        """As the server does: a sentence, or the first clause of a longer one."""
        feed, part = self._synthesizer.text_reader.feed(self._request("")), ""
        for word in words:
            part += f"{word} "
            if feed.push(f"{word} "):
                break
        return part


class PiperRunner(PeerVoice):
    """A Piper voice in Piper's own pipeline, on one thread."""

    def __init__(self, model: str) -> None:
        # Both are installed only in this peer's environment.
        import onnxruntime
        import piper  # type: ignore[import-not-found, unused-ignore]
        from piper.config import PiperConfig  # type: ignore[import-not-found, unused-ignore]
        from piper.voice import PiperVoice  # type: ignore[import-not-found, unused-ignore]

        # Piper leaves threads to onnxruntime, which would start one per core of the machine.
        session = _one_thread(model)
        settings = json.loads(Path(f"{model}.json").read_text("utf-8"))
        self._voice = PiperVoice(session=session, config=PiperConfig.from_dict(settings))
        self.rate_hz = settings["audio"]["sample_rate"]
        self.files = *piper.__path__, model, f"{model}.json"
        self.version = (
            f"piper-tts {metadata.version('piper-tts')}, onnxruntime {onnxruntime.__version__}"
        )

    def speak(self, text: str, seed: int) -> Iterator[Any]:
        for chunk in self._voice.synthesize(text):
            yield chunk.audio_float_array


class HibariRunner(PeerVoice):
    """hibari-tts with its package's voice, a sentence at a time, on one thread."""

    def __init__(self) -> None:
        # Installed only in this peer's environment.
        import hibari  # type: ignore[import-not-found, unused-ignore]
        import onnxruntime

        self._voice = hibari.Hibari()
        self.rate_hz = hibari.SAMPLE_RATE
        self.files = hibari.__path__
        self.version = (
            f"hibari-tts {metadata.version('hibari-tts')}, onnxruntime {onnxruntime.__version__}"
        )

    def speak(self, text: str, seed: int) -> Iterator[Any]:
        yield from self._voice.stream(text, seed=seed)


class KokoroRunner(HibariRunner):
    """A graph of Kokoro on one thread, a sentence at a time, using hibari's front end.

    Args:
        folder: with `kokoro.int8.onnx`, `vocab.json` and `voices/{voice}.bin`.
    """

    def __init__(self, folder: str, voice: str) -> None:
        super().__init__()
        import numpy as np
        import onnxruntime

        names = "kokoro.int8.onnx", "vocab.json", f"voices/{voice}.bin"
        own = graph, vocabulary, styles = [Path(folder, name) for name in names]
        self.files = *self.files, *own
        self._session = _one_thread(str(graph))
        self._ids = json.loads(vocabulary.read_text("utf-8"))["vocab"]
        style = np.fromfile(styles, "<f4")
        self._styles = style.reshape(-1, 1, 256)  # one row per phoneme count
        self.version = f"Kokoro-82M int8, onnxruntime {onnxruntime.__version__}"

    def speak(self, text: str, seed: int) -> Iterator[Any]:
        import numpy as np

        for phonemes in self._voice.phonemize(text):
            ids = [0, *(self._ids[letter] for letter in phonemes if letter in self._ids), 0]
            given = {
                "tokens": np.array([ids], np.int64), "style": self._styles[len(ids) - 3],
                "speed": np.ones(1, np.float32),
            }  # fmt: skip
            yield self._session.run(None, given)[0].ravel()


class Command(PeerVoice):
    """A program that is started for each text and writes a WAV file."""

    def __init__(self, command: list[str], version: list[str]) -> None:
        self._command = command
        done = subprocess.run(version, capture_output=True, text=True)
        lines = [*(done.stdout + done.stderr).strip().splitlines(), "unknown"]
        line = next((line for line in lines if "version" in line), lines[0])
        self.version = line.strip().partition("  ")[0].removeprefix("version: ")
        self._folder = tempfile.TemporaryDirectory()
        self._out = str(Path(self._folder.name) / "speech.wav")

    def speak(self, text: str, seed: int) -> Iterator[Any]:
        self.write(text, self._out)
        with wave.open(self._out) as file:
            self.rate_hz = file.getframerate()
            yield range(file.getnframes())

    def write(self, text: str, path: str) -> None:
        subprocess.run(self._words(text, path), check=True, stdout=sys.stderr)

    def peak_mb(self, text: str) -> float:
        """Sampled while it runs: wait4 would count our own memory before exec."""
        peak = 0.0
        with subprocess.Popen(self._words(text, self._out), stdout=sys.stderr) as process:
            while process.poll() is None:
                peak = max(peak, _high_water_mb(str(process.pid)))
        return peak

    def _words(self, text: str, out: str) -> list[str]:
        return [word.format(text=text, out=out) for word in self._command]


KINDS: Mapping[str, Callable[..., PeerVoice]] = {
    "dlpo": OwnVoice,
    "piper": PiperRunner,
    "hibari": HibariRunner,
    "kokoro": KokoroRunner,
    "command": Command,
}


def answer(speaker: PeerVoice, question: Mapping[str, Any]) -> dict[str, float]:
    """Handle one request, see the table above."""
    text = question["text"]
    if question["do"] == "write":
        speaker.write(text, question["path"])
        return {}
    if question["do"] == "memory":
        return {"peak_mb": speaker.peak_mb(text)}
    wall_s, cpu_s = time.perf_counter(), _cpu_s()
    if words_per_s := question.get("words_per_s"):
        text = speaker.first_part(_arriving(text.split(), words_per_s))
    samples, first_s = 0, 0.0
    for piece in speaker.speak(text, question["seed"]):  # dropped: memory is of speech alone
        first_s = first_s or time.perf_counter() - wall_s
        samples += len(piece)
    wall_s, cpu_s = time.perf_counter() - wall_s, _cpu_s() - cpu_s
    audio_s = samples / speaker.rate_hz
    return {"audio_s": audio_s, "wall_s": wall_s, "cpu_s": cpu_s, "first_s": first_s}


def main() -> None:
    """Answer requests until standard input ends."""
    kind, core, settings = sys.argv[1:]
    os.sched_setaffinity(0, {int(core)})  # before any library counts the cores
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def reply(content: Mapping[str, Any]) -> None:
        print(json.dumps(content), file=replies, flush=True)

    try:
        speaker = KINDS[kind](**json.loads(settings))
    except Exception as error:  # any library's; the parent adds the peer's name
        reply({"error": f"{type(error).__name__}: {error}"})
        return
    reply({"version": speaker.version, "size_mb": _size_mb(speaker.files)})
    for line in sys.stdin:
        try:
            reply(answer(speaker, json.loads(line)))
        except Exception as error:
            reply({"error": f"{type(error).__name__}: {error}"})


def _arriving(words: Iterable[str], words_per_s: float) -> Iterator[str]:
    """Each word at its time, the first at once."""
    start = time.perf_counter()
    for number, word in enumerate(words):
        time.sleep(max(0, start + number / words_per_s - time.perf_counter()))
        yield word


def _size_mb(paths: Iterable[str | Path]) -> float:
    """Size of all files at or below the paths, each counted once, without compiled Python."""
    below = {one for path in map(Path, paths) for one in (path, *path.rglob("*"))}
    return sum(p.stat().st_size for p in below if p.is_file() and p.suffix != ".pyc") / 1e6


def _cpu_s() -> float:
    """CPU seconds of this process and of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _high_water_mb(pid: str) -> float:
    """VmHWM of a process; 0 if it has just ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text("ascii", errors="replace")
    except OSError:
        return 0.0
    kilobytes = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")]
    return kilobytes[0] * 1024 / 1e6 if kilobytes else 0.0


def _one_thread(model: str) -> Any:
    """An onnxruntime session on one CPU thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


if __name__ == "__main__":
    main()
