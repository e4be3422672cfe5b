"""How rough a voice is beside its teacher: harmonics to noise, bursts, combs, and P.808.

    python -m research.texture heart --data DATASET --tools ../shared/tools/acoustics.py
        --system now=voices/spectral/tuned --system track=voices/spectral/tuned@track --record

Each system is a checkpoint, with the jitter of its pulses after a colon. It speaks the validation
and test texts of a dataset in one step, from text alone, or with what stands after an @ taken from
the recordings, timing always:

    @all        pitch and mel, the source in step with the voice: what the denoiser can do
    @track      F0 of each frame
    @curve      F0 as a contour has it, two points a symbol
    @timing     nothing else: the contour is drawn

The recordings are the first row.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from dlpo.audio import Waveform, harmonic_source
from dlpo.checkpoint import UNTUNED_CHAIN, load_checkpoint
from dlpo.data.dataset import Corpora
from dlpo.errors import InputError
from dlpo.judges.dnsmos import Dnsmos
from dlpo.judges.judge import TYPICAL_LEVEL_DB, at_level
from dlpo.model.acoustics import LOG_F0_CENTRE, LOG_F0_SCALE
from dlpo.model.contour import POINTS, upsample_contour
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.noise_schedule import NoiseSchedule, named_schedule
from dlpo.training.acoustics import measured_prosody
from dlpo.training.batches import CONTEXT, Batches
from dlpo.training.contour_losses import fitted_contour
from dlpo.training.synthesis import copy, denoise, speak
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


def speaker(given: str, data: Corpora, voice: str) -> tuple[str, Say, set[float]]:
    """A system's name, how it says an utterance, and its frame rates in Hz.

    Args:
        given: NAME=CHECKPOINT, with :JITTER or @KEPT after it.
        data: the recordings.
        voice: the speaker.

    Raises:
        InputError: it has another form.
    """
    found = re.fullmatch(r"([^=]+)=([^:@]+)(?::([\d.]+)|@(all|track|curve|timing))?", given)
    if found is None:
        raise InputError(
            f"--system {given}: expected NAME=CHECKPOINT, NAME=CHECKPOINT:JITTER or"
            " NAME=CHECKPOINT@all, @track, @curve or @timing"
        )
    name, path, jitter, kept = found.groups()
    model, chain = load_checkpoint(Path(path)).model.eval(), named_schedule(*UNTUNED_CHAIN)
    if not isinstance(model, SpectralWaveGrad2):
        raise InputError(f"{path} is {model.config.model!r}; expected spectral")
    config = model.config
    data.check_grid(config.grid)
    of_split = {s: Batches(data, s, 0, 0, config.rows) for s in SPLITS} if kept else {}

    def say(i: int) -> Waveform:
        if not kept:
            symbols, _ = data.timing(i)
            return speak(model, symbols, chain, seed=i, voice=voice, jitter=float(jitter or 0))
        batches = of_split[data.entries[i].split]
        if kept == "all":
            return copy(model, batches, i, chain)
        return speak_with_timing(model, batches, i, kept, chain)

    return name, say, {config.sample_rate_hz / hop for hop in (config.hop_length, config.stft_hop)}


@torch.no_grad()
def speak_with_timing(
    model: SpectralWaveGrad2, batches: Batches, utterance: int, kept: str, chain: NoiseSchedule
) -> Waveform:
    """Speak with a recording's durations, and with its F0 unless `kept` is timing."""
    windows = batches.whole(utterance)
    sentences, durations = windows.sentences, windows.sentences.durations
    voice = model.voice(sentences.voices)
    hidden, timing = model.encode_symbols(sentences.phonemes, sentences.mask, voice)
    upsampled = model.upsample(hidden, durations, timing.ranges, windows.positions)
    prosody = model.predict_prosody(upsampled, voice)
    log_f0 = measured_prosody(windows).log_f0
    if kept != "track":
        points = _points(model, batches, utterance, kept, voice)
        scaled = (points - LOG_F0_CENTRE) * LOG_F0_SCALE
        log_f0 = upsample_contour(scaled, durations, windows.positions)
    prosody = replace(prosody, log_f0=log_f0)
    conditioning, hertz = model.conditioned(upsampled, prosody, torch.zeros(1), voice)
    source = harmonic_source(hertz[0, CONTEXT:-CONTEXT].numpy(), model.config.grid)
    return denoise(model, conditioning[:, :, CONTEXT:-CONTEXT], source, chain, seed=0)


def _points(
    model: SpectralWaveGrad2, batches: Batches, utterance: int, kept: str, voice: torch.Tensor
) -> torch.Tensor:
    """(1, 2, P) ln Hz, fitted to the recording's or drawn."""
    sentences = batches.whole(utterance).sentences
    if kept == "curve":
        durations = sentences.durations[0].numpy()
        f0 = batches.dataset.f0(utterance)[: int(durations.sum())]
        fitted = fitted_contour(f0, durations)
        return torch.from_numpy(fitted.points)[None] * fitted.spread + fitted.mean
    assert model.contour is not None
    shape = (1, POINTS, sentences.phonemes.shape[1])
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(utterance))
    own = voice[:, -model.contour.config.channels - 3 :]
    return model.contour.draw(sentences.phonemes, sentences.mask, sentences.durations, noise, own)


def main(
    voice: Annotated[str, typer.Argument(help="Speaker of the checkpoints.")],
    data: Annotated[Path, typer.Option(help="Dataset of the teacher's or speaker's recordings.")],
    tools: Annotated[Path, typer.Option(help="acoustics.py.")],
    system: Annotated[
        list[str], typer.Option(help="NAME=CHECKPOINT, :JITTER or @KEPT after it; repeatable.")
    ],
    clips: int = 60,
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
    systems = [speaker(given, corpora, voice) for given in system]
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
