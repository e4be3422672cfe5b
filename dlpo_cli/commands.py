"""Commands whose options are the fields of dataclasses: `dlpo.config.fields` says how to write one.

A parameter whose type is a dataclass stands for an option per field, in its place. The help is the
text below the field, which is read from the source only when it is shown.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from typer.core import TyperCommand

from dlpo.config.fields import HIDDEN, Flag, default_of, parts_of, range_of, taken_apart, texts_of
from dlpo.config.strict import converted

Place = tuple[type, str]  # a dataclass and its field


@dataclass(frozen=True, slots=True)
class Given:
    """Beside `dict`: of the fields of a dataclass, those that were given, with their values."""

    cls: type
    defaults: bool = False
    """show the defaults, and treat them as given"""
    is_made: bool = False
    """it is the dataclass itself instead"""


class OfFields(TyperCommand):
    """A command that `of_fields` made."""

    def document(self) -> None:
        """Give each option its help, with its range."""
        fields: Mapping[str, Place] = getattr(self.callback, "fields", {})
        for param in self.params:
            if param.name in fields:
                cls, name = fields[param.name]
                within = range_of(parts_of(cls)[name])
                text = texts_of(cls)[name] + (f" [range: {within}]" if within else "")
                param.help = text.replace("[", r"\[")  # type: ignore[attr-defined]  # not markup

    def format_help(self, ctx: Any, formatter: Any) -> None:
        self.document()
        super().format_help(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        self.document()
        return super().shell_complete(ctx, incomplete)


def of_fields(run: Callable[..., Any]) -> Callable[..., Any]:
    """`run` as a command, whose dataclasses are made of options."""
    hints = typing.get_type_hints(run, include_extras=True)
    hints.pop("return", None)
    groups = {name: group for name, hint in hints.items() if (group := _group(hint))}
    fields: dict[str, Place] = {}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(run).parameters.items():
        if name not in groups:
            kind = inspect.Parameter.KEYWORD_ONLY
            parameters.append(parameter.replace(annotation=hints[name], kind=kind))
            continue
        for option, place in _options(groups[name].cls, groups[name].defaults):
            if option.name not in fields and option.name not in hints:  # else they share it
                parameters.append(option)
                fields[option.name] = place

    @functools.wraps(run)
    def command(**values: Any) -> Any:
        own = {name: values.pop(name) for name in hints if name in values}
        for name, group in groups.items():
            given = _values(group.cls, values)
            own[name] = group.cls(**given) if group.is_made else given
        return run(**own)

    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    command.fields = fields  # type: ignore[attr-defined]
    return command


def _group(hint: Any) -> Given | None:
    """The dataclass that a parameter stands for, if it does."""
    kind, said, _ = taken_apart(hint)
    if dataclasses.is_dataclass(kind):
        return Given(typing.cast(type, kind), defaults=True, is_made=True)
    return next((one for one in said if isinstance(one, Given)), None)


def flag_of(cls: type, name: str) -> str:
    """How the command line writes a field."""
    said = parts_of(cls)[name][1]
    names = [flag for one in said if isinstance(one, Flag) for flag in one.names]
    return names[0] if names else f"--{name.replace('_', '-')}"


def _options(
    cls: type, defaults: bool, panel: str | None = None
) -> Iterator[tuple[inspect.Parameter, Place]]:
    """The options of a dataclass, by its fields, and of those within it.

    Args:
        defaults: whether to show them.
        panel: of the help.
    """
    for field in dataclasses.fields(cls):
        bare, said, optional = parts_of(cls)[field.name]
        flags = [one for one in said if isinstance(one, Flag)]
        attributes: dict[str, Any] = {"rich_help_panel": panel}
        for flag in flags:
            attributes |= dict(flag.attributes)
        if dataclasses.is_dataclass(bare) and HIDDEN not in said:
            yield from _options(typing.cast(type, bare), defaults, attributes["rich_help_panel"])
        elif HIDDEN not in said:
            default = default_of(field) if defaults else None
            names = [name for flag in flags for name in flag.names]
            if bare is bool and not default and not names:
                names = [flag_of(cls, field.name)]
            is_argument = any(flag.is_argument for flag in flags)
            kind, default, choices = _of_typer(bare, default)
            attributes |= {"metavar": f"<{choices}>"} if choices else {}
            info: Any = (
                typer.Argument(**attributes) if is_argument else typer.Option(*names, **attributes)
            )
            parameter = inspect.Parameter(
                field.name, inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if default is MISSING else default,
                annotation=Annotated[kind | None if optional or default is None else kind, info],
            )  # fmt: skip
            yield parameter, (cls, field.name)


def _of_typer(kind: Any, default: Any) -> tuple[Any, Any, str]:
    """A type as typer knows it, the default, and choices that typer doesn't know."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal and "" in arguments:
        return Literal[tuple(one for one in arguments if one)], default or None, ""
    if origin is None or origin is Literal:
        return kind, default, ""
    if origin not in (tuple, list):  # a mapping, as NAME=VALUE
        return list[str], None, ""
    item = taken_apart(arguments[0])[0]
    choices = "|".join(map(str, get_args(item)))
    return list[str if choices else item], list(default or ()) or None, choices  # type: ignore[misc]


def _values(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """What was given for the fields of a dataclass.

    Raises:
        BadParameter: a value can't be used.
    """
    kinds = parts_of(cls)
    given = {name: values[name] for name in kinds if values.get(name) is not None}
    for name, value in given.items():
        origin = get_origin(kinds[name][0])
        if isinstance(value, list) and origin not in (tuple, list):
            given[name] = dict(_pair(text, cls, name) for text in value)
    found, wrong = converted(kinds, given, text=True)
    for one in wrong:
        flag = f"'{flag_of(cls, one.where.partition('[')[0].partition('.')[0])}'"
        raise typer.BadParameter(f"is {one.value!r}; expected {one.expected}", param_hint=flag)
    within = {
        name: bare(**_values(bare, values))  # type: ignore[operator,arg-type]
        for name, (bare, said, _) in kinds.items()
        if dataclasses.is_dataclass(bare) and HIDDEN not in said
    }
    return found | within


def _pair(text: str, cls: type, field: str) -> tuple[str, str]:
    """NAME=VALUE; or both in one, where the metavar says that a part may be left out."""
    name, separator, value = text.partition("=")
    shown = [str(dict(one.attributes).get("metavar")) for one in parts_of(cls)[field][1]
             if isinstance(one, Flag) and "metavar" in dict(one.attributes)]  # fmt: skip
    if not separator and "[" not in shown[0]:
        raise typer.BadParameter(
            f"is {text!r}; expected {shown[0]}", param_hint=f"'{flag_of(cls, field)}'"
        )
    return name, value if separator else name
