"""What is measured: the voice's own weights, or random ones where there is no voice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
import torch

from dlpo.bundle import Bundle, Manifest, ScheduleInfo
from dlpo.checkpoint import Checkpoint, Provenance, load_checkpoint, save_checkpoint
from dlpo.errors import DlpoError, InputError
from dlpo.model.build import CONFIGS, build_model
from dlpo_export.graphs import EncoderGraph
from dlpo_export.options import WEIGHT_BITS, ExportOptions
from dlpo_export.pipeline import export_bundle
from dlpo_export.weights import round_weights
from dlpo_serving.denoiser_input import pitch_noise
from dlpo_serving.engines.onnx_engine import OnnxEngine
from dlpo_serving.voices import DEFAULT_VOICE, find_voice

ModelName = Literal["lite", "base", "large"]
ANCESTRAL = ScheduleInfo("linear", 1.0)
"""The chain of the published sizes: fewer steps of that which they are trained on."""
SEED = 0  # of random weights
PHONEMES = np.arange(1, 41)[None]  # (1, P), any that are there


@dataclass(frozen=True, slots=True)
class MeasuredModel:
    """Weights for PyTorch and, exported, for the engines."""

    name: str
    checkpoint: Checkpoint
    bundle: Bundle | None
    no_bundle: str
    """why there is none"""
    like: Manifest
    """of the voice that PyTorch speaks like"""
    steps: int
    """N"""
    random: bool
    """the weights are: speed doesn't depend on them"""

    @property
    def chain(self) -> ScheduleInfo:
        """Name and eta of the schedule with N steps."""
        return self.bundle.manifest.noise_schedule if self.bundle else ANCESTRAL


@contextmanager
def open_model(
    name: str,
    checkpoint: Path,
    voice: str = DEFAULT_VOICE,
    steps: int | None = None,
    export: bool = True,
    tell: Callable[[str], None] = lambda line: None,
) -> Iterator[MeasuredModel]:
    """The voice's checkpoint and bundle for `lite`; for the others random weights, exported.

    Args:
        name: lite, base or large.
        checkpoint: that the voice was exported from, of `lite` alone.
        voice: a name or the path of a bundle; the others speak like it.
        steps: N; None is the voice's own.
        export: whether engines need a bundle at all.
        tell: takes a line before what lasts.

    Raises:
        InputError: no such model, or the voice has no denoiser of so many steps.
        CheckpointError, BundleError: they can't be loaded, or don't belong together.
    """
    if name not in CONFIGS:
        raise InputError(f"model is {name!r}; expected {', '.join(CONFIGS)}")
    bundle = Bundle.load(find_voice(voice))
    manifest = bundle.manifest
    if name == "lite":
        yield _voice(checkpoint, bundle, voice, steps or manifest.steps)
        return
    with TemporaryDirectory(prefix="dlpo-rtf-") as scratch:
        yield _random(name, Path(scratch), manifest, steps or manifest.steps, export, tell)


def _voice(checkpoint: Path, bundle: Bundle, voice: str, steps: int) -> MeasuredModel:
    manifest = bundle.manifest
    if steps not in manifest.available_steps:
        offer = ", ".join(map(str, manifest.available_steps))
        raise InputError(f"steps is {steps}; voice {voice!r} has {offer}")
    loaded = load_checkpoint(checkpoint)
    if loaded.sha256 != manifest.checkpoint.sha256:
        raise InputError(
            f"{checkpoint} has the weights {loaded.sha256[:12]}, voice {voice!r} was exported from"
            f" {manifest.checkpoint.sha256[:12]}; only the same weights can be compared: give the"
            " checkpoint of the voice"
        )
    rounded = _rounded_as(bundle, checkpoint)
    return MeasuredModel("lite", rounded, bundle, "", manifest, steps, random=False)


def _rounded_as(bundle: Bundle, checkpoint: Path) -> Checkpoint:
    """The checkpoint with its weights rounded as the export did.

    A manifest doesn't say to how many bits. That is the one with which the encoders agree best.
    """
    noise = pitch_noise(bundle.manifest, PHONEMES.shape[1], seed=0, index=0)
    drawn = None if noise is None else torch.from_numpy(noise)
    expected = OnnxEngine(bundle, "fp32").encode(PHONEMES, noise).hidden

    def apart(candidate: Checkpoint) -> float:
        hidden = EncoderGraph(candidate.model)(torch.from_numpy(PHONEMES), drawn)[0]
        return float(np.abs(hidden.numpy() - expected).max())

    candidates = []
    for bits in WEIGHT_BITS:
        candidate = load_checkpoint(checkpoint)
        round_weights(candidate.model, bits)
        candidates.append(candidate)
    with torch.inference_mode():
        return min(candidates, key=apart)


def _random(
    name: str,
    scratch: Path,
    like: Manifest,
    steps: int,
    export: bool,
    tell: Callable[[str], None],
) -> MeasuredModel:
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        model = build_model(CONFIGS[name])
    provenance = Provenance(updates=0, data_sha256="0" * 64, commit="random", corpus="none")
    save_checkpoint(scratch / "checkpoint", model.state_dict(), CONFIGS[name], provenance)
    bundle, reason = None, "no engine was asked for"
    if export:
        tell(f"exporting {name} with random weights in fp32, a minute or two ...")
        try:
            bundle = _export(scratch / "checkpoint", scratch / "bundle", steps)
        except DlpoError as error:
            reason = f"{name} could not be exported: {error}"
    return MeasuredModel(
        name, load_checkpoint(scratch / "checkpoint"), bundle, reason, like, steps, random=True
    )


def _export(checkpoint: Path, out: Path, steps: int) -> Bundle:
    options = ExportOptions(
        steps=(steps,),
        default_steps=steps,
        schedule=ANCESTRAL.name,
        eta=ANCESTRAL.eta,
        precisions=("fp32",),
        weight_bits=32,
        voice="random",
    )
    return Bundle.load(export_bundle(checkpoint, out, options))
