"""KEY=VALUE settings of a command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import typer


def parse_settings(settings: Sequence[str]) -> dict[str, Any]:
    """``["batch=8", "precision=no"]`` -> {"batch": 8, "precision": "no"}.

    Raises:
        typer.BadParameter: one is not KEY=VALUE.
    """
    values = {}
    for setting in settings:
        key, separator, value = setting.partition("=")
        if not separator:
            raise typer.BadParameter(f"{setting!r} is not KEY=VALUE", param_hint="--set")
        try:
            values[key] = json.loads(value)
        except json.JSONDecodeError:
            values[key] = value
    return values
