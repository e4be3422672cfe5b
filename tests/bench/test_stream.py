"""Servers under load from client processes: what is computed, and a real server for a moment."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from aiohttp import web

from dlpo.errors import EngineError, InputError
from dlpo_bench.load.caller import Heard
from dlpo_bench.load.options import LoadOptions
from dlpo_bench.record import Record
from dlpo_bench.report.section import Found
from dlpo_bench.report.speed import stream
from dlpo_bench.stream.clients import Clients
from dlpo_bench.stream.contestants import Contestant, Protocol, parse_against
from dlpo_bench.stream.doors import check_door, open_door, sentences
from dlpo_bench.stream.field import Field
from dlpo_bench.stream.figures import Played, merge
from dlpo_bench.stream.knee import Race, compare_races, knee_figures, measure_knee, play_level
from dlpo_bench.stream.openai_door import bare_samples, retry_after_s
from dlpo_bench.stream.shares import Asked, Level, ShareResult, shares
from dlpo_bench.stream.stages import grown, stage_figures
from dlpo_bench.stream.tokens import measure_tokens, written
from dlpo_bench.tables import markdown
from dlpo_serving.local_server import LocalServer, local_server

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

CLOSED = Level("closed", load=4, ramp_s=4.0, level_s=10.0, think_s=0.0, seed=0)
OPEN = replace(CLOSED, loop="open")
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
WHO = Contestant("ours", "dlpo", "localhost:1", 0)


def asked(
    sent_s: float,
    *pieces: tuple[float, float],
    characters: int = 10,
    code: grpc.StatusCode | None = grpc.StatusCode.OK,
) -> Asked:
    """A call with pieces of (arrival, length)."""
    heard = Heard(sent_s, code=code, ended_s=sent_s + 0.25)
    for piece in pieces:
        heard.playback.receive(*piece)
    return Asked(characters, 0.001, heard)


def played(load: float, *, good: float = 1.0, first_ms: float = 20.0, cpu: float = 0.1) -> Played:
    figures = {"load": load, "good_share": good, "first_audio_ms_p95": first_ms}
    samples = {"first_audio_ms": [first_ms, first_ms + 1, first_ms + 2]}
    return Played(replace(CLOSED, load=load), figures | {"client_cpu_most": cpu}, samples, 9.0)


def race(*levels: Played, who: Contestant = WHO) -> Race:
    return Race(who, "closed", {one.level.load: one for one in levels})


def test_the_shares_of_a_level_are_all_of_it() -> None:
    assert sum(share.rate for share in shares(OPEN, 3)) == pytest.approx(OPEN.load)
    for load, processes in ((1, 4), (5, 2), (8, 3)):
        parts = shares(replace(CLOSED, load=load), processes)
        assert sorted(number for part in parts for number in part.listeners) == list(range(load))


def test_calls_count_from_when_the_last_listener_has_come() -> None:
    assert [CLOSED.comes_s(number) for number in range(4)] == [0, 1, 2, 3]
    assert CLOSED.counts_from_s == 3
    assert OPEN.counts_from_s == 4  # its load is complete at once, the server's queues are not


def test_figures_of_a_level_are_those_of_the_calls_that_count() -> None:
    calls = [
        asked(1.0, (1.5, 6.0)),  # before; still plays for 2.5 s
        asked(6.0, (6.1, 2.0), (7.0, 1.0), characters=30),
        asked(6.0, (6.3, 1.0), (7.5, 1.0)),  # a gap of 0.2 s
        asked(7.0, code=grpc.StatusCode.RESOURCE_EXHAUSTED),
        asked(7.0, code=grpc.StatusCode.INTERNAL),
        asked(8.0, code=None),  # had no sound when it was given up
    ]

    found = merge(OPEN, [ShareResult(calls[:3], 0.25), ShareResult(calls[3:], 0.5)], start_s=5.0)

    figures = found.figures
    assert figures["calls"] == 5
    # An error is fast, and no first audio.
    assert found.samples["first_audio_ms"] == pytest.approx([100, 300, 250])
    assert found.samples["gap_ms"] == pytest.approx([200])
    assert figures["good_share"] == pytest.approx(30 / 70)
    assert figures["shed_share"] == figures["refusal_ms_p95"] / 250 / 5 == 1 / 5
    assert figures["failed_share"] == 2 / 5
    assert figures["goodput_audio_s_per_s"] == pytest.approx(3.0 / 10)
    assert figures["client_cpu_most"] == 0.5
    assert found.audio_s == 11


def test_goodput_of_listeners_is_what_plays_while_the_level_counts() -> None:
    calls = [
        asked(1.0, (1.5, 6.0)),  # from 3.0 to 7.5
        asked(6.0, (6.1, 2.0), (7.0, 1.0)),  # all of its 3 s
        asked(6.0, (6.3, 1.0), (7.5, 1.0)),  # a gap
        asked(12.0, (12.5, 9.0)),  # up to 14.0
    ]

    figures = merge(CLOSED, [ShareResult(calls)], start_s=3.0).figures

    assert figures["goodput_audio_s_per_s"] == pytest.approx((4.5 + 3.0 + 1.5) / 11)


def test_a_level_without_calls_has_no_percentiles_and_does_not_pass() -> None:
    found = merge(OPEN, [ShareResult()], start_s=0.0)

    assert not [name for name in found.figures if name.startswith(("first_audio", "late"))]
    assert not found.passes(300)


def test_the_knee_is_the_highest_load_below_the_first_that_failed() -> None:
    levels = [played(1), played(2), played(4, good=0.98), played(8)]

    figures = knee_figures(race(*levels), 300)

    assert (figures["knee"], figures["knee_is_bound"], figures["load"]) == (2, 0, 2)


@pytest.mark.parametrize(
    "levels", [(played(1), played(2)), (played(1), played(2, first_ms=900, cpu=0.95))]
)
def test_the_knee_may_be_higher_where_nothing_failed_or_perhaps_the_client(
    levels: tuple[Played, Played],
) -> None:
    assert knee_figures(race(*levels), 300)["knee_is_bound"] == 1


def test_a_server_that_bears_nothing_has_its_knee_at_0() -> None:
    assert knee_figures(race(played(1, first_ms=301)), 300)["knee"] == 0


def test_contestants_are_compared_at_the_highest_load_that_both_bore() -> None:
    other = replace(WHO, name="theirs")
    ours = race(played(2), played(4), played(8, good=0.5))
    theirs = race(played(2, first_ms=60), played(4, first_ms=400), who=other)

    (ratios,) = compare_races([ours, theirs], 300).values()

    assert (ratios["knee"], ratios["load"]) == (0.5, 2)
    assert ratios["first_audio"] == pytest.approx(61 / 21)
    assert ratios["first_audio_low"] <= 61 / 21 <= ratios["first_audio_high"]


def test_server_time_is_what_was_added_between_two_readings() -> None:
    names = (
        "dlpo_audio_seconds_total",
        "dlpo_queue_wait_seconds_count",
        "dlpo_queue_wait_seconds_sum",
    )
    before = dict.fromkeys(((name, "") for name in names), 5.0)
    before["dlpo_stage_seconds_sum", "denoise"] = 1.0
    after = {
        key: value + more
        for (key, value), more in zip(before.items(), (10, 4, 2, 0.5), strict=True)
    }

    assert stage_figures(grown(before, after)) == {
        "queue_ms": 500, "denoise_ms_per_audio_s": 50,
    }  # fmt: skip
    assert stage_figures(grown(after, before)) == {}  # it was started anew


@pytest.mark.parametrize(
    ("text", "protocol", "address"),
    [
        ("host:50051", "riva", "host:50051"),
        ("dlpo://[::1]:7", "dlpo", "[::1]:7"),
        ("http://host:8880/v1/", "openai", "http://host:8880/v1"),
        ("https://host/v1?voice=af_heart&model=kokoro", "openai", "https://host/v1"),
    ],
)
def test_a_server_to_measure_is_read_from_its_address(
    text: str, protocol: str, address: str
) -> None:
    found = parse_against(text)

    assert (found.protocol, found.address) == (protocol, address)


def test_voice_model_and_rate_come_with_the_address() -> None:
    found = parse_against("h:1?voice=a&model=b&rate_hz=48000&metrics=http://h:2/metrics")

    assert (found.address, found.voice, found.model, found.rate_hz) == ("h:1", "a", "b", 48_000)
    assert found.metrics_url == "http://h:2/metrics"


@pytest.mark.parametrize("text", ["host", "host:port", "ftp://h:1", "h:1?speed=2", "", "h:1?voice"])
def test_what_names_no_server_is_told_with_what_does(text: str) -> None:
    with pytest.raises(InputError, match="HOST:PORT"):
        parse_against(text)


def test_a_rate_that_is_no_number_is_told() -> None:
    with pytest.raises(InputError, match="rate_hz is '-1'; expected a whole number above 0"):
        parse_against("h:1?rate_hz=-1")


def test_tokens_are_joined_to_sentences_as_early_as_can_be() -> None:
    async def joined() -> list[str]:
        return [one async for one in sentences(words("Yes. It is 3.5 metres, 'or so.' Bye"))]

    async def words(text: str) -> AsyncIterator[str]:
        for word in text.split():
            yield f"{word} "

    assert asyncio.run(joined()) == ["Yes. ", "It is 3.5 metres, 'or so.' ", "Bye "]


def test_the_words_of_a_text_are_all_of_it() -> None:
    async def text() -> str:
        return "".join([token async for token in written("one two three", 1e6, at_s)])

    at_s: list[float] = []

    assert asyncio.run(text()) == "one two three"
    assert at_s == sorted(at_s)
    assert len(at_s) == 3


def test_audio_files_and_texts_are_no_bare_samples() -> None:
    assert bare_samples("audio/pcm")
    assert bare_samples("application/octet-stream")
    for other in ("audio/mpeg", "audio/wav", "text/html", "application/json"):
        assert not bare_samples(other)


def test_the_finer_of_two_retry_headers_counts() -> None:
    assert retry_after_s({"Retry-After": "2", "retry-after-ms": "1500"}) == 1.5
    assert retry_after_s({"Retry-After": "2"}) == 2
    assert retry_after_s({"Retry-After": "Fri, 20 Nov 2026 21:00:00 GMT"}) is None


def options_of(bundle: Path) -> LoadOptions:
    return LoadOptions(
        voice=str(bundle), protocols=("dlpo", "riva", "openai"), loops=("closed",), clients=2,
        listeners=(1, 2), level_s=0.2, ramp_s=0.1, replies=1, tokens_per_s=1000, connections=2,
    )  # fmt: skip


@pytest.mark.full
def test_all_protocols_of_our_server_run_side_by_side(tiny_bundle: Path) -> None:
    options = options_of(tiny_bundle)
    knee, tokens = asyncio.run(measure_knee(options)), asyncio.run(measure_tokens(options))

    assert not knee.problems
    assert not knee.skipped
    assert set(knee.samples) == {"dlpo, closed", "riva, closed", "openai, closed"}
    for race_name, levels in knee.samples.items():
        assert set(levels) == {"1", "2"}
        for level in levels.values():
            assert level["first_audio_ms"], race_name
            assert level["failed_share"] == level["shed_share"] == 0
            assert level["peak_mb"] >= level["resident_mb"] > 0
            assert level["denoise_ms_per_audio_s"] > 0
    assert set(tokens.figures) == {"dlpo", "riva", "openai"}
    for figures in tokens.figures.values():
        assert figures["first_token_to_speech_ms_p50"] > 0
        assert figures["last_token_to_end_of_speech_ms_p50"] > 0

    recorded = {"knee": knee.figures, "tokens": tokens.figures}
    samples = {"knee": knee.samples, "options": {"tokens_per_s": 20.0}}
    record = Record(1, "stream", "measure", "2026", {}, {}, None, None, recorded, samples)
    section = stream([Found(Path("record.json"), record)])
    text = markdown(section.blocks)
    assert "| riva, closed |" in text
    assert "20 words a second" in text
    (picture,) = section.pictures.values()
    assert "dlpo, closed: first audio p95" in picture


class Killing(Clients):
    """Client processes of which none was started; the server dies while they would call."""

    def __init__(self, server: LocalServer, code: grpc.StatusCode) -> None:
        self._server = server
        self.code = code

    async def play(self, contestant: Contestant, level: Level) -> tuple[list[ShareResult], float]:
        self._server.process.kill()
        self._server.process.wait()
        return [ShareResult([asked(1.0, (1.1, 2.0)), asked(1.0, code=self.code)])], 0.0


@pytest.mark.full
@pytest.mark.parametrize(
    ("known", "code", "message"),
    [
        (True, UNAVAILABLE, "exit code -9"),
        (True, grpc.StatusCode.OK, "exit code -9"),  # it had sent all by then
        (False, UNAVAILABLE, "that level is void"),
    ],
)
def test_a_server_that_dies_under_load_leaves_no_figures(
    known: bool, code: grpc.StatusCode, message: str, tiny_bundle: Path
) -> None:
    with local_server(tiny_bundle) as server:
        who = Contestant("ours", "dlpo", server.address, 0)
        field = Field([who], server if known else None)
        killing = Killing(server, code)

        with pytest.raises(EngineError, match=message):
            asyncio.run(play_level(race(who=who), CLOSED, field, killing))


def test_a_level_in_which_no_call_counted_is_void() -> None:
    class Idle(Killing):
        async def play(
            self, contestant: Contestant, level: Level
        ) -> tuple[list[ShareResult], float]:
            return [ShareResult()], 0.0

    with pytest.raises(EngineError, match=r"no call began .* give levels more time"):
        asyncio.run(play_level(race(), CLOSED, Field([WHO], None), Idle.__new__(Idle)))


@pytest.mark.full
def test_what_a_foreign_server_does_not_tell_is_skipped_with_the_reason(tiny_bundle: Path) -> None:
    with local_server(tiny_bundle) as server:
        options = replace(
            options_of(tiny_bundle), listeners=(1,), against=(f"riva://{server.address}",)
        )
        found = asyncio.run(measure_knee(options))

    who = f"{server.address} riva"
    name = f"{who}, closed"
    assert set(found.skipped) == {f"{who}: stages", f"{who}: cpu and memory"}
    assert found.figures[name]["first_audio_ms_p50"] > 0
    assert "peak_mb" not in found.figures[name]


@pytest.mark.full
def test_clients_of_a_server_that_is_not_there_say_so(tiny_bundle: Path) -> None:
    async def run() -> None:
        with Clients(1, 1) as clients:
            await clients.play(nowhere("dlpo"), CLOSED)

    with pytest.raises(InputError, match="nothing answers"):
        asyncio.run(run())


@pytest.mark.parametrize("protocol", ["dlpo", "riva", "openai"])
def test_a_server_that_is_not_there_is_told(protocol: Protocol) -> None:
    with pytest.raises(InputError, match=r"nothing answers|Cannot connect"):
        asyncio.run(check_door(nowhere(protocol)))


def test_http_on_a_grpc_port_is_told_with_the_way_to_name_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dlpo_bench.stream.doors.CONNECT_S", 0.3)

    with pytest.raises(InputError, match="does not speak gRPC; give an OpenAI-compatible server"):
        asyncio.run(against_web("riva", web.Response()))


def test_grpc_on_an_http_port_is_told_with_the_way_to_name_it() -> None:
    async def run() -> None:
        async with bare_grpc() as address:
            await check_door(Contestant("x", "openai", f"http://{address}/v1", 24_000))

    with pytest.raises(InputError, match="a gRPC server is given as HOST:PORT"):
        asyncio.run(run())


def test_a_grpc_server_without_the_service_is_told() -> None:
    async def run() -> None:
        async with bare_grpc() as address:
            await check_door(Contestant("x", "riva", address, 22_050))

    with pytest.raises(InputError, match="does not serve the protocol 'riva'"):
        asyncio.run(run())


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (web.Response(body=b"ID3", content_type="audio/mpeg"), "asked for pcm, it sent audio/mpeg"),
        (web.Response(status=404, text="no model tts-1"), "HTTP 404 no model tts-1"),
        (web.Response(body=b"", content_type="audio/pcm"), "gave no speech"),
    ],
)
def test_a_web_server_that_gives_no_samples_is_told(response: web.Response, message: str) -> None:
    with pytest.raises(InputError, match=message):
        asyncio.run(against_web("openai", response))


def test_a_web_server_that_is_full_is_no_failure() -> None:
    async def run() -> Heard:
        full = web.Response(status=429, headers={"Retry-After": "3"})
        async with web_server(full) as address:
            who = Contestant("x", "openai", f"http://{address}/v1", 24_000)
            async with open_door(who, 1) as door:
                heard = Heard(0.0)
                await door.speak("Hello.", 0, heard)
                return heard

    heard = asyncio.run(run())

    assert (heard.refused, heard.failed, heard.retry_after_s) == (True, False, 3.0)


def nowhere(protocol: Protocol) -> Contestant:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
    return Contestant("x", protocol, f"http://{address}" if protocol == "openai" else address, 1)


async def against_web(protocol: Protocol, response: web.Response) -> None:
    async with web_server(response) as address:
        where = f"http://{address}/v1" if protocol == "openai" else address
        await check_door(Contestant("x", protocol, where, 24_000))


@asynccontextmanager
async def web_server(response: web.Response) -> AsyncIterator[str]:
    """Answers every request with `response`; host:port."""

    async def answer(request: web.BaseRequest) -> web.Response:
        return response

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield "{}:{}".format(*runner.addresses[0])
    finally:
        await runner.cleanup()


@asynccontextmanager
async def bare_grpc() -> AsyncIterator[str]:
    """A gRPC server without any service; host:port."""
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)
