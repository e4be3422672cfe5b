"""What takes input from outside, as functions of bytes: each ends well or with an error of ours."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from aiohttp.test_utils import make_mocked_request

from dlpo.bundle import Manifest
from dlpo.data.alignments import read_alignments
from dlpo.errors import DlpoError
from dlpo.text import TextFeed
from dlpo_serving.protocols.elevenlabs.replies import ContextsDialect, ElevenLabsDialect
from dlpo_serving.protocols.http.dialects import Dialect
from dlpo_serving.protocols.http.requests import HttpLimits, read_call
from dlpo_serving.protocols.http.speech_body import json_object, read_speech_fields
from dlpo_serving.protocols.openai_realtime.replies import RealtimeDialect
from dlpo_serving.protocols.openai_realtime.requests import read_output
from dlpo_serving.protocols.riva.requests import read_dictionary
from dlpo_serving.request import SpeechRequest
from tests.callers import fake_voice, front_end
from tests.fake_engine import FakeEngine

VOICES = [FakeEngine().manifest]
ROUTE = "/v1/text-to-speech/fake/stream-input?output_format=pcm_24000"


def text(content: bytes) -> None:
    """Plain text, whole and letter by letter: the same sentences."""
    written = content.decode("utf-8", "surrogateescape")[:400]
    whole, pieces = [
        _fed([written]),
        _fed(list(written)),
    ]
    assert whole == pieces
    front_end().process(written)


def _fed(pieces: list[str]) -> Any:
    feed = TextFeed(front_end())
    try:
        found = [sentence for piece in pieces for sentence in feed.push(piece)]
        return found + feed.finish()
    except DlpoError as error:
        return str(error)


def ssml(content: bytes) -> None:
    """An SSML document."""
    front_end().process_ssml(content.decode("utf-8", "surrogateescape"))


def dictionary(content: bytes) -> None:
    """Riva's custom_dictionary."""
    words = read_dictionary(content.decode("utf-8", "replace"))
    fake_voice().text_reader.parsed(SpeechRequest("x", dictionary=words, alphabet="ipa"))


def body(content: bytes) -> None:
    """The body of POST /v1/audio/speech."""
    fields = read_speech_fields(json_object(content))
    call, *_ = read_call(fields, VOICES, HttpLimits(), streamed=True)
    fake_voice().text_reader.parsed(call.request)


def messages(content: bytes) -> None:
    """WebSocket messages, one a line, in every dialect."""
    request: Any = make_mocked_request("GET", ROUTE, match_info={"voice": "fake"})
    plain: Any = make_mocked_request("GET", "/v1/realtime")
    for dialect in (Dialect(False), ElevenLabsDialect(request), ContextsDialect(request)):
        for number, line in enumerate(content.splitlines()[:5]):
            try:
                message = json_object(line)
                dialect.pieces(message) if number else dialect.begin(message)
            except DlpoError:
                pass
    realtime = RealtimeDialect(plain, 1000)
    for line in content.splitlines()[:5]:
        try:
            message = json_object(line)
            if message.get("type") == "response.create":
                realtime.respond(message)
                realtime.ended("completed")
            elif message.get("type") == "session.update":
                realtime.output, _ = read_output(message, realtime.output)
                json.dumps(realtime.session("updated"))
            else:
                json.dumps(realtime.answer(message))
        except DlpoError:
            pass


def alignments(content: bytes) -> None:
    """A TextGrid of Praat or the Montreal Forced Aligner."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "clip.TextGrid").write_bytes(content)
        list(read_alignments(Path(folder)))


def manifest(content: bytes) -> None:
    """The manifest of a bundle."""
    Manifest.from_json(content)


TARGETS: dict[str, Callable[[bytes], None]] = {
    one.__name__: one for one in (text, ssml, dictionary, body, messages, alignments, manifest)
}


def run(target: str, content: bytes) -> None:
    """Run a target; anything but an error of ours passes through."""
    with suppress(DlpoError):
        TARGETS[target](content)
