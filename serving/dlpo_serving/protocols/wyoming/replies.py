"""Audio and voices -> events of Wyoming."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Eventable
from wyoming.info import Attribution, Info, TtsProgram, TtsVoice

from dlpo.bundle import Manifest
from dlpo.version import __version__
from dlpo_serving.audio_stream import AudioStream
from dlpo_serving.voices.names import AboutVoice, about_voices

SAMPLE_BYTES = 2
CHANNELS = 1


async def audio_events(speech: AudioStream) -> AsyncIterator[Eventable]:
    """The format, then each chunk of audio."""
    rate_hz = speech.format.sample_rate_hz
    yield AudioStart(rate_hz, SAMPLE_BYTES, CHANNELS)
    async for chunk in speech:
        at_ms = round(1000 * chunk.sample_offset / rate_hz)
        yield AudioChunk(rate_hz, SAMPLE_BYTES, CHANNELS, chunk.audio, at_ms)


def end_event(speech: AudioStream) -> AudioStop:
    """The end of the audio, with its length."""
    return AudioStop(round(1000 * speech.audio_s))


def info_event(voices: Sequence[Manifest]) -> Info:
    """What a client reads before it requests speech."""
    by, about = Attribution("dlpo", ""), "few-step diffusion speech"
    known = about_voices()
    offered = [
        TtsVoice(v.voice, by, True, _described(v, known), __version__, [v.language]) for v in voices
    ]
    return Info(tts=[TtsProgram("dlpo", by, True, about, __version__, offered, True)])


def _described(voice: Manifest, known: Mapping[str, AboutVoice]) -> str:
    """What a list of voices shows, such as `heart (woman, high, brisk)`."""
    return f"{voice.voice} ({known[voice.voice]})" if voice.voice in known else voice.voice
