"""What is timed: the voice's weights, or random ones, in PyTorch and in every engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, cast

import numpy as np
import torch
from torch import Tensor

from dlpo.audio import HOP_LENGTH
from dlpo.bundle import Bundle, GraphInfo, Manifest, ScheduleInfo, TensorInfo
from dlpo.checkpoint import Checkpoint, Provenance, load_checkpoint, save_checkpoint
from dlpo.diffusion import Denoise, to_x0
from dlpo.errors import DlpoError, EngineError, InputError
from dlpo.model.build import CONFIGS, Model, build_model
from dlpo.noise_schedule import MAX_STEPS, NoiseSchedule, named_schedule
from dlpo.text import TextFrontEnd
from dlpo_bench.torch_engine import TorchEngine
from dlpo_export.graphs import EncoderGraph
from dlpo_export.options import WEIGHT_BITS, ExportOptions
from dlpo_export.pipeline import export_bundle
from dlpo_export.weights import round_weights
from dlpo_serving.engine import EncoderOutput, Engine, Floats, FrameFeatures, Ids
from dlpo_serving.engines import PRECISIONS, EngineName, EnginePrecision, open_engine
from dlpo_serving.engines.onnx_engine import OnnxEngine
from dlpo_serving.synthesis.denoiser_input import STREAM_LADDER, pitch_noise
from dlpo_serving.synthesizer import Synthesizer
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


PAPER_CHAIN = ScheduleInfo("linear", 1.0)
"""The sampler of WaveGrad 2 and DLPO: every step of the 1000 that it was trained on, ancestral."""
NOISE_SEED = 0  # of the noise between steps


@dataclass(frozen=True, slots=True)
class Step:
    """One reverse step as x' = x0_share * x0 + x_share * x + std * noise."""

    level: Tensor
    """(1,) sqrt(alpha_bar), as the network reads it"""
    x0_share: float
    x_share: float
    std: float


def fused_steps(schedule: NoiseSchedule) -> list[Step]:
    """`dlpo.diffusion.reverse_step` with all that doesn't depend on x computed beforehand.

    A loop of a thousand steps would else spend its time on NumPy, and the baseline look slow.
    """
    alpha, sigma, std = schedule.alpha, schedule.sigma, schedule.posterior_std
    kept = np.sqrt(np.maximum(0.0, sigma[1:] ** 2 - std**2)) / sigma[:-1]
    x0_shares = alpha[1:] - kept * alpha[:-1]
    levels = torch.from_numpy(alpha.astype(np.float32))
    return [
        Step(levels[i : i + 1], float(x0_shares[i]), float(kept[i]), float(std[i]))
        for i in range(schedule.steps)
    ]


def reverse_steps(
    denoise: Denoise,
    model: Model,
    steps: Sequence[Step],
    conditioning: Tensor,
    source: Tensor,
    noise: Iterator[Tensor],
) -> Tensor:
    """Some steps of a reverse chain, as `dlpo.diffusion.sample` takes all of them.

    Args:
        denoise: the model's own, or the same compiled.
        conditioning: (B, C, F).
        source: (B, F, 300).
        noise: (B, F, 300) each, standard normal: the start, then one for each step with noise.

    Returns:
        (B, F, 300), the waveform without the voice's gain.
    """
    flat_source = source.flatten(1)
    x = next(noise).flatten(1)
    for step in steps:
        prediction = denoise(x, step.level, conditioning, flat_source)
        x0 = to_x0(prediction, x, step.level, model.parametrisation)
        if model.x0_limit is not None:
            x0 = x0.clamp(-model.x0_limit, model.x0_limit)
        x = step.x0_share * x0 + step.x_share * x
        if step.std > 0:
            x = x + step.std * next(noise).flatten(1)
    return model.to_waveform(x).view(source.shape)


class PaperSampler(TorchEngine):
    """PyTorch as it is, 1000 ancestral steps; or only some of them, for their time alone.

    The noise is drawn step by step, as the papers' samplers do: a thousand planes of it at once
    would be 0.7 GB for a sentence.
    """

    def __init__(self, checkpoint: Checkpoint, like: Manifest) -> None:
        """See `TorchEngine`."""
        super().__init__(checkpoint, like, PAPER_CHAIN, (MAX_STEPS,))
        start = TensorInfo("noise", "float32", (1, "B", "F", HOP_LENGTH))
        chain = {f"denoiser_{MAX_STEPS}": GraphInfo({}, (start,), ())}
        self.manifest = replace(self.manifest, graphs={**self.manifest.graphs, **chain})
        self._model = checkpoint.model
        self._steps = fused_steps(named_schedule(PAPER_CHAIN.name, MAX_STEPS, PAPER_CHAIN.eta))
        self.timed_steps = MAX_STEPS
        """how many of the 1000 are computed, evenly spread; with fewer the audio is no speech"""
        self.left_out_s = 0.0
        """what the others would have taken, since it was last set to 0"""

    @torch.inference_mode()
    def denoise(self, steps: int, conditioning: Floats, source: Floats, noise: Floats) -> Floats:
        chosen = np.linspace(0, MAX_STEPS - 1, self.timed_steps).round().astype(int)
        start = time.perf_counter()
        waveform: Floats = reverse_steps(
            self._model.denoise,
            self._model,
            [self._steps[i] for i in chosen],
            torch.from_numpy(conditioning),
            torch.from_numpy(source),
            _noise_from(torch.from_numpy(noise[0])),
        ).numpy()
        spent_s = time.perf_counter() - start
        self.left_out_s += spent_s * (MAX_STEPS / self.timed_steps - 1)
        return waveform


class CompiledEngine(TorchEngine):
    """PyTorch with the network of a step through `torch.compile`, for windows of any length."""

    def __init__(
        self, checkpoint: Checkpoint, like: Manifest, chain: ScheduleInfo, steps: Sequence[int]
    ) -> None:
        """See `TorchEngine`; compiling itself happens at the first windows."""
        super().__init__(checkpoint, like, chain, steps)
        self._model = checkpoint.model
        self._compiled: Denoise = torch.compile(self._model.denoise, dynamic=True)
        self._steps = {n: fused_steps(named_schedule(chain.name, n, chain.eta)) for n in steps}

    @torch.inference_mode()
    def denoise(self, steps: int, conditioning: Floats, source: Floats, noise: Floats) -> Floats:
        try:
            waveform: Floats = reverse_steps(
                self._compiled,
                self._model,
                self._steps[steps],
                torch.from_numpy(conditioning),
                torch.from_numpy(source),
                iter(torch.from_numpy(noise)),
            ).numpy()
        except Exception as error:  # of many classes: no C++ compiler, an operator it can't do
            reason = str(error).strip().split("\n", 1)[0]
            raise EngineError(f"torch.compile failed ({type(error).__name__}: {reason})") from error
        return waveform


def _noise_from(first: Tensor) -> Iterator[Tensor]:
    """The noise that is given, then fresh noise without end."""
    generator = torch.Generator().manual_seed(NOISE_SEED)
    yield first
    while True:
        yield torch.randn(first.shape, generator=generator)


PAPER, EAGER, COMPILED = f"eager-{MAX_STEPS}", "eager", "compile"
IN_SENTENCES = "whole"  # suffix of an engine's name: without chunks
EAGER_IN_CHUNKS = f"{EAGER} streamed"
REFERENCE = "cpu:fp32"  # whose audio the others' is compared with
SERVED = tuple(f"{engine}:{p}" for engine, offered in PRECISIONS.items() for p in offered)
CONTESTANTS = (PAPER, EAGER, COMPILED, *SERVED)
WHOLE = (1 << 20,)  # frames: a sentence in one piece
FRAMES_PER_SYMBOL = 6.0  # 82 ms, about as English is spoken


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way to speak, loaded."""

    name: str
    engine: Engine
    speaker: Synthesizer
    ladder: Sequence[int]
    """frames of the chunks that it speaks in"""
    load_s: float
    paper: PaperSampler | None = None
    """the engine, where it can leave steps out"""
    variant: bool = False
    """the same engine takes part with another ladder: no need to time its denoiser twice"""


@dataclass(slots=True)
class Field:
    """All contestants of a run."""

    present: dict[str, Contestant] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    """who or what is not measured -> why"""


class EvenlyPaced:
    """An engine of random weights, all of whose symbols last equally long.

    What random weights predict are no durations, and audio of any length would come of a text.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def manifest(self) -> Manifest:
        return self._engine.manifest

    @property
    def max_batch(self) -> int:
        return self._engine.max_batch

    def speaking(self, voice: str) -> EvenlyPaced:
        return EvenlyPaced(self._engine.speaking(voice))

    def context_frames(self, steps: int) -> int:
        return self._engine.context_frames(steps)

    def encode(self, phonemes: Ids, noise: Floats | None = None) -> EncoderOutput:
        made = self._engine.encode(phonemes, noise)
        even = np.full(made.durations.shape, FRAMES_PER_SYMBOL, np.float32)
        return EncoderOutput(made.hidden, even, np.ones_like(even))

    def frames(
        self, encoding: EncoderOutput, counts: Ids, start: int, stop: int, pitch_semitones: float
    ) -> FrameFeatures:
        return self._engine.frames(encoding, counts, start, stop, pitch_semitones)

    def denoise(self, steps: int, conditioning: Floats, source: Floats, noise: Floats) -> Floats:
        return self._engine.denoise(steps, conditioning, source, noise)


def check_names(names: Sequence[str]) -> None:
    """Raise InputError for a name that is no contestant's, and for none at all."""
    for name in names:
        if name not in CONTESTANTS:
            raise InputError(f"contestant {name!r} is unknown; expected {', '.join(CONTESTANTS)}")
    if not names:
        raise InputError(f"no contestant; choose from {', '.join(CONTESTANTS)}")


def open_field(
    model: MeasuredModel, names: Sequence[str], tell: Callable[[str], None] = lambda line: None
) -> Field:
    """Load every contestant that can run here.

    Args:
        names: of `CONTESTANTS`.
        tell: takes a line for each that can't.

    Raises:
        EngineError: none can.
    """
    found = Field()
    for name in names:
        try:
            opened = _open(name, model)
        except DlpoError as error:
            found.skipped[name] = str(error)
            tell(f"skipped {name}: {error}")
            continue
        found.present |= {one.name: one for one in opened}
    if not found.present:
        raise EngineError(
            "none of the contestants runs on this machine; see the reasons above, or choose others"
        )
    return found


def _open(name: str, model: MeasuredModel) -> list[Contestant]:
    """Load one; where both are possible it speaks in chunks as served, and whole sentences."""
    start = time.perf_counter()
    paper: PaperSampler | None = None
    engine: Engine
    if name in SERVED:
        if model.bundle is None:
            raise EngineError(model.no_bundle)
        runtime, _, precision = name.partition(":")
        engine = open_engine(
            model.bundle, cast(EngineName, runtime), cast(EnginePrecision, precision)
        )
    elif name == PAPER:
        engine = paper = PaperSampler(model.checkpoint, model.like)
    else:
        kind = CompiledEngine if name == COMPILED else TorchEngine
        engine = torch_engine = kind(model.checkpoint, model.like, model.chain, (model.steps,))
        if model.bundle:  # as measured at export, so that it need not compute more than the others
            context = model.bundle.manifest.needed_context
            torch_engine.manifest = replace(torch_engine.manifest, needed_context=context)
    load_s = time.perf_counter() - start
    if model.random:
        engine = EvenlyPaced(engine)
    speaker = Synthesizer(engine, TextFrontEnd(model.like.dictionary))
    if name in SERVED:
        return [
            Contestant(name, engine, speaker, STREAM_LADDER, load_s),
            Contestant(f"{name} {IN_SENTENCES}", engine, speaker, WHOLE, load_s, variant=True),
        ]
    whole = Contestant(name, engine, speaker, WHOLE, load_s, paper)
    if name != EAGER:
        return [whole]
    return [whole, replace(whole, name=EAGER_IN_CHUNKS, ladder=STREAM_LADDER, variant=True)]


def steps_of(contestant: Contestant, model: MeasuredModel) -> int:
    """Reverse steps that it takes."""
    return MAX_STEPS if contestant.paper else model.steps


def describe(field: Field) -> dict[str, dict[str, object]]:
    """What a record says of each contestant beside its times."""
    return {
        name: {
            "load_s": one.load_s,
            "speaks in": "whole sentences" if one.ladder == WHOLE else "chunks, as served",
        }
        for name, one in field.present.items()
    }
