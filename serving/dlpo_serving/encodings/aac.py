"""AAC by FFmpeg, packets as soon as a frame has gone in, in ADTS frames.

Reference: ISO/IEC 14496-3, 1.A.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dlpo.audio import Waveform
from dlpo.errors import EngineError
from dlpo_serving.encodings.formats import bit_rate, not_offered

if TYPE_CHECKING:
    from av import AudioFrame

# The other search costs twice the time, for nothing that can be measured at this bit rate.
OPTIONS = {"aac_coder": "fast"}
HEADER_BYTES = 7


class AacEncoder:
    """One stream of AAC-LC; its native memory goes when it does."""

    def __init__(self, sample_rate_hz: int) -> None:
        """Raises RequestError without PyAV, EngineError where FFmpeg can't open the codec."""
        try:
            import av
        except ImportError:
            raise not_offered(
                "aac needs av where the speech is made; run there: pip install 'dlpo[codecs]'"
            ) from None
        self._sample_rate_hz = sample_rate_hz
        self._pending = np.zeros(0, np.float32)  # less than a frame
        self._position = 0  # samples that the codec has had
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
        """The next (T,) float32 -> the frames that are complete with them."""
        pending = np.concatenate([self._pending, samples])
        size = self._context.frame_size
        whole = len(pending) - len(pending) % size
        self._pending = pending[whole:]
        frames = [pending[start : start + size] for start in range(0, whole, size)]
        return b"".join(self._frames(self._audio_frame(frame)) for frame in frames)

    def finish(self) -> bytes:
        """The frames of all that is left."""
        rest = self._frames(self._audio_frame(self._pending)) if len(self._pending) else b""
        return rest + self._frames(None)

    def _audio_frame(self, samples: Waveform) -> AudioFrame:
        """(frame_size,) float32, less in the last one -> what FFmpeg takes."""
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
        any_fill = 0x7FF  # the buffer's fullness is not known
        length = packet_bytes + HEADER_BYTES  # 13 bits
        # Two flags of copyright, then the length, the fullness, and one block in this frame.
        bits = self._fixed_header << 28 | length << 13 | any_fill << 2
        return bits.to_bytes(HEADER_BYTES, "big")


def _fixed_header(audio_specific_config: bytes) -> int:
    # 5 bits object type, 4 bits index of the rate, 4 bits channels
    config = int.from_bytes(audio_specific_config[:2], "big")
    profile = (config >> 11) - 1
    rate_index = config >> 7 & 0x0F
    channels = config >> 3 & 0x0F
    sync_mpeg4_no_crc = 0xFFF1
    return sync_mpeg4_no_crc << 12 | profile << 10 | rate_index << 6 | channels << 2
