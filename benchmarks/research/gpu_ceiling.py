"""How many times more streams a core could serve if its denoiser cost nothing.

Processor time of each stage of speech in chunks, on one thread, over everyday texts.
"""

from __future__ import annotations

import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from dlpo.bundle import Bundle
from dlpo_bench.record import Measured, check_recordable, write_record
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices import find_voice, open_voice
from research import RECORDS, run_study, study_command

TEXTS = Path("recipe/texts/conversation-a.csv")
STAGES = ("encode", "frames", "denoise")


def main(voice: str = "heart", texts: int = 40, repeats: int = 5) -> None:
    """Record each stage's share of the processor time, and the ceiling, of every tenth text."""
    check_recordable(RECORDS)
    synthesizer = open_voice(voice)
    engine: Any = synthesizer.engine
    spent_s: dict[str, float] = defaultdict(float)

    def timed(stage: str) -> Any:
        run = getattr(engine, stage)

        def call(*arguments: Any) -> Any:
            began_s = time.thread_time()
            made = run(*arguments)
            spent_s[stage] += time.thread_time() - began_s
            return made

        return call

    for stage in STAGES:
        setattr(engine, stage, timed(stage))
    lines = TEXTS.read_text("utf-8").splitlines()[::10][:texts]
    shares: dict[str, list[float]] = defaultdict(list)
    for repeat in range(repeats + 1):  # the first warms up
        spent_s.clear()
        began_s = time.process_time()
        for line in lines:
            list(synthesizer.stream(synthesizer.read(SpeechRequest(line.split("|")[1]))))
        total_s = time.process_time() - began_s
        for stage in STAGES if repeat else ():
            shares[stage].append(spent_s[stage] / total_s)
    figures = {stage: sorted(shares[stage])[repeats // 2] for stage in STAGES}
    figures["ceiling"] = 1 / (1 - figures["denoise"])
    sha256 = Bundle.load(find_voice(voice)).sha256
    measured = Measured(figures, shares, bundle_sha256=sha256)
    print(figures, write_record("gpu-ceiling", measured, study_command("gpu-ceiling"), RECORDS))


if __name__ == "__main__":
    run_study(main)
