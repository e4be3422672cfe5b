"""From a checkpoint to a bundle, or to an error and no bundle."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from dlpo.audio import HOP_LENGTH, SAMPLE_RATE
from dlpo.bundle import (
    CheckpointInfo,
    Manifest,
    ProsodyInfo,
    ScheduleInfo,
    SourceInfo,
    write_bundle,
)
from dlpo.checkpoint import Checkpoint, load_checkpoint
from dlpo.errors import InputError
from dlpo.noise_schedule import named_schedule
from dlpo.text.front_end import parse_dictionary
from dlpo.text.symbols import SYMBOLS
from dlpo_export.graphs import (
    DenoiserGraph,
    EncoderGraph,
    FramesGraph,
    context_frames_per_step,
    frames_context,
)
from dlpo_export.needed_context import needed_contexts
from dlpo_export.parity import check_parity
from dlpo_export.to_onnx import GraphSource, graph_info, to_onnx, write_graphs

STEPS = (1, 2, 3, 4, 6)  # reverse steps on offer
EXAMPLE_BATCH, EXAMPLE_FRAMES, EXAMPLE_PHONEMES = 2, 12, 9  # of the traced inputs; any will do

logger = logging.getLogger(__name__)


def export_bundle(
    checkpoint_dir: Path,
    out: Path,
    steps: Sequence[int] = STEPS,
    default_steps: int = 3,
    *,
    schedule: str = "cosine",
    eta: float = 0.0,
    voice: str = "lj",
    gain: float = 1.0,
    dictionary: Mapping[str, str] | None = None,
    scores: Mapping[str, float] | None = None,
    half_weights: bool = True,
) -> Path:
    """Export a checkpoint, check it against onnxruntime, and write the bundle.

    Args:
        checkpoint_dir: as `dlpo train` writes it.
        out: a directory, or a zip where the name ends in `.dlpo`; replaced if it is a bundle.
        steps: every N for which to make a denoiser; they share their weights.
        default_steps: the N that speaks when nobody asks for another.
        schedule: name of the noise schedule.
        eta: 0 = DDIM to 1 = ancestral.
        gain: factor on the waveform before it leaves the host.
        dictionary: word -> phonemes, where this voice is to say it otherwise than the lexicon.
        scores: what the judges measured, by name.
        half_weights: round weights to float16, which halves the bundle; they are computed with as
            float32.

    Returns:
        `out`.

    Raises:
        CheckpointError: the checkpoint can't be loaded.
        BundleError: a graph differs from the checkpoint, or `out` can't be written.
        InputError, ConfigError: steps, schedule, eta or dictionary can't be used.
    """
    if default_steps not in steps:
        raise InputError(
            f"default steps is {default_steps}; expected one of {', '.join(map(str, steps))}"
        )
    parse_dictionary(dictionary or {})  # refused now, not by whoever opens the bundle
    checkpoint = load_checkpoint(checkpoint_dir)
    model = checkpoint.model
    if half_weights:
        model = model.half().float()
    encoder, frames = EncoderGraph(model), FramesGraph(model)
    denoisers = {
        f"denoiser_{n}": DenoiserGraph(model, named_schedule(schedule, n, eta))
        for n in sorted(set(steps))
    }
    sources = graph_sources(encoder, frames, denoisers)
    channels = int(sources["frames"].outputs["conditioning"][1])
    reach = context_frames_per_step(model, channels)
    manifest = Manifest(
        voice=voice,
        language="en-US",
        sample_rate_hz=SAMPLE_RATE,
        hop_length=HOP_LENGTH,
        symbols=SYMBOLS,
        parametrisation=model.parametrisation,
        noise_schedule=ScheduleInfo(schedule, eta),
        steps=default_steps,
        context_frames_per_step=reach,
        needed_context=needed_contexts(encoder, frames, denoisers, reach),
        frames_context=frames_context(model),
        graphs={name: graph_info(name, source) for name, source in sources.items()},
        licence="Apache-2.0",
        corpus=checkpoint.provenance.corpus,
        checkpoint=_checkpoint_info(checkpoint),
        gain=gain,
        dictionary=dict(dictionary or {}),
        prosody=ProsodyInfo() if model.uses_source else ProsodyInfo(pitch_semitones=(0.0, 0.0)),
        uses_source=model.uses_source,
        source=SourceInfo(harmonics=model.uses_source),
        scores=dict(scores or {}),
    )
    with tempfile.TemporaryDirectory(prefix="dlpo-export-") as scratch:
        folder = Path(scratch)
        write_graphs(
            {name: to_onnx(source) for name, source in sources.items()}, folder, half=half_weights
        )
        files = {name: info.files for name, info in manifest.graphs.items()}
        for line in check_parity(folder, sources, files).lines():
            logger.info("%s", line)
        return write_bundle(out, manifest, folder)


@torch.no_grad()
def graph_sources(
    encoder: EncoderGraph, frames: FramesGraph, denoisers: Mapping[str, DenoiserGraph]
) -> dict[str, GraphSource]:
    """Every graph with example inputs and the names and shapes of the bundle's contract."""
    phonemes = torch.arange(1, 1 + EXAMPLE_PHONEMES)[None]
    hidden, _, ranges = encoder(phonemes)
    positions = torch.arange(EXAMPLE_FRAMES) + 0.5
    durations, pitch = torch.ones_like(ranges), torch.zeros(1)
    conditioning, _ = frames(hidden, durations, ranges, positions, pitch)
    c, c2 = hidden.shape[1], conditioning.shape[1]
    batch = conditioning.expand(EXAMPLE_BATCH, -1, -1).contiguous()
    samples = torch.zeros(EXAMPLE_BATCH, EXAMPLE_FRAMES, HOP_LENGTH)
    window = ("B", "F", HOP_LENGTH)
    sources = {
        "encoder": GraphSource(
            encoder,
            {"phonemes": (phonemes, (1, "P"))},
            {"hidden": (1, c, "P"), "durations": (1, "P"), "ranges": (1, "P")},
        ),
        "frames": GraphSource(
            frames,
            {
                "hidden": (hidden, (1, c, "P")),
                "durations": (durations, (1, "P")),
                "ranges": (ranges, (1, "P")),
                "positions": (positions, ("F",)),
                "pitch": (pitch, (1,)),
            },
            {"conditioning": (1, c2, "F"), "f0": (1, "F")},
        ),
    }
    for name, denoiser in denoisers.items():
        k = denoiser.schedule.noise_count
        sources[name] = GraphSource(
            denoiser,
            {
                "conditioning": (batch, ("B", c2, "F")),
                "source": (samples, window),
                "noise": (samples.expand(k, -1, -1, -1).contiguous(), (k, *window)),
            },
            {"waveform": window},
        )
    return sources


def _checkpoint_info(checkpoint: Checkpoint) -> CheckpointInfo:
    provenance = checkpoint.provenance
    return CheckpointInfo(checkpoint.sha256, provenance.commit, provenance.updates)
