"""The page of server settings, generated from the model that validates them."""

from __future__ import annotations

from typing import Any

from dlpo.config.schema import default_words, properties_of, values_of
from dlpo_serving.settings.server_settings import PREFIX, ServerSettings, flag_of

HEAD = """# Server settings

Each setting of `dlpo serve` is a flag, an environment variable and a key of the TOML file passed
with `--config`. Flags override the environment, which overrides the file.
What to set in practice: [Run the server](../operations.md).

| flag, variable, key | meaning | values | default |
|---|---|---|---|
"""


def settings_reference() -> str:
    """Markdown: a row per setting, with its bounds and default."""
    return HEAD + "".join(_row(*one) for one in properties_of(ServerSettings).items())


def _row(name: str, schema: dict[str, Any]) -> str:
    flag = flag_of(name)
    if schema.get("type") == "boolean":
        flag = f"{flag}`, `--no-{name.replace('_', '-')}"
    names = f"`{flag}`<br>`{PREFIX}{name.upper()}`<br>`{name}`"
    text = schema["description"]
    return f"| {names} | {text} | {values_of(schema)} | {default_words(schema)} |\n"
