"""Commands about bundles: voices list, show, verify, pack, unpack. None of them needs torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlpo.errors import BundleError, DlpoError, InputError

if TYPE_CHECKING:
    from rich.table import Table

    from dlpo.bundle import Bundle, Manifest, TensorInfo

Voice = Annotated[str, typer.Argument(metavar="NAME|PATH", help="Name of a voice, or a bundle.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


def register(app: typer.Typer) -> None:
    """Add the group `voices`; without a command it lists."""
    group = typer.Typer()
    group.callback(invoke_without_command=True)(voices)
    group.command("list")(list_voices)
    for command in (show, verify, pack, unpack):
        group.command()(command)
    app.add_typer(group, name="voices")


def voices(context: typer.Context) -> None:
    """List, show, verify, pack and unpack voices."""
    if context.invoked_subcommand is None:
        list_voices()


def list_voices(as_json: AsJson = False) -> None:
    """List the voices that come with dlpo: their paths and features."""
    from dlpo_serving.voices import find_voice, known_voices

    rows = [_summary(name, find_voice(name)) for name in known_voices()]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    table = _table("name", "steps", "precisions", "size", "scores", "path")
    for row in rows:
        if "error" in row:
            table.add_row(row["name"], "", "", "", row["error"], row["path"])
            continue
        steps = ", ".join(map(str, row["steps"]))
        table.add_row(
            row["name"],
            f"{row['default_steps']} of {steps}",
            ", ".join(row["precisions"]),
            _size(row["bytes"]),
            _scores(row["scores"]),
            row["path"],
        )
    _print(table)


def show(voice: Voice, as_json: AsJson = False) -> None:
    """Show a bundle's manifest, after checking the bundle."""
    from dlpo.bundle import MANIFEST

    bundle = _load(voice)
    if as_json:
        typer.echo((bundle.directory / MANIFEST).read_text(encoding="utf-8"), nl=False)
        return
    _print(_about(bundle), _graphs(bundle.manifest), *_plans(bundle.manifest))


def verify(
    voices: Annotated[list[str], typer.Argument(metavar="PATH...", help="Bundles, or names.")],
) -> None:
    """Check every name, size and sha256 of bundles; exit code 1 if one is not sound."""
    sound = True
    for voice in voices:
        try:
            bundle = _load(voice)
        except DlpoError as error:
            typer.echo(f"{voice}: {error}", err=True)
            sound = False
        else:
            files = bundle.manifest.files
            size = _size(sum(info.bytes for info in files.values()))
            typer.echo(f"{voice}: sound, {len(files)} files, {size}, sha256 {bundle.sha256}")
    if not sound:
        raise typer.Exit(1)


def pack(
    voice: Voice,
    out: Annotated[Path, typer.Argument(metavar="OUT.dlpo", help="File to write.")],
) -> None:
    """Put a bundle's directory into one file, byte for byte."""
    from dlpo.bundle import Bundle, copy_bundle
    from dlpo_serving.voices import find_voice

    path = find_voice(voice)
    if not path.is_dir():
        raise InputError(f"{voice} is one file already; give a bundle's directory, or a name")
    if out.suffix != ".dlpo":
        raise InputError(f"{out}: expected a name that ends in .dlpo")
    typer.echo(copy_bundle(Bundle.load(path), out))


def unpack(
    file: Annotated[Path, typer.Argument(metavar="FILE.dlpo", help="Bundle, as a file.")],
    out: Annotated[Path, typer.Argument(metavar="DIR", help="Directory to write.")],
) -> None:
    """Unfold a .dlpo file into a directory, byte for byte."""
    from dlpo.bundle import Bundle, copy_bundle

    if not file.is_file():
        raise InputError(f"{file} is not a file; give a .dlpo file")
    if out.suffix == ".dlpo":
        raise InputError(f"{out}: a name that ends in .dlpo is a file's; give a directory")
    typer.echo(copy_bundle(Bundle.load(file), out))


def _load(voice: str) -> Bundle:
    from dlpo.bundle import Bundle
    from dlpo_serving.voices import find_voice

    return Bundle.load(find_voice(voice))


def _summary(name: str, path: Path) -> dict[str, Any]:
    from dlpo.bundle import Bundle

    try:
        manifest = Bundle.load(path).manifest
    except BundleError as error:  # the others are still of use
        return {"name": name, "path": str(path), "error": str(error)}
    return {
        "name": name,
        "path": str(path),
        "steps": manifest.available_steps,
        "default_steps": manifest.steps,
        "precisions": _precisions(manifest),
        "bytes": sum(info.bytes for info in manifest.files.values()),
        "scores": manifest.scores,
    }


def _precisions(manifest: Manifest) -> list[str]:
    """What the denoiser of the default number of steps is there in."""
    return list(manifest.graphs[f"denoiser_{manifest.steps}"].files)


def _about(bundle: Bundle) -> Table:
    manifest = bundle.manifest
    steps = ", ".join(map(str, manifest.available_steps))
    schedule, prosody, checkpoint = manifest.noise_schedule, manifest.prosody, manifest.checkpoint
    frames_a_second = manifest.sample_rate_hz / manifest.hop_length
    size = sum(info.bytes for info in manifest.files.values())
    rows = {
        "voice": f"{manifest.voice}, {manifest.language}",
        "voices": ", ".join(manifest.offered_voices),
        "sha256": bundle.sha256,
        "size": f"{_size(size)} in {len(manifest.files)} files",
        "steps": f"{manifest.steps} of {steps}",
        "precisions": f"{', '.join(_precisions(manifest))}; {manifest.precision} on a CPU",
        "noise schedule": f"{schedule.name}, eta {schedule.eta:g}",
        "rate": f"{manifest.sample_rate_hz} Hz, {frames_a_second:g} frames a second",
        "speed": "{:g} to {:g}".format(*prosody.speed),
        "pitch": "{:+g} to {:+g} semitones".format(*prosody.pitch_semitones),
        "gain": f"{manifest.gain:g}",
        "dictionary": f"{len(manifest.dictionary)} words",
        "scores": _scores(manifest.scores) or "not measured",
        "corpus": manifest.corpus,
        "licence": manifest.licence,
        "weights": f"{checkpoint.updates} updates, commit {checkpoint.commit or 'unknown'}",
    }
    table = _table("", "", box=None, show_header=False)
    for key, value in rows.items():
        table.add_row(key, value)
    return table


def _graphs(manifest: Manifest) -> Table:
    table = _table("graph", "files", "inputs", "outputs")
    for name, graph in manifest.graphs.items():
        files = (
            f"{precision} {file} {_size(manifest.files[file].bytes)}"
            for precision, file in graph.files.items()
        )
        table.add_row(
            name,
            "\n".join(files),
            "\n".join(map(_tensor, graph.inputs)),
            "\n".join(map(_tensor, graph.outputs)),
        )
    return table


def _plans(manifest: Manifest) -> list[Table]:
    """A table of the TensorRT engines, if there is one."""
    if not manifest.plans:
        return []
    table = _table("plan of", "precision", "file", "GPU", "TensorRT", "windows")
    also_on = {
        "same": "",
        "compute_capability": " or the same capability",
        "ampere_plus": " or Ampere and newer",
    }
    for plan in manifest.plans:
        gpu = f"{plan.gpu} ({plan.compute_capability}){also_on[plan.runs_on]}"
        tensorrt = plan.tensorrt + (" and later" * plan.version_compatible)
        windows = f"{', '.join(map(str, plan.frames))} frames, {max(plan.batch)} at once"
        table.add_row(plan.graph, plan.precision, plan.file, gpu, tensorrt, windows)
    return [table]


def _tensor(tensor: TensorInfo) -> str:
    dtype = "" if tensor.dtype == "float32" else f" {tensor.dtype}"
    return f"{tensor.name}{dtype} ({', '.join(map(str, tensor.shape))})"


def _scores(scores: dict[str, float]) -> str:
    return ", ".join(f"{measure} {value:.4g}" for measure, value in scores.items())


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"


def _table(*columns: str, **style: Any) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(**({"box": SIMPLE_HEAD} | style))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _print(*tables: Table) -> None:
    from rich.console import Console

    # Names come from files: markup and highlighting are not for them.
    console = Console(markup=False, highlight=False, emoji=False)
    for table in tables:
        console.print(table)
