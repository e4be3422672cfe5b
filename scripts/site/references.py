"""Pages generated from what they describe: commands, settings, protocol, Python API."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
from typer.cli import get_docs_for_click
from typer.main import get_command

from dlpo.config.fields import flag_of
from dlpo.config.models import ContourConfig, SpectralConfig, WaveGrad2Config
from dlpo.config.schema import default_words, properties_of, values_of
from dlpo.config.training import ContourTraining, SpectralTraining, WaveGrad2Training
from dlpo.config.tuning import EndingsTuning, PitchPairsTuning, TuningConfig
from dlpo.rl.core.objective import Objective
from dlpo_cli import app
from dlpo_cli.commands import OfFields
from dlpo_serving import client
from dlpo_serving.settings.server_settings import PREFIX, ServerSettings

SERVE = "`dlpo serve`\n"
OF_SERVER = """# Server settings

Each setting of `dlpo serve` is a flag, an environment variable and a key of the TOML file passed
with `--config`. Flags override the environment, which overrides the file.
What to set in practice: [Run the server](../operations.md).

| flag, variable, key | meaning | values | default |
|---|---|---|---|
"""
OF_RUNS = """# Settings of training and tuning

`--set NAME=VALUE` of `dlpo train` and `dlpo tune` changes one; `--set model.NAME=VALUE` sizes a
model that starts from scratch. `mini` and `large` have other defaults than `base`, which are shown.
"""
RUNS: dict[str, type] = {
    "dlpo train spectral": SpectralTraining,
    "dlpo train contour": ContourTraining,
    "dlpo train mini, base or large": WaveGrad2Training,
    "dlpo tune, by judges": TuningConfig,
    "dlpo tune --reward endings": EndingsTuning,
    "dlpo tune --method dpo": PitchPairsTuning,
    "dlpo tune, of the method": Objective,
    "model: spectral": SpectralConfig,
    "model: contour": ContourConfig,
    "model: mini, base or large": WaveGrad2Config,
}
BLOCK = re.compile(
    r"^((?://.*\n)*(?:service|message|enum) (\w+) \{(?:\}|\n(?:.*\n)*?\})\n)", re.MULTILINE
)
OF_PYTHON = """# Python

What programs may build on; other names change without notice. By example:
[Python client](../client.md), [bundles](../bundle.md), [SSML and text in pieces](../ssml.md).
Errors: [error codes](errors.md).
"""
OF_PROTOCOL = {"Flush": "[a message of the protocol](protocol.md#flush)"}
SECTIONS = {
    "In this process": [
        "dlpo_serving.voices.open_voice",
        "dlpo_serving.voices.synthesizer.Synthesizer",
        "dlpo_serving.request.SpeechRequest",
        "dlpo_serving.request.RequestError",
        "dlpo.audio.write_wav",
    ],
    "Through a server": [
        getattr(client, name).__module__ + f".{name}"
        for name in client.__all__
        if name not in {*OF_PROTOCOL, "SpeechRequest"}
    ],
    "Bundles": [
        "dlpo.bundle.load.Bundle",
        "dlpo.bundle.manifest.Manifest",
        "dlpo.bundle.write.write_bundle",
        "dlpo.bundle.write.copy_bundle",
    ],
    "Text": ["dlpo.text.common.front_end.TextFrontEnd", "dlpo.text.common.feed.TextFeed"],
}


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
        raise ValueError(f"{SERVE!r} is no heading any more; see scripts/site/references.py")
    usage, mark, after = rest.partition("\n## ")
    return f"{head}{serve}{usage}\nIts options: [server settings](settings.md).\n{mark}{after}"


def settings_reference() -> str:
    """Markdown: a row per setting, with its bounds and default."""
    return OF_SERVER + "".join(
        _row(_names(name, schema), schema) for name, schema in properties_of(ServerSettings).items()
    )


def _names(name: str, schema: dict[str, Any]) -> str:
    flag = flag_of(ServerSettings, name)
    if schema.get("type") == "boolean":
        flag = f"{flag}`, `--no-{name.replace('_', '-')}"
    return f"`{flag}`<br>`{PREFIX}{name.upper()}`<br>`{name}`"


def _row(names: str, schema: dict[str, Any]) -> str:
    text = schema.get("description", "")
    return f"| {names} | {text} | {values_of(schema)} | {default_words(schema)} |\n"


def runs_reference() -> str:
    """Markdown: a table for each kind of run and model."""
    head = "\n| setting | meaning | values | default |\n|---|---|---|---|\n"
    parts = [OF_RUNS]
    for title, cls in RUNS.items():
        rows = (_row(f"`{name}`", schema) for name, schema in properties_of(cls).items())
        parts.append(f"\n## {title}\n{head}{''.join(rows)}")
    return "".join(parts)


def proto_reference(protos: Path) -> str:
    """Markdown: services, messages and enumerations as the file has them.

    Args:
        protos: folder of the .proto files.
    """
    name = "dlpo/v1/speech.proto"
    contract = (protos / name).read_text(encoding="utf-8")
    head = contract[: next(BLOCK.finditer(contract)).start()].strip()
    parts = ["# Protocol: `dlpo.v1`", f"`protos/{name}`. Errors by code: [error codes](errors.md)."]
    parts.append(f"```protobuf\n{head}\n```")
    for block in BLOCK.finditer(contract):
        parts += [f"## {block[2]}", f"```protobuf\n{block[0]}```"]
    return "\n\n".join(parts) + "\n"


def python_reference() -> str:
    """Markdown with a directive for each name."""
    parts = [OF_PYTHON]
    for title, names in SECTIONS.items():
        parts += [f"## {title}", *(f"::: {name}" for name in names)]
    others = [f"`{client.__name__}.{name}`: {what}." for name, what in OF_PROTOCOL.items()]
    return "\n\n".join([*parts, *others]) + "\n"
