"""FLAC, MP3 and Opus by libsndfile, whose file is the stream that a client reads; AAC by FFmpeg.

libsndfile writes sequentially, with two exceptions. At the end of a FLAC stream it seeks back to
fill in the length and a checksum; both may be left unset (RFC 9639, section 8.2), and here they
are: see `headers`. At the start of an MP3 stream it reserves a frame for an index; ours is sent
instead.

AAC is sent as ADTS frames (ISO/IEC 14496-3, 1.A.2), each as soon as its samples are in.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from dlpo.audio import Waveform, to_pcm16
from dlpo.errors import EngineError
from dlpo_serving.encodings.formats import bit_rate, not_offered
from dlpo_serving.encodings.provenance import GENERATOR, id3_tag

if TYPE_CHECKING:
    from av import AudioFrame

FLAC_LEVEL = 2 / 8  # the smallest files among levels with blocks of 1,152 samples; others use 4,096
OGG_PAGE_MS = 50.0  # libsndfile's minimum; its default is a second
SFC_SET_OGG_PAGE_LATENCY_MS = 0x1302  # sndfile.h
# The other search takes twice as long, with no measurable gain at this bit rate.
OPTIONS = {"aac_coder": "fast"}
HEADER_BYTES = 7


@dataclass(frozen=True, slots=True)
class Codec:
    """One of libsndfile's codecs, by its names in soundfile."""

    container: Literal["FLAC", "MP3", "OGG"]
    subtype: Literal["PCM_16", "MPEG_LAYER_III", "OPUS"]


FLAC = Codec("FLAC", "PCM_16")
MP3 = Codec("MP3", "MPEG_LAYER_III")
OPUS = Codec("OGG", "OPUS")


class SndfileEncoder:
    """One stream through one codec; its native memory is freed with it."""

    def __init__(
        self, codec: Codec, sample_rate_hz: int, header: bytes = b"", about: str = ""
    ) -> None:
        """Raises RequestError if libsndfile is missing, or was built without the codec.

        Args:
            header: what is sent in place of as many bytes of libsndfile's.
            about: what its metadata say of its origin; see `provenance`.
        """
        try:
            import soundfile
        except ImportError:
            raise not_offered(
                "needs the package soundfile, of the extra dlpo[serve], where dlpo runs"
            ) from None
        except OSError as error:  # its wheels for some systems don't bundle the library
            raise not_offered(f"{error}; install libsndfile1 where dlpo runs") from error
        self._codec = codec
        self._error: type[Exception] = soundfile.SoundFileError
        self._outbox = _Outbox()
        self._is_empty = True
        self._header = (id3_tag(about) if codec == MP3 else b"") + header
        self._unsent = len(header)
        try:
            self._file = soundfile.SoundFile(
                self._outbox,
                "w",
                sample_rate_hz,
                channels=1,
                format=codec.container,
                subtype=codec.subtype,
                compression_level=_compression_level(codec, sample_rate_hz),
                bitrate_mode="CONSTANT" if codec == MP3 else None,
            )
        except (soundfile.SoundFileError, ValueError) as error:  # ValueError: unknown to soundfile
            raise not_offered(
                f"libsndfile {soundfile.__libsndfile_version__} can't write {codec.subtype} at"
                f" {sample_rate_hz} Hz; expected 1.2 or newer: {error}"
            ) from error
        except MemoryError as error:  # cffi's, for callbacks that libsndfile writes through
            raise not_offered(
                "this system forbids memory to be written and executed (systemd's"
                " MemoryDenyWriteExecute, SELinux's deny_execmem), which soundfile does; allow it"
            ) from error
        if about and codec != MP3:  # whose tags libsndfile would put before its own header
            self._file.comment, self._file.software = about, GENERATOR
        if codec == OPUS:  # soundfile has no function for this
            page_ms = soundfile._ffi.new("double*", OGG_PAGE_MS)
            size = soundfile._ffi.sizeof("double")
            command = SFC_SET_OGG_PAGE_LATENCY_MS
            soundfile._snd.sf_command(self._file._file, command, page_ms, size)

    def encode(self, samples: Waveform) -> bytes:
        """The next (T,) float32 -> the bytes that are now complete, starting with the header."""
        if not len(samples):
            return b""
        self._is_empty = False
        is_pcm = self._codec == FLAC
        values = to_pcm16(samples).astype(np.int16) if is_pcm else np.clip(samples, -1, 1)
        try:
            self._file.write(values)
        except self._error as error:
            raise EngineError(f"{self._codec.subtype}: {error}") from error
        return self._take()

    def finish(self) -> bytes:
        """The rest. A stream without samples becomes one sample of silence, so that it is valid."""
        start = self.encode(np.zeros(1, np.float32)) if self._is_empty else b""
        try:
            self._file.close()
        except self._error as error:
            raise EngineError(f"{self._codec.subtype}: {error}") from error
        return start + self._take()

    def _take(self) -> bytes:
        ready = self._outbox.take()
        unsent = min(self._unsent, len(ready))
        self._unsent -= unsent
        header = self._header
        self._header = b""
        return header + ready[unsent:]


class _Outbox:
    """A file object for libsndfile; seeking back works, but rewriting sent bytes is ignored."""

    def __init__(self) -> None:
        self._position = 0
        self._end = 0
        self._ready = bytearray()

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._end}[whence]
        self._position = start + offset
        return self._position

    def write(self, data: bytes) -> int:
        if self._position == self._end:
            self._ready += data
            self._end += len(data)
        self._position += len(data)
        return len(data)

    def take(self) -> bytes:
        """What was written since the last call."""
        ready = bytes(self._ready)
        self._ready.clear()
        return ready


def _compression_level(codec: Codec, sample_rate_hz: int) -> float:
    """libsndfile's setting for the bit rate: 0 is the highest that it offers, 1 the lowest."""
    if codec == FLAC:
        return FLAC_LEVEL
    if codec == OPUS:
        lowest, highest = 6_000, 256_000
    elif sample_rate_hz >= 32_000:  # MPEG-1
        lowest, highest = 32_000, 320_000
    elif sample_rate_hz >= 16_000:  # MPEG-2
        lowest, highest = 8_000, 160_000
    else:  # MPEG-2.5
        lowest, highest = 8_000, 64_000
    return (highest - bit_rate(sample_rate_hz)) / (highest - lowest)


class AacEncoder:
    """One stream of AAC-LC; its native memory is freed with it."""

    def __init__(self, sample_rate_hz: int) -> None:
        """Raises RequestError without PyAV, EngineError if FFmpeg can't open the codec."""
        try:
            import av
        except ImportError:
            raise not_offered(
                "aac needs the package av, of the extra dlpo[codecs], where dlpo runs"
            ) from None
        self._sample_rate_hz = sample_rate_hz
        self._pending = np.zeros(0, np.float32)  # less than a frame
        self._position = 0  # samples passed to the codec
        self._error: type[Exception] = av.FFmpegError
        try:
            context = av.AudioCodecContext.create("aac", "w")
            context.sample_rate = sample_rate_hz
            context.layout = "mono"
            context.format = "fltp"
            context.bit_rate = bit_rate(sample_rate_hz)
            context.options = OPTIONS
            context.open()
        except av.FFmpegError as error:
            raise EngineError(f"AAC at {sample_rate_hz} Hz: {error}") from error
        self._context = context
        self._fixed_header = _fixed_header(context.extradata or b"")

    def encode(self, samples: Waveform) -> bytes:
        """The next (T,) float32 -> the frames that are now complete."""
        pending = np.concatenate([self._pending, samples])
        size = self._context.frame_size
        whole = len(pending) - len(pending) % size
        self._pending = pending[whole:]
        frames = [pending[start : start + size] for start in range(0, whole, size)]
        return b"".join(self._frames(self._audio_frame(frame)) for frame in frames)

    def finish(self) -> bytes:
        """The remaining frames."""
        rest = self._frames(self._audio_frame(self._pending)) if len(self._pending) else b""
        return rest + self._frames(None)

    def _audio_frame(self, samples: Waveform) -> AudioFrame:
        """(frame_size,) float32, fewer in the last one -> a frame for FFmpeg."""
        from av import AudioFrame

        values = np.clip(samples, -1, 1).astype(np.float32)
        frame = AudioFrame.from_ndarray(values[None], format="fltp", layout="mono")
        frame.sample_rate = self._sample_rate_hz
        frame.pts = self._position
        self._position += len(samples)
        return frame

    def _frames(self, frame: AudioFrame | None) -> bytes:
        try:
            packets = [bytes(packet) for packet in self._context.encode(frame)]
        except self._error as error:
            raise EngineError(f"AAC: {error}") from error
        return b"".join(self._header(len(packet)) + packet for packet in packets)

    def _header(self, packet_bytes: int) -> bytes:
        any_fill = 0x7FF  # the buffer fullness is unknown
        length = packet_bytes + HEADER_BYTES  # 13 bits
        # Two copyright flags, then the length, the fullness, and one block in this frame.
        bits = self._fixed_header << 28 | length << 13 | any_fill << 2
        return bits.to_bytes(HEADER_BYTES, "big")


def _fixed_header(audio_specific_config: bytes) -> int:
    # 5 bits object type, 4 bits rate index, 4 bits channels
    config = int.from_bytes(audio_specific_config[:2], "big")
    profile = (config >> 11) - 1
    rate_index = config >> 7 & 0x0F
    channels = config >> 3 & 0x0F
    sync_mpeg4_no_crc = 0xFFF1
    return sync_mpeg4_no_crc << 12 | profile << 10 | rate_index << 6 | channels << 2
