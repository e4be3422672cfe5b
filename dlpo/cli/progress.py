"""Progress bars: on stderr, and only where someone is looking, so that output can be piped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlpo.cli.extras import needs

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn


def progress(*columns: str | ProgressColumn, disable: bool = False) -> Progress:
    """A bar of rich's with these columns, its own if none are given, gone when it is done."""
    with needs("train"):
        from rich.console import Console
        from rich.progress import Progress

    console = Console(stderr=True)
    disable = disable or not console.is_terminal
    return Progress(*columns, console=console, transient=True, disable=disable)
