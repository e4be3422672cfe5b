"""Two checkouts on one machine, for scripts that compare them."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("src", ".", "serving", "export", "benchmarks")  # folders of packages, old and new


@contextmanager
def checked_out(commit: str, *paths: str) -> Iterator[Path]:
    """The files of a commit, or those below some paths, in a folder that ends with the block."""
    with tempfile.TemporaryDirectory(prefix="dlpo-checkout-") as folder:
        archive = subprocess.run(
            ["git", "-C", ROOT, "archive", commit, *paths], stdout=subprocess.PIPE, check=True
        )
        subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
        yield Path(folder).resolve()


def environment(tree: Path) -> dict[str, str]:
    """That of a process which imports the packages of a tree."""
    folders = [str(tree / name) for name in SOURCES if (tree / name).is_dir()]
    path = os.pathsep.join([*folders, os.environ.get("PYTHONPATH", "")])
    return os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
