"""Configurations survive JSON and refuse what they don't know."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, Literal

import pytest

from dlpo.config.models import BASE, ContourConfig
from dlpo.config.strict import from_dict, to_dict
from dlpo.config.training import BASE_TRAINING, SpectralTraining
from dlpo.errors import ConfigError


@dataclass(frozen=True)
class Inner:
    rate: float = 0.5


@dataclass(frozen=True)
class Outer:
    steps: int
    kind: Literal["a", "b"] = "a"
    inner: Inner = Inner()
    pairs: tuple[tuple[int, str], ...] = ()
    limit: float | None = None
    table: dict[str, Inner] | None = None


def test_nested_config_survives_json() -> None:
    config = Outer(3, "b", Inner(1.5), ((1, "x"), (2, "y")), 0.25, {"k": Inner()})
    assert from_dict(Outer, json.loads(json.dumps(to_dict(config)))) == config


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"step": 3}, "unknown key 'step'; did you mean 'steps'"),
        ({"steps": 3, "inner": {"rat": 1}}, r"Outer\.inner has the unknown key 'rat'.*'rate'"),
        ({"steps": 3, "zzz": 1}, "unknown key 'zzz'; known: steps, kind"),
        ({}, "lacks the key 'steps'"),
        ({"steps": "3"}, r"Outer\.steps is '3'; expected a whole number"),
        ({"steps": 3.0}, r"Outer\.steps is 3\.0; expected a whole number"),
        ({"steps": True}, r"Outer\.steps is True; expected a whole number"),
        ({"steps": 3, "kind": "c"}, "expected one of 'a', 'b'"),
        ({"steps": 3, "inner": {"rate": float("nan")}}, "rate is nan; expected a number"),
        ({"steps": 3, "inner": 4}, "expected an object"),
        ({"steps": 3, "pairs": [[1, "x"], [2, 3]]}, r"pairs\[1\]\[1\] is 3; expected text"),
        ({"steps": 3, "pairs": [[1]]}, r"pairs\[0\] has 1 values; expected 2"),
        ({"steps": 3, "limit": "x"}, r"limit is 'x'; expected a number"),
        ([], "expected an object"),
    ],
)
def test_wrong_value_is_refused_by_path(values: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        from_dict(Outer, values)


@pytest.mark.parametrize(
    ("config", "changes", "said"),
    [
        (BASE, {"up_factors": (5, 5)}, "up_factors"),
        (BASE, {"down_channels": (1,)}, "down_channels"),
        (BASE, {"dropout": 1.0}, "dropout is 1.0; expected 0 <= x < 1"),
        (BASE, {"encoder_channels": 5}, "encoder_channels"),
        (ContourConfig(), {"channels": 7}, "channels is 7; expected an even number"),
        (ContourConfig(), {"spread": 0.0}, "spread is 0.0; expected above 0"),
        (BASE_TRAINING, {"window": 0}, "window is 0; expected 1 or more"),
        (BASE_TRAINING, {"context": -1}, "context is -1; expected 0 or more"),
        (SpectralTraining(), {"decay_from": 1.5}, "decay_from is 1.5; expected 0 to 1"),
        (BASE_TRAINING, {"decay_end": 25_000}, "decay_end is 25000; expected more than decay_st"),
        (BASE_TRAINING, {"learning_rate": 0.0}, "learning_rate is 0.0; expected 0 < x <= 1"),
        (BASE_TRAINING, {"decay": float("nan")}, "decay is nan"),
    ],
)
def test_a_setting_out_of_range_is_refused(
    config: Any, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        replace(config, **changes)
