"""Hooks of hatchling: the commit goes into what is built, and the README to package indexes.

`SOURCE_COMMIT` names the commit (see `dlpo/commit.py`) where the build has no git, as in a
container. A wheel that is built from an sdist takes the sdist's. `SOURCE_URL` is the repository's
page, which links of the README then lead to.
"""

from __future__ import annotations

import os
import re
import runpy
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

FILE = r"(?!https?:|#)(?P<file>[^)]+)"
IMAGE = re.compile(rf"!\[(?P<text>[^\]]*)\]\({FILE}\)")
LINK = re.compile(rf"(?<!!)\[(?P<text>(?:!\[[^\]]*\]\([^)]*\)|[^\[\]])*)\]\({FILE}\)")


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


class IndexHook(MetadataHookInterface):
    """Gives the metadata a README and URLs, as a package index shows them."""

    def update(self, metadata: dict[str, Any]) -> None:
        source = os.environ.get("SOURCE_URL", "").rstrip("/")
        release = runpy.run_path(str(Path(self.root, "dlpo/version.py")))["__version__"]
        readme = Path(self.root, "README.md").read_text("utf-8")
        text = on_an_index(readme, f"{source}/{{}}/v{release}" if source else "")
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
        pages = {"Source": "", "Documentation": "/tree/main/docs", "Issues": "/issues"}
        metadata["urls"] = {name: source + page for name, page in pages.items() if source}


def on_an_index(readme: str, page: str) -> str:
    """A README whose links to files are to pages of the repository, or just text without one.

    Args:
        page: of the repository at the release, with {} for "raw" or "blob"; or "".
    """
    if not page:
        return LINK.sub(r"\g<text>", IMAGE.sub(r"\g<text>", readme))
    readme = IMAGE.sub(rf"![\g<text>]({page.format('raw')}/\g<file>)", readme)
    return LINK.sub(rf"[\g<text>]({page.format('blob')}/\g<file>)", readme)
