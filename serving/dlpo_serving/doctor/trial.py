"""python -m dlpo_serving.doctor.trial ENGINE VOICE: speaks in every precision, a line of JSON each.

A precision that speaks has the real-time factor of its second run; the first one prepares memory.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from dlpo.errors import BundleError, DlpoError, EngineError, MissingExtraError
from dlpo_serving.engines import PRECISIONS, EngineName, EnginePrecision

TEXT = "Hello there."


def main(engine: EngineName, voice: str) -> None:
    """Print what each precision of the engine does; only the first where none can be opened."""
    for precision in PRECISIONS[engine]:
        result = _speak(engine, precision, voice)
        print(json.dumps(result), flush=True)
        if result["precision"] is None:
            return


def _speak(engine: EngineName, precision: EnginePrecision, voice: str) -> dict[str, Any]:
    try:
        from dlpo_serving.request import SpeechRequest
        from dlpo_serving.voices import open_voice

        begin = time.perf_counter()
        synthesizer = open_voice(voice, engine, precision)
        open_s = time.perf_counter() - begin
        request = SpeechRequest(TEXT)
        synthesizer.speak(request)
        begin = time.perf_counter()
        samples = len(synthesizer.speak(request))
        wall_s = time.perf_counter() - begin
    except BundleError as error:
        return {"precision": precision, "error": _one_line(error), "expected": True}
    except (EngineError, MissingExtraError) as error:
        # The CPU's engine is there on every machine; the others need not be.
        of_all = precision == PRECISIONS[engine][0]
        expected = engine != "cpu"
        named = None if of_all else precision
        return {"precision": named, "error": _one_line(error), "expected": expected}
    except DlpoError as error:
        return {"precision": precision, "error": _one_line(error), "expected": False}
    audio_s = samples / synthesizer.manifest.sample_rate_hz
    return {
        "precision": precision,
        "rtf": wall_s / audio_s,
        "audio_s": audio_s,
        "open_s": open_s,
    }


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])  # type: ignore[arg-type]  # as the doctor wrote it
