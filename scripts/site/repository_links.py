"""Converts links of a page in the repository to links of a page on the site."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

LINK = re.compile(r"(?P<picture>!?)\[(?P<label>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^()\s]+)\)")
FENCE = re.compile(r"^(```.*?^```[^\n]*$)", re.MULTILINE | re.DOTALL)
LIST_OR_TABLE = re.compile(r"(?:[-*] |\d+\. |\|)")
TAKEN = "repository"  # the site's folder for pictures from outside docs/


class RepositoryLinks:
    """Where the site has a path of the repository.

    Args:
        root: of the repository.
        docs: its folder of pages.
        pages: additional pages: path in the repository -> URI of the page's source on the site.
    """

    def __init__(self, root: Path, docs: str, pages: Mapping[str, str]) -> None:
        self.root = root
        self.docs = docs
        self.pages = dict(pages)
        self.origins = {uri: path for path, uri in pages.items()}

    def uri_of(self, path: str) -> str:
        """Path in the repository -> URI on the site; for a file outside docs/, that of its copy."""
        if path in self.pages:
            return self.pages[path]
        inside = path.removeprefix(f"{self.docs}/")
        return inside if inside != path else f"{TAKEN}/{path}"

    def resolved(self, markdown: str, uri: str) -> str:
        """A page whose links lead to the site's pages, or name what the site lacks."""

        def replaced(link: re.Match[str]) -> str:
            picture = link["picture"]
            label = link["label"]
            target = link["target"]
            path, anchor = self._path(target, uri)
            if path is None or not (self.root / path).exists():
                return link[0]  # another host, this page, or a mistake, which MkDocs reports
            if picture or path in self.pages or path.startswith(f"{self.docs}/"):
                here = posixpath.dirname(uri) or "."
                to = posixpath.relpath(self.uri_of(path), here)
                return f"{picture}[{label}]({to}{anchor})"
            plain = label.strip("`")
            return f"`{path}`" if path.endswith(plain) else f"{label} (`{path}`)"

        return _outside_fences(markdown, lambda text: LINK.sub(replaced, text))

    def pictures_outside(self, markdown: str, uri: str) -> Iterator[str]:
        """Paths of pictures shown on a page from outside docs/."""
        for link in LINK.finditer(markdown):
            path, _ = self._path(link["target"], uri)
            if link["picture"] and path and not path.startswith(f"{self.docs}/"):
                yield path

    def _path(self, target: str, uri: str) -> tuple[str | None, str]:
        """Path in the repository, and the anchor; the path is None if it is not a file."""
        if re.match(r"[a-z]+:|#|/", target):
            return None, ""
        file, mark, anchor = target.partition("#")
        origin = self.origins.get(uri, f"{self.docs}/{uri}")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(origin), file))
        return path, mark + anchor


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
