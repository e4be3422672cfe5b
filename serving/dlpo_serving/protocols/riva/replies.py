"""Audio and voices -> Riva's messages."""

from __future__ import annotations

from collections.abc import Sequence

from dlpo.bundle import Manifest
from dlpo_serving.audio_stream import AudioStream, EncodedChunk, warning_header
from dlpo_serving.protocols.riva.proto import riva_tts_pb2
from dlpo_serving.protocols.riva.requests import FAMILY, Request
from dlpo_serving.rpc.statuses import Context


def voice_config(manifest: Manifest) -> riva_tts_pb2.RivaSynthesisConfigResponse.Config:
    """A voice as clients list it."""
    return riva_tts_pb2.RivaSynthesisConfigResponse.Config(
        model_name=manifest.voice,
        parameters={
            "language_code": manifest.language,
            "voice_name": FAMILY,
            "subvoices": f"{manifest.voice}:0",
            "sample_rate_hz": str(manifest.sample_rate_hz),
        },
    )


class RivaReplyWriter:
    """Writes the replies of one call; later texts may arrive while earlier ones are spoken."""

    def __init__(self, requests: Sequence[Request], audio: AudioStream) -> None:
        """`requests` has one entry per passage of `audio`, and may grow."""
        self._requests = requests
        self._audio = audio
        self._written = 0  # texts

    def reply(self, chunk: EncodedChunk) -> riva_tts_pb2.SynthesizeSpeechResponse:
        """A reply with the next audio; timestamps are in milliseconds."""
        rate_hz, passages = self._audio.format.sample_rate_hz, self._audio.passages
        index = max(n for n, p in enumerate(passages) if p.first_sentence <= chunk.sentence)
        request = self._requests[index]
        meta = riva_tts_pb2.SynthesizeSpeechResponseMetadata()
        if index >= self._written:
            self._written = index + 1
            meta.text = request.text
            meta.processed_text = passages[index].processed_text
        meta.predicted_durations.extend((w.stop - w.start) / rate_hz for w in chunk.words)
        if self._requests[0].enable_word_time_offsets:
            for word in chunk.words:
                start, end = (round(at * 1000 / rate_hz) for at in (word.start, word.stop))
                meta.words.add(word=word.word, start_time=start, end_time=end)
        id = request.id if request.HasField("id") else None
        return riva_tts_pb2.SynthesizeSpeechResponse(audio=chunk.audio, meta=meta, id=id)


def send_warnings(context: Context, speech: AudioStream) -> None:
    """Send warnings as trailing metadata, since Riva's replies have no field for them."""
    if speech.warnings:
        warning = ("x-warning", warning_header(speech.warnings))
        context.set_trailing_metadata((*context.trailing_metadata(), warning))
