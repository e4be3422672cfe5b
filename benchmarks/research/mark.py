"""How surely the mark is found: every voice, after what happens to audio; false alarms in others'.

python -m research.mark found ENGLISH SPANISH [--clips 30] [--record]     texts, a line each
python -m research.mark alarms FOLDER... [--hours 2] [--record]           of audio files
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import soundfile
import soxr
import typer
from scipy.stats import beta

from dlpo.audio import Waveform
from dlpo.bundle import DEFAULT_VOICE, Bundle
from dlpo.mark import NoiseMark
from dlpo.mark.detector import THRESHOLD, detect_samples, spans
from dlpo.mark.files import detect, read_audio
from dlpo.mark.stream import PERIOD, RATE_HZ
from dlpo_bench.record import Measured, write_record
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices import find_voice, known_voices, open_voice
from research import RECORDS, run_study, study_command

PIECE_S = 5.0
CHARACTERS = 15, 25  # of a text, for each second that it shall last
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


def changes(seconds: int, few: bool) -> dict[str, Change]:
    """What happens to clips of so many seconds; to few of them more."""
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
    return common | harder if seconds == 5 and few else common


@dataclass(frozen=True)
class Spoken:
    """What a voice said, with a message of its own."""

    message: int
    short: Waveform
    """a text of about two seconds"""
    long: Waveform
    """one of about five"""
    whole: Waveform
    """three of these"""


def spoken(texts: dict[str, list[list[str]]], clips: int) -> Iterator[Spoken]:
    """As many of each voice, the voices in turn.

    Args:
        texts: of each language, those of about two seconds and of about five.
    """
    voices = [open_voice(name) for name in known_voices()]
    for number in range(clips * len(voices)):
        voice, message = voices[number % len(voices)], 40_503 * (number + 1) % 65_536
        voice.mark = NoiseMark(message=message)
        short, long = texts[voice.manifest.language[:2]]
        said = [long[(3 * number + k) % len(long)] for k in range(3)]
        seed = number // len(voices)
        parts = (short[number % len(short)], said[0], " ".join(said))
        yield Spoken(message, *(voice.speak(SpeechRequest(text, seed=seed)) for text in parts))


def heard(
    speech: Spoken, other: Waveform, seconds: int, few: bool, random: np.random.Generator
) -> Iterator[tuple[str, Waveform]]:
    """What was done to a clip of so many seconds, and how it sounds then; `other` is unmarked."""
    size = seconds * RATE_HZ
    start = random.integers(0, max(1, len(speech.whole) - size))
    cut = speech.whole[start : start + size]
    if seconds < 10:
        yield "cut out of the middle", cut
    clip = {2: speech.short[:size], 5: speech.long[:size], 10: cut}[seconds]
    for name, change in changes(seconds, few).items():
        yield name, change(clip, random)
    if seconds < 10:
        beside = np.resize(other, len(clip))
        level = np.sqrt(np.mean(clip**2) / np.mean(beside**2))
        yield "another voice as loud", clip + level * beside


def found(files: list[Path], clips: int) -> Measured:
    """Five seconds of every speech; what has lower floors, of every third one."""
    least, most = CHARACTERS
    texts = {
        language: [
            [text for text in file.read_text().splitlines() if least <= len(text) / s <= most]
            for s in (2, 5)
        ]
        for language, file in zip(("en", "es"), files, strict=True)
    }
    rows: dict[str, list[tuple[float, float, bool]]] = {}
    other = np.random.default_rng(0).normal(0, 0.1, 10 * RATE_HZ).astype(np.float32)
    for number, speech in enumerate(spoken(texts, clips)):
        few = number % 3 == 0
        for seconds in (2, 5, 10) if few else (5,):
            random = np.random.default_rng([number, seconds])
            for name, clip in heard(speech, other, seconds, few, random):
                one = detect(clip, search_speed=name == "faster or slower")
                row = one.z, one.chance, one.message == speech.message
                rows.setdefault(f"{seconds} s, {name}", []).append(row)
        other = np.flip(speech.whole).copy()  # backwards: without a mark
    figures = {}
    for name, judged in rows.items():
        z, chances, right = np.array(judged).T
        count = int(np.sum(chances <= THRESHOLD))
        figures[name] = {
            "clips": len(judged),
            "found": round(count / len(judged), 4),
            "exceeded_at_95_percent": round(_exceeded(count, len(judged)), 4),
            "message": round(float(np.mean(right)), 4),
            "least_z": float(z.min()),
            "median_z": round(float(np.median(z)), 1),
        }
        print(name, figures[name], flush=True)
    sha256 = Bundle.load(find_voice(DEFAULT_VOICE)).sha256
    return Measured(figures, {"z_chance_message": rows}, bundle_sha256=sha256)


def _exceeded(found: int, of: int) -> float:
    """The share that so many found ones exceed with 95 % confidence (Clopper and Pearson)."""
    return float(beta.ppf(0.05, found, of - found + 1)) if found else 0.0


def made_here(hours: float) -> dict[str, Iterator[Waveform]]:
    """Noise and music without a mark, in pieces, an equal number of each kind."""
    size, random = round(PIECE_S * RATE_HZ), np.random.default_rng(0)
    pieces, seconds = round(hours * 3600 / PIECE_S), np.arange(size) / RATE_HZ

    def coloured(exponent: float) -> Waveform:
        """White for 0, pink for 0.5, brown as of a room for 1."""
        spectrum = np.fft.rfft(random.standard_normal(size))
        spectrum /= np.maximum(np.arange(len(spectrum)), 20) ** exponent
        made = np.fft.irfft(spectrum, size)
        return np.asarray(0.1 * made / made.std(), np.float32)

    def music() -> Waveform:
        """A chord of plain harmonics each half second, a drum's noise at its start, and a sweep."""
        made = np.zeros(size)
        for begin in range(0, size, RATE_HZ // 2):
            here = seconds[: size - begin]
            for pitch in 110 * 2 ** (random.choice(36, 4) / 12):
                for harmonic in range(1, 1 + int(random.integers(3, 12))):
                    turns = 2 * np.pi * pitch * harmonic * here
                    made[begin:] += np.sin(turns) * np.exp(-3 * here) / harmonic
            made[begin:] += random.standard_normal(size - begin) * np.exp(-40 * here)
        low, high = np.sort(random.uniform(50, 8_000, 2))
        made += np.sin(2 * np.pi * (low * seconds + (high - low) * seconds**2 / (2 * PIECE_S)))
        return np.asarray(0.1 * made / made.std(), np.float32)

    return {
        "white noise": (coloured(0) for _ in range(pieces // 4)),
        "pink noise": (coloured(0.5) for _ in range(pieces // 4)),
        "brown noise": (coloured(1) for _ in range(pieces // 4)),
        "music": (music() for _ in range(pieces // 4)),
    }


def pieces_of(folder: Path) -> Iterator[Waveform]:
    """Five seconds each, over the ends of files."""
    size, rest = round(PIECE_S * RATE_HZ), np.zeros(0, np.float32)
    for file in sorted(folder.rglob("*.*")):
        if file.suffix not in (".wav", ".flac", ".opus"):
            continue
        rest = np.concatenate([rest, read_audio(file)])
        while len(rest) >= size:
            yield rest[:size]
            rest = rest[size:]


def alarms(folders: list[Path], hours: float) -> Measured:
    """The public key in audio that isn't ours; each piece is a trial, and none is heard twice."""
    sources = {folder.name: pieces_of(folder) for folder in folders} | made_here(hours)
    tried = math.log(2.0 * PERIOD * len(spans(2)))  # of a piece: two blocks
    strongest: dict[str, list[float]] = {}
    figures: dict[str, Any] = {}
    for name, pieces in sources.items():
        strongest[name] = [detect_samples(piece).z for piece in pieces]
        figures[name] = _figures(strongest[name], tried)
        print(name, figures[name], flush=True)
    figures["all"] = _figures([z for several in strongest.values() for z in several], tried)
    print(figures["all"])
    return Measured(figures, {"z": strongest})


def _figures(strongest: list[float], tried: float) -> dict[str, Any]:
    """By how much chances are below what they promise: of n pieces one has 1/n or less at most."""
    chances = np.sort([(tried - z * z / 2) / math.log(10) for z in strongest])
    ranks = {f"10^{-k:g}": round(float(np.mean(chances <= -k)), 6) for k in (0, 0.5, 1, 2, 3, 4)}
    return {
        "hours": round(len(strongest) * PIECE_S / 3600, 2),
        "pieces": len(strongest),
        "alarms": int(np.sum(chances <= THRESHOLD)),
        "greatest_z": max(strongest),
        "least_chance": round(float(chances[0]), 2),
        "one_of_all": round(-math.log10(len(strongest)), 2),
        "share_with_chance_at_most": ranks,
    }


def main(
    study: Annotated[Literal["found", "alarms"], typer.Argument()],
    paths: Annotated[list[Path], typer.Argument(help="ENGLISH SPANISH; or folders.")],
    clips: Annotated[int, typer.Option(help="Of each voice.")] = 30,
    hours: Annotated[float, typer.Option(help="Of noise and music made here.")] = 2.0,
    record: bool = False,
) -> None:
    measured = found(paths, clips) if study == "found" else alarms(paths, hours)
    if record:
        typer.echo(write_record("mark", measured, study_command("mark"), RECORDS))


if __name__ == "__main__":
    run_study(main)
