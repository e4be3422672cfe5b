"""Settings from flags, environment variables and a TOML file, in this order of precedence.

Only the entry points of a process import this module, since it imports pydantic-settings, which is
slow.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import inspect
import os
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from dlpo.errors import ConfigError
from dlpo_serving.operations.files import read_toml
from dlpo_serving.settings import server_settings
from dlpo_serving.settings.server_settings import PANELS, PREFIX, USUAL, ServerSettings, flag_of


def read_settings(
    arguments: Sequence[str] | None = None, prog: str = "dlpo serve"
) -> ServerSettings:
    """The settings of this process.

    Args:
        arguments: of the command line; those of the process if None. `--help`, an unknown flag or
            an invalid value ends the process as argparse does, with exit code 2 for an error.
        prog: name of the command, for the help.

    Raises:
        ConfigError: the environment or the file has an unknown key, or a value out of range.
    """
    parser = settings_parser(prog)
    flags = vars(parser.parse_args(sys.argv[1:] if arguments is None else arguments))
    path = flags.get("config") or os.environ.get(f"{PREFIX}CONFIG")
    _check_file(path)
    try:
        values = _Sources(**flags)
    except ValidationError as error:
        details = error.errors(include_url=False)
        message = "; ".join(_described(detail, flags, path) for detail in details)
        if all(detail["loc"] and detail["loc"][0] in flags for detail in details):
            parser.error(message)
        raise ConfigError(message) from error
    return ServerSettings.model_construct(**dict(values))


class _Sources(ServerSettings, BaseSettings):
    """`ServerSettings` read from all sources; constructed with the flags."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        enable_decoding=False,  # a list is written a,b, not as JSON
        env_ignore_empty=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        path = init_settings().get("config") or os.environ.get(f"{PREFIX}CONFIG")
        file = (TomlConfigSettingsSource(settings_cls, Path(path)),) if path else ()
        return init_settings, env_settings, *file


def _check_file(path: str | None) -> None:
    """Check the file: pydantic-settings itself treats a missing one as empty."""
    if path is None:
        return
    if "config" in read_toml(Path(path), "config file"):
        raise ConfigError(f"config file {path}: it can't name another one; delete config")


def _described(error: ErrorDetails, flags: Mapping[str, Any], path: str | None) -> str:
    """One pydantic error as text: the value, its source, and what was expected."""
    if not error["loc"]:  # settings that don't fit together
        return str(error["ctx"]["error"])
    name = str(error["loc"][0])
    if error["type"] == "extra_forbidden":
        closest = difflib.get_close_matches(name, ServerSettings.model_fields, n=1)
        hint = f"did you mean {closest[0]!r}?" if closest else "see dlpo serve --help"
        return f"config file {path} has the unknown key {name!r}; {hint}"
    expected = error["msg"].removeprefix("Value error, ").replace("Input should be", "expected", 1)
    variable = PREFIX + name.upper()
    if name in flags:
        source = flag_of(name)
    elif variable in os.environ:
        source = variable
    else:
        source = f"config file {path}"
    message = f"{name} is {error['input']!r} ({source}); {expected}"
    if str(error["input"]).startswith("tcp://"):
        message += (
            "; Kubernetes sets such variables for a Service called dlpo:"
            " set enableServiceLinks: false in the pod"
        )
    return message


class _Parser(argparse.ArgumentParser):
    """Reports an error in one line: the usage of fifty settings would hide it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; for the settings: {self.prog} --help\n")


def settings_parser(prog: str) -> argparse.ArgumentParser:
    """A parser with a flag for every setting; its result has only the flags that are given.

    Values stay text: the settings validate them, whatever their source.
    """
    parser = _Parser(
        prog,
        description="Stream speech over gRPC, and optionally HTTP, until SIGTERM or Ctrl-C.",
        epilog="Each setting can also be given in the TOML file of --config (max_streams = 8) or in"
        " the environment (DLPO_MAX_STREAMS=8). Flags override the environment, which overrides"
        " the file.",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    texts = _docstrings()
    fields = ServerSettings.model_fields
    panel = parser.add_argument_group("The usual ones")
    for name in USUAL:
        _add(panel, name, fields[name], texts[name])
    panel = parser.add_argument_group("Network")
    for name, field in fields.items():
        if name in PANELS:
            panel = parser.add_argument_group(PANELS[name])
        if name not in USUAL:
            _add(panel, name, field, texts[name])
    return parser


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


def _add(parser: argparse._ArgumentGroup, name: str, field: FieldInfo, text: str) -> None:
    text = text.replace("%", "%%")
    if field.default is not None and field.default != ():
        text += f" (default: {_shown(field.default)})"
    flag = flag_of(name)
    if field.annotation is bool:
        parser.add_argument(flag, dest=name, action=argparse.BooleanOptionalAction, help=text)
    elif get_origin(field.annotation) is tuple:
        metavar = "NAME=VOICE" if name == "voice_aliases" else flag.rpartition("-")[2].upper()
        parser.add_argument(flag, dest=name, action="append", metavar=metavar, help=text)
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
