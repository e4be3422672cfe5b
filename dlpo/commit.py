"""Which commit this code is of: baked in when a wheel or an sdist is built, asked of git before.

`hatch_build.py` writes the file; a checkout, and so an editable install, has none.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

COMMIT_FILE = "COMMIT"  # beside this module, in a wheel and in an sdist

_HERE = Path(__file__).resolve().parent


def source_commit(package: Path = _HERE) -> str | None:
    """The commit, such as `60911d3`, with a `+` where files were changed since; None if unknown.

    Args:
        package: the directory of the package dlpo.
    """
    try:
        return (package / COMMIT_FILE).read_text("utf-8").strip() or None
    except FileNotFoundError:
        pass
    try:
        # A virtual environment may be inside another repository, which does not track dlpo.
        git(package, "ls-files", "--error-unmatch", Path(__file__).name)
        return git(package, "describe", "--always", "--dirty=+", "--exclude=*") or None
    except (OSError, subprocess.SubprocessError):
        return None


def git(folder: Path, *arguments: str) -> str:
    """What git prints; OSError or SubprocessError where it fails."""
    command = ["git", "-C", str(folder), *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    return run.stdout.strip()
