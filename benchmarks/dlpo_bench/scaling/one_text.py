"""A process that speaks one text and says what that took: its peak of memory is of this text.

python -m dlpo_bench.scaling.one_text '{"voice", "precision", "way", "text", "seed", "core"}'
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from dlpo_bench.proc import memory_mb
from dlpo_bench.scaling.listening import listen
from dlpo_serving.engines import EnginePrecision
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices import open_voice

WARM_UP = "Noise becomes speech, step by step."


def speak_one(
    voice: str, precision: EnginePrecision | None, way: str, text: str, seed: int
) -> dict[str, Any]:
    """Speak a warm-up and a text.

    Args:
        way: "stream" drops each piece when it is heard, "whole" keeps all audio in one array.

    Returns:
        `audio_s`, `wall_s`, `cpu_s`, memory before the text (`before_mb`) and at most (`peak_mb`);
        of a stream also `first_audio_ms` and (audio, memory) readings `resident_mb`.
    """
    synthesizer = open_voice(voice, "cpu", precision)
    rate_hz = synthesizer.manifest.sample_rate_hz
    synthesizer.speak(SpeechRequest(WARM_UP))
    before_mb = memory_mb("self", "VmRSS")
    request = SpeechRequest(text, seed=seed)
    cpu_s = time.process_time()
    if way == "stream":
        heard = listen(lambda: synthesizer.stream(synthesizer.read(request)), rate_hz, "self")
        more = {"first_audio_ms": 1000 * heard.first_audio_s, "resident_mb": heard.resident_mb}
        took = {"audio_s": heard.audio_s, "wall_s": heard.wall_s, **more}
    else:
        start = time.perf_counter()
        samples = synthesizer.speak(request)
        took = {"audio_s": len(samples) / rate_hz, "wall_s": time.perf_counter() - start}
    cpu_s = time.process_time() - cpu_s
    peak_mb = memory_mb("self", "VmHWM")
    return {**took, "cpu_s": cpu_s, "before_mb": before_mb, "peak_mb": peak_mb}


def main() -> None:
    """Print what `speak_one` returns."""
    settings = json.loads(sys.argv[1])
    os.sched_setaffinity(0, {settings.pop("core")})
    print(json.dumps(speak_one(**settings)))


if __name__ == "__main__":
    main()
