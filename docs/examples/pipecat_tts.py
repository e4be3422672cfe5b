"""Pipecat speaks through dlpo: its own services, with nothing changed but the address.

    pip install 'pipecat-ai[nvidia,openai,elevenlabs]'      # in an environment of its own
    dlpo serve --http-port 8080 &
    python pipecat_tts.py nvidia 127.0.0.1:50051 "Every bot has a voice." bot.wav
    python pipecat_tts.py openai 127.0.0.1:8080 "Every bot has a voice." bot.wav
    python pipecat_tts.py elevenlabs 127.0.0.1:8080 "Every bot has a voice." bot.wav

In a bot of yours it is one of the lines marked below.
"""

from __future__ import annotations

import asyncio
import sys
import wave

from pipecat.frames.frames import EndFrame, ErrorFrame, Frame, TTSAudioRawFrame, TTSSpeakFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.elevenlabs.tts import ElevenLabsTTSService
from pipecat.services.nvidia.tts import NvidiaTTSService
from pipecat.services.openai.tts import OpenAITTSService
from pipecat.services.tts_service import TTSService
from pipecat.workers.runner import WorkerRunner

SAMPLE_RATE = 24_000  # Hz


class Recorder(FrameProcessor):
    """Keeps the audio that the service pushes."""

    def __init__(self) -> None:
        super().__init__()
        self.audio = bytearray()  # 16 bit

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, TTSAudioRawFrame):
            self.audio += frame.audio
        await self.push_frame(frame, direction)


def service(name: str, address: str) -> TTSService:
    """One of three."""
    if name == "openai":
        return OpenAITTSService(base_url=f"http://{address}/v1", api_key="none")  # this is the line
    if name == "elevenlabs":
        voice = ElevenLabsTTSService.Settings(voice="heart")
        return ElevenLabsTTSService(
            url=f"ws://{address}", api_key="none", settings=voice
        )  # or this
    return NvidiaTTSService(server=address, use_ssl=False)  # or this


async def speak(name: str, address: str, text: str) -> bytes:
    """16 bit samples of `text`, spoken by the server at `address` in a pipeline of Pipecat's."""
    tts = service(name, address)
    recorder = Recorder()
    worker = PipelineWorker(
        Pipeline([tts, recorder]), params=PipelineParams(audio_out_sample_rate=SAMPLE_RATE)
    )
    errors: list[ErrorFrame] = []

    @worker.event_handler("on_pipeline_error")
    async def _keep(_: PipelineWorker, error: ErrorFrame) -> None:
        errors.append(error)

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await worker.queue_frames([TTSSpeakFrame(text), EndFrame()])
    await runner.run()
    if errors:
        raise SystemExit(f"pipecat: {errors[0].error}")
    return bytes(recorder.audio)


if __name__ == "__main__":
    name, address, text, path = sys.argv[1:]
    audio = asyncio.run(speak(name, address, text))
    with wave.open(path, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(SAMPLE_RATE)
        wav.writeframes(audio)
    print(f"{path}: {len(audio) / 2 / SAMPLE_RATE:.2f} s")
