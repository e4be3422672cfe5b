"""The service behind every protocol: what callers hear, and what misuse costs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from itertools import pairwise
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from dlpo.audio import Waveform
from dlpo.text import Sentence, TextFeed
from dlpo_serving.audio_stream import AudioStream, EncodedChunk
from dlpo_serving.encodings.formats import Encoding
from dlpo_serving.errors import NotReadyError, OverloadError, QuotaError, RequestError, StalledError
from dlpo_serving.further_text import MOST_BYTES
from dlpo_serving.operations.keys import Quota
from dlpo_serving.operations.metrics import Metrics
from dlpo_serving.operations.quotas import Quotas
from dlpo_serving.request import SpeechRequest, SynthesisCall
from dlpo_serving.scheduling.executor import EngineExecutor
from dlpo_serving.scheduling.scheduler import Scheduler
from dlpo_serving.scheduling.stream import AdmissionPolicy
from dlpo_serving.service import SLICE, SynthesisService
from dlpo_serving.settings.server_settings import ServerSettings
from dlpo_serving.voices.registry import warm
from dlpo_serving.voices.synthesizer import Synthesizer
from tests.callers import fake_voice, front_end
from tests.fake_engine import FakeEngine

TEXT = "Noise becomes speech, step by step. Is it not strange?"
LONG = "A sentence that goes on for a while before it comes to its end. " * 20
CALM = AdmissionPolicy(max_first_audio_s=1e9, burst_utilisation=1e9, utilisation=1e9)

Speak = Callable[..., Any]


@pytest.fixture
def with_service(synthesizer: Synthesizer) -> Speak:
    """`async with with_service(policy=..., settings=..., quotas=...) as service:`."""

    @asynccontextmanager
    async def run(
        policy: AdmissionPolicy | None = None,
        settings: ServerSettings | None = None,
        quotas: Quotas | None = None,
    ) -> AsyncIterator[SynthesisService]:
        metrics = Metrics()
        chosen = policy or AdmissionPolicy()
        executor = EngineExecutor(Scheduler(chosen, 2), 2, metrics)
        with closing(executor):
            service = SynthesisService(
                executor, chosen, settings or ServerSettings(), metrics, quotas
            )
            service.offered.add(warm(synthesizer))
            yield service

    return run


def call(text: str = TEXT, seed: int = 0, **named: object) -> SynthesisCall:
    request = SpeechRequest(text, seed=seed)
    return SynthesisCall(request, encoding=Encoding.PCM_F32, **named)  # type: ignore[arg-type]


async def heard(speech: AudioStream) -> list[EncodedChunk]:
    return [piece async for piece in speech]


async def audio_of(service: SynthesisService, wanted: SynthesisCall) -> Waveform:
    async with service.synthesize(wanted) as speech:
        pieces = await heard(speech)
    return np.frombuffer(b"".join(piece.audio for piece in pieces), "<f4")


async def test_fifty_callers_at_once_hear_what_each_would_hear_alone(
    with_service: Speak, synthesizer: Synthesizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = Mock(wraps=synthesizer.text_reader.read)
    monkeypatch.setattr(synthesizer.text_reader, "read", reads)
    async with with_service(CALM) as service:
        wanted = (call(seed=seed, streamed=seed % 2 == 0) for seed in range(50))
        calls = [asyncio.create_task(audio_of(service, one)) for one in wanted]
        await asyncio.sleep(0)
        time.sleep(0.3)  # the event loop is busy
        assert 0 < reads.call_count < 25  # it deals in one turn with all that was read meanwhile
        together = await asyncio.gather(*calls)
        for seed, audio in enumerate(together):
            np.testing.assert_array_equal(audio, synthesizer.speak(SpeechRequest(TEXT, seed=seed)))


async def test_nothing_is_computed_for_a_caller_who_takes_nothing(with_service: Speak) -> None:
    async with with_service(AdmissionPolicy(max_untaken_s=2.0)) as service:
        async with service.synthesize(call(LONG)) as speech:
            await anext(aiter(speech))
            while speech.audio_s < 2.0:  # the lanes fill the store
                await asyncio.sleep(0)
            made_s = speech.audio_s
            assert len(await audio_of(service, call())) > 0  # the lanes are free meanwhile
            assert speech.audio_s < made_s + 4.0  # of more than a minute
        assert service.calls == 0


async def test_long_text_and_full_server_refuse_before_parsing(
    with_service: Speak, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, settings = AdmissionPolicy(max_streams=1), ServerSettings(max_characters=len(LONG))
    async with with_service(one, settings) as service, service.synthesize(call(LONG)):
        monkeypatch.setattr(front_end(), "process", None)  # calling it would be another error
        with pytest.raises(RequestError, match="characters; this server takes"):
            await audio_of(service, call(LONG + "x"))
        with pytest.raises(OverloadError, match="all 1 streams are taken") as caught:
            await audio_of(service, call())
        assert 0.1 <= caught.value.retry_after_s <= 10.0


async def test_a_file_waits_for_its_turn_and_no_longer(with_service: Speak) -> None:
    one, settings = AdmissionPolicy(max_streams=1), ServerSettings(queue_s=0.2)
    async with with_service(one, settings) as service:
        async with service.synthesize(call(LONG, file=True)):
            with pytest.raises(OverloadError, match="queue_s"):
                await audio_of(service, call(file=True))
            with pytest.raises(OverloadError, match="max_streams"):  # it has named a time
                async with service.synthesize(call(first_audio_ms=1000)):
                    await audio_of(service, call(file=True, first_audio_ms=1000))
            waiting = asyncio.create_task(audio_of(service, call(file=True)))
        assert len(await waiting)


async def test_a_caller_who_hangs_up_leaves_the_queue(with_service: Speak) -> None:
    async with with_service(AdmissionPolicy(max_streams=1)) as service:
        waiting = service._executor.files_waiting
        async with service.synthesize(call(LONG, file=True)):
            files = [asyncio.create_task(audio_of(service, call(file=True))) for _ in range(3)]
            while waiting() < 3:
                await asyncio.sleep(0.01)
            files[0].cancel()
            with pytest.raises(asyncio.CancelledError):
                await files[0]
            assert waiting() == 2
            service._file_memory.take(MOST_BYTES - 1_000)
            with pytest.raises(OverloadError, match="too much text"):
                await audio_of(service, call(LONG, file=True))
            service._file_memory.give_back(MOST_BYTES - 1_000)
        assert all(len(audio) for audio in await asyncio.gather(*files[1:]))
        assert (service.calls, service._file_memory.held_bytes) == (0, 0)


async def test_a_time_to_first_audio_must_be_one() -> None:
    for wrong in (0, -1, 60_001, float("nan")):
        with pytest.raises(RequestError, match="first_audio_ms"):
            call(first_audio_ms=wrong)


async def test_open_call_keeps_a_replaced_or_removed_voice(with_service: Speak) -> None:
    class Louder(FakeEngine):
        def __init__(self) -> None:
            super().__init__()
            object.__setattr__(self.manifest, "gain", 1.5)

    async with with_service() as service:
        before = await audio_of(service, call())
        async with service.synthesize(call()) as speech:
            service.offered.add(warm(fake_voice(Louder())))
            after = await audio_of(service, call())
            service.offered.remove("fake")
            with pytest.raises(NotReadyError):
                await audio_of(service, call())
            pieces = await heard(speech)
        np.testing.assert_array_equal(
            np.frombuffer(b"".join(p.audio for p in pieces), "<f4"), before
        )
        assert np.abs(after).max() > np.abs(before).max()


async def test_a_share_of_streams_holds_under_load_and_is_free_again(with_service: Speak) -> None:
    quotas = Quotas(lambda caller: Quota(max_streams=3), lambda: 0.0)

    async with with_service(CALM, quotas=quotas) as service:
        for _ in range(3):
            calls = (audio_of(service, call(seed=seed)) for seed in range(20))
            results = await asyncio.gather(*calls, return_exceptions=True)
            refused = [result for result in results if isinstance(result, QuotaError)]
            assert len(refused) == 17
            assert all(isinstance(result, QuotaError | np.ndarray) for result in results)


async def test_a_writer_who_falls_silent_loses_its_place(with_service: Speak) -> None:
    async def pieces() -> AsyncIterator[str]:
        yield "One sentence. And half of"
        await asyncio.Event().wait()

    async with with_service(settings=ServerSettings(pause_s=0.2)) as service:
        with pytest.raises(StalledError, match=r"no text received for 0\.2 s"):
            async with service.synthesize(call(""), pieces()) as speech:
                await heard(speech)
        assert service.calls == 0


async def later(text: Any) -> AsyncIterator[Any]:
    yield text


@pytest.mark.parametrize(
    ("text", "further"),
    [(TEXT, None), ("", TEXT), (TEXT, SpeechRequest(TEXT))],
    ids=["dlpo.v1", "in pieces", "Riva"],
)
async def test_every_kind_of_call_teaches_the_pace_of_the_voice(
    with_service: Speak, synthesizer: Synthesizer, text: str, further: Any
) -> None:
    async with with_service() as service:
        voice = warm(synthesizer)
        service.offered.add(voice)
        before = voice.costs.frames_per_character
        async with service.synthesize(call(text), further and later(further)) as speech:
            await heard(speech)
        assert voice.costs.frames_per_character != before


async def test_further_text_is_refused_with_a_retry_time(with_service: Speak) -> None:
    async with with_service(
        AdmissionPolicy(utilisation=1e-09), ServerSettings(text_wait_s=0.001)
    ) as service:
        full = asyncio.Event()

        async def pieces() -> AsyncIterator[str]:
            await full.wait()
            yield TEXT

        async with (
            service.synthesize(call(""), pieces()) as speech,
            service.synthesize(call(LONG)),
            service.synthesize(call(LONG)),
        ):
            full.set()
            with pytest.raises(OverloadError) as caught:
                await heard(speech)
        assert caught.value.retry_after_s >= 0.1


async def test_further_text_is_read_as_it_is_needed(with_service: Speak) -> None:
    async with with_service() as service, service.synthesize(call(""), later(LONG * 20)) as speech:
        await anext(aiter(speech))
        await asyncio.sleep(1)
        assert 0 < speech.record.characters < 10 * SLICE


async def test_conversations_that_read_ahead_take_turns(
    with_service: Speak, monkeypatch: pytest.MonkeyPatch
) -> None:
    push = TextFeed.push
    begun = set[TextFeed]()
    spans = list[tuple[float, float]]()

    def slow_push(feed: TextFeed, piece: str) -> list[Sentence]:
        start_s = time.monotonic()
        time.sleep(0.02)
        if feed in begun:
            spans.append((start_s, time.monotonic()))
        begun.add(feed)
        return push(feed, piece)

    monkeypatch.setattr(TextFeed, "push", slow_push)
    async with with_service(CALM) as service, AsyncExitStack() as calls:
        for _ in range(6):
            await calls.enter_async_context(service.synthesize(call(""), later(LONG * 20)))
        while len(spans) < 6:
            await asyncio.sleep(0.05)
        assert all(end_s < start_s for (_, end_s), (start_s, _) in pairwise(spans))
