"""`make demo`: start a server, stream two sentences, and write the audio to demo.wav."""

from __future__ import annotations

import sys
from pathlib import Path

from dlpo.bundle import DEFAULT_VOICE
from dlpo.errors import DlpoError
from dlpo_serving.client.connection import Connection
from dlpo_serving.local.local_server import local_server
from dlpo_serving.local.say import say
from dlpo_serving.request import SpeechRequest

TEXT = (
    "Hello! Every sound of this voice was noise, only a handful of steps ago.\n"
    "At half past two, on the 3rd of May, Dr. Smith paid $12.50 for speech that streams."
)


def run_demo(out: Path = Path(), voice: str = DEFAULT_VOICE) -> None:
    """Start a server, speak `TEXT` through it, and write demo.wav into `out`.

    Raises:
        DlpoError: the voice, the server or a file failed; the message says what to do.
    """
    with local_server(voice) as server:
        print(f"server {server.address} SERVING after {server.start_s:.2f} s\n{TEXT}")
        print(say(SpeechRequest(TEXT), out=out / "demo.wav", where=Connection(server.address)))
    print(f"wrote {out / 'demo.wav'}")


if __name__ == "__main__":
    try:
        run_demo()
    except DlpoError as error:
        sys.exit(f"error: {error}")
