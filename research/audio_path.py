"""From samples to bytes: a voice's loudness, and the cost and delay of each encoding."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from dlpo.audio import Waveform
from dlpo.bundle import DEFAULT_VOICE, Bundle
from dlpo_bench.level import spoken_sentences
from dlpo_bench.loudness import TARGET_LUFS, gain_to_reach, integrated_loudness
from dlpo_bench.machine import interference, machine_clocks, resident_mb
from dlpo_bench.record import Measured, check_recordable, write_record
from dlpo_serving.encodings.encoder import open_encoder, warm_encoders
from dlpo_serving.encodings.formats import AudioFormat, Encoding, usual_format
from dlpo_serving.synthesis.chunks import STREAM_LADDER
from dlpo_serving.synthesis.level import limited
from dlpo_serving.voices import find_voice, open_voice
from dlpo_serving.voices.synthesizer import Synthesizer
from research import RECORDS

OTHER_FORMATS = (  # that clients often request
    AudioFormat(Encoding.PCM_S16, 8_000),
    AudioFormat(Encoding.PCM_S16, 24_000),
    AudioFormat(Encoding.PCM_S16, 48_000),
    AudioFormat(Encoding.MP3, 44_100),
    AudioFormat(Encoding.AAC, 44_100),
)
HEADER_WITH_SAMPLES = (Encoding.FLAC, Encoding.OGG_OPUS)  # the header comes with the first samples
OPEN_AT_ONCE = 20  # encoders open concurrently, to measure the memory of one
VOLUMES_DB = (0.0, 6.0, 12.0)
PROBE_S = 0.005  # piece length while waiting for the first bytes


@dataclass(frozen=True, slots=True)
class Loudness:
    """Loudness of a voice, over `SENTENCES`."""

    integrated_lufs: float
    """of all sentences joined"""
    softest_lufs: float
    loudest_lufs: float
    """of a single sentence"""
    peak_dbfs: float
    gain: float
    """gain in the manifest"""
    target_gain: float
    """gain that would reach `TARGET_LUFS`"""
    limiter: dict[str, dict[str, float]]
    """at volumes of `VOLUMES_DB`: the peak in dBFS, and the limiter's error in dB of the speech"""


@dataclass(frozen=True, slots=True)
class EncodingCost:
    """Cost of one stream in one format."""

    format: str
    first_bytes_ms: float
    """audio consumed before the first packet comes out; headers come immediately"""
    of_first_chunk: float
    """share of the first chunk's audio that is sent before the next chunk, headers excluded"""
    kbit_per_s: float
    processor_ms_per_s: float
    """to encode one second of audio, including resampling, cut as it is served"""
    open_ms: float


def measure_loudness(voice: Synthesizer, sentences: list[Waveform]) -> Loudness:
    """Measure the loudness of `sentences`, spoken by `voice`."""
    rate = voice.manifest.sample_rate_hz
    joined = np.concatenate(sentences)
    integrated = integrated_loudness(joined, rate)
    each = [integrated_loudness(sentence, rate) for sentence in sentences]
    gain = voice.manifest.gain
    return Loudness(
        integrated,
        min(each),
        max(each),
        _peak_dbfs(joined),
        gain,
        gain * gain_to_reach(TARGET_LUFS, integrated),
        {f"{volume_db:g} dB": _limiter(joined, volume_db) for volume_db in VOLUMES_DB},
    )


def _limiter(speech: Waveform, volume_db: float) -> dict[str, float]:
    louder = speech * np.float32(10 ** (volume_db / 20))
    held = limited(louder)
    bent = np.mean((held - louder) ** 2) / np.mean(louder**2)
    return {"peak_dbfs": _peak_dbfs(held), "bent_db": float(10 * np.log10(bent + 1e-12))}


def _peak_dbfs(waveform: Waveform) -> float:
    return float(20 * np.log10(np.abs(waveform).max()))


def measure_encoding(format: AudioFormat, speech: Waveform, rate: int, hop: int) -> EncodingCost:
    """Measure one format's cost; `speech` is (T,) at `rate`, cut into frames of `hop` samples."""
    cuts = np.minimum(np.cumsum([*STREAM_LADDER, *[STREAM_LADDER[-1]] * 1000]) * hop, len(speech))
    pieces = [piece for piece in np.split(speech, cuts) if len(piece)]
    start = time.process_time()
    encoder = open_encoder(format, rate)
    opened = time.process_time()
    streamed = [encoder.encode(piece) for piece in pieces]
    coded = sum(map(len, streamed)) + len(encoder.finish())
    done = time.process_time()

    audio_s = len(speech) / rate
    byte_rate = coded / audio_s
    first_bytes_s, header = _start(format, speech, rate)
    return EncodingCost(
        f"{format.encoding} {format.sample_rate_hz}",
        1000 * first_bytes_s,
        min(1, (len(streamed[0]) - header) / (byte_rate * len(pieces[0]) / rate)),
        8 * byte_rate / 1000,
        1000 * (done - opened) / audio_s,
        1000 * (opened - start),
    )


def measure_encodings(
    formats: Sequence[AudioFormat], speech: Waveform, rate: int, hop: int, rounds: int
) -> tuple[list[EncodingCost], dict[str, dict[str, list[float]]]]:
    """Measure the cost of every format, in turns so that load on the machine affects all of them.

    Returns:
        The costs, with the shortest times of all rounds; and each format's times by round.
    """
    made = [
        [measure_encoding(format, speech, rate, hop) for format in formats] for _ in range(rounds)
    ]
    costs, samples = [], {}
    for each in zip(*made, strict=True):
        times = {
            "processor_ms_per_s": [cost.processor_ms_per_s for cost in each],
            "open_ms": [cost.open_ms for cost in each],
        }
        samples[each[0].format] = times
        costs.append(replace(each[0], **{name: min(values) for name, values in times.items()}))
    return costs, samples


def _start(format: AudioFormat, speech: Waveform, rate: int) -> tuple[float, int]:
    """Seconds of audio consumed before the first packet comes out; bytes of the header."""
    encoder = open_encoder(format, rate)
    header = len(encoder.encode(speech[:0]))
    size = round(PROBE_S * rate)
    for start in range(0, len(speech), size):
        ready = len(encoder.encode(speech[start : start + size]))
        if ready and format.encoding in HEADER_WITH_SAMPLES and not header:
            header = ready
        elif ready:
            return (start + size) / rate, header
    return len(speech) / rate, header


def weigh_encoders(formats: Sequence[AudioFormat], piece: Waveform, rate: int) -> list[float]:
    """Resident memory of an open encoder, in kB, for each format."""
    weights, kept = [], []  # kept open, or a format would reuse the memory of the previous one
    for format in formats:
        before_mb = resident_mb(os.getpid())
        for _ in range(OPEN_AT_ONCE):
            kept.append(open_encoder(format, rate))
            kept[-1].encode(piece)
        weights.append(1000 * (resident_mb(os.getpid()) - before_mb) / OPEN_AT_ONCE)
    return weights


def main() -> None:
    """Print the figures; with --record, keep them."""
    parser = argparse.ArgumentParser("research.audio_path", description=__doc__)
    parser.add_argument("--voice", default=DEFAULT_VOICE, help="a name or the path of a bundle")
    parser.add_argument("--rounds", type=int, default=5, help="times are the shortest of so many")
    parser.add_argument("--record", action="store_true", help="write a benchmark record")
    parser.add_argument("--out", type=Path, default=RECORDS, help="directory of records")
    options = parser.parse_args()
    if options.record:
        check_recordable(options.out)
    voice = open_voice(options.voice)
    rate, hop = voice.manifest.sample_rate_hz, voice.manifest.hop_length
    warm_encoders(rate)
    formats = [*(usual_format(encoding, rate) for encoding in Encoding), *OTHER_FORMATS]
    # Before any speech exists: memory freed after it would be reused, and encoders weigh nothing.
    chunk = np.random.default_rng(0).uniform(-0.1, 0.1, STREAM_LADDER[0] * hop)
    memory_kb = weigh_encoders(formats, chunk.astype(np.float32), rate)
    sentences = spoken_sentences(voice)
    loudness = measure_loudness(voice, sentences)
    print(loudness)
    speech = np.concatenate(sentences)
    begin = machine_clocks()
    costs, samples = measure_encodings(formats, speech, rate, hop, options.rounds)
    disturbed = interference(begin)
    for line in disturbed.warnings():
        print(f"warning: {line}", file=sys.stderr)
    for cost, kilobytes in zip(costs, memory_kb, strict=True):
        print(
            f"| {cost.format} | {cost.first_bytes_ms:.0f} ms | {cost.of_first_chunk:.0%}"
            f" | {cost.kbit_per_s:.0f} kbit/s | {cost.processor_ms_per_s:.1f} ms"
            f" | {cost.open_ms:.1f} ms | {kilobytes:.0f} kB |"
        )
    if options.record:
        command = f"python -m research.audio_path --voice {options.voice} --record"
        sha256 = Bundle.load(find_voice(options.voice)).sha256
        rows = [
            asdict(cost) | {"memory_kb": kilobytes}
            for cost, kilobytes in zip(costs, memory_kb, strict=True)
        ]
        figures = {
            "loudness": asdict(loudness),
            "encodings": rows,
            "machine": asdict(disturbed),
        }
        found = Measured(figures, {"encodings": samples}, bundle_sha256=sha256)
        print(write_record("audio-path", found, command, options.out))


if __name__ == "__main__":
    main()
