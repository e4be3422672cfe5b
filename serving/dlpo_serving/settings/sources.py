"""Settings from flags, environment variables and a TOML file, in this order of precedence."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args, get_origin

from dlpo.config.fields import flag_in, flag_of, kinds_of, parts_of, texts_of
from dlpo.config.strict import WrongValueError, closest, converted
from dlpo.errors import ConfigError
from dlpo_serving.operations.files import read_toml
from dlpo_serving.settings.server_settings import PANELS, PREFIX, USUAL, ServerSettings

KINDS = kinds_of(ServerSettings)
VARIABLES = {PREFIX + name.upper(): name for name in KINDS}


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
    environment = {
        VARIABLES[name.upper()]: text
        for name, text in os.environ.items()
        if text and name.upper() in VARIABLES
    }
    path = flags.get("config") or environment.get("config")
    given = {**_of_file(path), **environment, **flags}
    found, wrong = converted(KINDS, given, text=True)
    if wrong:
        message = "; ".join(_described(one, flags, environment, path) for one in wrong)
        if all(_name_of(one) in flags for one in wrong):
            parser.error(message)
        raise ConfigError(message) from wrong[0]
    return ServerSettings(**found)


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Names of `DLPO_` variables that are not settings, for a warning.

    They are not errors: Kubernetes sets DLPO_SERVICE_HOST and others for a Service called dlpo.
    """
    return sorted(name for name in environment if name.startswith(PREFIX) and name not in VARIABLES)


def _of_file(path: str | None) -> Mapping[str, Any]:
    """The settings in the file.

    Raises:
        ConfigError: it can't be read, or has a key that is no setting.
    """
    if path is None:
        return {}
    content = read_toml(Path(path), "config file")
    if "config" in content:
        raise ConfigError(f"config file {path}: it can't name another one; delete config")
    for name in content:
        if name not in KINDS:
            hint = closest(name, KINDS)
            raise ConfigError(f"config file {path} has the unknown key {name!r}; {hint}")
    return content


def _described(
    wrong: WrongValueError,
    flags: Mapping[str, Any],
    environment: Mapping[str, Any],
    path: str | None,
) -> str:
    """The value, its source, and what was expected."""
    name = _name_of(wrong)
    if name in flags:
        source = flag_of(ServerSettings, name)
    else:
        source = PREFIX + name.upper() if name in environment else f"config file {path}"
    message = f"{wrong.where} is {wrong.value!r} ({source}); expected {wrong.expected}"
    if str(wrong.value).startswith("tcp://"):
        message += (
            "; Kubernetes sets such variables for a Service called dlpo:"
            " set enableServiceLinks: false in the pod"
        )
    return message


def _name_of(wrong: WrongValueError) -> str:
    """The setting, of whose values one may be wrong."""
    return wrong.where.partition("[")[0]


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
    fields = {field.name: field for field in dataclasses.fields(ServerSettings)}
    panel = parser.add_argument_group("The usual ones")
    for name in USUAL:
        _add(panel, name, fields[name].default)
    panel = parser.add_argument_group("Network")
    for name, field in fields.items():
        if name in PANELS:
            panel = parser.add_argument_group(PANELS[name])
        if name not in USUAL:
            _add(panel, name, field.default)
    return parser


def _add(parser: argparse._ArgumentGroup, name: str, default: object) -> None:
    text = texts_of(ServerSettings)[name].replace("%", "%%")
    flag, parts = flag_of(ServerSettings, name), parts_of(ServerSettings)[name]
    kind = parts[0]
    if default is not None and default != ():
        text += f" (default: {_shown(default)})"
    if kind is bool:
        parser.add_argument(flag, dest=name, action=argparse.BooleanOptionalAction, help=text)
    elif get_origin(kind) is tuple:
        metavar = flag_in(parts).metavar or flag.rpartition("-")[2].upper()
        parser.add_argument(flag, dest=name, action="append", metavar=metavar, help=text)
    else:
        parser.add_argument(flag, dest=name, metavar=_metavar(name, kind), help=text)


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return "yes" if default else "no"
    return ", ".join(map(str, default)) if isinstance(default, tuple) else str(default)


def _metavar(name: str, kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "{" + ",".join(get_args(kind)) + "}"
    number = "SECONDS" if name.endswith("_s") else "NUMBER"
    return {int: "N", float: number, str: "TEXT"}.get(kind, "PATH")
