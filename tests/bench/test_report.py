"""The page of benchmarks, made from records."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dlpo.errors import DataError
from dlpo_bench.report.page import make_page
from dlpo_cli import app

ROOT = Path(__file__).resolve().parents[2]
RECORDS, PAGE = ROOT / "benchmarks" / "records", ROOT / "benchmarks" / "results.md"


def write(folder: Path, kind: str, figures: dict[str, Any], **changed: Any) -> Path:
    """A record of a made-up machine and day."""
    record = {
        "format": 1, "kind": kind, "command": f"measure {kind}",
        "utc": "2026-01-01T00:00:00+00:00", "machine": {"cpu": "Abacus", "cores": 10},
        "software": {}, "commit": {"hash": "c0ffee" * 6, "dirty": True},
        "bundle_sha256": "ab" * 32, "figures": figures, "samples": {},
    }  # fmt: skip
    folder.mkdir(exist_ok=True)
    path = folder / f"{kind}-20260101.json"
    path.write_text(json.dumps(record | changed))
    return path


def test_the_committed_page_is_what_the_committed_records_give() -> None:
    text, left_out = make_page(RECORDS, PAGE)

    again = 'a record or the voice changed; run "dlpo bench report" and commit benchmarks/results*'
    assert left_out == []
    assert PAGE.read_text("utf-8") == text, again


@pytest.mark.parametrize(
    ("kind", "figures", "changed", "reason"),
    [
        ("load", {}, {"format": 2}, "format is 2; expected one of 1"),
        ("quality", {"lj": []}, {}, "not those of kind 'quality'"),
        ("load", {"nap": {"length_s": 3}}, {}, "not those of kind 'load'"),
        ("peers", {"points": {}}, {}, "not those of kind 'peers'"),
    ],
)
def test_record_that_can_not_be_shown_is_named(
    tmp_path: Path, kind: str, figures: dict[str, Any], changed: dict[str, Any], reason: str
) -> None:
    strange = write(tmp_path, kind, figures, **changed)
    with pytest.raises(DataError, match=f"{strange.name}.*{reason}"):
        make_page(tmp_path, tmp_path / "page.md")


def test_the_command_writes_the_page(tmp_path: Path) -> None:
    records, out = tmp_path / "records", tmp_path / "docs" / "page.md"
    records.mkdir()
    shutil.copy(max(RECORDS.glob("peers-*.json")), records)
    write(records, "horoscope", {})
    asked = ["bench", "report", "--records", str(records), "--out", str(out)]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0
    assert "no section for: horoscope-20260101.json" in done.stderr
    assert "## Beside other engines" in out.read_text()
