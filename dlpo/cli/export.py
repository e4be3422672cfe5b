"""`dlpo export`: from a checkpoint to a bundle, and from a bundle to what a GPU or Triton wants."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from dlpo.cli.options import Dictionary, needs, read_dictionary
from dlpo.errors import InputError

if TYPE_CHECKING:
    from dlpo.bundle import Bundle
    from dlpo.judges.judge import Judge

_of_checkpoint, _of_bundle = (
    partial(typer.Option, rich_help_panel=panel)
    for panel in ("Of a checkpoint", "Of a checkpoint or a bundle")
)

_STEPS = [1, 2, 3, 4, 6]  # typer shows it as the default


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(export)


def export(
    source: Annotated[
        str, typer.Argument(help="Directory from `dlpo train`, or a bundle: its path or name.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Bundle to write: a directory, or a .dlpo file.")
    ] = None,
    steps: Annotated[
        list[int], _of_checkpoint(help="Reverse steps to offer; repeatable.")
    ] = _STEPS,
    default_steps: Annotated[int, _of_checkpoint(help="What speaks unasked.")] = 3,
    schedule: Annotated[str, _of_checkpoint(help="Name of the noise schedule.")] = "cosine",
    eta: Annotated[float, _of_checkpoint(min=0, max=1, help="0 = DDIM, 1 = ancestral.")] = 0.0,
    precision: Annotated[
        list[str] | None,
        _of_bundle(
            help="Of the denoisers; repeatable. fp32 is always made; fp16 and int8_symmetric are"
            " for GPUs, int8 for CPUs. Of a checkpoint fp32 and int8 if left out; of a bundle for"
            " which to build plans, one for --triton or --profile."
        ),
    ] = None,
    weight_bits: Annotated[int, _of_checkpoint(help="8, 16 or 32: that weights are kept in.")] = 16,
    opset: Annotated[int, _of_checkpoint(help="Of ONNX.")] = 20,
    voice: Annotated[
        list[str],
        _of_checkpoint(
            help="Name of the voice. Of a checkpoint with several NAME or NAME=VOICE, repeatable;"
            " all of its speakers if left out."
        ),
    ] = [],  # noqa: B006  typer shows it as the default
    gain: Annotated[float, _of_checkpoint(help="Loudness, a factor on the waveform.")] = 1.0,
    dictionary: Dictionary = None,
    judge: Annotated[
        bool,
        _of_checkpoint(
            "--judge", help="DistillMOS must hear no difference between graphs and checkpoint."
        ),
    ] = False,
    nisqa: Annotated[
        Path | None, _of_checkpoint(exists=True, help="Weights of NISQA, which judges too.")
    ] = None,
    tensorrt: Annotated[
        bool, _of_bundle("--tensorrt", help="Build TensorRT plans on this machine.")
    ] = False,
    check_tensorrt: Annotated[
        bool,
        _of_bundle(
            "--check-tensorrt",
            help="Try all that TensorRT is used for on this machine, and exit with 1 if it fails.",
        ),
    ] = False,
    triton: Annotated[Path | None, _of_bundle(help="Model repository for Triton to write.")] = None,
    profile: Annotated[
        Path | None,
        _of_bundle(help="Show where the time of the default denoiser goes; JSON file to write."),
    ] = None,
) -> None:
    """Turn a checkpoint into a bundle, and check that both say the same.

    The further options also take a bundle, so that a GPU machine needs no checkpoint.
    """
    from dlpo.bundle import MANIFEST, Bundle
    from dlpo_serving.voices import find_voice

    wanted: Any
    checkpoint = Path(source)
    if (checkpoint / "checkpoint.json").exists():
        if out is None:
            raise typer.BadParameter("--out is required", param_hint="--out")
        with needs("export"):
            from dlpo_export.options import ExportOptions
            from dlpo_export.pipeline import export_bundle

            wanted = tuple(precision or ("fp32", "int8"))  # ExportOptions checks them
            options = ExportOptions(
                steps=tuple(steps),
                default_steps=default_steps,
                schedule=schedule,
                eta=eta,
                precisions=wanted,
                weight_bits=weight_bits,
                opset=opset,
                voice=voice[0] if voice else "lj",
                voices=_voices(checkpoint, voice),
                gain=gain,
                dictionary=read_dictionary(dictionary) or {},
            )
            export_bundle(checkpoint, out, options, _judges(judge, nisqa))
        typer.echo(out)
        bundle = Bundle.load(out)
    else:
        if checkpoint.is_dir() and not (checkpoint / MANIFEST).exists():
            raise InputError(
                f"{source} is neither a checkpoint (no checkpoint.json) nor a bundle (no"
                f" {MANIFEST}); give a directory from `dlpo train` or `dlpo export`"
            )
        bundle = Bundle.load(find_voice(source))
        if not (tensorrt or check_tensorrt or triton or profile):
            raise typer.BadParameter(
                f"{source} is a bundle already; give --tensorrt, --check-tensorrt,"
                " --triton or --profile",
                param_hint="SOURCE",
            )
    if tensorrt and out is None:
        raise typer.BadParameter("--out is required", param_hint="--out")
    with needs("export"):
        if profile:
            _profile(bundle, profile, _only(precision))
        if triton:
            from dlpo_export.triton.repository import write_triton_repository

            plans = bool(bundle.manifest.plans)
            write_triton_repository(bundle, triton, _only(precision), tensorrt=plans)
            typer.echo(triton)
        if tensorrt and out is not None:
            from dlpo_export.tensorrt.options import TensorrtOptions
            from dlpo_export.tensorrt.plans import add_plans

            wanted = tuple(precision) if precision else None  # TensorrtOptions checks them
            add_plans(bundle, out, TensorrtOptions(precisions=wanted))
            typer.echo(out)
        if check_tensorrt:
            from dlpo_export.tensorrt.check import check_tensorrt as check
            from dlpo_serving.engines.tensorrt_engine import TensorrtEngine

            if not check(bundle, TensorrtEngine, typer.echo):
                raise typer.Exit(1)


def _voices(checkpoint: Path, wanted: list[str]) -> dict[str, str]:
    """What `--voice` names of a checkpoint with several voices."""
    from dlpo.checkpoint import load_checkpoint
    from dlpo.config import SpectralConfig

    if not wanted or not isinstance(load_checkpoint(checkpoint).config, SpectralConfig):
        return {}
    return {name: voice or name for name, _, voice in (entry.partition("=") for entry in wanted)}


def _judges(judge: bool, nisqa: Path | None) -> list[Judge]:
    if not (judge or nisqa):
        return []
    with needs("bench"):
        from dlpo.judges.distillmos import DistillMOS
        from dlpo.judges.nisqa import Nisqa

        return [DistillMOS(), *([Nisqa(nisqa)] if nisqa else [])]


def _only(precision: list[str] | None) -> Any:
    """The only precision asked for, which its user checks; None for the default."""
    return precision[0] if precision and len(precision) == 1 else None


def _profile(bundle: Bundle, out: Path, precision: Any) -> None:
    from dlpo_export.profile.measure import profile_graph

    graph = f"denoiser_{bundle.manifest.steps}"
    measured = profile_graph(bundle, graph, precision or bundle.manifest.precision, out)
    Console().print(measured.table())
    typer.echo(out)
