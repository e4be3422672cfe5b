"""What is spoken, as replies of the Riva service."""

from __future__ import annotations

from dataclasses import dataclass

from dlpo_serving.riva.proto import riva_common_pb2, riva_tts_pb2
from dlpo_serving.speech import SpeechPiece
from dlpo_serving.synthesizer import Utterance
from dlpo_serving.timing import WordTiming


@dataclass(frozen=True, slots=True)
class _Text:
    """One text of a call."""

    request: riva_tts_pb2.SynthesizeSpeechRequest
    utterance: Utterance
    first_sentence: int
    """index in the call"""


class ReplyWriter:
    """Writes the replies of one call, whose texts may come while the first of them are heard."""

    def __init__(self, request: riva_tts_pb2.SynthesizeSpeechRequest) -> None:
        """`request` is the first one."""
        self._wants_words = request.enable_word_time_offsets
        self._unread = [request]  # in the order in which they will be read
        self._texts: list[_Text] = []
        self._told = 0  # texts

    def expect(self, request: riva_tts_pb2.SynthesizeSpeechRequest) -> None:
        """A further text will be read."""
        self._unread.append(request)

    def on_read(self, utterance: Utterance) -> None:
        """The next text was read; its audio will come."""
        first = 0
        if self._texts:
            last = self._texts[-1]
            first = last.first_sentence + len(last.utterance.sentences)
        self._texts.append(_Text(self._unread.pop(0), utterance, first))

    def reply(self, piece: SpeechPiece, rate_hz: int) -> riva_tts_pb2.SynthesizeSpeechResponse:
        """A piece of audio; times are told in milliseconds, `rate_hz` is the reply's."""
        index = max(n for n, t in enumerate(self._texts) if t.first_sentence <= piece.sentence)
        text = self._texts[index]
        meta = riva_tts_pb2.SynthesizeSpeechResponseMetadata()
        if index >= self._told:
            self._told = index + 1
            meta.text = text.request.text
            meta.processed_text = text.utterance.processed_text
        meta.predicted_durations.extend((w.stop - w.start) / rate_hz for w in piece.words)
        if self._wants_words:
            meta.words.extend(_word(word, 1000 / rate_hz) for word in piece.words)
        return riva_tts_pb2.SynthesizeSpeechResponse(
            audio=piece.audio, meta=meta, id=_id(text.request)
        )


def _word(word: WordTiming, ms_per_sample: float) -> riva_tts_pb2.WordTiming:
    return riva_tts_pb2.WordTiming(
        word=word.word,
        start_time=round(word.start * ms_per_sample),
        end_time=round(word.stop * ms_per_sample),
    )


def _id(request: riva_tts_pb2.SynthesizeSpeechRequest) -> riva_common_pb2.RequestId | None:
    return request.id if request.HasField("id") else None
