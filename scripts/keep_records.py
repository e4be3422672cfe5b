#!/usr/bin/env python3
"""Puts new records where pages find them, then makes the pages' tables and pictures.

    scripts/keep_records.py WORK      WORK/benchmarks/*/*.json and WORK/research/*/*.json

Records must be of the bundle that ships, and of a commit without changes; of several in a folder,
the newest of each kind counts. Pages that still link an older record of the same kind are listed,
since only a person can say which record they mean.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from dlpo.bundle import DEFAULT_VOICE, Bundle
from dlpo.errors import DataError, DlpoError
from dlpo_bench.record import Record, read_record
from dlpo_serving.voices import find_voice

ROOT = Path(__file__).resolve().parents[1]
PLACES = {"benchmarks": "benchmarks/records", "research": "benchmarks/records/studies"}
PAGES = ("README.md", "CHANGELOG.md", "docs/**/*.md", "voices/**/*.md", "recipe/**/*.md")


def records_of(work: Path) -> dict[Path, Record]:
    """The new records by path.

    Raises:
        DataError: there are none, or one has problems or is of another bundle or uncommitted code.
    """
    paths = sorted(work.glob("benchmarks/*/*.json")) + sorted(work.glob("research/*/*.json"))
    if not paths:
        raise DataError(f"{work} has no records; run the stages of benchmarks/records.toml first")
    shipped = Bundle.load(find_voice(DEFAULT_VOICE)).sha256
    newest = {(path.parent, path.name.rpartition("-20")[0]): path for path in paths}
    found = {path: read_record(path) for path in newest.values()}
    for path, record in found.items():
        if record.figures.get("problems"):
            raise DataError(f"{path} has problems; remove its folder and measure again")
        if record.bundle_sha256 not in (None, shipped):
            raise DataError(
                f"{path} is of the bundle {str(record.bundle_sha256)[:12]}, not of {shipped[:12]},"
                " which ships; remove its folder and measure again"
            )
        if record.commit is None or record.commit["dirty"]:
            raise DataError(f"{path} names no commit without changes; measure from a clean tree")
    return found


def linking(record: Record, newest: Path) -> list[str]:
    """Pages with a link to another record of the same kind."""
    found = []
    for page in sorted(path for pattern in PAGES for path in ROOT.glob(pattern)):
        text = page.read_text(encoding="utf-8").replace(newest.name, "")
        if re.search(f"records/(studies/)?{record.kind}-2", text):
            found.append(str(page.relative_to(ROOT)))
    return found


def main(work: Path) -> None:
    """Copy, name the pages, make what is made of records."""
    for path, record in records_of(work).items():
        kept = ROOT / PLACES[path.relative_to(work).parts[0]] / path.name
        shutil.copyfile(path, kept)
        older = ", ".join(linking(record, kept)) or "no page"
        print(f"{kept.relative_to(ROOT)}; others of its kind are linked by {older}")
    subprocess.run([sys.executable, "-m", "dlpo", "bench", "report"], cwd=ROOT, check=True)
    subprocess.run([sys.executable, "scripts/figures.py"], cwd=ROOT, check=True)
    (work / "kept").touch()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        main(Path(sys.argv[1]))
    except DlpoError as error:
        sys.exit(f"keep_records: {error}")
