"""Pipecat through its own services, interrupted: what its context holds is what was heard.

    python pipecat_interruption.py SERVICE HOST:PORT TEXT SECONDS

Plays TEXT in real time, interrupts it after SECONDS (0: never), and prints the assistant's messages
in JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys

import aiohttp
from pipecat.frames.frames import (
    EndFrame,
    Frame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    OutputAudioRawFrame,
    StartFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.services.cartesia.tts import CartesiaHttpTTSService, CartesiaTTSService
from pipecat.services.deepgram.flux.tts import DeepgramFluxTTSService
from pipecat.services.deepgram.tts import DeepgramHttpTTSService, DeepgramTTSService
from pipecat.services.elevenlabs.tts import ElevenLabsHttpTTSService, ElevenLabsTTSService
from pipecat.services.tts_service import TTSService
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.workers.runner import WorkerRunner

SAMPLE_RATE = 24_000  # Hz


class Loudspeaker(BaseOutputTransport):
    """Takes as long to play as the audio lasts."""

    def __init__(self) -> None:
        params = TransportParams(audio_out_enabled=True, audio_out_sample_rate=SAMPLE_RATE)
        super().__init__(params)
        self.playing = asyncio.Event()

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        self.playing.set()
        await asyncio.sleep(len(frame.audio) / 2 / frame.sample_rate)
        return True


def service(name: str, address: str, session: aiohttp.ClientSession) -> TTSService:
    if name == "elevenlabs-http":
        settings = ElevenLabsHttpTTSService.Settings(voice="lj")
        return ElevenLabsHttpTTSService(
            api_key="none", aiohttp_session=session, base_url=f"http://{address}", settings=settings
        )
    if name == "cartesia":
        settings = CartesiaTTSService.Settings(voice="lj")
        url = f"ws://{address}/tts/websocket"
        return CartesiaTTSService(api_key="none", url=url, settings=settings)
    if name == "cartesia-http":
        settings = CartesiaHttpTTSService.Settings(voice="lj")
        url = f"http://{address}"
        return CartesiaHttpTTSService(api_key="none", base_url=url, settings=settings)
    if name == "dlpo":
        from pipecat_dlpo import DlpoTTSService  # a package of ours, where it is installed

        return DlpoTTSService(url=f"http://{address}", voice="lj")
    if name == "deepgram":
        return DeepgramTTSService(api_key="none", base_url=f"ws://{address}")
    if name == "deepgram-flux":
        return DeepgramFluxTTSService(api_key="none", url=f"ws://{address}/v2/speak")
    if name == "deepgram-http":
        url = f"http://{address}"
        return DeepgramHttpTTSService(api_key="none", base_url=url, aiohttp_session=session)
    assert name == "elevenlabs", name
    voice = ElevenLabsTTSService.Settings(voice="lj")
    return ElevenLabsTTSService(url=f"ws://{address}", api_key="none", settings=voice)


async def speak(name: str, address: str, text: str, seconds: float) -> list[str]:
    """The assistant's messages in the context, interrupted after some seconds of speech."""
    context, speaker = LLMContext(), Loudspeaker()
    async with aiohttp.ClientSession() as session:
        assistant = LLMContextAggregatorPair(context).assistant()
        pipeline = Pipeline([service(name, address, session), speaker, assistant])
        worker = PipelineWorker(pipeline, params=PipelineParams(audio_out_sample_rate=SAMPLE_RATE))
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        running = asyncio.create_task(runner.run())
        words: list[Frame] = [LLMTextFrame(f"{word} ") for word in text.split(" ")]
        await worker.queue_frames([LLMFullResponseStartFrame(), *words, LLMFullResponseEndFrame()])
        await speaker.playing.wait()
        if seconds:
            await asyncio.sleep(seconds)
            await worker.queue_frame(InterruptionFrame())
            await asyncio.sleep(1)
        await worker.queue_frame(EndFrame())
        await running
    return [one["content"] for one in context.get_messages() if one["role"] == "assistant"]


if __name__ == "__main__":
    name, address, text, seconds = sys.argv[1:]
    print(json.dumps(asyncio.run(speak(name, address, text, float(seconds)))))
