"""NVIDIA Riva's speech service on grpc.aio, translated into calls of `SynthesisService`."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from functools import partial
from typing import TypeVar

from dlpo.bundle import MAX_VOICE_NAME, Manifest
from dlpo.text.common.reading import CODE, DATES, EMOJI
from dlpo_serving.audio_stream import AudioStream, EncodedChunk, warning_header
from dlpo_serving.encodings.formats import AudioFormat, Encoding, usual_format
from dlpo_serving.errors import FieldViolation, RequestError, UnknownVoiceError
from dlpo_serving.operations.call_scope import current_call
from dlpo_serving.request import MAX_DICTIONARY, SpeechRequest, SynthesisCall, check_length
from dlpo_serving.riva.proto import riva_audio_pb2, riva_tts_pb2
from dlpo_serving.rpc.statuses import Context
from dlpo_serving.service import SynthesisService, check_unary
from dlpo_serving.synthesis.timing import WordTiming

Number = TypeVar("Number", int, float)

# Keys of custom_configuration.
SETTINGS = (
    "speed",
    "pitch_semitones",
    "volume_db",
    "seed",
    "steps",
    "code",
    "emoji",
    "dates",
    "directions",
    "ssml",
)

_ENCODINGS = {
    riva_audio_pb2.ENCODING_UNSPECIFIED: Encoding.PCM_S16,
    riva_audio_pb2.LINEAR_PCM: Encoding.PCM_S16,
    riva_audio_pb2.FLAC: Encoding.FLAC,
    riva_audio_pb2.MULAW: Encoding.MULAW,
    riva_audio_pb2.OGGOPUS: Encoding.OPUS_FRAMED,
    riva_audio_pb2.ALAW: Encoding.ALAW,
}


def read_call(
    request: riva_tts_pb2.SynthesizeSpeechRequest,
    voice: str,
    timeout_s: float | None,
    streamed: bool,
) -> SynthesisCall:
    """Convert a request to a call; values are validated where they are used.

    Args:
        request: the first one, if the caller streams several.
        voice: the voice that `request.voice_name` resolves to.
        timeout_s: seconds until the caller's deadline; None if it has none.
        streamed: whether the audio is played while it is generated.

    Raises:
        RequestError: a field is invalid, or asks for something that dlpo lacks.
    """
    if request.HasField("zero_shot_data"):
        message = "asks to imitate a recording; dlpo's voices are trained: leave it out"
        raise RequestError(FieldViolation("zero_shot_data", message))
    settings = request.custom_configuration
    for name in settings:
        if name not in SETTINGS:
            message = f"has {name[:40]!r}; this server knows {', '.join(SETTINGS)}"
            raise RequestError(FieldViolation("custom_configuration", message))
        check_length(name, settings[name])
    encoding = _read_encoding(request.encoding)
    real = partial(_number, settings, kind=float, expected="a number")
    whole = partial(_number, settings, kind=int, expected="a whole number")
    return SynthesisCall(
        request=SpeechRequest(
            text=request.text,
            speed=real("speed") if "speed" in settings else 1.0,
            pitch_semitones=real("pitch_semitones"),
            seed=whole("seed"),
            steps=whole("steps") or None,
            dictionary=read_dictionary(request.custom_dictionary),
            alphabet="ipa",
            volume_db=real("volume_db"),
            code=settings.get("code", CODE[0]),
            emoji=settings.get("emoji", EMOJI[0]),
            language=request.language_code,
            dates=settings.get("dates", DATES[0]),
            directions=settings.get("directions", "").lower() == "true",
            ssml=settings.get("ssml", ""),
        ),
        voice=voice,
        encoding=encoding,
        sample_rate_hz=_rate(encoding, request.sample_rate_hz),
        timeout_s=timeout_s,
        streamed=streamed,
    )


def wire_field(name: str) -> str:
    """Name of a `SpeechRequest` field -> its path in the message."""
    if name in SETTINGS:
        return f"custom_configuration[{name}]"
    names = {"dictionary": "custom_dictionary", "voice": "voice_name"}
    return {**names, "language": "language_code"}.get(name, name)


def _read_encoding(number: riva_audio_pb2.AudioEncoding) -> Encoding:
    if number not in _ENCODINGS:
        known = ", ".join(f"{name} ({n})" for name, n in riva_audio_pb2.AudioEncoding.items())
        raise RequestError(FieldViolation("encoding", f"is {number}; this server knows {known}"))
    return _ENCODINGS[number]


def _rate(encoding: Encoding, rate_hz: int) -> int | None:
    """The rate to use if a caller names one.

    Opus has five rates. Its packets don't state theirs, and clients decode at whichever they like:
    any other rate is rounded up to the next of the five.
    """
    if rate_hz and encoding is Encoding.OPUS_FRAMED:
        asked = AudioFormat(Encoding.PCM_S16, rate_hz)  # checks the range common to all encodings
        return usual_format(encoding, asked.sample_rate_hz).sample_rate_hz
    return rate_hz or None


def _number(settings: Mapping[str, str], name: str, kind: type[Number], expected: str) -> Number:
    """A setting as a number; 0 if absent."""
    try:
        return kind(settings.get(name, 0))
    except ValueError:
        message = f"is {settings[name][:40]!r}; expected {expected}"
        raise RequestError(FieldViolation(name, message)) from None


def read_dictionary(text: str) -> dict[str, str]:
    """Word -> its pronunciation in IPA, which is parsed once the call is admitted.

    Args:
        text: comma-separated entries of a word, two spaces and its pronunciation in IPA.

    Raises:
        RequestError: an entry is malformed, or there are too many.
    """
    check_length("dictionary", text, 2 * MAX_DICTIONARY)  # with commas and blanks
    found = {}
    for entry in text.split(","):
        word, blanks, pronunciation = entry.strip().partition("  ")
        if blanks:
            found[word] = pronunciation
        elif word:
            message = f"has {word[:40]!r}; expected a word, two blanks and its pronunciation in IPA"
            raise RequestError(FieldViolation("dictionary", message))
    return found


FAMILY = "dlpo"  # clients join a family and its members with a dot: "dlpo.lj"

# What clients request by default: "English-US.Female-1" is in NVIDIA's tutorials,
# "Magpie-Multilingual.EN-US.Aria" is Pipecat's default, "...Leo" LiveKit's.
_STOCK = re.compile(r"English-US[\w.-]*|[\w-]+\.en-us\.[\w.-]+", re.IGNORECASE)


def voice_named(name: str, known: Collection[str]) -> str:
    """Resolve a caller's voice name to one of `known`; "" is the default voice.

    NVIDIA's own American voices map to the default one, so that a client with default settings
    works once its address is changed. An unknown name is returned as it is.
    """
    if name in known:
        return name
    if name.removeprefix(f"{FAMILY}.") in known:
        return name.removeprefix(f"{FAMILY}.")
    if _STOCK.fullmatch(name):
        return ""
    return name


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

    def __init__(
        self, requests: Sequence[riva_tts_pb2.SynthesizeSpeechRequest], audio: AudioStream
    ) -> None:
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
            meta.words.extend(_word(word, 1000 / rate_hz) for word in chunk.words)
        id = request.id if request.HasField("id") else None
        return riva_tts_pb2.SynthesizeSpeechResponse(audio=chunk.audio, meta=meta, id=id)


def _word(word: WordTiming, ms_per_sample: float) -> riva_tts_pb2.WordTiming:
    return riva_tts_pb2.WordTiming(
        word=word.word,
        start_time=round(word.start * ms_per_sample),
        end_time=round(word.stop * ms_per_sample),
    )


RIVA_SERVICE = riva_tts_pb2.DESCRIPTOR.services_by_name["RivaSpeechSynthesis"]

Request = riva_tts_pb2.SynthesizeSpeechRequest
Response = riva_tts_pb2.SynthesizeSpeechResponse


class RivaServicer:
    """Serves `nvidia.riva.tts`; register it with `add_service`."""

    def __init__(self, service: SynthesisService) -> None:
        self._service = service

    async def Synthesize(self, request: Request, context: Context) -> Response:
        call = self._call(request, context, streamed=False)
        reply = Response()
        audio = bytearray()
        async with self._service.synthesize(call) as speech:
            writer = RivaReplyWriter([request], speech)
            async for chunk in speech:
                audio += chunk.audio
                check_unary(len(audio))
                reply.MergeFrom(writer.reply(chunk))
            _warn(context, speech)
        reply.audio = bytes(audio)
        return reply

    async def SynthesizeOnline(
        self, requests: AsyncIterator[Request], context: Context
    ) -> AsyncIterator[Response]:
        first = await anext(requests)
        call = self._call(first, context, streamed=True)
        texts = [first]
        further = _further_texts(first, requests, texts) if first.text else None
        async with self._service.synthesize(call, further) as speech:
            writer = RivaReplyWriter(texts, speech)
            async for chunk in speech:
                if chunk.audio or chunk.words:
                    yield writer.reply(chunk)
            _warn(context, speech)

    async def GetRivaSynthesisConfig(
        self, request: riva_tts_pb2.RivaSynthesisConfigRequest, context: Context
    ) -> riva_tts_pb2.RivaSynthesisConfigResponse:
        name = request.model_name
        voices = {manifest.voice: manifest for manifest in self._service.voices}
        if name and name not in voices:
            raise UnknownVoiceError(name, list(voices))
        wanted = [voices[name]] if name else voices.values()
        return riva_tts_pb2.RivaSynthesisConfigResponse(model_config=map(voice_config, wanted))

    def _call(self, request: Request, context: Context, streamed: bool) -> SynthesisCall:
        current_call().field_path = wire_field
        check_length("voice", request.voice_name, MAX_VOICE_NAME)
        check_length("language", request.language_code)
        manifests = {manifest.voice: manifest for manifest in self._service.voices}
        name = voice_named(request.voice_name, manifests)
        return read_call(request, name, context.time_remaining(), streamed)


def _warn(context: Context, speech: AudioStream) -> None:
    """Send warnings as trailing metadata, since Riva's replies have no field for them."""
    if speech.warnings:
        warning = ("x-warning", warning_header(speech.warnings))
        context.set_trailing_metadata((*context.trailing_metadata(), warning))


async def _further_texts(
    first: Request, requests: AsyncIterator[Request], texts: list[Request]
) -> AsyncIterator[SpeechRequest]:
    """Yield later texts, and append them to `texts`; skip those without letters or digits.

    Raises:
        RequestError: a request changes more than the text and id.
    """
    async for request in requests:
        if _settings(request) != _settings(first):
            message = "changes settings within the call; only text and id may, begin another call"
            raise RequestError(FieldViolation("request", message))
        if any(character.isalnum() for character in request.text):
            texts.append(request)
            yield SpeechRequest(request.text)


def _settings(request: Request) -> Request:
    """A request without the fields that are specific to its text."""
    settings = Request()
    settings.CopyFrom(request)
    settings.ClearField("text")
    settings.ClearField("id")
    return settings
