#!/usr/bin/env python3
"""Start `dlpo serve`, speak over gRPC and HTTP, stop it; exits with 1 if any of it fails.

For machines without the packages of the tests: needs dlpo[serve] alone.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request

from dlpo import Client
from dlpo.bundle import DEFAULT_VOICE
from dlpo_serving.local.local_server import local_server

TEXT = "Your table for two is booked for 7:45."
LEAST_S = 1.0  # of speech; the sentence takes about 3


def main() -> None:
    with local_server(DEFAULT_VOICE, "--http-port", "0") as server:
        print(f"SERVING after {server.start_s:.1f} s on {server.address}")
        with Client(server.address) as client:
            seconds = len(client(TEXT)) / client.sample_rate
        print(f"gRPC: {seconds:.2f} s of speech")
        body = json.dumps({"input": TEXT, "response_format": "wav"}).encode()
        call = urllib.request.Request(
            f"{server.page_url}/v1/audio/speech", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(call, timeout=60) as reply:
            audio = reply.read()
        print(f"HTTP: {len(audio)} bytes of WAV")
        if sys.platform != "win32":  # where a process can't be asked to stop
            server.process.send_signal(signal.SIGTERM)
            try:
                status = server.process.wait(60)
            except subprocess.TimeoutExpired:
                sys.exit("the server did not stop within 60 s of SIGTERM")
            if status:
                sys.exit(f"the server exited with {status} after SIGTERM")
            print("it stopped when asked to")
    if seconds < LEAST_S or not audio.startswith(b"RIFF"):
        sys.exit("the speech is too short, or is no WAV")


if __name__ == "__main__":
    main()
