"""The encoders, and opening one for a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dlpo.audio import Waveform, to_pcm16
from dlpo.errors import EngineError
from dlpo_serving.encodings.formats import MAX_RATE_HZ, AudioFormat, Encoding
from dlpo_serving.encodings.headers import mp3_header, wav_header
from dlpo_serving.encodings.sndfile import FLAC, MP3, OPUS, AacEncoder, SndfileEncoder
from dlpo_serving.errors import RequestError

MULAW_BIAS = 33  # for 14-bit magnitudes: makes each segment start at a power of two
MULAW_CLIP = 8158  # 14-bit magnitude; one below the last decision value
PACKETS_PER_S = 50
LOOKAHEAD_S = 0.0065  # delay of the codec, which the stream's header also states


class AudioEncoder(Protocol):
    """Turns the samples of one stream into bytes as they arrive; one encoder per stream.

    The decoded audio does not depend on how the samples are split into calls. Call it from one
    thread at a time; dropping an encoder frees its memory.
    """

    def encode(self, samples: Waveform) -> bytes:
        """The next (T,) float32 in [-1, 1] -> the bytes that are ready, possibly none.

        Raises:
            EngineError: the samples are not finite, the codec failed, or the stream is finished.
        """

    def finish(self) -> bytes:
        """The bytes that were held back; they are the last.

        Raises:
            EngineError: the codec failed, or the stream is finished.
        """


class CountingEncoder(AudioEncoder, Protocol):
    """Also counts what it encodes."""

    samples: int
    """passed to the codec so far, at the stream's rate"""


def open_encoder(format: AudioFormat, voice_rate_hz: int, about: str = "") -> CountingEncoder:
    """Open an encoder for one stream of samples at `voice_rate_hz`.

    Args:
        about: what its metadata say of its origin, if the format has any; see `provenance`.

    Raises:
        RequestError: the codec's library is not installed.
        EngineError: the codec can't be opened.
    """
    rate_hz = format.sample_rate_hz
    encoder = _OPENERS[format.encoding](rate_hz, about)
    return _GuardedEncoder(encoder, voice_rate_hz, rate_hz)


def warm_encoders(voice_rate_hz: int) -> dict[Encoding, RequestError]:
    """Run every encoder once, so that the first call does not wait for imports (0.03 s).

    Returns:
        Encodings unavailable on this machine -> the error for a call that asks for them.
    """
    silence = np.zeros(voice_rate_hz // 10, np.float32)
    missing = {}
    for encoding in Encoding:
        try:
            encoder = open_encoder(AudioFormat(encoding, MAX_RATE_HZ), voice_rate_hz)
        except RequestError as error:
            missing[encoding] = error
            continue
        encoder.encode(silence)
        encoder.finish()
    return missing


class _GuardedEncoder:
    """An encoder at the client's rate, behind a resampler if needed, guarded against misuse."""

    def __init__(self, encoder: AudioEncoder, from_hz: int, to_hz: int) -> None:
        self._encoder = encoder
        self._resampler: Any = None
        self._finished = False
        self.samples = 0
        if from_hz != to_hz:
            import soxr

            self._resampler = soxr.ResampleStream(from_hz, to_hz, num_channels=1, dtype="float32")

    def encode(self, samples: Waveform, last: bool = False) -> bytes:
        if self._finished:
            raise EngineError("this audio stream is finished; open an encoder for the next one")
        if not np.isfinite(samples).all():
            raise EngineError("the voice made samples that are no numbers; report this as a bug")
        if self._resampler:
            samples = np.asarray(self._resampler.resample_chunk(samples, last), np.float32)
        self.samples += len(samples)
        return self._encoder.encode(samples)

    def finish(self) -> bytes:
        rest = self.encode(np.zeros(0, np.float32), last=True)
        self._finished = True
        return rest + self._encoder.finish()


class _SampleEncoder:
    """A fixed number of bytes per sample, after a header if there is one."""

    def __init__(
        self, convert: Callable[[Waveform], NDArray[Any]] = to_pcm16, header: bytes = b""
    ) -> None:
        self._convert = convert
        self._header = header

    def encode(self, samples: Waveform) -> bytes:
        return self.finish() + self._convert(samples).tobytes()

    def finish(self) -> bytes:
        header = self._header
        self._header = b""
        return header


def mulaw(pcm: NDArray[np.int16]) -> NDArray[np.uint8]:
    """(T,) 16-bit samples -> (T,) codes; a 14-bit scale, all bits inverted on the line."""
    linear = pcm.astype(np.int32) >> 2
    negative = linear < 0
    # On the negative side decision values belong to the smaller magnitude; hence ~ and not -.
    magnitude = np.minimum(np.where(negative, ~linear, linear), MULAW_CLIP) + MULAW_BIAS
    segment = np.frexp(magnitude)[1] - 6  # 33..63 -> 0, 64..127 -> 1, ... 4096..8191 -> 7
    step = (magnitude >> (segment + 1)) & 0x0F
    code: NDArray[np.int64] = np.where(negative, 0x80, 0) | segment << 4 | step
    return (code ^ 0xFF).astype(np.uint8)


def alaw(pcm: NDArray[np.int16]) -> NDArray[np.uint8]:
    """(T,) 16-bit samples -> (T,) codes; a 13-bit scale, even bits inverted on the line."""
    linear = pcm.astype(np.int32) >> 3
    negative = linear < 0
    magnitude = np.where(negative, ~linear, linear)  # 0..4095
    segment = np.maximum(np.frexp(magnitude)[1] - 5, 0)  # 0..31 -> 0, 32..63 -> 1, ... -> 7
    step = (magnitude >> np.maximum(segment, 1)) & 0x0F
    code: NDArray[np.int64] = np.where(negative, 0, 0x80) | segment << 4 | step
    return (code ^ 0x55).astype(np.uint8)


class OggOpusEncoder:
    """An Ogg Opus stream (RFC 7845)."""

    def __init__(self, sample_rate_hz: int, about: str = "") -> None:
        """Raises RequestError, see `SndfileEncoder`."""
        self._stream = SndfileEncoder(OPUS, sample_rate_hz, about=about)
        self._packet = sample_rate_hz // PACKETS_PER_S  # samples
        lookahead = round(LOOKAHEAD_S * sample_rate_hz)
        # offsets in the last packet where the audio may end, see `finish`
        self._sound_ends = range(self._packet // 2 - lookahead + 1, self._packet - lookahead + 1)
        self._samples = 0

    def encode(self, samples: Waveform) -> bytes:
        self._samples += len(samples)
        return self._stream.encode(samples)

    def finish(self) -> bytes:
        """The rest, after up to 10 ms of silence.

        Draining the lookahead may take one more packet, which libsndfile 1.2.2 makes by repeating
        the last samples; or it may take less than half a packet, and then libsndfile makes a
        shorter one. Either is audible as a click. Silence avoids both.
        """
        start = b""
        if self._samples % self._packet not in self._sound_ends:
            silence = (self._sound_ends[0] - self._samples) % self._packet
            start = self.encode(np.zeros(silence, np.float32))
        return start + self._stream.finish()


class FramedOpusEncoder:
    """Repeated [int32 length][Opus packet], as Riva's clients expect."""

    def __init__(self, sample_rate_hz: int) -> None:
        """Raises RequestError, see `SndfileEncoder`."""
        self._ogg = OggOpusEncoder(sample_rate_hz)

    def encode(self, samples: Waveform) -> bytes:
        return _framed(self._ogg.encode(samples))

    def finish(self) -> bytes:
        """The rest; the last packet ends in silence."""
        return _framed(self._ogg.finish())


def _framed(pages: bytes) -> bytes:
    heads = (b"OpusHead", b"OpusTags")
    packets = [packet for packet in ogg_packets(pages) if not packet.startswith(heads)]
    return b"".join(len(packet).to_bytes(4, "little") + packet for packet in packets)


def ogg_packets(pages: bytes) -> Iterator[bytes]:
    """The packets of complete Ogg pages; no packet may span two pages.

    Reference: RFC 3533, section 6.
    """
    header_bytes = 27
    at = 0
    while at < len(pages):
        lacing_at = at + header_bytes
        lacing = pages[lacing_at : lacing_at + pages[lacing_at - 1]]
        at = lacing_at + len(lacing)
        size = 0
        for segment in lacing:
            size += segment
            if segment < 255:
                yield pages[at : at + size]
                at += size
                size = 0


_OPENERS: Mapping[Encoding, Callable[[int, str], AudioEncoder]] = {  # rate in Hz, origin
    Encoding.PCM_S16: lambda *_: _SampleEncoder(),
    Encoding.PCM_F32: lambda *_: _SampleEncoder(lambda samples: samples.astype("<f4")),
    Encoding.WAV: lambda rate_hz, _: _SampleEncoder(header=wav_header(rate_hz)),
    Encoding.MULAW: lambda *_: _SampleEncoder(lambda samples: mulaw(to_pcm16(samples))),
    Encoding.ALAW: lambda *_: _SampleEncoder(lambda samples: alaw(to_pcm16(samples))),
    Encoding.FLAC: lambda rate_hz, about: SndfileEncoder(FLAC, rate_hz, about=about),
    Encoding.MP3: lambda rate_hz, about: SndfileEncoder(MP3, rate_hz, mp3_header(rate_hz), about),
    Encoding.OGG_OPUS: OggOpusEncoder,
    Encoding.OPUS_FRAMED: lambda rate_hz, _: FramedOpusEncoder(rate_hz),
    Encoding.AAC: lambda rate_hz, _: AacEncoder(rate_hz),
}
