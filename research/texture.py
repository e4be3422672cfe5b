"""How rough a voice is beside its teacher: harmonics to noise, bursts, combs, and P.808.

    python -m research.texture heart --data DATASET --tools ../shared/tools/acoustics.py
        --system now=voices/spectral/tuned --system jitter=voices/spectral/tuned:0.0116 --record

Each system is a checkpoint, with the jitter of its pulses after a colon. It speaks the validation
and test texts of a dataset, from text alone, in one step; with `--copies` from the recordings' own
timing, pitch and mel, which is all that a denoiser without acoustics can do. The recordings are the
first row.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from dlpo.audio import Waveform
from dlpo.checkpoint import UNTUNED_CHAIN, load_checkpoint
from dlpo.data.dataset import Corpora
from dlpo.errors import InputError
from dlpo.judges.dnsmos import Dnsmos
from dlpo.judges.judge import TYPICAL_LEVEL_DB, at_level
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.noise_schedule import named_schedule
from dlpo.training.batches import Batches
from dlpo.training.synthesis import copy, speak
from dlpo_bench.clips import SAMPLE_RATE, at_rate
from dlpo_bench.record import Measured, write_record
from research import RECORDS, run_study, study_command

SPLITS = ("validation", "test")
WITNESSES = ("sig", "bak", "ovrl", "plcmos")  # of acoustics.py, in its order
Say = Callable[[int], Waveform]


def acoustics(path: Path) -> Any:
    """The measures' own module, which isn't part of the repository.

    Raises:
        InputError: it can't be loaded.
    """
    spec = importlib.util.spec_from_file_location("acoustics", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise InputError(f"--tools {path}: no such file; expected acoustics.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def speaker(given: str, data: Corpora, voice: str, copies: bool) -> tuple[str, Say, set[float]]:
    """A system's name, how it says an utterance, and its frame rates in Hz.

    Args:
        given: NAME=CHECKPOINT, or with :JITTER.
        data: the recordings.
        voice: the speaker.
        copies: whether it speaks from the recordings' timing, pitch and mel.

    Raises:
        InputError: it has another form.
    """
    name, _, place = given.partition("=")
    path, _, jitter = place.partition(":")
    if not name or not path:
        raise InputError(f"--system {given}: expected NAME=CHECKPOINT or NAME=CHECKPOINT:JITTER")
    model, chain = load_checkpoint(Path(path)).model.eval(), named_schedule(*UNTUNED_CHAIN)
    if not isinstance(model, SpectralWaveGrad2):
        raise InputError(f"{path} is {model.config.model!r}; expected spectral")
    config = model.config
    data.check_grid(config.grid)
    of_split = {s: Batches(data, s, 0, 0, config.rows) for s in SPLITS} if copies else {}

    def say(i: int) -> Waveform:
        if copies:
            return copy(model, of_split[data.entries[i].split], i, chain)
        symbols, _ = data.timing(i)
        periods = float(jitter or 0)
        return speak(model, symbols, chain, seed=i, voice=voice, jitter=periods)

    return name, say, {config.sample_rate_hz / hop for hop in (config.hop_length, config.stft_hop)}


def main(
    voice: Annotated[str, typer.Argument(help="Speaker of the checkpoints.")],
    data: Annotated[Path, typer.Option(help="Dataset of the teacher's or speaker's recordings.")],
    tools: Annotated[Path, typer.Option(help="acoustics.py.")],
    system: Annotated[list[str], typer.Option(help="NAME=CHECKPOINT[:JITTER]; repeatable.")],
    clips: int = 60,
    copies: Annotated[bool, typer.Option("--copies", help="From the recordings' mel.")] = False,
    witnesses: Annotated[
        bool,
        typer.Option("--witnesses", help="P.835 and PLCMOS too, which choose nothing."),
    ] = False,
    record: bool = False,
) -> None:
    """Speak, measure, print and record."""
    torch.set_num_threads(1)
    corpora = Corpora([data])
    measures = acoustics(tools)
    dnsmos = Dnsmos()
    judged = measures.Judges() if witnesses else None
    texts = [i for s in SPLITS for i in corpora.split(s, with_audio=True)][:clips]
    systems = [speaker(given, corpora, voice, copies) for given in system]
    rates = sorted({rate for *_, frames in systems for rate in frames})
    found, scores = dict[str, dict[str, float]](), dict[str, list[float]]()
    every: dict[str, Say] = {"recordings": lambda i: corpora[i].waveform}
    every |= {name: say for name, say, _ in systems}
    for name, say in every.items():
        spoken = [at_rate(say(i), corpora.grid.sample_rate_hz) for i in texts]
        level = [at_level(one, SAMPLE_RATE, TYPICAL_LEVEL_DB) for one in spoken]
        scores[name] = [float(dnsmos.score([one], SAMPLE_RATE)[0]) for one in level]
        written = [corpora.entries[i].text for i in texts]
        found[name] = roughness(measures, spoken, written, rates) | {
            "p808": float(np.mean(scores[name]))
        }
        if judged is not None:
            heard = np.array([judged(one.astype(np.float64)) for one in spoken])
            found[name] |= dict(zip(WITNESSES, heard.mean(0).tolist(), strict=True))
            scores |= {f"{name}, {w}": heard[:, k].tolist() for k, w in enumerate(WITNESSES)}
        print(name, {key: round(value, 3) for key, value in found[name].items()}, flush=True)
    if record:
        measured = Measured(found, {"scores": scores})
        print(write_record("texture", measured, study_command("texture"), RECORDS))


def roughness(
    measures: Any, spoken: Sequence[Waveform], texts: Sequence[str], frame_rates: Sequence[float]
) -> dict[str, float]:
    """Means over clips, as `acoustics.py` defines them; combs at the frame rates, in Hz."""
    clips = [one.astype(np.float64) for one in spoken]
    bursts = [measures.burst(*pair) for pair in zip(clips, texts, strict=True)]
    return {
        "hnr_db": float(np.nanmean([measures.hnr(one) for one in clips])),
        "burst_db": float(np.mean(bursts)),
        **{f"comb_{hertz:g}_db": measures.comb(clips, hertz) for hertz in frame_rates},
    }


if __name__ == "__main__":
    run_study(main)
