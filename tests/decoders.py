"""Decoders that share nothing with our encoders: FFmpeg's own."""

from __future__ import annotations

import io
import re
from typing import Any, Literal

import numpy as np
import soxr
from numpy.typing import NDArray

from dlpo_serving.encodings.formats import Encoding

Samples = NDArray[np.float64]
FFMPEG_OPUS_HZ = 48_000  # at which it decodes Opus, whatever went in


def decode_stream(audio: bytes, encoding: Encoding, rate: int) -> Samples:
    """What a player makes of a stream, (T,); it need not be complete."""
    match encoding:
        case Encoding.PCM_S16:
            return np.frombuffer(audio, "<i2") / 32_767
        case Encoding.PCM_F32:
            return np.frombuffer(audio, "<f4").astype(np.float64)
        case Encoding.MULAW:
            return _packets([audio], "pcm_mulaw", rate) if audio else np.zeros(0)
        case Encoding.ALAW:
            return _packets([audio], "pcm_alaw", rate) if audio else np.zeros(0)
        case Encoding.OPUS_FRAMED:
            return _packets(split_frames(audio), "opus", rate)
        case Encoding.OGG_OPUS:
            return soxr.resample(_container(audio, "ogg"), FFMPEG_OPUS_HZ, rate)
        case Encoding.WAV | Encoding.FLAC | Encoding.MP3 | Encoding.AAC:
            return _container(audio, encoding.value)


def split_frames(audio: bytes) -> list[bytes]:
    """[int32 length][packet] ... -> packets."""
    packets = []
    while audio:
        size = int.from_bytes(audio[:4], "little", signed=True)
        packets.append(audio[4 : 4 + size])
        assert len(packets[-1]) == size
        audio = audio[4 + size :]
    return packets


def _container(audio: bytes, format: str) -> Samples:
    import av

    with av.open(io.BytesIO(audio), format=format) as file:
        return _joined(list(file.decode(file.streams.audio[0])))


def _packets(
    packets: list[bytes], codec: Literal["pcm_mulaw", "pcm_alaw", "opus"], rate: int
) -> Samples:
    import av

    context = av.AudioCodecContext.create(codec, "r")
    context.sample_rate, context.layout = rate, "mono"
    frames = [frame for packet in packets for frame in context.decode(av.Packet(packet))]
    return _joined(frames + context.decode(None))


def _joined(frames: list[Any]) -> Samples:
    pieces = [frame.to_ndarray()[0] for frame in frames]
    scale = 1 if not pieces or pieces[0].dtype.kind == "f" else 1 << (8 * pieces[0].itemsize - 1)
    return np.concatenate([*pieces, np.zeros(0)]) / scale


def without_lot(audio: bytes) -> bytes:
    """Ogg pages without the stream's number, drawn by lot, and without the checksum over it."""
    return re.sub(rb"(?s)(OggS.{10}).{4}(.{4}).{4}", rb"\1\2", audio)
