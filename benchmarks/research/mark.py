"""How surely the mark is found: every voice, after what happens to audio; false alarms in others'.

python -m research.mark found ENGLISH SPANISH [--clips 20] [--record]     texts, a line each
python -m research.mark alarms FOLDER... [--keys 4] [--record]            of audio files
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import soundfile
import soxr
import typer

from dlpo.audio import Waveform
from dlpo.bundle import DEFAULT_VOICE, Bundle
from dlpo.mark import NoiseMark
from dlpo.mark.detector import THRESHOLD, log10_chance, pilot, spans, whitened, windows_of
from dlpo.mark.files import detect, read_audio
from dlpo.mark.stream import PERIOD, RATE_HZ
from dlpo_bench.record import Measured, write_record
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices import find_voice, known_voices, open_voice
from research import RECORDS, run_study, study_command

PIECE_S = 5.0
FLOATS: dict[str, Any] = {"format": "WAV", "subtype": "FLOAT"}
Change = Callable[[Waveform, np.random.Generator], Waveform]


def codec(rate_hz: int, kbits: float = 0, **format: str) -> Change:
    """Through a file at this rate; kbit/s of MP3 (MPEG-2) or Opus."""
    span = {"MP3": (8, 160), "OGG": (6, 256)}.get(format["format"])
    level = (span[1] - kbits) / (span[1] - span[0]) if span else None

    def change(samples: Waveform, _: np.random.Generator) -> Waveform:
        file = io.BytesIO()
        given = soxr.resample(samples, RATE_HZ, rate_hz).clip(-1, 1)
        mode = "CONSTANT" if format["format"] == "MP3" else None
        soundfile.write(file, given, rate_hz, compression_level=level, bitrate_mode=mode, **format)
        file.seek(0)
        return read_audio(file)

    return change


def mp3(kbits: float) -> Change:
    return codec(RATE_HZ, kbits, format="MP3", subtype="MPEG_LAYER_III")


def opus(kbits: float) -> Change:
    return codec(RATE_HZ, kbits, format="OGG", subtype="OPUS")


def noise(decibels: float) -> Change:
    def change(samples: Waveform, random: np.random.Generator) -> Waveform:
        level = np.sqrt(np.mean(samples**2)) * 10 ** (-decibels / 20)
        return samples + random.normal(0, level, len(samples)).astype(np.float32)

    return change


def reverberant(samples: Waveform, random: np.random.Generator) -> Waveform:
    """RT60 0.3 s; as much of the sound comes directly as after reflections."""
    places = np.arange(round(0.3 * RATE_HZ))
    tail = random.standard_normal(len(places)) * 10 ** (-3 * places / len(places))
    tail[: RATE_HZ // 500] = 0
    tail /= np.linalg.norm(tail)
    tail[0] = 1
    size = len(samples) + len(tail)
    spectrum = np.fft.rfft(samples, size) * np.fft.rfft(tail, size)
    return np.fft.irfft(spectrum, size)[: len(samples)].astype(np.float32)


def faster(samples: Waveform, random: np.random.Generator) -> Waveform:
    """1 to 8 % faster or slower."""
    rate = 1 + random.choice([-1, 1]) * random.uniform(0.01, 0.08)
    return np.asarray(soxr.resample(samples, RATE_HZ * rate, RATE_HZ), np.float32)


def changes(seconds: int) -> dict[str, Change]:
    """What happens to clips of so many seconds."""
    if seconds == 10:
        return {"MP3 32k": mp3(32), "noise 0 dB": noise(0), "faster or slower": faster}
    common: dict[str, Change] = {
        "as it is": lambda samples, _: samples,
        "MP3 64k": mp3(64),
        "Opus 24k": opus(24),
        "G.711": codec(8_000, format="WAV", subtype="ULAW"),
        "resampled to 22.05 kHz": codec(22_050, **FLOATS),
        "below 4 kHz": codec(8_000, **FLOATS),
        "20 dB quieter": lambda samples, _: (np.round(samples * 3276.7) / 32767).astype(np.float32),
    }
    harder = {
        "reverberant": reverberant,
        "noise 10 dB": noise(10),
        "GSM": codec(8_000, format="WAV", subtype="GSM610"),
        "Opus 12k": opus(12),
    }
    return common | harder if seconds == 5 else common


def spoken(texts: dict[str, list[str]], clips: int) -> Iterator[tuple[int, Waveform]]:
    """Message and ten seconds or more, of three texts, for each voice in turn."""
    voices = [open_voice(name) for name in known_voices()]
    for number in range(clips * len(voices)):
        voice, message = voices[number % len(voices)], 40_503 * (number + 1) % 65_536
        own = texts[voice.manifest.language[:2]]
        said = " ".join(own[(3 * number + k) % len(own)] for k in (0, 1, 2))
        voice.mark = NoiseMark(message=message)
        yield message, voice.speak(SpeechRequest(said, seed=number // len(voices)))


def found(files: list[Path], clips: int) -> Measured:
    read = [file.read_text().splitlines() for file in files]
    texts = dict(zip(("en", "es"), read, strict=True))
    rows: dict[str, list[tuple[float, float, bool]]] = {}
    before = np.zeros(0, np.float32)
    for number, (message, speech) in enumerate(spoken(texts, clips)):
        for seconds in (2, 5, 10):
            random, size = np.random.default_rng([number, seconds]), seconds * RATE_HZ
            start = random.integers(0, max(1, len(speech) - size))
            clip = speech[start : start + size]
            made = {name: change(clip, random) for name, change in changes(seconds).items()}
            if seconds < 10 and len(before) > len(clip):
                other = before[: len(clip)]
                level = np.sqrt(np.mean(clip**2) / np.mean(other**2))
                made["another voice as loud"] = clip + level * other
            if number % 4:  # seconds each
                made.pop("faster or slower", None)
            for name, heard in made.items():
                one = detect(heard, search_speed=name == "faster or slower")
                row = one.z, one.chance, one.message == message
                rows.setdefault(f"{seconds} s, {name}", []).append(row)
        before = np.flip(speech).copy()  # backwards: without a mark
    figures = {}
    for name, judged in rows.items():
        z, chances, right = np.array(judged).T
        figures[name] = {
            "clips": len(judged),
            "found": round(float(np.mean(chances <= THRESHOLD)), 4),
            "message": round(float(np.mean(right)), 4),
            "least_z": float(z.min()),
            "median_z": round(float(np.median(z)), 1),
        }
        print(name, figures[name], flush=True)
    sha256 = Bundle.load(find_voice(DEFAULT_VOICE)).sha256
    return Measured(figures, {"z_chance_message": rows}, bundle_sha256=sha256)


def alarms(folders: list[Path], most_keys: int, most_files: int) -> Measured:
    """Each key is a trial of its own on the same audio; the first one is the public key."""
    files = [file for folder in folders for file in sorted(folder.rglob("*.*"))]
    files = [file for file in files if file.suffix in (".wav", ".flac")]
    files = files[:: max(1, len(files) // most_files)]
    size = round(PIECE_S * RATE_HZ)
    audio = [
        samples[start : start + size]
        for samples in map(read_audio, files)
        for start in range(0, max(1, len(samples) - size // 2), size)
    ]
    keys = [b"", *(f"key {number} of research.mark".encode() for number in range(1, most_keys))]
    strongest = np.zeros(len(keys))
    for part in audio:
        white = whitened(part)
        windows = [windows_of(white, 0, pilot(key)) for key in keys]
        strongest = np.maximum(strongest, [max(w.strength for w in one) for one in windows])
    greatest, seconds = float(strongest.max()), len(keys) * sum(map(len, audio)) / RATE_HZ
    tried = math.log(2.0 * PERIOD * len(spans(2)))  # of a piece: two blocks
    figures = {
        "hours": round(seconds / 3600, 2),
        "keys": len(keys),
        "pieces": len(audio),
        "greatest_z": round(greatest, 2),
        "least_chance": round(log10_chance(greatest, tried), 2),
    }
    print(figures)
    return Measured(figures, {"greatest_z_by_key": strongest.tolist()})


def main(
    study: Annotated[Literal["found", "alarms"], typer.Argument()],
    paths: Annotated[list[Path], typer.Argument(help="ENGLISH SPANISH; or folders.")],
    clips: Annotated[int, typer.Option(help="Of each voice.")] = 20,
    keys: Annotated[int, typer.Option(help="Tried on each piece.")] = 4,
    files: Annotated[int, typer.Option(help="At most, evenly chosen.")] = 1_000,
    record: bool = False,
) -> None:
    measured = found(paths, clips) if study == "found" else alarms(paths, keys, files)
    if record:
        typer.echo(write_record("mark", measured, study_command("mark"), RECORDS))


if __name__ == "__main__":
    run_study(main)
