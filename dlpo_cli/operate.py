"""Commands about a machine and its server: doctor, health, keys."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from dlpo.bundle import DEFAULT_VOICE
from dlpo.errors import InputError, needs, reading
from dlpo.judges import SOURCES, WEIGHTS, JudgesFolder
from dlpo.nvidia import Finding
from dlpo_cli.commands import OfFields, of_fields
from dlpo_cli.options import Ca, Encrypted, Token, connection_to, is_quiet

PLAYER = "audio player"
_STYLES = {"ok": "green", "absent": "dim", "problem": "bold red"}
KeysFile = Annotated[
    Path, typer.Option("--file", "-f", help="The server's --keys-file; created if missing.")
]
UNKNOWN = (18, 19, 20)  # of OpenSSL's codes: an authority that isn't trusted


def register(app: typer.Typer) -> None:
    app.command()(health)
    app.command(cls=OfFields)(of_fields(doctor))
    app.command()(mcp)
    keys = typer.Typer(help="Create and list a server's API keys.", no_args_is_help=True)
    keys.command()(new)
    keys.command("list")(list_keys)
    keys.command()(usage)
    app.add_typer(keys, name="keys")


def mcp(
    folder: Annotated[
        Path, typer.Option(help="Where files are written, if the agent asks for one.")
    ] = Path(),
) -> None:
    """Let a coding agent speak: an MCP server on standard input and output."""
    from dlpo_serving.local.mcp_tools import mcp_server

    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}; create it first")
    mcp_server(folder).run()


def health(
    server: Annotated[
        str | None,
        typer.Argument(
            metavar="[HOST:PORT]",
            help="Address of a `dlpo serve`; by default, the one on this machine that the DLPO_"
            " variables and DLPO_CONFIG configure.",
        ),
    ] = None,
    service: Annotated[
        str,
        typer.Option(
            help="dlpo.v1.SpeechService, nvidia.riva.tts.RivaSpeechSynthesis, or liveness for the"
            " process; by default, the whole server."
        ),
    ] = "",
    tls: Encrypted = False,
    ca: Ca = None,
    token: Token = None,
    timeout_s: Annotated[
        float, typer.Option("--timeout", min=0.01, help="Seconds to wait for an answer.")
    ] = 2.0,
) -> None:
    """Ask a server over grpc.health.v1 whether it accepts calls; exit with 0 if so, 1 if not."""
    with needs("serve"):
        from dlpo_serving.client.connection import check_health
        from dlpo_serving.settings.server_settings import health_address
        from dlpo_serving.settings.sources import read_settings

    address = health_address(read_settings([])) if server is None else server
    check_health(connection_to(address, tls, ca, token), service, timeout_s)
    typer.echo(f"{address} says SERVING")


def new(
    caller: Annotated[str, typer.Argument(help="Owner of the key; appears in the server's logs.")],
    file: KeysFile = Path("keys.toml"),
) -> None:
    """Create a key and print it once; the file holds only its hash. Running servers reload it."""
    from dlpo_serving.operations.keys import new_key, read_keys

    typer.echo(new_key(file, caller))
    count = sum(key.caller == caller for key in read_keys(file).key)
    if count > 1:
        told = f"{caller} now has {count} keys; to rotate, delete the old one from {file}"
        typer.echo(told, err=True)


def list_keys(file: KeysFile = Path("keys.toml")) -> None:
    """List callers, how many keys each has, and their quotas. Also checks the file."""
    from dlpo_serving.operations.keys import Quota, read_keys

    keys = read_keys(file)
    for caller, count in sorted(Counter(key.caller for key in keys.key).items()):
        quota = keys.quota.get(caller, Quota())
        limits = {
            "streams": quota.max_streams,
            "characters a minute": quota.characters_per_minute,
            "s of audio a minute": quota.audio_s_per_minute,
        }
        quotas = [f"{limit:g} {what}" for what, limit in limits.items() if limit is not None]
        keys_of = "1 key" if count == 1 else f"{count} keys"
        typer.echo(f"{caller}: {keys_of}, {', '.join(quotas) or 'no limits'}")


def usage(
    server: Annotated[
        str, typer.Argument(help="URL of the server's HTTP port, such as http://127.0.0.1:8080.")
    ],
    ca: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="PEM file of trusted CAs.")
    ] = None,
) -> None:
    """Print what each caller has used since the server started: characters, seconds of audio.

    For bills over longer times let Prometheus add up dlpo_key_characters_total and
    dlpo_key_audio_seconds_total, which restart at 0 with the server.
    """
    import ssl
    import urllib.request

    with needs("serve"):
        from prometheus_client.parser import text_string_to_metric_families

    where = f"{server.rstrip('/')}/metrics"
    if not where.startswith(("http://", "https://")):
        raise InputError(f"server is {server!r}; expected a URL such as http://127.0.0.1:8080")
    trusted = ssl.create_default_context()
    if ca:
        with reading(ca, "certificates in PEM", InputError):
            trusted = ssl.create_default_context(cafile=ca)
    try:
        with urllib.request.urlopen(where, timeout=10, context=trusted) as reply:
            page = reply.read().decode()
    except OSError as error:
        reason = getattr(error, "reason", None)
        unknown = isinstance(reason, ssl.SSLCertVerificationError) and reason.verify_code in UNKNOWN
        advice = "name its authority with --ca" if unknown else "is it a server's HTTP port?"
        raise InputError(f"{where} can't be read ({error}); {advice}") from error
    used: dict[str, dict[str, float]] = defaultdict(dict)
    for family in text_string_to_metric_families(page):
        if family.name in ("dlpo_key_characters", "dlpo_key_audio_seconds"):
            for sample in family.samples:
                if sample.name.endswith("_total"):
                    used[sample.labels["caller"]][family.name] = sample.value
    for caller, figures in sorted(used.items()):
        characters = figures.get("dlpo_key_characters", 0.0)
        audio_s = figures.get("dlpo_key_audio_seconds", 0.0)
        typer.echo(f"{caller}: {characters:.0f} characters, {audio_s:.1f} s of audio")
    if not used:
        typer.echo("no caller with a key has spoken since the server started")


def doctor(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Also show optional things that are absent.")
    ] = False,
    voice: Annotated[
        str, typer.Option(help="Voice name or bundle path to test the engines with.")
    ] = DEFAULT_VOICE,
    judges: JudgesFolder,
) -> None:
    """Check whether speech works on this machine, what is installed, and how to fix the rest.

    Exits with 0 if an engine speaks, 1 if none does.
    """
    from dlpo_serving.local import doctor as local

    if not (as_json or is_quiet()):
        typer.echo("trying every engine ...", err=True)
    about = local.versions()
    found = {
        "packages": list(local.look_at_packages()),
        "machine": list(local.look_at_machine()),
        "engines": list(local.try_engines(voice)),
        "surroundings": [*local.look_around(), *local.look_at_mark(voice)],
        "judges": list(_judges(judges.weights)),
    }
    speaks = any(one.state == "ok" for one in found["engines"])
    if as_json:
        sections = {name: [asdict(one) for one in ones] for name, ones in found.items()}
        typer.echo(json.dumps({"speaks": speaks, "versions": about, **sections}, indent=2))
    else:
        _conclude(found)
        typer.echo(f"dlpo {about['dlpo']}, Python {about['python']}, {about['system']}")
        typer.echo(", ".join(f"{name} {version}" for name, version in [*about.items()][3:]))
        for section, ones in found.items():
            _show(section, [one for one in ones if everything or _matters(one)])
        absent = sum(not _matters(one) for ones in found.values() for one in ones)
        if absent and not everything:
            typer.echo(f"\n{absent} optional things are absent; to list them: dlpo doctor --all")
    raise typer.Exit(0 if speaks else 1)


def _matters(finding: Finding) -> bool:
    """Whether to show it without --all: all but absent things, and the player even if absent."""
    return finding.state != "absent" or finding.subject == PLAYER


def _judges(folder: Path) -> Iterator[Finding]:
    for judge, name in WEIGHTS.items():
        if (folder / name).is_file():
            yield Finding(judge, "ok", str(folder / name))
        else:
            remedy = f"get it from {SOURCES[name]}, then run dlpo doctor --weights FOLDER"
            yield Finding(judge, "absent", f"no {name} in {folder}", remedy)


def _show(section: str, findings: Iterable[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(width=7)
    table.add_column(width=22)
    table.add_column(overflow="fold")
    for one in findings:
        detail = f"{one.detail}\n-> {one.remedy}" if one.remedy else one.detail
        # As Text, because paths and messages may look like markup.
        table.add_row(Text(one.state, _STYLES[one.state]), Text(one.subject), Text(detail))
    if table.rows:
        console = Console(highlight=False)
        console.print(f"\n{section}", style="bold")
        console.print(table)


def _conclude(found: Mapping[str, list[Finding]]) -> None:
    speaking = [one for one in found["engines"] if one.state == "ok"]
    best = min(speaking, key=lambda one: one.detail, default=None)  # "RTF 0.021, ..."
    typer.echo(f"speech works: {best.subject}, {best.detail}" if best else "no engine speaks")
    for one in (one for ones in found.values() for one in ones if one.state == "problem"):
        typer.echo(f"  {one.subject}: {one.detail}" + (f" -> {one.remedy}" if one.remedy else ""))
    typer.echo()
