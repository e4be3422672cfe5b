"""How surely the mark is found: every voice, after what happens to audio; false alarms in others'.

python -m research.mark found ENGLISH SPANISH [--clips 20] [--record]     texts, a line each
python -m research.mark alarms FOLDER... [--keys 4] [--record]            of audio files
"""

from __future__ import annotations

import argparse
import io
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from dlpo.audio import Waveform
from dlpo.bundle import DEFAULT_VOICE, Bundle
from dlpo.mark import NoiseMark
from dlpo.mark.detector import log10_chance, pilot, spans, whitened, windows_of
from dlpo.mark.files import detect, read_audio
from dlpo.mark.stream import PERIOD, RATE_HZ
from dlpo_bench.record import Measured, write_record
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices import find_voice, known_voices, open_voice

OUT = Path("benchmarks/records/studies")
PIECE_S = 5.0
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


def through(rate_hz: int) -> Change:
    return lambda samples, _: soxr.resample(
        soxr.resample(samples, RATE_HZ, rate_hz), rate_hz, RATE_HZ
    )


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
        "resampled to 22.05 kHz": through(22_050),
        "below 4 kHz": through(8_000),
        "20 dB quieter": lambda samples, _: (np.round(samples * 3276.7) / 32767).astype(np.float32),
    }
    harder = {
        "reverberant": reverberant,
        "noise 10 dB": noise(10),
        "GSM": codec(8_000, format="WAV", subtype="GSM610"),
        "Opus 12k": opus(12),
    }
    return common | harder if seconds == 5 else common


def spoken(texts: dict[str, list[str]], clips: int) -> Iterator[tuple[str, int, Waveform]]:
    """Voice, message and ten seconds or more, of two texts, for each voice in turn."""
    voices = {name: open_voice(name) for name in known_voices()}
    for number in range(clips):
        for place, (name, voice) in enumerate(voices.items()):
            own = texts[voice.manifest.language[:2]]
            said = " ".join(
                own[(3 * (number * len(voices) + place) + k) % len(own)] for k in (0, 1, 2)
            )
            message = (40_503 * (number * len(voices) + place + 1)) % 65_536
            voice.mark = NoiseMark(message=message)
            yield name, message, voice.speak(SpeechRequest(said, seed=number))


def cut(samples: Waveform, seconds: int, random: np.random.Generator) -> Waveform:
    """Seconds out of it, from anywhere."""
    start = random.integers(0, max(1, len(samples) - seconds * RATE_HZ))
    return samples[start : start + seconds * RATE_HZ]


def found(options: argparse.Namespace) -> Measured:
    texts = {
        "en": options.english.read_text().splitlines(),
        "es": options.spanish.read_text().splitlines(),
    }
    rows: dict[str, list[list[Any]]] = {}
    before = np.zeros(0, np.float32)
    for number, (_, message, speech) in enumerate(spoken(texts, options.clips)):
        for seconds in (2, 5, 10):
            random = np.random.default_rng([number, seconds])
            clip = cut(speech, seconds, random)
            made = {name: change(clip, random) for name, change in changes(seconds).items()}
            if seconds < 10 and len(before) > len(clip):
                other = before[: len(clip)]
                made["another voice as loud"] = clip + other * np.sqrt(
                    np.mean(clip**2) / np.mean(other**2)
                )
            for name, heard in made.items():
                if name == "faster or slower" and number % 4:  # seconds each
                    continue
                one = detect(heard, search_speed=name == "faster or slower")
                row = [one.z, one.chance, one.message == message]
                rows.setdefault(f"{seconds} s, {name}", []).append(row)
        before = np.flip(speech).copy()  # backwards: without a mark
    figures = {}
    for name, judged in rows.items():
        chances = np.array([chance for _, chance, _ in judged])
        right = [fits for _, _, fits in judged]
        figures[name] = {
            "clips": len(judged),
            "found": round(float(np.mean(chances <= -6)), 4),
            "message": round(float(np.mean(right)), 4),
            "least_z": min(z for z, _, _ in judged),
            "median_z": round(float(np.median([z for z, _, _ in judged])), 1),
        }
        print(name, figures[name], flush=True)
    sha256 = Bundle.load(find_voice(DEFAULT_VOICE)).sha256
    return Measured(figures, {"z_chance_message": rows}, bundle_sha256=sha256)


def alarms(options: argparse.Namespace) -> Measured:
    """Each key is a trial of its own on the same audio; the first one is the public key."""
    found = (sorted(folder.rglob("*.*")) for folder in options.folders)
    files = [file for each in found for file in each if file.suffix in (".wav", ".flac")]
    files = files[:: max(1, len(files) // options.files)]
    size = round(PIECE_S * RATE_HZ)
    audio = [
        samples[start : start + size]
        for samples in map(read_audio, files)
        for start in range(0, max(1, len(samples) - size // 2), size)
    ]
    keys = [b"", *(f"key {number} of research.mark".encode() for number in range(1, options.keys))]
    strongest = [0.0] * len(keys)
    seconds = 0.0
    for part in audio:
        white = whitened(part)
        for number, key in enumerate(keys):
            windows = windows_of(white, 0, pilot(key))
            seconds += len(part) / RATE_HZ
            strongest[number] = max(strongest[number], *(one.strength for one in windows))
    tried = math.log(2.0 * PERIOD * len(spans(2)))  # of a piece: two blocks
    figures = {
        "hours": round(seconds / 3600, 2),
        "keys": len(keys),
        "pieces": len(audio),
        "greatest_z": round(max(strongest), 2),
        "least_chance": round(log10_chance(max(strongest), tried), 2),
    }
    print(figures)
    return Measured(figures, {"greatest_z_by_key": strongest})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("found")
    one.add_argument("english", type=Path)
    one.add_argument("spanish", type=Path)
    one.add_argument("--clips", type=int, default=20, help="of each voice")
    two = commands.add_parser("alarms")
    two.add_argument("folders", type=Path, nargs="+")
    two.add_argument("--keys", type=int, default=4)
    two.add_argument("--files", type=int, default=1_000, help="at most, evenly chosen")
    for command, run in ((one, found), (two, alarms)):
        command.add_argument("--record", action="store_true")
        command.set_defaults(run=run)
    options = parser.parse_args()
    measured = options.run(options)
    if options.record:
        words = " ".join(f"{value}" for value in vars(options).values())
        print(write_record("mark", measured, f"python -m research.mark {words}", OUT))


if __name__ == "__main__":
    main()
