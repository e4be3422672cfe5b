from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dlpo.errors import DataError, InputError
from dlpo_bench.record import Measured, check_recordable, read_record, write_record

ROOT = Path(__file__).resolve().parents[2]
FIGURES = {"text": {"NISQA": {"value": 4.1, "interval_95": [4.0, 4.2]}}}


def test_record_round_trips_with_its_provenance(
    tmp_path: Path,
) -> None:
    measured = Measured(FIGURES, {"NISQA": [4.0, 4.2]}, bundle_sha256="0f" * 32)
    path = write_record("quality", measured, "dlpo eval", tmp_path)
    record = read_record(path)
    assert path.name.startswith("quality-")
    assert (record.figures, record.samples) == (FIGURES, {"NISQA": [4.0, 4.2]})
    assert (record.command, record.bundle_sha256) == ("dlpo eval", "0f" * 32)
    assert record.machine["cpu"]
    assert record.machine["cores"] >= 1
    assert {"python", "numpy"} <= record.software.keys()
    assert record.utc.endswith("+00:00")
    if (ROOT / ".git").exists():
        assert record.commit is not None
        assert len(record.commit["hash"]) == 40
        assert isinstance(record.commit["dirty"], bool)


def test_a_checkout_with_changes_takes_no_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlpo_bench.record._commit", lambda: {"hash": "0" * 40, "dirty": True})
    with pytest.raises(InputError, match="uncommitted changes"):
        check_recordable(ROOT / "benchmarks" / "records")
    check_recordable(tmp_path)


def test_records_of_the_same_second_do_not_overwrite_each_other(tmp_path: Path) -> None:
    paths = {write_record("latency", Measured({"run": run}), "true", tmp_path) for run in range(3)}
    assert sorted(read_record(path).figures["run"] for path in paths) == [0, 1, 2]


@pytest.mark.parametrize(
    ("kind", "figures", "command", "digest"),
    [
        ("quality", {"NISQA": float("nan")}, "dlpo eval", None),
        ("quality", {"path": Path("/")}, "dlpo eval", None),
        ("../escape", {}, "dlpo eval", None),
        ("", {}, "dlpo eval", None),
        ("quality", {}, "", None),
        ("quality", {}, "dlpo eval", "cafe"),
    ],
)
def test_unusable_content_is_refused(
    kind: str, figures: Any, command: str, digest: str | None, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="can't record"):
        write_record(kind, Measured(figures, bundle_sha256=digest), command, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "changed",
    [{"format": 2}, {"figures": [1]}, {"surprise": 1}, {"commit": "abc"}, {"bundle_sha256": 7},
     {"utc": None}],
)  # fmt: skip
def test_record_of_another_layout_is_refused(changed: dict[str, Any], tmp_path: Path) -> None:
    path = write_record("quality", Measured(FIGURES), "dlpo eval", tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    with pytest.raises(DataError, match=next(iter(changed))):
        read_record(path)
