"""Deepgram's Flux: turns, and what of them a listener heard who interrupts."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from dlpo_serving.protocols.deepgram_flux import FluxDialect
from tests.callers import WAIT_S
from tests.serving.protocols.http.conftest import RunningServer
from tests.serving.protocols.http.sockets import connected, send

FLUX = "/v2/speak?model=flux-haley-en&sample_rate=22050"
FIRST, SECOND = "Hello, Dr. Smith! Your order costs $3.50. ", "It arrives on Monday, at noon."
FLUSH = {"type": "Flush"}
ENDED = ("SpeechMetadata", "SpeechInterrupted", "Warning", "ConfigureSuccess", "ConfigureFailure")


def said(text: str) -> dict[str, str]:
    return {"type": "Speak", "text": text}


def interrupted(at_ms: Any) -> dict[str, Any]:
    return {"type": "Interrupt", "playback_offset": {"type": "time_ms", "value": at_ms}}


async def answer(socket: Any, *messages: dict[str, Any], until: tuple[str, ...] = ENDED) -> Any:
    """The message that ends what these begin, and the samples before it."""
    await send(socket, *messages)
    samples = 0
    while True:
        message = await socket.receive(WAIT_S)
        if isinstance(message.data, bytes):
            samples += len(message.data) // 2
        elif (read := message.json())["type"] in until:
            return read, samples


async def test_a_turn_is_counted_and_timed(server: RunningServer) -> None:
    async with connected(server, FLUX) as socket:
        assert (await socket.receive_json())["type"] == "Connected"
        await send(socket, *map(said, FIRST.split(" ")[:1]), FLUSH)
        started = await socket.receive_json()
        ended, samples = await answer(socket)
        assert ended["speech_id"] == started["speech_id"]
        assert ended["audio_duration_ms"] == round(samples / 22.05)
        assert ended["input_character_count"] == len("Hello,")
        whole, _ = await answer(socket, {"type": "Close"}, until=("SessionMetadata",))
        assert whole["total_audio_duration_ms"] == ended["audio_duration_ms"]
        assert whole["total_input_character_count"] == len("Hello,")


@pytest.mark.parametrize("turns", [1, 2])
async def test_the_text_is_split_where_playback_was(server: RunningServer, turns: int) -> None:
    """By word times, also where a later turn has been sent; the next turn begins there."""
    async with connected(server, FLUX) as socket:
        first, samples = await answer(socket, said(FIRST), FLUSH)
        if turns == 2:
            await answer(socket, said(SECOND), FLUSH)
        heard, _ = await answer(socket, interrupted(round(samples / 22.05 / 2)))
        assert heard["metadata"]["speech_id"] == first["speech_id"]
        assert heard["text_spoken"] + heard["text_remaining"] == FIRST
        assert heard["text_spoken"].startswith("Hello, Dr.")
        assert heard["text_remaining"].endswith("$3.50. ")
        begin = heard["audio_played_ms"]
        later, samples = await answer(socket, said(SECOND), FLUSH)
        heard, _ = await answer(socket, interrupted(begin + 10_000_000))
        assert heard["metadata"]["speech_id"] == later["speech_id"]
        assert heard["audio_played_ms"] == begin + round(samples / 22.05)
        assert heard["text_spoken"] == SECOND.rstrip(".")


def test_before_any_audio_the_first_turn_is_interrupted() -> None:
    dialect = FluxDialect(make_mocked_request("GET", FLUX))
    for text in (FIRST, SECOND):
        dialect.write(text, begins=True)
    assert dialect.interrupted(0.0)["text_remaining"] == FIRST


async def test_an_interruption_without_a_place_only_cancels(server: RunningServer) -> None:
    async with connected(server, FLUX) as socket:
        _, samples = await answer(socket, said(FIRST), FLUSH)
        heard, _ = await answer(socket, {"type": "Interrupt"})
        assert heard["audio_played_ms"] == round(samples / 22.05)
        assert "text_spoken" not in heard


@pytest.mark.parametrize(
    ("before", "sent", "code"),
    [
        ([], FLUSH, "NO_ACTIVE_SPEECH"),
        ([], interrupted(100), "NO_AUDIO_GENERATED"),
        ([said(FIRST), FLUSH, interrupted(200)], interrupted(200), "INVALID_INTERRUPT_OFFSET"),
        ([said(FIRST), FLUSH, interrupted(200)], {"type": "Interrupt"}, "NO_ACTIVE_SPEECH"),
        ([said("...")], FLUSH, "NO_SYNTHESIZABLE_TEXT"),
        ([], {"type": "Configure", "speed": 1.07}, "SPEED_INCREMENT_INVALID"),
        ([], {"type": "Configure", "speed": 1.55}, "SPEED_OUT_OF_RANGE"),
    ],
    ids=str,
)
async def test_what_has_no_effect_is_said(
    server: RunningServer, before: list[Any], sent: dict[str, Any], code: str
) -> None:
    async with connected(server, FLUX) as socket:
        if len(before) > 1:
            await answer(socket, *before[:2])
        await send(socket, *before[2:] if len(before) > 1 else before)
        last, _ = await answer(socket, sent, until=ENDED[2:])
        assert last["code"] == code


async def test_a_speed_holds_from_the_next_turn_on(server: RunningServer) -> None:
    async with connected(server, FLUX) as socket:
        _, usual = await answer(socket, said(SECOND), FLUSH)
        await answer(socket, {"type": "Configure", "speed": 1.5}, until=("ConfigureSuccess",))
        _, faster = await answer(socket, said(SECOND), FLUSH)
        assert faster < 0.8 * usual


@pytest.mark.parametrize("offset", [7, {"type": "samples", "value": 1}, {"type": "time_ms"}])
async def test_a_wrong_place_says_what_is_expected(server: RunningServer, offset: Any) -> None:
    async with connected(server, FLUX) as socket:
        wrong = {"type": "Interrupt", "playback_offset": offset}
        last, _ = await answer(socket, wrong, until=("Error",))
        assert "time_ms" in last["description"] or "object" in last["description"]
