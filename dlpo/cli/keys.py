"""Commands about the keys of a server: keys new, list."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

KeysFile = Annotated[
    Path, typer.Option("--file", "-f", help="The server's --keys-file; made if it is not there.")
]


def register(app: typer.Typer) -> None:
    """Add the group `keys`."""
    group = typer.Typer(help="Make and list the keys that a server lets in.", no_args_is_help=True)
    group.command()(new)
    group.command("list")(list_keys)
    app.add_typer(group, name="keys")


def new(
    caller: Annotated[str, typer.Argument(help="Who is to have it; shows in the server's logs.")],
    file: KeysFile = Path("keys.toml"),
) -> None:
    """Make a key and print it, once: the file holds its hash only. A running server takes it."""
    from dlpo_serving.operations.keys import new_key

    typer.echo(new_key(file, caller))


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
        typer.echo(f"{caller}: {count} keys, {', '.join(quotas) or 'no limits'}")
