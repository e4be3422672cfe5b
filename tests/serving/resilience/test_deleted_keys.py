"""A key that is deleted while its calls and connections are open: each ends, others go on."""

from __future__ import annotations

import queue
import re
from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest

from dlpo.v1 import speech_pb2
from dlpo_bench.load.hostile_clients import RST_STREAM
from dlpo_serving.client import SpeechClient
from dlpo_serving.client.errors import CallError
from dlpo_serving.operations.keys import new_key
from dlpo_serving.protocols.riva.proto import riva_tts_pb2 as riva
from dlpo_serving.request import SpeechRequest
from dlpo_serving.rpc import interceptor
from tests.callers import PATIENT, WAIT_S, Conversation
from tests.serving.conftest import StartServer
from tests.serving.protocols.callers import CONVERSING, WAYS, Socket
from tests.serving.resilience.conftest import Http2

SOCKETS = [  # those that take more than one text
    way for way in CONVERSING if isinstance(WAYS[way], Socket) and way != "ElevenLabs' socket"
]
REFUSED = re.compile("unknown token|key of this call has been deleted")  # as who notices first says
STREAM = "/dlpo.v1.SpeechService/StreamSynthesize"
RIVA = "/nvidia.riva.tts.RivaSpeechSynthesis/SynthesizeOnline"


class Guarded:
    """A server with keys for alice and bob; alice's can be deleted."""

    def __init__(self, start_server: StartServer, folder: Path) -> None:
        self.path = folder / "keys.toml"
        self.bob = new_key(self.path, "bob")
        self._of_bob = self.path.read_text()
        self.alice = new_key(self.path, "alice")
        quota = "[quota.alice]\ncharacters_per_minute = 1000\n"
        self.path.write_text(self.path.read_text() + quota)
        self.server = start_server(keys_file=self.path, http_port=0, max_streams=10, peer_share=1.0)

    def delete(self) -> None:
        self.path.write_text(self._of_bob)

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.alice}"}


@pytest.fixture
def guarded(
    patient_server: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Guarded]:
    """Bob speaks during the test, and hears the same as alone."""
    monkeypatch.setattr("dlpo_serving.operations.files.POLL_S", 0.0)
    guarded = Guarded(patient_server, tmp_path)
    with SpeechClient(guarded.server.address, token=guarded.bob, retries=PATIENT) as client:
        alone = Conversation(client).finish()
        stream = Conversation(client)
        yield guarded
        assert stream.finish() == alone


@pytest.mark.parametrize("way", SOCKETS)
async def test_a_web_socket_of_a_deleted_key_speaks_no_more(way: str, guarded: Guarded) -> None:
    socket: Any = WAYS[way]
    async with socket.connected(guarded.server, headers=guarded.headers()) as connection:
        await connection.speak("One fish.")
        heard = await connection.hear(1 if "jambonz" in way else inf)
        assert (len(heard.audio) > 0, heard.error) == (True, "")
        guarded.delete()
        await connection.speak("Two fish.")
        while not heard.error:
            heard = await connection.hear()
            assert heard.closed is None
        assert REFUSED.search(heard.error)
        assert (await connection.hear()).closed == aiohttp.WSCloseCode.POLICY_VIOLATION


async def test_a_deleted_key_speaks_no_more_of_its_utterance(guarded: Guarded) -> None:
    async with (
        aiohttp.ClientSession(headers=guarded.headers()) as session,
        session.ws_connect(f"{guarded.server.http_url}v1/audio/speech/stream") as socket,
    ):
        await socket.send_json({"type": "begin", "input": "One fish. "})
        await socket.send_json({"type": "flush"})
        assert (await socket.receive_json())["type"] == "speech.info"
        guarded.delete()
        await socket.send_json({"type": "text", "text": "Two fish. "})
        await socket.send_json({"type": "end"})
        heard = [message.data async for message in socket]
        assert REFUSED.search(str(heard[-1]))


@pytest.mark.parametrize("protocol", ["dlpo", "riva"])
def test_a_grpc_call_of_a_deleted_key_takes_no_more_text(guarded: Guarded, protocol: str) -> None:
    sent: queue.SimpleQueue[Any] = queue.SimpleQueue()
    if protocol == "dlpo":
        method, part = "/dlpo.v1.SpeechService/IncrementalSynthesize", speech_pb2
        messages = [
            part.IncrementalSynthesizeRequest(config={}),
            part.IncrementalSynthesizeRequest(text="One fish. "),
            part.IncrementalSynthesizeRequest(flush={}),
        ]
        more = part.IncrementalSynthesizeRequest(text="Two fish. ")
    else:
        method = RIVA
        messages = [riva.SynthesizeSpeechRequest(text="One fish.")]
        more = riva.SynthesizeSpeechRequest(text="Two fish.")
    for message in messages:
        sent.put(message.SerializeToString())
    metadata = [(name.lower(), value) for name, value in guarded.headers().items()]
    call = guarded.server.channel.stream_stream(method)(
        iter(sent.get, None), metadata=metadata, timeout=WAIT_S
    )
    for _ in range(2 if protocol == "dlpo" else 1):  # what is known, and audio
        next(call)

    guarded.delete()
    sent.put(more.SerializeToString())

    with pytest.raises(grpc.RpcError) as caught:
        list(call)
    sent.put(None)
    assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED


def test_a_call_that_was_reset_is_sent_no_status(
    guarded: Guarded, raw_http2: Http2, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = list[Exception]()
    abort = interceptor.abort

    async def counted(context: Any, error: Exception, *more: Any) -> None:
        sent.append(error)
        await abort(context, error, *more)

    monkeypatch.setattr(interceptor, "abort", counted)
    monkeypatch.setattr(interceptor, "STATUS_DELAY_S", 1.0)
    connection = raw_http2(guarded.server.address)
    for number in range(200):
        connection.begin(STREAM, 2 * number + 1)
        connection.send(RST_STREAM, 0, 2 * number + 1, (8).to_bytes(4))
    with SpeechClient(guarded.server.address) as stranger, pytest.raises(CallError):
        stranger.speak(SpeechRequest("No key."), timeout_s=WAIT_S)
    assert len(sent) == 1
