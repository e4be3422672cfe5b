"""The calls of Kokoro-FastAPI's clients: URL TEXT OUT, raw samples; a mix, and captions."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

import requests
from openai import OpenAI


def main(url: str, text: str, out: str) -> None:
    client = OpenAI(base_url=f"{url}/v1", api_key="not-needed")
    speech = client.audio.speech.with_streaming_response
    with speech.create(
        model="kokoro", voice="af_sky+af_bella", input=text, response_format="pcm"
    ) as reply:
        mixed = reply.read()
    asked = {
        "model": "kokoro", "input": text, "voice": "af_heart", "speed": 1.0,
        "response_format": "pcm", "stream": True,
    }  # fmt: skip
    audio, words = b"", []
    with requests.post(f"{url}/dev/captioned_speech", json=asked, stream=True) as captioned:
        captioned.raise_for_status()
        for line in captioned.iter_lines(decode_unicode=True):
            chunk = json.loads(line)
            audio += base64.b64decode(chunk["audio"])
            words += [one["word"] for one in chunk["timestamps"]]
    voices = requests.get(f"{url}/v1/audio/voices").json()["voices"]
    Path(out).write_bytes(audio)
    print(json.dumps({"words": words, "mixed": len(mixed), "voices": len(voices)}))


main(*sys.argv[1:])
