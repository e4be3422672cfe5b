"""The command line page, generated from the commands themselves."""

from __future__ import annotations

import re
from typing import Any

import click
from typer.cli import get_docs_for_click
from typer.main import get_command

from dlpo_cli import app
from dlpo_cli.commands import OfFields

SERVE = "`dlpo serve`\n"


def document(command: Any) -> None:
    """Give the options of a command, and of those below it, their help."""
    if isinstance(command, OfFields):
        command.document()
    for below in getattr(command, "commands", {}).values():
        document(below)


def cli_reference() -> str:
    """Markdown: every command with its arguments and options, as shown by `--help`."""
    command = get_command(app)
    document(command)
    page = get_docs_for_click(obj=command, ctx=click.Context(command), name="dlpo")
    page = re.sub(r" ?\[default: ([^\]]+)\]", r" (default: `\1`)", page)
    page = page.replace("`dlpo`", "Command line", 1)
    head, serve, rest = page.partition(SERVE)
    if not serve:
        raise ValueError(f"{SERVE!r} is no heading any more; see scripts/site/cli_reference.py")
    usage, mark, after = rest.partition("\n## ")
    return f"{head}{serve}{usage}\nIts options: [server settings](settings.md).\n{mark}{after}"
