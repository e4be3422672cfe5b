"""ElevenLabs' API over HTTP and WebSockets: audio, alignments in the caller's words, voices."""

from __future__ import annotations

import base64
import json
import random
from itertools import pairwise
from typing import Any

import pytest

from dlpo.audio import to_pcm16
from dlpo_serving.request import SpeechRequest
from tests.callers import fake_voice
from tests.serving.protocols.http.conftest import Client, RunningServer
from tests.serving.protocols.http.sockets import converse

PCM = "output_format=pcm_22050"
SPEECH = "/v1/text-to-speech/fake"
WORDS = [
    "Hello,", "Dr.", "Smith!", "#42", "$3.50.", "🎉", "12:30", "“Yes,”", "well-known", "naïve",
    "U.S.A.", "50%", "(really)", "e.g.", "O'Neill", "👩\u200d💻", "1/2", "a@b.de", "…", "-3.5 °C",
    "№", "don't", "\n\n", "3rd", "II", "B2B", "C++", "*bold*", "£5m", "—", "Noise", "becomes",
]  # fmt: skip


def texts(count: int) -> list[str]:
    chosen = random.Random(58)
    return [" ".join(["Say", *chosen.choices(WORDS, k=chosen.randint(1, 6))]) for _ in range(count)]


def ask(server: RunningServer, client: Client, path: str, **fields: Any) -> Any:
    return client.post(server, fields, path=path)


def lines(reply: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in reply.read().splitlines() if line]


def in_process(request: SpeechRequest) -> bytes:
    """The same text spoken without a server, as 16-bit samples."""
    return to_pcm16(fake_voice().speak(request)).tobytes()


def joined(replies: list[dict[str, Any]], name: str, part: str) -> list[Any]:
    return [one for each in replies if each[name] for one in each[name][part]]


def test_times_come_with_a_short_wav(server: RunningServer, client: Client) -> None:
    path = f"{SPEECH}/stream/with-timestamps?output_format=wav_22050"
    parts = [one["audio_base64"] for one in lines(ask(server, client, path, text="Hi."))]
    wav = b"".join(map(base64.b64decode, parts))
    assert (wav[:4], wav[44:]) == (b"RIFF", in_process(SpeechRequest("Hi.")))


def test_times_come_in_lines_or_in_one_object(server: RunningServer, client: Client) -> None:
    text = "Your order #42 costs $3.50. Is it 😀 not strange?"
    fields = {"text": text, "seed": 7, "model_id": "any", "voice_settings": {"stability": 0.5}}
    whole = ask(server, client, f"{SPEECH}/stream?{PCM}", **fields).read()
    assert whole == in_process(SpeechRequest(text, seed=7))
    streamed = lines(ask(server, client, f"{SPEECH}/stream/with-timestamps?{PCM}", **fields))
    (complete,) = lines(ask(server, client, f"{SPEECH}/with-timestamps?{PCM}", **fields))
    assert base64.b64decode(complete["audio_base64"]) == whole
    for name in ("alignment", "normalized_alignment"):
        for part, times in complete[name].items():
            assert joined(streamed, name, part) == times
    characters, begins, ends = complete["alignment"].values()
    assert "".join(characters) == text
    assert ends[-1] <= len(whole) / 2 / 22_050
    spaces = [place for place, one in enumerate(characters) if one == " "]
    for start, stop in pairwise([-1, *spaces]):  # letters touch each other, words don't overlap
        assert begins[start + 2 : stop] == ends[start + 1 : stop - 1]
        assert begins[stop] >= ends[stop - 1]


def test_alignments_have_every_character_in_its_place(
    server: RunningServer, client: Client
) -> None:
    for text in texts(200):
        fields = {"text": text}
        (reply,) = lines(ask(server, client, f"{SPEECH}/with-timestamps?{PCM}", **fields))
        own = reply["alignment"]
        assert "".join(own["characters"]) == text
        starts, ends = own["character_start_times_seconds"], own["character_end_times_seconds"]
        assert starts == sorted(starts)
        assert all(start <= end for start, end in zip(starts, ends, strict=True))
        spoken = "".join(reply["normalized_alignment"]["characters"])
        assert spoken.startswith("say ")
        assert not any(character.isdigit() for character in spoken)


@pytest.mark.parametrize(
    ("path", "end"),
    [("stream-input", {"text": ""}), ("multi-stream-input", {"close_context": True})],
)
async def test_messages_have_every_character_in_its_place(
    server: RunningServer, path: str, end: dict[str, Any]
) -> None:
    begin = {"text": " ", "voice_settings": {}}
    for text in texts(20):
        parts = [{"text": text[start : start + 7]} for start in range(0, len(text), 7)]
        sent = begin, *parts, end
        url = f"{SPEECH}/{path}?{PCM}"
        *heard, _ = await converse(server, url, *sent, until=lambda one: one["isFinal"])
        chars = joined(heard, "alignment", "chars")
        assert "".join(chars) == text + " " * (not text[-1].isspace())
        spans = 0
        for message in heard:
            if aligned := message["alignment"]:
                assert min(aligned["charStartTimesMs"]) >= 0
                spans += aligned["charStartTimesMs"][-1] + aligned["charDurationsMs"][-1]
        audio = b"".join(base64.b64decode(one["audio"]) for one in heard)
        assert spans == pytest.approx(1000 * len(audio) / 2 / 22_050, abs=1)


def test_voices_are_listed_as_their_clients_expect(server: RunningServer, client: Client) -> None:
    first = json.loads(client.get(server, "/v1/voices").read())
    assert first["data"][0]["id"] == "fake"
    page = json.loads(client.get(server, "/v2/voices?search=FA&page_size=10").read())
    assert page["voices"] == first["voices"]
    assert (page["voices"][0]["voice_id"], page["has_more"]) == ("fake", False)
    assert json.loads(client.get(server, "/v2/voices?search=none").read())["voices"] == []
    assert json.loads(client.get(server, "/v1/voices/fake").read()) == first["voices"][0]
    assert client.get(server, "/v1/voices/nobody").status == 404


def test_models_are_listed_as_their_clients_expect(server: RunningServer, client: Client) -> None:
    models = json.loads(client.get(server, "/v1/models", **{"xi-api-key": "any"}).read())
    assert {"dlpo", "eleven_flash_v2_5"} < {model["model_id"] for model in models}
    for model in models:
        assert model["can_do_text_to_speech"]
        assert model["languages"] == [{"language_id": "en", "name": "en-US"}]
    deepgram = json.loads(client.get(server, "/v1/models", Authorization="Token any").read())
    assert [(one["name"], one["languages"]) for one in deepgram["tts"]] == [("fake", ["en-US"])]
    assert json.loads(client.get(server, "/v1/models").read())["object"] == "list"  # OpenAI's


def test_questions_about_an_account_are_answered(server: RunningServer, client: Client) -> None:
    for path, name in (
        ("/v1/user", "subscription"),
        ("/v1/user/subscription", "character_limit"),
        ("/v1/history", "history"),
        ("/v1/pronunciation-dictionaries", "pronunciation_dictionaries"),
        ("/v1/voices/21m00Tcm4TlvDq8ikWAM/settings", "stability"),
    ):
        assert name in json.loads(client.get(server, path).read())


def test_a_dialogue_is_spoken_as_one_audio(server: RunningServer, client: Client) -> None:
    path, pcm = "/v1/text-to-dialogue", "?output_format=pcm_22050"
    rachel = {"text": "Hello <you>.", "voice_id": "21m00Tcm4TlvDq8ikWAM"}
    passages = [rachel, {"text": "Who & where?", "voice_id": "fake"}]
    both = client.post(server, {"inputs": passages}, path=path + pcm).read()
    one = client.post(server, {"inputs": passages[:1]}, path=f"{path}/stream{pcm}").read()
    assert len(both) > 1.5 * len(one) > 0
    for wrong in ({"inputs": "Hello."}, {"inputs": [{"text": 5}]}, {}):
        assert client.post(server, wrong, path=path).status == 400


def test_what_is_ignored_is_named(server: RunningServer, client: Client) -> None:
    fields = {"text": "Hi.", "audio_effects": {}, "previous_text": "Well."}
    reply = ask(server, client, f"{SPEECH}?{PCM}", **fields)
    assert reply.headers["X-Warning"] == "unknown fields were ignored: 'audio_effects'"
