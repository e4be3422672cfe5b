"""The core behind every door: what callers hear, and what becomes of those who misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from dlpo.audio import Waveform
from dlpo.text import TextFrontEnd
from dlpo_serving.audio_stream import AudioStream, EncodedChunk
from dlpo_serving.encodings import Encoding
from dlpo_serving.engines.fake_engine import FakeEngine
from dlpo_serving.errors import (
    NotReadyError,
    OverloadError,
    QuotaError,
    RequestError,
    StalledError,
)
from dlpo_serving.operations.keys import Quota
from dlpo_serving.operations.metrics import Metrics
from dlpo_serving.operations.quotas import Quotas
from dlpo_serving.request import SpeechRequest, SynthesisCall
from dlpo_serving.scheduling import AdmissionPolicy, Scheduler
from dlpo_serving.scheduling.executor import EngineExecutor
from dlpo_serving.service import FurtherText, Limits, SynthesisService
from dlpo_serving.synthesizer import Synthesizer
from dlpo_serving.voice_registry import warm

TEXT = "Noise becomes speech, step by step. Is it not strange?"
LONG = "A sentence that goes on for a while before it comes to its end. " * 20
TIMEOUT_S = 20.0

Body = Callable[[SynthesisService], Awaitable[None]]
Speak = Callable[..., None]


@pytest.fixture
def with_speaker(synthesizer: Synthesizer) -> Speak:
    """`with_speaker(body, policy=..., limits=..., quotas=...)` runs `await body(speaker)`."""

    def run(
        body: Body,
        policy: AdmissionPolicy | None = None,
        limits: Limits | None = None,
        quotas: Quotas | None = None,
    ) -> None:
        metrics = Metrics()
        chosen = policy or AdmissionPolicy()
        room = EngineExecutor(Scheduler(chosen, 2), 2, metrics)

        async def main() -> None:
            speaker = SynthesisService(room, threads, chosen, limits or Limits(), metrics, quotas)
            speaker.add_voice(warm(synthesizer))
            await asyncio.wait_for(body(speaker), TIMEOUT_S)

        with ThreadPoolExecutor(1) as threads:
            try:
                asyncio.run(main())
            finally:
                room.close()

    return run


def call(text: str = TEXT, seed: int = 0, **named: object) -> SynthesisCall:
    request = SpeechRequest(text, seed=seed)
    return SynthesisCall(request, encoding=Encoding.PCM_F32, **named)  # type: ignore[arg-type]


async def heard(speech: AudioStream) -> list[EncodedChunk]:
    return [piece async for piece in speech]


async def audio_of(speaker: SynthesisService, wanted: SynthesisCall) -> Waveform:
    async with speaker.synthesize(wanted) as speech:
        pieces = await heard(speech)
    return np.frombuffer(b"".join(piece.audio for piece in pieces), "<f4")


def test_fifty_callers_at_once_hear_what_each_would_hear_alone(
    with_speaker: Speak, synthesizer: Synthesizer
) -> None:
    async def body(speaker: SynthesisService) -> None:
        together = await asyncio.gather(
            *(audio_of(speaker, call(seed=seed, streamed=seed % 2 == 0)) for seed in range(50))
        )
        for seed, audio in enumerate(together):
            np.testing.assert_array_equal(audio, synthesizer.speak(SpeechRequest(TEXT, seed=seed)))

    calm = AdmissionPolicy(max_first_audio_s=1e9, burst_utilisation=1e9, utilisation=1e9)
    with_speaker(body, calm)


def test_nothing_is_computed_for_a_caller_who_takes_nothing(with_speaker: Speak) -> None:
    async def body(speaker: SynthesisService) -> None:
        async with speaker.synthesize(call(LONG)) as speech:
            await anext(aiter(speech))
            while speech.audio_s < 2.0:  # the lanes fill the store
                await asyncio.sleep(0)
            made_s = speech.audio_s
            assert len(await audio_of(speaker, call())) > 0  # the lanes are free meanwhile
            assert speech.audio_s < made_s + 4.0  # of more than a minute
        assert speaker.calls == 0

    with_speaker(body, AdmissionPolicy(max_untaken_s=2.0))


def test_a_long_text_is_refused_before_it_is_read(
    with_speaker: Speak, front_end: TextFrontEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(speaker: SynthesisService) -> None:
        monkeypatch.setattr(front_end, "process", None)  # calling it would be another error
        with pytest.raises(RequestError, match="has 101 characters; this server takes 100"):
            await audio_of(speaker, call("x" * 101))

    with_speaker(body, limits=Limits(max_characters=100))


def test_a_full_server_refuses_before_it_reads_and_counts_why(
    with_speaker: Speak, front_end: TextFrontEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(speaker: SynthesisService) -> None:
        async with speaker.synthesize(call(LONG)):
            monkeypatch.setattr(front_end, "process", None)
            with pytest.raises(OverloadError, match="all 1 streams are taken") as caught:
                await audio_of(speaker, call())
        assert 0.1 <= caught.value.retry_after_s <= 10.0

    with_speaker(body, AdmissionPolicy(max_streams=1))


def test_who_speaks_with_a_voice_that_is_replaced_or_withdrawn_keeps_it(
    with_speaker: Speak, front_end: TextFrontEnd, synthesizer: Synthesizer
) -> None:
    class Louder(FakeEngine):
        def __init__(self) -> None:
            super().__init__()
            object.__setattr__(self.manifest, "gain", 1.5)

    async def body(speaker: SynthesisService) -> None:
        before = await audio_of(speaker, call())
        async with speaker.synthesize(call()) as speech:
            speaker.add_voice(warm(Synthesizer(Louder(), front_end)))
            after = await audio_of(speaker, call())
            speaker.remove_voice("fake")
            with pytest.raises(NotReadyError):
                await audio_of(speaker, call())
            pieces = await heard(speech)
        np.testing.assert_array_equal(
            np.frombuffer(b"".join(p.audio for p in pieces), "<f4"), before
        )
        assert np.abs(after).max() > np.abs(before).max()

    with_speaker(body)


def test_a_share_is_for_streams_and_for_characters(with_speaker: Speak) -> None:
    now = 0.0
    quotas = Quotas(lambda caller: Quota(max_streams=1, characters_per_minute=100), lambda: now)

    async def body(speaker: SynthesisService) -> None:
        async with speaker.synthesize(call()) as speech:
            with pytest.raises(QuotaError, match="all 1 streams"):
                await audio_of(speaker, call())
            await heard(speech)
        with pytest.raises(QuotaError, match="100 characters a minute"):
            await audio_of(speaker, call())

    with_speaker(body, quotas=quotas)


def test_a_share_of_streams_holds_under_load_and_is_free_again(with_speaker: Speak) -> None:
    quotas = Quotas(lambda caller: Quota(max_streams=3), lambda: 0.0)

    async def body(speaker: SynthesisService) -> None:
        for _ in range(3):
            calls = (audio_of(speaker, call(seed=seed)) for seed in range(20))
            results = await asyncio.gather(*calls, return_exceptions=True)
            refused = [result for result in results if isinstance(result, QuotaError)]
            assert len(refused) == 17
            assert all(isinstance(result, QuotaError | np.ndarray) for result in results)

    calm = AdmissionPolicy(max_first_audio_s=1e9, burst_utilisation=1e9, utilisation=1e9)
    with_speaker(body, calm, quotas=quotas)


def test_a_writer_who_falls_silent_loses_its_place(with_speaker: Speak) -> None:
    async def pieces() -> AsyncIterator[str]:
        yield "One sentence. And half of"
        await asyncio.Event().wait()

    async def body(speaker: SynthesisService) -> None:
        with pytest.raises(StalledError, match=r"no text came for 0\.2 s"):
            async with speaker.synthesize(call(""), pieces()) as speech:
                await heard(speech)
        assert speaker.calls == 0

    with_speaker(body, limits=Limits(pause_s=0.2))


async def one_piece() -> AsyncIterator[str]:
    yield TEXT


async def a_further_text() -> AsyncIterator[SpeechRequest]:
    yield SpeechRequest(TEXT)


@pytest.mark.parametrize(
    ("text", "further"),
    [(TEXT, None), ("", one_piece), (TEXT, a_further_text)],
    ids=["dlpo.v1", "in pieces", "Riva"],
)
def test_every_kind_of_call_teaches_the_pace_of_the_voice(
    with_speaker: Speak,
    synthesizer: Synthesizer,
    text: str,
    further: Callable[[], FurtherText] | None,
) -> None:
    async def body(speaker: SynthesisService) -> None:
        voice = warm(synthesizer)
        speaker.add_voice(voice)
        before = voice.costs.frames_per_character
        async with speaker.synthesize(call(text), further() if further else None) as speech:
            await heard(speech)
        assert voice.costs.frames_per_character != before

    with_speaker(body)


def test_further_text_that_finds_no_room_is_refused_with_a_time(with_speaker: Speak) -> None:
    async def body(speaker: SynthesisService) -> None:
        full = asyncio.Event()

        async def pieces() -> AsyncIterator[str]:
            await full.wait()
            yield LONG

        async with (
            speaker.synthesize(call(""), pieces()) as speech,
            speaker.synthesize(call(LONG)),
            speaker.synthesize(call(LONG)),
        ):
            full.set()
            with pytest.raises(OverloadError) as caught:
                await heard(speech)
        assert caught.value.retry_after_s >= 0.1

    with_speaker(body, AdmissionPolicy(utilisation=1e-9), Limits(text_wait_s=0.1))
