"""MkDocs hooks for building the site: pages generated from code, and links that resolve.

The pages of docs/ are also written to be read on a forge, so they link files outside docs/, which
a site does not have: such links become the file's path in plain text, and the changelog,
CONTRIBUTING.md and the results of benchmarks become pages of the site. Nothing is written to docs/.
"""

from __future__ import annotations

import logging
import re
import shutil
from pathlib import Path
from typing import Any

from error_reference import error_reference
from links import FROM_ROOT, ROOT, lists_set_apart, resolved, with_players
from mkdocs.structure.files import File, Files
from references import (
    cli_reference,
    proto_reference,
    python_reference,
    runs_reference,
    settings_reference,
)

GENERATED = {
    "generated/cli.md": cli_reference,
    "generated/settings.md": settings_reference,
    "generated/runs.md": runs_reference,
    "generated/errors.md": error_reference,
    "generated/python.md": python_reference,
    "generated/protocol.md": lambda: proto_reference(ROOT / "protos"),
}
FETCHED = re.compile(r"<(?:script|link|img|audio|source|iframe)\b[^>]*https?://[^>]*>")
_log = logging.getLogger("mkdocs.hooks.dlpo")


def on_config(config: Any) -> None:
    """Add the pages that are missing from the navigation."""
    docs = Path(config.docs_dir)
    pages = {path.relative_to(docs).as_posix() for path in docs.rglob("*.md")}
    project = _section(config.nav, "Project")
    project += sorted(pages - set(_named(config.nav)))


def on_files(files: Files, config: Any) -> Files:
    """Add the pages from code and from outside docs/."""
    for uri, make in GENERATED.items():
        files.append(File.generated(config, uri, content=make()))
    for path, uri in FROM_ROOT.items():
        text = (ROOT / path).read_text(encoding="utf-8")
        files.append(File.generated(config, uri, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Convert a page written for a forge to a page of the site."""
    return lists_set_apart(resolved(markdown, page.file.src_uri))


def on_page_content(html: str, page: Any, config: Any, files: Files) -> str:
    """Add a player to each link to a sound."""
    return with_players(html)


def on_post_page(output: str, page: Any, config: Any) -> str:
    """Name the theme's search for screen readers; warn of anything a browser would fetch from
    another host, which fails the build in strict mode."""
    for tag in FETCHED.findall(output):
        if 'rel="canonical"' not in tag:
            _log.warning("%s fetches from another host: %s", page.file.src_uri, tag)
    return output.replace('role="dialog"', 'role="dialog" aria-label="Search"', 1)


def _named(nav: Any) -> list[str]:
    """Every page in a navigation."""
    if isinstance(nav, str):
        return [nav]
    entries = nav.values() if isinstance(nav, dict) else nav
    return [page for entry in entries for page in _named(entry)]


def _section(nav: list[Any], title: str) -> list[Any]:
    """The entries of a navigation section."""
    (inner,) = (entry[title] for entry in nav if isinstance(entry, dict) and title in entry)
    return inner


def on_post_build(config: Any) -> None:
    """Copy the in-browser demo page, if `scripts/browser-page` has made it."""
    made, page = ROOT / "build" / "browser", Path(config.site_dir, "browser")
    if made.exists():
        shutil.copytree(made, page, dirs_exist_ok=True)
