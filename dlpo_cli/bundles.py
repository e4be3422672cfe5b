"""Commands about bundles: export; voices list, show, verify, pack, unpack, without torch."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from dlpo.bundle import MANIFEST, Bundle, Manifest, copy_bundle, write_bundle
from dlpo.errors import BundleError, DlpoError, InputError, needs
from dlpo.repository import NAMED, checkpoint_at
from dlpo.text.common.dictionary_file import read_dictionary
from dlpo_cli.commands import Given, OfFields, of_fields
from dlpo_cli.options import Dictionary
from dlpo_export.options import ExportOptions, OfBoth, OfCheckpoint
from dlpo_export.tensorrt.options import TensorrtOptions
from dlpo_serving.voices import find_voice, known_voices, open_voice
from dlpo_serving.voices.names import AboutVoice, about_voices
from dlpo_serving.voices.synthesizer import Synthesizer

Voice = Annotated[str, typer.Argument(metavar="NAME|PATH", help="Voice name or bundle path.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_log = logging.getLogger(__name__)
_of_checkpoint, _of_bundle = (
    partial(typer.Option, rich_help_panel=flag.panel) for flag in (OfCheckpoint, OfBoth)
)


def register(app: typer.Typer) -> None:
    """Add `export` and the group `voices`, which lists without a command."""
    app.command(cls=OfFields)(of_fields(export))
    group = typer.Typer()
    group.callback(invoke_without_command=True)(voices)
    group.command("list")(list_voices)
    for command in (show, verify, pack, unpack):
        group.command()(command)
    app.add_typer(group, name="voices")


def export(
    *,
    source: Annotated[
        str, typer.Argument(help="Checkpoint from `dlpo train`, a bundle's path or name, or mini.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Bundle to write: a directory or a .dlpo file; of mini, mini.dlpo."),
    ] = None,
    options: Annotated[dict[str, Any], Given(ExportOptions)],
    loudness: Annotated[
        float | None,
        _of_checkpoint(
            min=-40,
            max=-16,
            help="Loudness of the first voice in LUFS, such as -22, measured on twenty English"
            " sentences; instead of --gain. Needs the extra bench.",
        ),
    ] = None,
    dictionary: Dictionary = None,
    plans: Annotated[dict[str, Any], Given(TensorrtOptions)],
    tensorrt: Annotated[
        bool, _of_bundle("--tensorrt", help="Build TensorRT plans on this machine.")
    ] = False,
    measure_mark: Annotated[
        bool,
        _of_bundle(
            "--measure-mark",
            help="Measure whether its speech carries dlpo's mark, and write that into it; done for"
            " every checkpoint. Bundles from before 1.2 lack it.",
        ),
    ] = False,
    check_tensorrt: Annotated[
        bool,
        _of_bundle(
            "--check-tensorrt",
            help="Test every use of TensorRT on this machine; exit with 1 if one fails.",
        ),
    ] = False,
) -> None:
    """Export a checkpoint as a bundle and check the bundle against it.

    --precision and the TensorRT options also take a bundle, so a GPU machine needs no checkpoint.
    """
    named = source if source in NAMED else None
    source = str(checkpoint_at(Path(source)))
    if named and is_checkpoint(source):
        out = out or Path(f"{named}.dlpo")
    if out is None and (tensorrt or is_checkpoint(source)):
        raise typer.BadParameter("--out is required", param_hint="--out")
    made = out or Path()  # of which nothing is made without --out
    if is_checkpoint(source):
        if "gain" in options and loudness is not None:
            raise typer.BadParameter("give --gain or --loudness", param_hint="--loudness")
        options["dictionary"] = read_dictionary(dictionary)
        if named:
            options.setdefault("voices", {named: ""})
        bundle = _exported(Path(source), made, loudness, options)
    else:
        bundle = _bundle_for_plans(source, tensorrt or check_tensorrt or measure_mark)
    if measure_mark and not is_checkpoint(source):
        _measure_mark(find_voice(source), out or find_voice(source))
    if tensorrt:
        _build_plans(bundle, made, plans)
    if check_tensorrt:
        _check_tensorrt(bundle)


def _exported(source: Path, out: Path, loudness: float | None, given: dict[str, Any]) -> Bundle:
    """The bundle of a checkpoint.

    Args:
        loudness: of the first voice in LUFS; None: as the gain makes it.
        given: of `ExportOptions`; chain and precisions are otherwise the checkpoint's own.
    """
    with needs("export"):
        from dlpo.checkpoint import load_checkpoint
        from dlpo.config.models import SpectralConfig
        from dlpo_export.options import usual_precisions
        from dlpo_export.pipeline import export_bundle

        checkpoint = load_checkpoint(source)
        config, (schedule, steps, eta) = checkpoint.config, checkpoint.provenance.chain
    first = next(iter(given.get("voices", {"lj": ""})))
    usual: dict[str, Any] = {
        "steps": (steps,), "default_steps": steps, "schedule": schedule, "eta": eta,
        "precisions": usual_precisions(config), "voice": first,
    }  # fmt: skip
    given["languages"] = {
        first if name == language else name: language
        for name, language in given.get("languages", {}).items()
    }
    if not isinstance(config, SpectralConfig):
        given["voices"] = {}
    options = ExportOptions(**usual | given)
    measured_gain = None if loudness is None else _gain_meter(loudness)
    export_bundle(source, out, options)
    if measured_gain is not None:
        bundle, gain = Bundle.load(out), measured_gain(open_voice(out.resolve()))
        write_bundle(out, replace(bundle.manifest, gain=gain), bundle.directory)
    _measure_mark(out, out)
    typer.echo(out)
    return Bundle.load(out)


def _measure_mark(source: Path, out: Path) -> None:
    """Write the bundle to `out` with how well its speech carries the mark."""
    from dlpo_serving.mark_strength import mark_strengths

    bundle = Bundle.load(source)
    manifest = replace(bundle.manifest, mark=mark_strengths(source))
    write_bundle(out, manifest, bundle.directory)
    for steps, z in manifest.mark.items():
        if manifest.carries_mark(int(steps)):
            _log.info("in %s steps its mark is found at z %g", steps, z)
        else:
            _log.warning("in %s steps it is unmarked: the mark is found at z %g only", steps, z)


def _gain_meter(lufs: float) -> Callable[[Synthesizer], float]:
    with needs("bench"):
        from dlpo_bench.loudness import gain_for
    return partial(gain_for, lufs=lufs)


def is_checkpoint(source: str) -> bool:
    return (Path(source) / "checkpoint.json").exists()


def _bundle_for_plans(source: str, has_use: bool) -> Bundle:
    """The bundle of `dlpo export BUNDLE`, of which only TensorRT makes something."""
    path = Path(source)
    if path.is_dir() and not (path / MANIFEST).exists():
        raise InputError(
            f"{source} is neither a checkpoint (no checkpoint.json) nor a bundle (no"
            f" {MANIFEST}); give a directory from `dlpo train` or `dlpo export`"
        )
    bundle = Bundle.load(find_voice(source))
    if not has_use:
        raise typer.BadParameter(
            f"{source} is a bundle already; give --tensorrt, --check-tensorrt or --measure-mark",
            param_hint="SOURCE",
        )
    return bundle


def _build_plans(bundle: Bundle, out: Path, given: Mapping[str, Any]) -> None:
    with needs("export"):
        from dlpo_export.tensorrt.plans import add_plans

    add_plans(bundle, out, TensorrtOptions(**given))  # which checks them
    typer.echo(out)


def _check_tensorrt(bundle: Bundle) -> None:
    with needs("export"):
        from dlpo_export.tensorrt.check import check_tensorrt as check
        from dlpo_serving.engines.tensorrt_engine import TensorrtEngine

    if not check(bundle, TensorrtEngine, typer.echo):
        raise typer.Exit(1)


def voices(context: typer.Context) -> None:
    """List, show, verify, pack and unpack voices."""
    if context.invoked_subcommand is None:
        list_voices()


def list_voices(as_json: AsJson = False) -> None:
    """List the voices that come with dlpo: language, speaker, how they sound, their teachers."""
    about = about_voices()
    rows = [_summary(name, find_voice(name), about.get(name)) for name in known_voices()]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    table = _table("name", "language", "speaker", "sounds", "from")
    for row in rows:
        sounds = row.get("error") or row["sounds"] or _scores(row["scores"])
        table.add_row(row["name"], row.get("language"), row["speaker"], sounds, row["from"])
    _print(table)


def show(voice: Voice, as_json: AsJson = False) -> None:
    """Verify a bundle and show its manifest."""
    bundle = Bundle.load(find_voice(voice))
    if as_json:
        typer.echo((bundle.directory / MANIFEST).read_text(encoding="utf-8"), nl=False)
        return
    _print(_about(bundle, voice))


def verify(
    voices: Annotated[list[str], typer.Argument(metavar="PATH...", help="Bundle paths or names.")],
) -> None:
    """Check every name, size and sha256 in bundles; exit with 1 if one is damaged."""
    sound = True
    for voice in voices:
        try:
            bundle = Bundle.load(find_voice(voice))
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
    """Pack a bundle directory into one file, byte for byte."""
    path = find_voice(voice)
    if not path.is_dir():
        raise InputError(f"{voice} is already a single file; give a bundle directory or voice name")
    if out.suffix != ".dlpo":
        raise InputError(f"{out}: expected a name ending in .dlpo")
    typer.echo(copy_bundle(Bundle.load(path), out))


def unpack(
    file: Annotated[Path, typer.Argument(metavar="FILE.dlpo", help="Bundle file.")],
    out: Annotated[Path, typer.Argument(metavar="DIR", help="Directory to write.")],
) -> None:
    """Unpack a .dlpo file into a directory, byte for byte."""
    if not file.is_file():
        raise InputError(f"{file} is not a file; give a .dlpo file")
    if out.suffix == ".dlpo":
        raise InputError(f"{out}: expected a directory; names ending in .dlpo are files")
    typer.echo(copy_bundle(Bundle.load(file), out))


def _summary(name: str, path: Path, about: AboutVoice | None) -> dict[str, Any]:
    heard = about or AboutVoice("", "", "")
    known = {"speaker": heard.speaker, "sounds": heard.sounds, "from": heard.origin}
    try:
        manifest = Bundle.load(path).manifest
    except BundleError as error:  # the others are still of use
        return {"name": name, **known, "path": str(path), "error": str(error)}
    return {
        "name": name,
        **known,
        "path": str(path),
        "language": manifest.language_of(name),
        "steps": manifest.available_steps,
        "default_steps": manifest.steps,
        "precisions": _precisions(manifest),
        "bytes": sum(info.bytes for info in manifest.files.values()),
        "scores": manifest.scores,
    }


def _precisions(manifest: Manifest) -> list[str]:
    """Precisions of the denoiser with the default number of steps."""
    return list(manifest.graphs[f"denoiser_{manifest.steps}"].files)


def _about(bundle: Bundle, asked: str) -> Table:
    manifest = bundle.manifest
    name = asked if asked in manifest.offered_voices else manifest.voice
    known = name, manifest.language, about_voices().get(name)
    steps = ", ".join(map(str, manifest.available_steps))
    schedule = manifest.noise_schedule
    prosody = manifest.prosody
    checkpoint = manifest.checkpoint
    frames_a_second = manifest.grid.frames_per_s
    size = sum(info.bytes for info in manifest.files.values())
    rows = {
        "voice": ", ".join(map(str, filter(None, known))),
        "voices": ", ".join(manifest.offered_voices),
        "size": f"{_size(size)} in {len(manifest.files)} files",
        "steps": f"{manifest.steps} of {steps}",
        "precisions": f"{', '.join(_precisions(manifest))}; {manifest.precision} on a CPU",
        "plans": "\n".join(
            f"{plan.file}: {plan.gpu} ({plan.compute_capability}), TensorRT {plan.tensorrt}"
            for plan in manifest.plans
        ),
        "noise schedule": f"{schedule.name}, eta {schedule.eta:g}",
        "rate": f"{manifest.sample_rate_hz} Hz, {frames_a_second:g} frames per second",
        "speed": "{:g} to {:g}".format(*prosody.speed),
        "pitch": "{:+g} to {:+g} semitones".format(*prosody.pitch_semitones),
        "gain": f"{manifest.gain:g}",
        "dictionary": f"{len(manifest.dictionary)} words",
        "scores": _scores(manifest.scores),
        "corpus": manifest.corpus,
        "licence": manifest.licence,
        "weights": f"{checkpoint.updates} updates, commit {checkpoint.commit or 'unknown'}",
        "path": str(bundle.directory),
        "sha256": bundle.sha256,
    }
    table = _table("", "", box=None, show_header=False)
    for key, value in rows.items():
        if value:
            table.add_row(key, value)
    return table


def _scores(scores: dict[str, float]) -> str:
    return ", ".join(f"{measure} {value:.4g}" for measure, value in scores.items())


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"


def _table(*columns: str, **style: Any) -> Table:
    table = Table(**({"box": SIMPLE_HEAD} | style))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _print(table: Table) -> None:
    # Names come from files, so markup in them is not interpreted.
    Console(markup=False, highlight=False, emoji=False).print(table)
