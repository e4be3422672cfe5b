"""Silence between sentences and paragraphs: as a voice has it, as a caller or a server sets it."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from dlpo.audio import to_pcm16
from dlpo_serving.client import ReplyFormat, SpeechClient
from dlpo_serving.encodings.formats import Encoding
from dlpo_serving.errors import RequestError
from dlpo_serving.request import SpeechRequest, SynthesisCall
from dlpo_serving.service import pauses_of, with_pauses
from dlpo_serving.settings.server_settings import ServerSettings
from tests.callers import WAIT_S, fake_voice
from tests.serving.conftest import RunningServer, StartServer
from tests.serving.protocols.callers import by_way

ONE, TWO = "Noise becomes speech.", "Is it not strange?"
PAUSED: dict[str, Any] = {"sentence_pause_s": 0.5, "paragraph_pause_s": 1.5, "lead_in_s": 0.25}
PARAGRAPHS = f"{ONE} {TWO}\n\n{ONE}"
PAUSING = ("gRPC, whole", "Riva", "Wyoming, whole", "speech", "ElevenLabs", "Cartesia", "Deepgram")


def seconds(text: str, **how: Any) -> float:
    return len(fake_voice().speak(SpeechRequest(text, **how))) / 22_050


def test_a_paragraph_pauses_longer_than_a_sentence() -> None:
    sentence = seconds(f"{ONE} {TWO}")
    assert seconds(f"{ONE}\n\n{TWO}") - sentence == pytest.approx(0.3, abs=1e-4)
    assert seconds(f"{ONE}\n{TWO}") == sentence
    assert seconds(f"<speak><s>{ONE}</s><s>{TWO}</s></speak>") == pytest.approx(sentence, abs=1e-4)


def test_callers_set_pauses_and_a_lead_in() -> None:
    none = seconds(f"{ONE} {TWO}", sentence_pause_s=0.0)
    texts = {"sentence_pause_s": f"{ONE} {TWO}", "paragraph_pause_s": f"{ONE}\n\n{TWO}"}
    for name, text in texts.items():
        assert seconds(text, **{name: 1.5}) - none == pytest.approx(1.5, abs=1e-4)
        assert seconds(text, **{name: 1.5}, speed=2.0) > 1.5  # whatever the speed
    voice = fake_voice()
    voice.mark = None  # which counts all samples, the silence too
    plain = voice.speak(SpeechRequest(ONE))
    led = voice.speak(SpeechRequest(ONE, lead_in_s=0.25))
    assert not led[: round(0.25 * 22_050)].any()
    np.testing.assert_array_equal(led[round(0.25 * 22_050) :], plain)
    with pytest.raises(RequestError, match="sentence_pause_s: is 11; expected 0 to 10"):
        voice.read(SpeechRequest(ONE, sentence_pause_s=11))


def test_text_in_pieces_pauses_at_the_same_places() -> None:
    text = f"{ONE}\n\n{TWO} {ONE}\n \n{TWO}\n\n\n{ONE}"
    voice, chance = fake_voice(), random.Random(4)
    whole = to_pcm16(voice.speak(SpeechRequest(text)))
    for _ in range(10):
        cuts = sorted(chance.sample(range(len(text)), 12))
        parts = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        chunks = voice.stream_pieces(parts, SpeechRequest(""))
        made = np.concatenate([to_pcm16(chunk.samples) for chunk in chunks])
        np.testing.assert_array_equal(made, whole)


def test_a_servers_pauses_are_for_callers_who_set_none() -> None:
    settings = ServerSettings(sentence_pause_s=0.4, lead_in_s=0.1)
    call = SynthesisCall(SpeechRequest(ONE, lead_in_s=0.0))
    request = with_pauses(call, pauses_of(settings)).request
    assert (request.sentence_pause_s, request.paragraph_pause_s) == (0.4, None)
    assert request.lead_in_s == 0.0


def over_our_client(server: RunningServer) -> bytes:
    asked = SpeechRequest(PARAGRAPHS, **PAUSED)
    with SpeechClient(server.address) as client:
        return client.speak(asked, reply=ReplyFormat(Encoding.PCM_S16), timeout_s=WAIT_S).audio


@pytest.mark.parametrize(
    "speak",
    [over_our_client, *(partial(by_way, way, text=PARAGRAPHS, **PAUSED) for way in PAUSING)],
    ids=["our client", *PAUSING],
)
def test_every_api_has_the_pauses_as_fields(
    start_server: StartServer, speak: Callable[[RunningServer], bytes]
) -> None:
    server = start_server(fake_voice(), http_port=0, wyoming_port=0)
    wanted = to_pcm16(fake_voice().speak(SpeechRequest(PARAGRAPHS, **PAUSED))).tobytes()
    assert speak(server) == wanted
