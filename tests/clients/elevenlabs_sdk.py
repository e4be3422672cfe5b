"""ElevenLabs' own package: `python elevenlabs_sdk.py http://HOST:PORT TEXT AUDIO` checks each call.

AUDIO gets the samples of `convert`; all other calls must give the same.
"""

from __future__ import annotations

import base64
import sys
from pathlib import Path

from elevenlabs.client import ElevenLabs

PCM = {"model_id": "eleven_flash_v2_5", "output_format": "pcm_24000", "seed": 0}


def check(client: ElevenLabs, text: str) -> bytes:
    speech = client.text_to_speech
    audio = b"".join(speech.convert("heart", text=text, **PCM))
    assert b"".join(speech.stream("heart", text=text, **PCM)) == audio
    timed = speech.convert_with_timestamps("heart", text=text, **PCM)
    assert base64.b64decode(timed.audio_base_64) == audio
    assert "".join(timed.alignment.characters) == text
    assert timed.normalized_alignment.characters
    chunks = list(speech.stream_with_timestamps("heart", text=text, **PCM))
    assert b"".join(base64.b64decode(one.audio_base_64) for one in chunks) == audio
    own = [one.alignment.characters for one in chunks if one.alignment]
    assert "".join(map("".join, own)) == text
    assert "lj" in {voice.voice_id for voice in client.voices.get_all().voices}
    assert [voice.name for voice in client.voices.search(search="heart").voices] == ["heart"]
    assert client.voices.get("lj").labels["gender"] == "female"
    assert {"en", "es"} == {one.language_id for one in client.models.list()[0].languages}
    mp3 = b"".join(speech.convert("21m00Tcm4TlvDq8ikWAM", text=text))  # Rachel
    assert mp3[:1] == b"\xff"
    return audio


if __name__ == "__main__":
    url, text, path = sys.argv[1:]
    Path(path).write_bytes(check(ElevenLabs(base_url=url, api_key="none"), text))
