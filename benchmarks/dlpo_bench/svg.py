"""What all pictures share: an SVG document without a library, its colours, its words.

Colours follow the reader's light or dark mode; the same parts give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from xml.sax.saxutils import escape, quoteattr

STYLE = """
:root{--back:#fff;--ink:#1f2328;--soft:#656d76;--line:#d0d7de;--plain:#57606a;--good:#0969da;--bad:#bc4c00}
@media(prefers-color-scheme:dark){:root{--back:#0d1117;--ink:#e6edf3;--soft:#9198a1;--line:#3d444d;
--plain:#9198a1;--good:#58a6ff;--bad:#f0883e}}
text{font:12px 'DejaVu Sans',Verdana,Helvetica,Arial,sans-serif;fill:var(--ink)}
.title{font-size:16px;font-weight:bold}.measure{font-weight:bold}.soft{fill:var(--soft)}
.end{text-anchor:end}.middle{text-anchor:middle}
.axis{stroke:var(--line)}.zero{stroke:var(--ink)}.plain{stroke:var(--plain);fill:var(--plain)}
.good{stroke:var(--good);fill:var(--good)}.bad{stroke:var(--bad);fill:var(--bad)}
"""  # orange and blue: no one is blind to that difference
ACROSS = 2  # tiles in a row


def document(title: str, width: float, height: float, parts: Iterable[str], style: str = "") -> str:
    """A whole document, of so many pixels, over a background.

    Args:
        title: read aloud, and shown where the pointer rests.
        parts: elements.
        style: CSS behind `STYLE`.
    """
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}" role="img" aria-label={quoteattr(title)}>'
        f"<title>{escape(title)}</title><style>{STYLE}{style}</style>\n"
        f'<rect width="{width}" height="{height}" style="fill:var(--back)"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def tiles(drawn: Sequence[Iterable[str]], width: int, height: int, top: int = 0) -> Iterator[str]:
    """Drawings of equal size side by side, `ACROSS` in a row, from `top` on."""
    for i, parts in enumerate(drawn):
        x, y = i % ACROSS * width, top + i // ACROSS * height
        yield f'<g transform="translate({x} {y})">'
        yield from parts
        yield "</g>"


def rows(count: int) -> int:
    """How many rows so many tiles take."""
    return -(-count // ACROSS)


def text(x: float, y: float, words: str, style: str = "") -> str:
    """One line of words; `style` is classes of `STYLE`."""
    kind = f' class="{style}"' if style else ""
    return f'<text x="{x:.1f}" y="{y}"{kind}>{escape(words)}</text>'
