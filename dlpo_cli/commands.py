"""Commands whose options are the fields of dataclasses: `dlpo.config.fields` says how to write one.

A parameter whose type is a dataclass stands for an option per field, in its place. The help is the
text below the field, which is read from the source only when it is shown.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from typer.core import TyperCommand

from dlpo.config.fields import (
    default_of,
    flag_in,
    flag_of,
    parts_of,
    range_of,
    taken_apart,
    texts_of,
)
from dlpo.config.strict import converted

Place = tuple[type, str]  # a dataclass and its field
UsageProblem: Any = typer.BadParameter.__base__  # click's own; newer typer bundles click


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

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except UsageProblem as error:
            kind = r"Input should be a valid (\w+)\b.*"
            error.message = re.sub(kind, r"expected a value that is a \1", error.message)
            raise

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

    command.fields = fields  # type: ignore[attr-defined]
    return with_parameters(command, parameters)


def with_parameters(
    run: Callable[..., Any], parameters: Sequence[inspect.Parameter]
) -> Callable[..., Any]:
    """Let a function of `**values` say that it has these."""
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run


def _group(hint: Any) -> Given | None:
    """The dataclass that a parameter stands for, if it does."""
    kind, said, _ = taken_apart(hint)
    if dataclasses.is_dataclass(kind):
        return Given(typing.cast(type, kind), defaults=True, is_made=True)
    return next((one for one in said if isinstance(one, Given)), None)


def _options(
    cls: type, defaults: bool, panel: str | None = None
) -> Iterator[tuple[inspect.Parameter, Place]]:
    """The options of a dataclass, by its fields, and of those within it.

    Args:
        defaults: whether to show them.
        panel: of the help.
    """
    for field in dataclasses.fields(cls):
        parts = bare, _, optional = parts_of(cls)[field.name]
        flag = flag_in(parts)
        if flag.hidden:
            continue
        if dataclasses.is_dataclass(bare):
            yield from _options(typing.cast(type, bare), defaults, flag.panel or panel)
            continue
        kind, default, choices = _of_typer(bare, default_of(field) if defaults else None)
        makes: Any = typer.Argument if flag.argument else typer.Option
        is_switch = bare is bool and not default and not flag.name
        name = flag_of(cls, field.name) if is_switch else flag.name
        info = makes(
            *([name] if name else []), rich_help_panel=flag.panel or panel,
            metavar=flag.metavar or choices, exists=flag.exists, file_okay=flag.file_okay,
            dir_okay=flag.dir_okay,
        )  # fmt: skip
        parameter = inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if default is MISSING else default,
            annotation=Annotated[kind | None if optional or default is None else kind, info],
        )  # fmt: skip
        yield parameter, (cls, field.name)


def _of_typer(kind: Any, default: Any) -> tuple[Any, Any, str | None]:
    """A type as typer knows it, the default, and choices that typer doesn't know."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal and "" in arguments:
        return Literal[tuple(one for one in arguments if one)], default or None, None
    if origin is None or origin is Literal:
        return kind, default, None
    if origin not in (tuple, list):  # a mapping, as NAME=VALUE
        return list[str], None, None
    item = taken_apart(arguments[0])[0]
    default = list(default or ()) or None
    if get_origin(item) is Literal:
        return list[str], default, f"<{'|'.join(get_args(item))}>"
    return list[item], default, None  # type: ignore[valid-type]


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
        for name, (bare, _, _) in kinds.items()
        if dataclasses.is_dataclass(bare) and not flag_in(kinds[name]).hidden
    }
    return found | within


def _pair(text: str, cls: type, field: str) -> tuple[str, str]:
    """NAME=VALUE; or both in one, where the metavar says that a part may be left out."""
    name, separator, value = text.partition("=")
    expected = flag_in(parts_of(cls)[field]).metavar or "NAME=VALUE"
    if not separator and "[" not in expected:
        where = f"'{flag_of(cls, field)}'"
        raise typer.BadParameter(f"is {text!r}; expected {expected}", param_hint=where)
    return name, value if separator else name
