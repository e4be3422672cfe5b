"""FFmpeg's codecs, without its containers: packets come out as soon as a frame has gone in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from dlpo.audio import Waveform, to_pcm16
from dlpo.errors import EngineError, MissingExtraError

if TYPE_CHECKING:
    from av import AudioCodecContext, AudioFrame

WIDE_BAND_HZ = 16_000  # from here on a codec gets its full bit rate, below it half of that


@dataclass(frozen=True, slots=True)
class Codec:
    """One of FFmpeg's encoders and how it is set up for speech that is waited for."""

    name: Literal["flac", "libopus", "libmp3lame", "aac"]
    sample_format: Literal["s16", "flt", "fltp"]
    bit_rate: int | None = None
    """bit/s from 16 kHz on; None: lossless"""
    frame_s: float | None = None
    """length of a frame, where the codec lets us choose it by its option `frame_size`"""
    options: tuple[tuple[str, str], ...] = ()


FLAC = Codec("flac", "s16", frame_s=0.02)  # 105 ms by default
# Complexity 5 of 10 costs a third of the processor's time at this bit rate.
OPUS = Codec(
    "libopus", "flt", 48_000, options=(("frame_duration", "20"), ("compression_level", "5"))
)
# The reservoir would hold frames back, to spread their bits.
MP3 = Codec("libmp3lame", "fltp", 64_000, options=(("reservoir", "0"),))
# The other search costs twice the time, for nothing that can be measured at this bit rate.
AAC = Codec("aac", "fltp", 64_000, options=(("aac_coder", "fast"),))


class CodecStream:
    """One stream through a codec; its native memory goes when it does."""

    def __init__(self, codec: Codec, sample_rate_hz: int) -> None:
        """Raises MissingExtraError without PyAV, EngineError where FFmpeg can't open the codec."""
        try:
            import av
        except ImportError:
            raise MissingExtraError("av", "serve") from None
        self._codec = codec
        self._sample_rate_hz = sample_rate_hz
        self._pending = np.zeros(0, np.float32)  # less than a frame
        self._position = 0  # samples that the codec has had
        self._ffmpeg_error: type[Exception] = av.FFmpegError
        try:
            self._context = _open(codec, sample_rate_hz)
        except av.FFmpegError as error:
            raise EngineError(f"{codec.name} at {sample_rate_hz} Hz: {error}") from error

    @property
    def header(self) -> bytes:
        """What the codec says of itself: STREAMINFO of FLAC, OpusHead, AudioSpecificConfig."""
        return self._context.extradata or b""

    def packets(self, samples: Waveform) -> list[bytes]:
        """The next (T,) float32 -> the packets that are complete with them."""
        pending = np.concatenate([self._pending, samples])
        size = self._context.frame_size
        whole = len(pending) - len(pending) % size
        self._pending = pending[whole:]
        frames = [pending[start : start + size] for start in range(0, whole, size)]
        return [packet for frame in frames for packet in self._encode(self._frame(frame))]

    def flush(self) -> list[bytes]:
        """The packets of all that is left."""
        rest = self._encode(self._frame(self._pending)) if len(self._pending) else []
        return rest + self._encode(None)

    def _frame(self, samples: Waveform) -> AudioFrame:
        """(frame_size,) float32, less in the last one -> what FFmpeg takes."""
        from av import AudioFrame

        sample_format = self._codec.sample_format
        is_pcm16 = sample_format == "s16"
        values = to_pcm16(samples) if is_pcm16 else np.clip(samples, -1, 1).astype(np.float32)
        frame = AudioFrame.from_ndarray(values[None], format=sample_format, layout="mono")
        frame.sample_rate = self._sample_rate_hz
        frame.pts = self._position
        self._position += len(samples)
        return frame

    def _encode(self, frame: AudioFrame | None) -> list[bytes]:
        try:
            packets = [bytes(packet) for packet in self._context.encode(frame)]
        except self._ffmpeg_error as error:
            raise EngineError(f"{self._codec.name}: {error}") from error
        return [packet for packet in packets if packet]  # FLAC ends with an empty one


def _open(codec: Codec, sample_rate_hz: int) -> AudioCodecContext:
    from av import AudioCodecContext

    context = AudioCodecContext.create(codec.name, "w")
    context.sample_rate = sample_rate_hz
    context.layout = "mono"
    context.format = codec.sample_format
    if codec.bit_rate is not None:
        context.bit_rate = codec.bit_rate // (1 if sample_rate_hz >= WIDE_BAND_HZ else 2)
    context.options = dict(codec.options)
    if codec.frame_s is not None:
        context.options["frame_size"] = str(round(codec.frame_s * sample_rate_hz))
    context.open()
    return context
