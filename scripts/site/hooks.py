"""MkDocs hooks for building the site: pages generated from code, and links that resolve.

The pages of docs/ are also written to be read on a forge, so they link files outside docs/, which
a site does not have: such links become the file's path in plain text, pictures are copied, and the
changelog, CONTRIBUTING.md and the results of benchmarks become pages of the site. Nothing is
written to docs/.
"""

from __future__ import annotations

import logging
import re
import shutil
from pathlib import Path
from typing import Any

from cli_reference import cli_reference
from error_reference import error_reference
from mkdocs.structure.files import File, Files
from players import with_players
from proto_reference import proto_reference
from python_reference import python_reference
from repository_links import RepositoryLinks, lists_set_apart
from settings_reference import runs_reference, settings_reference

ROOT = Path(__file__).resolve().parents[2]
GENERATED = {
    "generated/cli.md": cli_reference,
    "generated/settings.md": settings_reference,
    "generated/runs.md": runs_reference,
    "generated/errors.md": error_reference,
    "generated/python.md": python_reference,
    "generated/protocol.md": lambda: proto_reference(ROOT / "protos"),
}
FROM_ROOT = {
    "CHANGELOG.md": "generated/changelog.md",
    "CONTRIBUTING.md": "generated/contributing.md",
    "benchmarks/results.md": "generated/benchmarks.md",
}
FETCHED = re.compile(r"<(?:script|link|img|audio|source|iframe)\b[^>]*https?://[^>]*>")
LINKS = RepositoryLinks(ROOT, "docs", FROM_ROOT)
_log = logging.getLogger("mkdocs.hooks.dlpo")


def on_config(config: Any) -> None:
    """Add the pages that are missing from the navigation."""
    docs = Path(config.docs_dir)
    pages = {path.relative_to(docs).as_posix() for path in docs.rglob("*.md")}
    project = _section(config.nav, "Project")
    project += sorted(pages - set(_named(config.nav)))


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages, and the pictures that pages use from outside docs/."""
    for uri, make in GENERATED.items():
        files.append(File.generated(config, uri, content=make()))
    for path, uri in FROM_ROOT.items():
        text = (ROOT / path).read_text(encoding="utf-8")
        files.append(File.generated(config, uri, content=text))
    for file in files.documentation_pages():
        for picture in LINKS.pictures_outside(file.content_string, file.src_uri):
            uri = LINKS.uri_of(picture)
            if files.get_file_from_path(uri) is None and (ROOT / picture).is_file():
                content = (ROOT / picture).read_bytes()
                files.append(File.generated(config, uri, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Convert a page written for a forge to a page of the site."""
    return lists_set_apart(LINKS.resolved(markdown, page.file.src_uri))


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
