"""Opening the encoder of one stream."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from dlpo.audio import Waveform
from dlpo.errors import EngineError
from dlpo_serving.encodings.aac import AacEncoder
from dlpo_serving.encodings.formats import MAX_RATE_HZ, AudioFormat, Encoding
from dlpo_serving.encodings.g711 import AlawEncoder, MulawEncoder
from dlpo_serving.encodings.linear import Pcm16Encoder, PcmFloatEncoder, WavEncoder
from dlpo_serving.encodings.opus import FramedOpusEncoder, OggOpusEncoder
from dlpo_serving.encodings.resampler import Resampler
from dlpo_serving.encodings.sndfile import FLAC, MP3, SndfileEncoder
from dlpo_serving.request import RequestError


class AudioEncoder(Protocol):
    """Turns the samples of one stream into bytes, as they come; one for each stream.

    What a player hears does not depend on how the samples were cut. Calls come from one thread at
    a time; an encoder that is dropped takes its memory along.
    """

    def encode(self, samples: Waveform) -> bytes:
        """The next (T,) float32 in [-1, 1] -> the bytes that are ready, perhaps none.

        Raises:
            EngineError: the samples are not finite, the codec failed, or the stream is finished.
        """

    def finish(self) -> bytes:
        """The bytes that were held back; nothing comes after them.

        Raises:
            EngineError: the codec failed, or the stream is finished.
        """


def open_encoder(format: AudioFormat, voice_rate_hz: int) -> AudioEncoder:
    """The encoder of one stream of samples at `voice_rate_hz`.

    Raises:
        RequestError: the library of the codec is not installed.
        MissingExtraError: the resampler's package is not installed.
        EngineError: the codec can't be opened.
    """
    resampler = Resampler(voice_rate_hz, format.sample_rate_hz)
    return _ResamplingEncoder(resampler, _open_at_rate(format.encoding, format.sample_rate_hz))


def warm_encoders(voice_rate_hz: int) -> dict[Encoding, RequestError]:
    """Run every encoder once, so that the first call does not wait for imports: 0.03 s.

    Returns:
        The encodings that this machine can't make, and what a call is told that asks for one.

    Raises:
        MissingExtraError: the resampler's package is not installed.
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


class _ResamplingEncoder:
    """An encoder at the client's rate behind the resampler, guarded against misuse."""

    def __init__(self, resampler: Resampler, encoder: AudioEncoder) -> None:
        self._resampler = resampler
        self._encoder = encoder
        self._finished = False

    def encode(self, samples: Waveform) -> bytes:
        self._check_open()
        if not np.isfinite(samples).all():
            raise EngineError("the voice made samples that are no numbers; report this as a bug")
        return self._encoder.encode(self._resampler.resample(samples))

    def finish(self) -> bytes:
        self._check_open()
        self._finished = True
        rest = self._resampler.resample(np.zeros(0, np.float32), last=True)
        return self._encoder.encode(rest) + self._encoder.finish()

    def _check_open(self) -> None:
        if self._finished:
            raise EngineError("this audio stream is finished; open an encoder for the next one")


def _open_at_rate(encoding: Encoding, rate_hz: int) -> AudioEncoder:
    match encoding:
        case Encoding.PCM_S16:
            return Pcm16Encoder()
        case Encoding.PCM_F32:
            return PcmFloatEncoder()
        case Encoding.WAV:
            return WavEncoder(rate_hz)
        case Encoding.MULAW:
            return MulawEncoder()
        case Encoding.ALAW:
            return AlawEncoder()
        case Encoding.FLAC:
            return SndfileEncoder(FLAC, rate_hz)
        case Encoding.MP3:
            return SndfileEncoder(MP3, rate_hz)
        case Encoding.OGG_OPUS:
            return OggOpusEncoder(rate_hz)
        case Encoding.OPUS_FRAMED:
            return FramedOpusEncoder(rate_hz)
        case Encoding.AAC:
            return AacEncoder(rate_hz)
