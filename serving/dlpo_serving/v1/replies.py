"""What is spoken, as messages of `dlpo.v1`."""

from __future__ import annotations

from collections.abc import Iterable

from dlpo.bundle import Manifest
from dlpo.v1 import speech_pb2
from dlpo_serving.request import VOLUME_DB
from dlpo_serving.speech import Speech, SpeechInfo, SpeechPiece
from dlpo_serving.timing import MarkTiming, WordTiming
from dlpo_serving.v1.wire import encoding_message

TimeDetail = speech_pb2.TimeDetail


class ReplyWriter:
    """Writes the messages of one call, whose info has the sample rate that times are told in."""

    def __init__(self, info: SpeechInfo, detail: TimeDetail, text_is_known: bool = True) -> None:
        """`text_is_known` before the first sound, and not only after the last one."""
        self._info = info
        self._detail = detail
        self._text_is_known = text_is_known
        self._rate_hz = info.format.sample_rate_hz

    def info(self) -> speech_pb2.SpeechInfo:
        """What is known before the first sound."""
        encoding = encoding_message(self._info.format.encoding)
        message = speech_pb2.SpeechInfo(
            format=speech_pb2.AudioFormat(encoding=encoding, sample_rate_hz=self._rate_hz),
            voice=self._info.manifest.voice,
        )
        if self._text_is_known:
            self._tell_text(message)
        return message

    def chunk(self, piece: SpeechPiece) -> speech_pb2.AudioChunk:
        """A piece of the audio."""
        return speech_pb2.AudioChunk(
            audio=piece.audio,
            sample_offset=piece.sample_offset,
            sentence=piece.sentence,
            words=self.words(piece.words),
            marks=self.marks(piece.marks),
        )

    def totals(self, speech: Speech) -> speech_pb2.SpeechTotals:
        """What is known after the last sound."""
        totals = speech.totals
        assert totals  # the last piece was taken
        message = speech_pb2.SpeechTotals(
            samples=totals.samples,
            audio_s=totals.audio_s,
            steps=self._info.steps,
            seed=self._info.seed,
        )
        if not self._text_is_known:
            self._tell_text(message)
        return message

    def words(self, words: Iterable[WordTiming]) -> list[speech_pb2.WordTime]:
        """The times of words, as far as the caller wants them."""
        if self._detail == speech_pb2.TIME_DETAIL_NONE:
            return []
        return [self._word(word) for word in words]

    def marks(self, marks: Iterable[MarkTiming]) -> list[speech_pb2.MarkTime]:
        """The times of the marks of an SSML document."""
        return [
            speech_pb2.MarkTime(
                name=mark.name, time_s=mark.sample / self._rate_hz, sample=mark.sample
            )
            for mark in marks
        ]

    def _tell_text(self, message: speech_pb2.SpeechInfo | speech_pb2.SpeechTotals) -> None:
        message.processed_text = self._info.processed_text
        message.dropped_characters = self._info.dropped_characters

    def _word(self, word: WordTiming) -> speech_pb2.WordTime:
        wanted = word.phonemes if self._detail == speech_pb2.TIME_DETAIL_PHONEMES else ()
        phonemes = [
            speech_pb2.PhonemeTime(
                phoneme=phoneme.phoneme,
                start_s=phoneme.start / self._rate_hz,
                end_s=phoneme.stop / self._rate_hz,
                start_sample=phoneme.start,
                end_sample=phoneme.stop,
            )
            for phoneme in wanted
        ]
        return speech_pb2.WordTime(
            word=word.word,
            start_s=word.start / self._rate_hz,
            end_s=word.stop / self._rate_hz,
            start_sample=word.start,
            end_sample=word.stop,
            text_start=word.text_start,
            text_end=word.text_end,
            phonemes=phonemes,
        )


def voice_message(manifest: Manifest) -> speech_pb2.Voice:
    """What a voice can do."""
    slowest, fastest = manifest.prosody.speed
    lowest, highest = manifest.prosody.pitch_semitones
    softest, loudest = VOLUME_DB
    return speech_pb2.Voice(
        name=manifest.voice,
        language=manifest.language,
        sample_rate_hz=manifest.sample_rate_hz,
        steps=manifest.available_steps,
        default_steps=manifest.steps,
        speed=speech_pb2.Range(min=slowest, max=fastest),
        pitch_semitones=speech_pb2.Range(min=lowest, max=highest),
        licence=manifest.licence,
        volume_db=speech_pb2.Range(min=softest, max=loudest),
    )
