"""The commit of this code: baked into wheels and sdists, queried from git in a checkout.

`hatch_build.py` writes the file; a checkout, and thus an editable install, has none.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

COMMIT_FILE = "COMMIT"  # beside this module, in a wheel and in an sdist

PACKAGE = Path(__file__).resolve().parent


def source_commit(package: Path = PACKAGE) -> str | None:
    """The commit, such as `60911d3`, with a `+` if files have changed since; None if unknown.

    Args:
        package: the directory of the dlpo package.
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


def current_commit() -> str:
    """The commit of this code; "unknown" if neither the build nor git knows it."""
    return source_commit() or "unknown"


def git(folder: Path, *arguments: str) -> str:
    """The output of a git command; raises OSError or SubprocessError if it fails."""
    command = ["git", "-C", str(folder), *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    return run.stdout.strip()
