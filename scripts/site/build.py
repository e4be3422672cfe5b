"""Build the site: python scripts/site/build.py [SITE [DOCS]]

The pages of docs/ are also written to be read on a forge, so they link files outside docs/, which
a site does not have: such links become the file's path in plain text, and the changelog,
CONTRIBUTING.md and the results of benchmarks become pages of the site. All that is put into a
folder, from which Zensical makes the site; nothing is written to docs/.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml
from error_reference import error_reference
from links import FROM_ROOT, ROOT, lists_set_apart, resolved, with_players
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
UNSEARCHED = ("generated/changelog.md", "generated/runs.md")  # they name every word


def build(site: Path, docs: Path = ROOT / "docs") -> None:
    """Make the site of a folder of pages; a warning of Zensical's ends it."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "docs")
        write_pages(docs, source)
        config = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
        config |= {"docs_dir": "docs", "site_dir": "site"}
        config["plugins"][1]["mkdocstrings"]["handlers"]["python"]["paths"] = [
            str(ROOT / path) for path in (".", "serving", "export", "benchmarks")
        ]
        pages = {path.relative_to(source).as_posix() for path in source.rglob("*.md")}
        section(config["nav"], "Project").extend(sorted(pages - set(named(config["nav"]))))
        Path(folder, "mkdocs.yml").write_text(yaml.safe_dump(config, sort_keys=False), "utf-8")
        command = [sys.executable, "-m", "zensical", "build", "--strict"]
        subprocess.run(command, cwd=folder, check=True)
        shutil.copytree(Path(folder, "site"), site, dirs_exist_ok=True)
    for page in site.rglob("*.html"):
        page.write_text(with_players(page.read_text("utf-8")), "utf-8")
    if (made := ROOT / "build" / "browser").exists():  # by scripts/browser-page
        shutil.copytree(made, site / "browser", dirs_exist_ok=True)


def write_pages(docs: Path, source: Path) -> None:
    """Write the pages as the site has them."""
    shutil.copytree(docs, source)
    texts = {
        path.relative_to(docs).as_posix(): path.read_text("utf-8") for path in docs.rglob("*.md")
    }
    texts |= {uri: make() for uri, make in GENERATED.items()}
    texts |= {uri: (ROOT / path).read_text("utf-8") for path, uri in FROM_ROOT.items()}
    for uri, text in texts.items():
        page = source / uri
        page.parent.mkdir(parents=True, exist_ok=True)
        head = "---\nsearch:\n  exclude: true\n---\n" * (uri in UNSEARCHED)
        page.write_text(head + lists_set_apart(resolved(text, uri)), "utf-8")


def named(nav: Any) -> list[str]:
    """Every page in a navigation."""
    if isinstance(nav, str):
        return [nav]
    entries = nav.values() if isinstance(nav, dict) else nav
    return [page for entry in entries for page in named(entry)]


def section(nav: list[Any], title: str) -> list[Any]:
    """The entries of a navigation section."""
    (inner,) = (entry[title] for entry in nav if isinstance(entry, dict) and title in entry)
    return inner


if __name__ == "__main__":
    build(*map(Path, sys.argv[1:] or [ROOT / "build" / "site"]))
