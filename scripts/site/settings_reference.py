"""The pages of settings, generated from the classes that validate them."""

from __future__ import annotations

from typing import Any

from dlpo.config.fields import flag_of
from dlpo.config.models import ContourConfig, SpectralConfig, WaveGrad2Config
from dlpo.config.schema import default_words, properties_of, values_of
from dlpo.config.training import ContourTraining, SpectralTraining, WaveGrad2Training
from dlpo.config.tuning import EndingsTuning, PitchPairsTuning, TuningConfig
from dlpo.rl.core.objective import Objective
from dlpo_serving.settings.server_settings import PREFIX, ServerSettings

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
