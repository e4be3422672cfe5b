"""Strings longer than any valid one: refused by every protocol before anything else reads them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from dlpo.text.common import phonemes
from dlpo.v1 import speech_pb2
from dlpo_serving.protocols.riva.proto import riva_tts_pb2 as riva
from tests.callers import WAIT_S, refusal
from tests.serving.conftest import RunningServer, StartServer
from tests.serving.protocols.callers import by_grpc, by_way
from tests.serving.resilience.conftest import Attack

DLPO, RIVA = "/dlpo.v1.SpeechService/", "/nvidia.riva.tts.RivaSpeechSynthesis/"
LONG = "fake*" + "1" * 100_000 + "x"
MANY = {f"w{number}": "F IH1 SH" for number in range(5_000)}


def by_riva(server: RunningServer, words: dict[str, str]) -> str:
    dictionary = ",".join(f"{word}  fɪʃ" for word in words)
    request = riva.SynthesizeSpeechRequest(text="Hi.", custom_dictionary=dictionary)
    return by_grpc(server, f"{RIVA}SynthesizeOnline", request)


def test_a_long_name_of_a_language_is_refused(attacked: Attack) -> None:
    with attacked(wyoming_port=0) as server:
        for way in ("Riva", "Wyoming"):
            refused = by_way(way, server, "Hi.", language=LONG)
            assert f"{len(LONG)} characters; expected 100 at most" in str(refused)


def test_oversized_dictionary_is_refused_unread(
    attacked: Attack, monkeypatch: pytest.MonkeyPatch
) -> None:
    with attacked(http_port=0) as server:
        for module in ("common.phonemes.parse_arpabet", "common.phonemes.Ipa.parse"):
            monkeypatch.setattr(f"dlpo.text.{module}", lambda *_: pytest.fail("it was read"))
        replies = [by_way(way, server, "Hi.", dictionary=MANY) for way in ("gRPC, whole", "speech")]
        replies.append(by_riva(server, MANY).encode())
        monkeypatch.undo()
    for reply in replies:
        assert b"5000 words; expected 1000 at most" in reply


@contextmanager
def parsing_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Names of the threads that parse pronunciations."""
    names: set[str] = set()
    short = phonemes._short

    def noted(written: str) -> str:
        names.add(threading.current_thread().name)
        return short(written)

    monkeypatch.setattr(phonemes, "_short", noted)
    yield names
    monkeypatch.undo()


def test_a_large_dictionary_is_parsed_by_a_worker(
    attacked: Attack, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = dict(list(MANY.items())[:900])
    with attacked(http_port=0) as server, parsing_threads(monkeypatch) as threads:
        spoken = {
            by_way(way, server, "Hi.", dictionary=words)
            for way in ("gRPC, whole", "gRPC", "speech")
        }
        assert len(spoken) == 1  # the same sound
        assert by_riva(server, words).startswith("OK")
        loop_thread = server.thread.name
    assert threads
    assert loop_thread not in threads


def test_a_dictionary_is_charged_like_a_text_after_admission(
    start_server: StartServer, tmp_path: Path
) -> None:
    from dlpo_serving.operations.keys import new_key

    token = new_key(tmp_path / "keys.toml", "alice")
    with (tmp_path / "keys.toml").open("a") as file:
        file.write("[quota.alice]\ncharacters_per_minute = 1000\n")
    server = start_server(keys_file=tmp_path / "keys.toml")
    config = speech_pb2.SynthesisConfig(dictionary=dict(list(MANY.items())[:200]))
    metadata = (("authorization", f"Bearer {token}"),)

    def speak(**fields: Any) -> Any:
        return server.stub.Synthesize(
            speech_pb2.SynthesizeRequest(text="Hi.", **fields), metadata=metadata, timeout=WAIT_S
        )

    assert speak(config=config).audio  # 200 words with 8 letters each
    with pytest.raises(grpc.RpcError) as caught:
        speak()
    assert "1000 characters a minute" in caught.value.details()


@pytest.mark.parametrize("character", ["a", "é", "今"])
def test_an_error_about_a_long_value_is_short_and_not_retried(
    server: RunningServer, character: str
) -> None:
    word = character * 50_000
    for config in ({"dictionary": {"a": word}}, {"dictionary": {word: "F"}}, {"voice": word}):
        refused = refusal(
            server.stub.Synthesize, speech_pb2.SynthesizeRequest(text="Hi.", config=config)
        )
        assert refused.code == "INVALID_ARGUMENT"
        assert len(refused.message) < 1_000
    refused = refusal(
        server.channel.unary_unary(
            f"{RIVA}Synthesize", riva.SynthesizeSpeechRequest.SerializeToString
        ),
        riva.SynthesizeSpeechRequest(text="Hi.", language_code=word),
    )
    assert refused.code == "INVALID_ARGUMENT"
    assert json.dumps(refused.message)
