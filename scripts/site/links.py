"""Links of a page in the repository as links of a page on the site, and players for its sounds."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = "docs/"
FROM_ROOT = {  # pages of the site that are not in docs/
    "CHANGELOG.md": "generated/changelog.md",
    "CONTRIBUTING.md": "generated/contributing.md",
    "benchmarks/results.md": "generated/benchmarks.md",
}
LINK = re.compile(r"(?P<picture>!?)\[(?P<label>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^()\s]+)\)")
FENCE = re.compile(r"^(```.*?^```[^\n]*$)", re.MULTILINE | re.DOTALL)
LIST_OR_TABLE = re.compile(r"(?:[-*] |\d+\. |\|)")
SOUND = re.compile(r'<a href="([^"]+\.mp3)">(.*?)</a>')
FILM = re.compile(r'<a href="([^"]+)\.mp4"><img alt="([^"]*)"[^>]*></a>')


def resolved(markdown: str, uri: str) -> str:
    """A page whose links lead to the site's pages, or name what the site lacks."""
    origins = {page: path for path, page in FROM_ROOT.items()}
    folder = posixpath.dirname(origins.get(uri, f"{DOCS}{uri}"))

    def replaced(link: re.Match[str]) -> str:
        file, mark, anchor = link["target"].partition("#")
        path = posixpath.normpath(posixpath.join(folder, file))
        if re.match(r"[a-z]+:|#|/", link["target"]) or not (ROOT / path).exists():
            return link[0]  # another host, this page, or a mistake, which MkDocs reports
        if path in FROM_ROOT or path.startswith(DOCS):
            page = FROM_ROOT.get(path, path.removeprefix(DOCS))
            to = posixpath.relpath(page, posixpath.dirname(uri) or ".")
            return f"{link['picture']}[{link['label']}]({to}{mark}{anchor})"
        plain = link["label"].strip("`")
        return f"`{path}`" if path.endswith(plain) else f"{link['label']} (`{path}`)"

    return _outside_fences(markdown, lambda text: LINK.sub(replaced, text))


def lists_set_apart(markdown: str) -> str:
    """A page with a blank line before each list and table that follows a paragraph.

    Forges need none, Python-Markdown does.
    """

    def apart(text: str) -> str:
        lines: list[str] = []
        for line in text.split("\n"):
            before = lines[-1] if lines else ""
            if (
                LIST_OR_TABLE.match(line)
                and before.strip()
                and not LIST_OR_TABLE.match(before)
                and not before.startswith((" ", "#"))
            ):
                lines.append("")
            lines.append(line)
        return "\n".join(lines)

    return _outside_fences(markdown, apart)


def _outside_fences(markdown: str, change: Callable[[str], str]) -> str:
    parts = FENCE.split(markdown)  # every second one is a fence
    return "".join(part if i % 2 else change(part) for i, part in enumerate(parts))


def with_players(html: str) -> str:
    """A page with a player after each link to an MP3 file, and in place of a picture's to an MP4.

    A film has its captions beside it, in a file of the same name.
    """
    html = FILM.sub(
        r'<video controls preload="metadata" src="\1.mp4" aria-label="\2">'
        r'<track kind="captions" srclang="en" label="English" src="\1.vtt" default></video>',
        html,
    )
    return SOUND.sub(
        r'<span class="sound">\2<audio controls preload="metadata" src="\1"></audio></span>', html
    )
