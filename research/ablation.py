"""What is asked: each variant differs from the recipe in one thing."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import torch
import typer
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from dlpo.bundle import Bundle
from dlpo.checkpoint import Checkpoint, load_checkpoint
from dlpo.config import Parametrisation
from dlpo.config.models import LiteConfig
from dlpo.config.strict import to_dict
from dlpo.config.training import TrainingConfig
from dlpo.data.dataset import Dataset
from dlpo.diffusion import to_x0
from dlpo.errors import DataError, DlpoError, InputError
from dlpo.model.acoustics import Prosody
from dlpo.model.blocks import de_emphasise
from dlpo.model.lite import LiteWaveGrad2
from dlpo.text import TextFrontEnd
from dlpo.training.acoustics import FrozenAcoustics
from dlpo.training.batches import Batches, Windows
from dlpo.training.losses import Denoised, denoise_windows, denoiser_losses
from dlpo.training.processes import arithmetic
from dlpo.training.run import warm_average
from dlpo_bench.clips import VALIDATION_SPLIT, load_clips
from dlpo_bench.eval import figures, is_rate, markdown, samples, scale_of
from dlpo_bench.judging import JudgePanel, Quality, evaluate, load_panel
from dlpo_bench.record import Measured, write_record
from dlpo_bench.systems import RECORDINGS, WHOLE, Say, recordings, text_to_speech
from dlpo_bench.tables import Table
from dlpo_bench.torch_engine import TorchEngine
from dlpo_serving.synthesizer import Synthesizer
from dlpo_serving.voices import DEFAULT_VOICE, find_voice
from research import RECORDS

X0_LIMIT = 6.0  # of a recording at the network's scale; bounds what an eps-prediction implies
FLAT_SCALE = 6.3  # brings the waveform without pre-emphasis to the spread that 12 brings it with
SURE = 1e-3  # least sigma or alpha that a loss is divided by


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to build or teach the denoiser."""

    name: str
    question: str
    """what it answers, as the table asks it"""
    config: Mapping[str, Any] = field(default_factory=dict)
    """fields of `LiteConfig` that differ"""
    source: bool = True
    """whether it hears the harmonic source"""
    told: Literal["both", "hidden", "mel"] = "both"
    """what it is conditioned on, beside F0 and voicing"""
    predicts: Parametrisation = "x0"
    """what its network says, and its L1 compares"""
    without: str | None = None
    """a term of `denoiser_losses` that is left out"""
    pre_emphasis: bool = True

    def configure(self, config: LiteConfig) -> LiteConfig:
        """The model's configuration, so changed."""
        return replace(config, **self.config)

    def windows(self, windows: Windows) -> Windows:
        """What it learns from: without pre-emphasis, undone, at the scale that suits it."""
        if self.pre_emphasis:
            return windows
        return replace(windows, waveform=de_emphasise(windows.waveform))

    def losses(self, model: AblatedLite, denoised: Denoised) -> dict[str, Tensor]:
        """Terms to minimise; L1 is that of what the network predicts."""
        terms = denoiser_losses(denoised, model.config.patch)
        if self.predicts != "x0":
            alpha = model.level_heard[:, None]
            sigma = (1 - alpha.square()).sqrt().clamp(min=SURE)
            weight = 1 / sigma if self.predicts == "v" else alpha / sigma
            terms["diffusion"] = ((denoised.x0 - denoised.clean).abs() * weight).mean()
        if self.without is not None:
            del terms[self.without]
        return terms


class AblatedLite(LiteWaveGrad2):
    """A `lite` with one thing changed; outwardly it predicts x0 like any other."""

    def __init__(self, config: LiteConfig, variant: Variant) -> None:
        super().__init__(config)
        self.variant = variant
        self.level_heard = torch.ones(1)
        """noise levels of the last call of `denoise`, which losses of v and eps weigh by"""

    def condition(
        self, upsampled: Tensor, prosody: Prosody, mel: Tensor, voice: Tensor | None = None
    ) -> Tensor:
        """As in `LiteWaveGrad2`; an input that the variant does not get is zero."""
        told = self.variant.told
        hidden = torch.zeros_like(upsampled) if told == "mel" else upsampled
        mel = torch.zeros_like(mel) if told == "hidden" else mel
        return super().condition(hidden, prosody, mel)

    def denoise(
        self, noisy: Tensor, noise_level: Tensor, conditioning: Tensor, source: Tensor
    ) -> Tensor:
        """As in `LiteWaveGrad2`; what the network predicts is turned into x0."""
        if not self.variant.source:
            source = torch.zeros_like(source)
        said = super().denoise(noisy, noise_level, conditioning, source)
        self.level_heard = noise_level
        if self.variant.predicts == "x0":
            return said
        x0 = to_x0(said, noisy, noise_level.clamp(min=SURE), self.variant.predicts)
        return x0.clamp(-X0_LIMIT, X0_LIMIT)

    def to_waveform(self, x0: Tensor) -> Tensor:
        """As in `LiteWaveGrad2`; there is nothing to undo without pre-emphasis."""
        return super().to_waveform(x0) if self.variant.pre_emphasis else x0 / self.config.scale


WIDE, NARROW = {"patch": 60, "up_factors": (5, 1)}, {"patch": 12, "up_factors": (5, 5)}
HALF = {"up_channels": (128, 64), "down_channels": (48, 64)}
VARIANTS = (
    Variant("recipe", "all as the voice has it"),
    Variant("no-source", "without the harmonic source", source=False),
    Variant("no-stft", "without the multi-resolution STFT loss", without="stft"),
    Variant("no-seam", "without the loss on seams between patches", without="seam"),
    Variant("predicts-v", "predicting v, L1 of v", predicts="v"),
    Variant("predicts-eps", "predicting eps, L1 of eps", predicts="eps"),
    Variant("hidden-only", "told hidden states alone, as WaveGrad 2", told="hidden"),
    Variant("mel-only", "told the mel alone", told="mel"),
    Variant("patch-12", "patches of 12 samples", NARROW),
    Variant("patch-60", "patches of 60 samples, one upsampling", WIDE),
    Variant("half-width", "a denoiser of half the width", HALF),
    Variant("no-pre-emphasis", "without pre-emphasis", {"scale": FLAT_SCALE}, pre_emphasis=False),
)


WEIGHTS, COST = "model.safetensors", "cost.json"
LEARNT = ("conditioning", "level", "patch", "down", "up", "film")  # children with new weights


@dataclass(frozen=True, slots=True)
class Learnt:
    """A variant that has spent its budget."""

    variant: Variant
    model: AblatedLite
    """averaged weights, in eval mode"""
    seconds: float
    """processor time of its updates"""
    weights: int
    """number of weights that learnt"""


def untaught(start: Checkpoint, variant: Variant) -> AblatedLite:
    """The variant with the checkpoint's first part and a denoiser of random weights.

    Raises:
        InputError: the checkpoint is not of a `lite`.
    """
    if not isinstance(start.config, LiteConfig):
        raise InputError("ablations are of `lite`; give a checkpoint of one")
    torch.manual_seed(0)
    model = AblatedLite(variant.configure(start.config), variant)
    first_part = {
        name: value
        for name, value in start.model.state_dict().items()
        if not name.startswith(LEARNT)
    }
    model.load_state_dict(first_part, strict=False)
    model.freeze_acoustics()
    return model


def learn(
    variant: Variant,
    start: Checkpoint,
    dataset: Dataset,
    budget: TrainingConfig,
    out: Path,
    report: Callable[[int, float], None] = lambda update, loss: None,
) -> Learnt:
    """Teach a variant, or open what an earlier call has taught.

    Args:
        variant: what is different.
        start: a voice whose first part is kept.
        dataset: recordings.
        budget: updates, batch, window, learning rate; the same for all. Its first part and its
            adversary have no say.
        out: directory of this run.
        report: called after every update.

    Raises:
        DataError: the loss is not finite, or the content of `out` is of another variant.
    """
    model = untaught(start, variant)
    path = out / WEIGHTS
    count = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    if path.exists():
        try:
            model.load_state_dict(load_file(path))
        except RuntimeError as error:
            raise DataError(f"{path}: holds another model; choose another --out") from error
        seconds = float(json.loads((out / COST).read_text())["seconds"])
        return Learnt(variant, model.eval(), seconds, count)
    averaged = AveragedModel(model, multi_avg_fn=warm_average(budget.ema_decay), use_buffers=True)
    learning = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(
        learning, budget.learning_rate, (0.9, 0.98), weight_decay=budget.weight_decay
    )
    batches = Batches(dataset, "train", budget.seed)
    told = FrozenAcoustics(model, batches)
    started = time.process_time()
    for update in range(budget.updates):
        for group in optimizer.param_groups:
            group["lr"] = budget.rate(update)
        windows = variant.windows(batches.windows(update, budget.batch, budget.window))
        torch.manual_seed(update)  # dropout
        generator = torch.Generator().manual_seed(update)
        with torch.autocast("cpu", torch.bfloat16, enabled=arithmetic(budget.precision) == "bf16"):
            denoised = denoise_windows(model, windows, told.of(windows), generator)
            loss = torch.stack(list(variant.losses(model, denoised).values())).sum()
        if not torch.isfinite(loss):
            raise DataError(f"{variant.name}: the loss is {loss.item()} at update {update}")
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(learning, budget.gradient_clip)
        optimizer.step()
        averaged.update_parameters(model)
        report(update + 1, loss.item())
    seconds = time.process_time() - started
    out.mkdir(parents=True, exist_ok=True)
    (out / COST).write_text(json.dumps({"seconds": seconds, "updates": budget.updates}) + "\n")
    taught = cast(AblatedLite, averaged.module).eval()
    save_file({name: value.contiguous() for name, value in taught.state_dict().items()}, path)
    return Learnt(variant, taught, seconds, count)


@dataclass(frozen=True, slots=True)
class Outcome:
    """All variants, heard."""

    learnt: Sequence[Learnt]
    quality: Quality
    """baseline is the first of `learnt`"""

    def table(self) -> str:
        """Markdown: a row for each variant, judges' means, differences that are decided in bold."""
        measures = [judge.name for judge in self.quality.panel.judges]
        measures += [*self.quality.panel.recognizers]
        rows = [["variant", "weights", "time", *measures]]
        for run in self.learnt:
            time = f"{run.seconds / self.learnt[0].seconds:.2f}x"
            cells = self._cells(run.variant.name, measures)
            rows.append([run.variant.question, f"{run.weights / 1e6:.2f} M", time, *cells])
        rows.append([RECORDINGS, "", "", *self._cells(RECORDINGS, measures)])
        return Table(rows[0], rows[1:]).markdown()

    def _cells(self, system: str, measures: Sequence[str]) -> list[str]:
        estimates = self.quality.estimates(system)
        apart = self.quality.differences(system)
        cells = []
        for measure in measures:
            scale, unit = scale_of(measure), " %" if is_rate(measure) else ""
            value = f"{scale * estimates[measure].value:.{1 if unit else 2}f}{unit}"
            decided = measure in apart and apart[measure].decided
            cells.append(f"**{value}**" if decided else value)
        return cells


def says(run: Learnt, start: Checkpoint) -> Say:
    """The variant from text alone, with the chain of the embedded voice."""
    like = Bundle.load(find_voice(DEFAULT_VOICE)).manifest
    checkpoint = replace(start, model=run.model, config=run.model.config)
    engine = TorchEngine(checkpoint, like, like.noise_schedule, (like.steps,))
    return text_to_speech(Synthesizer(engine, TextFrontEnd(like.dictionary)), ladder=WHOLE)


def listen(
    learnt: Sequence[Learnt],
    start: Checkpoint,
    corpus: Path,
    panel: JudgePanel,
    clip_ids: Sequence[str],
) -> Outcome:
    """Let the panel hear every variant say these sentences of the corpus."""
    systems: dict[str, Say] = {run.variant.name: says(run, start) for run in learnt}
    systems[RECORDINGS] = recordings
    quality = evaluate(
        systems,
        load_clips(corpus, clip_ids),
        panel,
        baseline=learnt[0].variant.name,
    )
    return Outcome(learnt, quality)


def write(outcome: Outcome, budget: TrainingConfig, command: str, out_dir: Path = RECORDS) -> Path:
    """Write the record, and its tables in Markdown beside it."""
    quality = outcome.quality
    found = {
        "heard": figures(quality),
        "cost": {
            run.variant.name: {
                "cpu_seconds_per_update": run.seconds / budget.updates,
                "weights": run.weights,
            }
            for run in outcome.learnt
        },
    }
    raw = samples(quality) | {
        "budget": to_dict(budget),
        "variants": {run.variant.name: asdict(run.variant) for run in outcome.learnt},
    }
    path = write_record("ablation", Measured(found, raw), command, out_dir)
    parts = [outcome.table(), markdown(quality)]
    path.with_suffix(".md").write_text("\n\n".join(parts), "utf-8")
    return path


def main(
    data: Annotated[Path, typer.Option(exists=True, help="Dataset from `dlpo prepare`.")],
    out: Annotated[Path, typer.Option(help="Directory of the runs; finished ones are kept.")],
    checkpoint: Annotated[Path, typer.Option(exists=True)] = Path("voices/lj/checkpoint"),
    corpus: Annotated[Path, typer.Option(exists=True)] = Path("../shared/data/ljspeech"),
    weights: Annotated[Path, typer.Option(help="Weights of the judges.")] = Path(
        "../shared/models"
    ),
    only: Annotated[list[str] | None, typer.Option(help="Names; all if left out.")] = None,
    updates: Annotated[int, typer.Option(min=1)] = 800,
    batch: Annotated[int, typer.Option(min=2)] = 8,
    window: Annotated[int, typer.Option(min=8, help="Frames.")] = 32,
    clips: Annotated[int, typer.Option(min=1, help="Validation sentences.")] = 10,
    record: Annotated[bool, typer.Option(help="Write a benchmark record.")] = False,
    learn_only: Annotated[bool, typer.Option(help="Teach, don't judge.")] = False,
) -> None:
    """Teach every variant with one budget and let judges compare."""
    names = [variant.name for variant in VARIANTS]
    if unknown := set(only or []) - set(names):
        raise typer.BadParameter(f"{sorted(unknown)}; expected some of {', '.join(names)}")
    budget = TrainingConfig(
        updates=updates, acoustic_updates=0, adversarial_updates=0, batch=batch, window=window,
        warmup=min(100, updates), decay_from=0.5, ema_decay=0.99,
    )  # fmt: skip
    chosen = [variant for variant in VARIANTS if not only or variant.name in only]
    torch.set_num_threads(1)
    try:
        start, dataset = load_checkpoint(checkpoint), Dataset(data)
        learnt = []
        for variant in chosen:
            learnt.append(learn(variant, start, dataset, budget, out / variant.name, _tell))
            typer.echo(f"{variant.name}: {learnt[-1].seconds:.0f} s", err=True)
        if not learn_only:
            _judge(learnt, start, budget, corpus, weights, clips, record)
    except DlpoError as error:
        typer.echo(f"research.ablation: {error}", err=True)
        raise typer.Exit(1) from error


def _judge(
    learnt: list[Learnt],
    start: Checkpoint,
    budget: TrainingConfig,
    corpus: Path,
    weights: Path,
    clips: int,
    record: bool,
) -> None:
    outcome = listen(learnt, start, corpus, load_panel(weights), VALIDATION_SPLIT[:clips])
    typer.echo(outcome.table())
    if record:
        command = shlex.join(["python", "-m", "research.ablation", *sys.argv[1:]])
        typer.echo(write(outcome, budget, command))


def _tell(update: int, loss: float) -> None:
    if update % 100 == 0:
        typer.echo(f"update {update}: loss {loss:.3f}", err=True)


if __name__ == "__main__":
    typer.run(main)
