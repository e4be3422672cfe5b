"""Build hook of hatchling: puts the commit into wheels and sdists, see `dlpo/commit.py`.

`SOURCE_COMMIT` names it where the build has no git, as in a container. A wheel that is built from
an sdist takes the sdist's.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CommitHook(BuildHookInterface):
    """Writes `dlpo/COMMIT` into what is built, never into the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """`version` is standard or editable; a link to a checkout needs no file, git knows."""
        sys.path.insert(0, self.root)
        from dlpo.commit import COMMIT_FILE, source_commit

        package = Path(self.root, "dlpo")
        commit = os.environ.get("SOURCE_COMMIT") or source_commit(package)
        if version == "editable" or commit is None or (package / COMMIT_FILE).exists():
            return
        self._scratch = tempfile.TemporaryDirectory()
        file = Path(self._scratch.name, COMMIT_FILE)
        file.write_text(commit + "\n", "utf-8")
        build_data["force_include"][str(file)] = f"dlpo/{COMMIT_FILE}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if hasattr(self, "_scratch"):
            self._scratch.cleanup()
