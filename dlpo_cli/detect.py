"""Commands about the origin of audio files: detect and sign."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from dlpo.errors import DlpoError, InputError, UsageError


def register(app: typer.Typer) -> None:
    app.command()(detect)
    app.command()(sign)


def detect(
    files: Annotated[list[Path], typer.Argument(help="Audio files: WAV, FLAC, MP3, Ogg and more.")],
    mark_key: Annotated[
        Path | None,
        typer.Option(help="Look for the mark of the key in this file instead of dlpo's."),
    ] = None,
    speed: Annotated[
        bool,
        typer.Option(help="Where nothing is found, also try up to 8 % faster and slower."),
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON a file.")] = False,
) -> None:
    """Say whether dlpo spoke in audio files, by the mark in its noise.

    Exits with 0 if all files are marked, 1 if one isn't or is too short to say, 2 if one can't be
    read. A missing mark proves nothing; see docs/provenance.md.
    """
    from dlpo.mark import files as of_files
    from dlpo.mark import read_key

    try:
        key, code = read_key(mark_key), 0
    except InputError as error:
        raise UsageError(str(error)) from error  # 1 would say: not marked
    for file in files:
        try:
            found = of_files.detect(file, key=key, search_speed=speed)
            told: dict[str, Any] = {"file": str(file), **asdict(found)}
            code = max(code, 0 if found.marked else 1)
            shown = f"{file}: {found}"
        except DlpoError as error:
            code = 2
            told = {"file": str(file), "error": str(error)}
            shown = f"{file}: {error}"
        typer.echo(json.dumps(told) if as_json else shown, err="error" in told and not as_json)
    raise typer.Exit(code)


def sign(
    files: Annotated[list[Path], typer.Argument(help="WAV, MP3 or FLAC files.")],
    certificate: Annotated[
        Path, typer.Option(help="PEM file of your certificate and those up to its authority.")
    ],
    key: Annotated[Path, typer.Option(help="PEM file of its private key.")],
    algorithm: Annotated[
        str, typer.Option(help="es256, es384, es512, ps256, ps384, ps512 or ed25519.")
    ] = "es256",
    timestamps: Annotated[str, typer.Option(help="URL of a timestamp authority.")] = "",
) -> None:
    """Sign files with content credentials (C2PA) that say a trained model made them, in place."""
    from dlpo.mark.signed import sign_file

    for file in files:
        sign_file(file, certificate, key, algorithm, timestamps)
        typer.echo(file)
