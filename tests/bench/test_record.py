from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dlpo.errors import DataError, InputError
from dlpo_bench.record import check_recordable, read_record, write_record

FIGURES = {"text": {"NISQA": {"value": 4.1, "interval_95": [4.0, 4.2]}}}


def test_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = write_record(
        "quality", FIGURES, "dlpo eval", tmp_path, samples={"NISQA": [4.0, 4.2]},
        bundle_sha256="0f" * 32,
    )  # fmt: skip
    record = read_record(path)
    assert path.name.startswith("quality-")
    assert record.figures == FIGURES
    assert record.samples == {"NISQA": [4.0, 4.2]}
    assert record.command == "dlpo eval"
    assert record.bundle_sha256 == "0f" * 32


def test_record_names_machine_and_software(tmp_path: Path) -> None:
    record = read_record(write_record("latency", {}, "true", tmp_path))
    assert record.machine["cpu"]
    assert record.machine["cores"] >= 1
    assert {"python", "numpy"} <= record.software.keys()
    assert record.utc.endswith("+00:00")


def test_record_made_in_a_checkout_names_its_commit(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        pytest.skip("not a checkout")
    commit = read_record(write_record("latency", {}, "true", tmp_path)).commit
    assert commit is not None
    assert len(commit["hash"]) == 40
    assert isinstance(commit["dirty"], bool)


def test_a_checkout_with_changes_takes_no_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlpo_bench.record._commit", lambda: {"hash": "0" * 40, "dirty": True})
    root = Path(__file__).resolve().parents[2]
    with pytest.raises(InputError, match="uncommitted changes"):
        check_recordable(root / "benchmarks" / "records")
    check_recordable(tmp_path)


def test_records_of_the_same_second_do_not_overwrite_each_other(tmp_path: Path) -> None:
    paths = {write_record("latency", {"run": run}, "true", tmp_path) for run in range(3)}
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
        write_record(kind, figures, command, tmp_path, bundle_sha256=digest)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "changed",
    [{"format": 2}, {"figures": [1]}, {"surprise": 1}, {"commit": "abc"}, {"bundle_sha256": 7},
     {"utc": None}],
)  # fmt: skip
def test_record_of_another_layout_is_refused(changed: dict[str, Any], tmp_path: Path) -> None:
    path = write_record("quality", FIGURES, "dlpo eval", tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    with pytest.raises(DataError, match=next(iter(changed))):
        read_record(path)
