"""docs/operations.md says what is so."""

from __future__ import annotations

import io
import json
import logging
import re
from pathlib import Path

import pytest

from dlpo_serving.operations.call_scope import CallScope
from dlpo_serving.operations.keys import Quota, read_keys
from dlpo_serving.operations.logs import _JsonFormatter
from dlpo_serving.operations.metrics import SHED_REASONS, Metrics
from dlpo_serving.settings.sources import read_settings

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "operations.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def test_the_settings_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "dlpo.toml").write_text(blocks("toml")[0])

    settings = read_settings(["--config", str(tmp_path / "dlpo.toml")])

    assert settings.http_port == 8080
    assert settings.tls is not None


def test_the_rows_of_the_settings_table_say_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = re.findall(r"^\| `(--.*?)` \| `(\w+)=(.*?)` \| `(.*?)` \|$", TEXT, re.MULTILINE)
    assert len(rows) == 3
    for flags, variable, value, line in rows:
        (tmp_path / "dlpo.toml").write_text(line)
        by_file = read_settings(["--config", str(tmp_path / "dlpo.toml")])
        by_flag = read_settings(flags.split())
        with monkeypatch.context() as patch:
            patch.setenv(variable, value)
            by_variable = read_settings([])

        assert by_flag == by_variable == by_file.model_copy(update={"config": None})
        assert by_flag != read_settings([])


def test_the_keys_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "keys.toml").write_text(blocks("toml")[1].replace("…", "0" * 64))

    keys = read_keys(tmp_path / "keys.toml")

    assert keys.quota["alice"] == Quota(4, 20_000, 1200)


def test_every_figure_is_in_the_table_and_the_other_way_round() -> None:
    metrics = Metrics()
    metrics.watch(
        streams_active=lambda: 0,
        streams_waiting=lambda: 0,
        backlog_audio_s=lambda: 0,
    )
    shown = set()
    for family in metrics.registry.collect():
        shown.add(family.name + ("_total" if family.type == "counter" else ""))

    table = TEXT.partition("## Figures")[2].partition("## Traces")[0]
    names = re.findall(r"`((?:grpc_server|dlpo)_\w+)`", table)

    assert sorted(names) == sorted(shown)
    assert ", ".join(SHED_REASONS) in table


def test_the_line_of_log_has_the_fields_of_one() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_JsonFormatter())
    logger = logging.getLogger("dlpo_serving.operations.call_scope")
    logger.addHandler(handler)
    try:
        with CallScope(Metrics()).open("/a.b/C", "rpc", "peer", {}, logging.WARNING) as record:
            record.caller, record.voice = "alice", "lj"
            record.first_audio_s, record.real_time_factor = 0.029, 0.113
    finally:
        logger.removeHandler(handler)

    (line,) = blocks("json")
    assert list(json.loads(line)) == list(json.loads(stream.getvalue()))
