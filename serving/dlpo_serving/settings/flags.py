"""The server's flags: one for each setting, generated so that the two cannot drift apart."""

from __future__ import annotations

import argparse
import ast
import inspect
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo

from dlpo_serving.settings import server_settings
from dlpo_serving.settings.server_settings import ServerSettings

FLAG_NAMES = {"voices": "--voice"}  # given once for each voice


def settings_parser(prog: str) -> argparse.ArgumentParser:
    """A parser with a flag for every setting; what is not given is not in its result.

    Values stay text: the settings themselves check them, from wherever they come.
    """
    parser = argparse.ArgumentParser(
        prog,
        description="Stream speech over gRPC, and over HTTP if asked to, until SIGTERM or Ctrl-C.",
        epilog="Each setting may also stand in the TOML file of --config (max_streams = 8), and in"
        " the environment (DLPO_MAX_STREAMS=8). Flags go before the environment, that before the"
        " file.",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    texts = _docstrings()
    for name, field in ServerSettings.model_fields.items():
        _add(parser, name, field, texts[name])
    return parser


def flag_of(name: str) -> str:
    """The flag of a setting."""
    return FLAG_NAMES.get(name, "--" + name.replace("_", "-"))


def given_flags(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> dict[str, Any]:
    """Setting -> value, of the flags that were given. Exits with 2 at an unknown one."""
    return vars(parser.parse_args(arguments))


def _docstrings() -> dict[str, str]:
    """Setting -> the text below it. pydantic could read them too, at ten times the cost."""
    module = ast.parse(inspect.getsource(server_settings))
    classes = [node for node in module.body if isinstance(node, ast.ClassDef)]
    (body,) = [node.body for node in classes if node.name == ServerSettings.__name__]
    return {
        field.target.id: text.value.value
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def _add(parser: argparse.ArgumentParser, name: str, field: FieldInfo, text: str) -> None:
    text = text.replace("%", "%%")
    if field.default is not None and field.default != ():
        text += f" (default: {_shown(field.default)})"
    flag = flag_of(name)
    if field.annotation is bool:
        parser.add_argument(flag, dest=name, action=argparse.BooleanOptionalAction, help=text)
    elif get_origin(field.annotation) is tuple:
        parser.add_argument(flag, dest=name, action="append", metavar="VOICE", help=text)
    else:
        parser.add_argument(flag, dest=name, metavar=_metavar(name, field), help=text)


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return "yes" if default else "no"
    return ", ".join(map(str, default)) if isinstance(default, tuple) else str(default)


def _metavar(name: str, field: FieldInfo) -> str:
    choices = [value for value in _flat(field.annotation) if isinstance(value, str)]
    if choices:
        return "{" + ",".join(choices) + "}"
    kinds = [kind for kind in _flat(field.annotation) if isinstance(kind, type)]
    number = "SECONDS" if name.endswith("_s") else "NUMBER"
    return {int: "N", float: number, str: "TEXT"}.get(kinds[0], "PATH")


def _flat(annotation: Any) -> list[Any]:
    """The choices and types within Literal, Union and Annotated."""
    arguments = get_args(annotation)
    return [kind for inner in arguments for kind in _flat(inner)] if arguments else [annotation]
