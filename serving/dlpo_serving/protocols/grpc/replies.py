"""Audio and voices -> messages of `dlpo.v1`."""

from __future__ import annotations

from typing import Any

from dlpo.bundle import Manifest
from dlpo.v1 import speech_pb2
from dlpo_serving.audio_stream import AudioStream, EncodedChunk
from dlpo_serving.encodings.wire import encoding_message
from dlpo_serving.request import VOLUME
from dlpo_serving.synthesis.timing import MarkTiming, WordTiming

TimeDetail = speech_pb2.TimeDetail


def info_message(audio: AudioStream, text_is_known: bool = True) -> speech_pb2.SpeechInfo:
    """What is known before the first audio; the text only if it does not come in pieces."""
    return speech_pb2.SpeechInfo(
        format=speech_pb2.AudioFormat(
            encoding=encoding_message(audio.format.encoding),
            sample_rate_hz=audio.format.sample_rate_hz,
        ),
        voice=audio.manifest.voice,
        **(_text_fields(audio) if text_is_known else {}),
    )


def totals_message(audio: AudioStream, text_is_known: bool = True) -> speech_pb2.SpeechTotals:
    """What is known after the last audio; the text if `info_message` lacks it."""
    late = {"warnings": [audio.misfit] if audio.misfit else ()}
    text = late if text_is_known else _text_fields(audio)
    return speech_pb2.SpeechTotals(
        samples=audio.samples, audio_s=audio.audio_s, steps=audio.steps, seed=audio.seed, **text
    )


def _text_fields(audio: AudioStream) -> dict[str, Any]:
    return {
        "processed_text": audio.processed_text,
        "dropped_characters": audio.dropped_characters,
        "warnings": audio.warnings,
    }


def chunk_message(chunk: EncodedChunk, rate_hz: int, detail: TimeDetail) -> speech_pb2.AudioChunk:
    """The next chunk of audio; `rate_hz` is the reply's."""
    return speech_pb2.AudioChunk(
        audio=chunk.audio,
        sample_offset=chunk.sample_offset,
        sentence=chunk.sentence,
        words=word_messages(chunk.words, rate_hz, detail),
        marks=mark_messages(chunk.marks, rate_hz) if chunk.marks else (),
    )


def word_messages(
    words: tuple[WordTiming, ...], rate_hz: int, detail: TimeDetail
) -> list[speech_pb2.WordTime]:
    """Word timestamps, in the detail that the caller asked for."""
    if detail == speech_pb2.TIME_DETAIL_NONE:
        return []
    messages = []
    for word in words:
        message = speech_pb2.WordTime(
            word=word.word,
            start_s=word.start / rate_hz,
            end_s=word.stop / rate_hz,
            start_sample=word.start,
            end_sample=word.stop,
            text_start=word.text_start,
            text_end=word.text_end,
        )
        if detail == speech_pb2.TIME_DETAIL_PHONEMES:
            for phoneme in word.phonemes:
                message.phonemes.add(
                    phoneme=phoneme.phoneme,
                    start_s=phoneme.start / rate_hz,
                    end_s=phoneme.stop / rate_hz,
                    start_sample=phoneme.start,
                    end_sample=phoneme.stop,
                )
        messages.append(message)
    return messages


def mark_messages(marks: tuple[MarkTiming, ...], rate_hz: int) -> list[speech_pb2.MarkTime]:
    """Timestamps of the marks in an SSML document."""
    return [
        speech_pb2.MarkTime(name=mark.name, time_s=mark.sample / rate_hz, sample=mark.sample)
        for mark in marks
    ]


def voice_message(manifest: Manifest) -> speech_pb2.Voice:
    """What a voice can do."""
    slowest, fastest = manifest.prosody.speed
    lowest, highest = manifest.prosody.pitch_semitones
    return speech_pb2.Voice(
        name=manifest.voice,
        language=manifest.language,
        sample_rate_hz=manifest.sample_rate_hz,
        steps=manifest.available_steps,
        default_steps=manifest.steps,
        speed=speech_pb2.Range(min=slowest, max=fastest),
        pitch_semitones=speech_pb2.Range(min=lowest, max=highest),
        licence=manifest.licence,
        volume_db=speech_pb2.Range(min=VOLUME.ge, max=VOLUME.le),
    )
