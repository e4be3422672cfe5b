"""The command health: whether a server takes calls, as an exit code."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dlpo.cli.options import needs


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(health)


def health(
    server: Annotated[
        str | None,
        typer.Argument(
            metavar="[HOST:PORT]",
            help="Of a `dlpo serve`; if left out, the one on this machine that the DLPO_ variables"
            " and their DLPO_CONFIG describe.",
        ),
    ] = None,
    service: Annotated[
        str,
        typer.Option(
            help="dlpo.v1.SpeechService, nvidia.riva.tts.RivaSpeechSynthesis, or liveness for the"
            " process; all of it if left out."
        ),
    ] = "",
    tls: Annotated[bool, typer.Option("--tls", help="Ask encrypted.")] = False,
    ca: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="PEM file of who to trust; implies --tls."),
    ] = None,
    token: Annotated[
        str | None, typer.Option(envvar="DLPO_TOKEN", help="Where health wants one, too.")
    ] = None,
    timeout_s: Annotated[
        float, typer.Option("--timeout", min=0.01, help="Seconds that it may take to answer.")
    ] = 2.0,
) -> None:
    """Ask a server over grpc.health.v1 whether it takes calls: exit code 0 if so, else 1."""
    with needs("serve"):
        from dlpo_serving.client.connection import Connection, Tls
        from dlpo_serving.client.health import address_of, check_health
        from dlpo_serving.settings.sources import read_settings

    address = address_of(read_settings([])) if server is None else server
    check_health(Connection(address, Tls(ca) if tls or ca else None, token), service, timeout_s)
    typer.echo(f"{address} says SERVING")
