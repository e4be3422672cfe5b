"""The page of server settings, generated from the model that validates them."""

from __future__ import annotations

from typing import Any

import griffe

from dlpo_serving.settings import server_settings
from dlpo_serving.settings.server_settings import PREFIX, ServerSettings, flag_of

HEAD = """# Server settings

Each setting of `dlpo serve` is a flag, an environment variable and a key of the TOML file passed
with `--config`. Flags override the environment, which overrides the file.
What to set in practice: [Run the server](../operations.md).

| flag, variable, key | meaning | values | default |
|---|---|---|---|
"""
BOUNDS = {"minimum": "≥ {}", "exclusiveMinimum": "> {}", "maximum": "≤ {}"}


def settings_reference() -> str:
    """Markdown: a row per setting, with its bounds and default."""
    texts = _texts()
    properties = ServerSettings.model_json_schema()["properties"]
    return HEAD + "".join(_row(name, properties[name], texts[name]) for name in texts)


def _texts() -> dict[str, str]:
    """Setting -> its docstring."""
    module = griffe.load(server_settings.__name__)
    attributes = module[ServerSettings.__name__].attributes
    return {
        name: attributes[name].docstring.value.replace("\n", " ")
        for name in ServerSettings.model_fields
    }


def _row(name: str, schema: dict[str, Any], text: str) -> str:
    flag = flag_of(name)
    if schema.get("type") == "boolean":
        flag = f"{flag}`, `--no-{name.replace('_', '-')}"
    names = f"`{flag}`<br>`{PREFIX}{name.upper()}`<br>`{name}`"
    return f"| {names} | {text} | {_values(schema)} | {_shown(schema.get('default'))} |\n"


def _values(schema: dict[str, Any]) -> str:
    options = [option for option in schema.get("anyOf", [schema]) if option.get("type") != "null"]
    (option,) = options
    if "enum" in option:
        return ", ".join(f"`{value}`" for value in option["enum"])
    kind = {"array": "texts, `a,b`", "string": "text", "boolean": "`true`, `false`"}.get(
        option["type"], option["type"]
    )
    if option.get("format") == "path":
        kind = "path"
    bounds = [words.format(option[key]) for key, words in BOUNDS.items() if key in option]
    return ", ".join([kind, *bounds])


def _shown(default: Any) -> str:
    if default is None:
        return ""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{','.join(default) if isinstance(default, (list, tuple)) else default}`"
