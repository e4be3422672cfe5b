"""The picture of a profile: bars and their numbers in one table, as SVG without a library."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from dlpo_export.profile.measure import Profile, Share

WIDTH = 960  # pixels, as all below
MARGIN = 24
ROW = 20
BAR_LEFT, BAR_WIDTH = 230, 370
COLUMNS = {"ms": 668, "%": 728, "GMAC": 806, "GMAC/s": 884}  # right edges
MULTIPLYING, OTHER = "#2f6fb0", "#e39b3b"
MOST_ROWS = 30  # of a section; the rest is summed up
LEAST_SHARE = 1e-3  # of the time; what has less is part of the rest
STYLE = (
    "text{font-family:'DejaVu Sans',Verdana,Helvetica,Arial,sans-serif;font-size:12px;fill:#222}"
    ".t{font-size:18px;font-weight:bold}.h{font-size:13px;font-weight:bold}.s{fill:#666}"
    ".r{text-anchor:end}.b{font-weight:bold}"
)


def draw_profile(profile: Profile) -> str:
    """An SVG document of layers, operators and reverse steps with their times."""
    drawing = _Drawing()
    drawing.header(profile)
    drawing.section("Layers of the network", profile.layers)
    drawing.section("Kinds of operator", profile.kinds)
    if len(profile.steps) > 1:
        in_order = sorted(profile.steps, key=lambda share: (share.name == "once", share.name))
        drawing.section("Reverse steps; once = what all of them share", in_order)
    drawing.totals(profile)
    return drawing.document()


class _Drawing:
    """Lines of an SVG from top to bottom."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._y = MARGIN

    def header(self, profile: Profile) -> None:
        self._y += 8
        self._text(MARGIN, f"Where {profile.graph} spends its time", "t")
        self._y += 24
        self._text(
            MARGIN,
            f"voice {profile.voice}, {profile.precision}, {profile.audio_s:.2f} s of audio, "
            f"bundle {profile.bundle_sha256[:12]}",
        )
        self._y += 18
        threads = f"{profile.threads} thread" + ("s" if profile.threads > 1 else "")
        self._text(MARGIN, f"onnxruntime {profile.onnxruntime}, {threads}; {profile.machine}", "s")
        self._y += 18
        legend = (
            "convolutions, products, LSTMs",
            "all other operators, counted to the layer they feed",
        )
        x = MARGIN
        for colour, words in zip((MULTIPLYING, OTHER), legend, strict=True):
            self._parts.append(
                f'<rect x="{x}" y="{self._y - 10}" width="12" height="12" fill="{colour}"/>'
            )
            self._text(x + 18, words, "s")
            x += 40 + 7 * len(words)
        self._y += 12

    def section(self, title: str, shares: Sequence[Share]) -> None:
        self._y += 26
        self._text(MARGIN, title, "h")
        for name, right in COLUMNS.items():
            self._text(right, name, "r s")
        self._line(self._y + 6)
        self._y += 4
        shown = [share for share in shares[:MOST_ROWS] if share.share >= LEAST_SHARE]
        if rest := [share for share in shares if share not in shown]:
            shown.append(_together(f"{len(rest)} others", rest))
        longest = max((share.ms for share in shown), default=0.0) or 1.0
        for share in shown:
            self._y += ROW
            self._text(MARGIN, share.name if len(share.name) < 31 else f"…{share.name[-29:]}")
            other = share.ms_by_kind.get("other", 0.0)
            multiplying = (share.ms - other) / longest * BAR_WIDTH
            self._bar(BAR_LEFT, multiplying, MULTIPLYING)
            self._bar(BAR_LEFT + multiplying, other / longest * BAR_WIDTH, OTHER)
            self._numbers(share.ms, share.share, share.gmac, share.gmac_per_s)

    def totals(self, profile: Profile) -> None:
        self._y += 12
        self._line(self._y)
        self._y += ROW
        busy = sum(
            ms for s in profile.kinds for kind, ms in s.ms_by_kind.items() if kind != "other"
        )
        self._text(MARGIN, "All nodes", "b")
        rate = profile.gmac / busy * 1e3 if busy else 0.0
        self._numbers(profile.total_ms, 1.0, profile.gmac, rate, "b")
        self._y += ROW
        real_time = profile.total_ms / 1e3 / profile.audio_s
        self._text(
            MARGIN,
            f"The fastest of {profile.runs} runs of every node, added: {real_time:.4f} of the "
            "audio's length (real-time factor).",
            "s",
        )
        self._y += 18
        self._text(
            MARGIN,
            f"The quickest whole run took {profile.run_ms:.1f} ms of CPU time, profiler included. "
            "GMAC/s is of the time in blue only.",
            "s",
        )

    def document(self) -> str:
        height = self._y + MARGIN
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
            f'viewBox="0 0 {WIDTH} {height}"><style>{STYLE}</style>'
            f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>\n'
            + "\n".join(self._parts)
            + "\n</svg>\n"
        )

    def _numbers(self, ms: float, share: float, gmac: float, rate: float, style: str = "") -> None:
        cells = f"{ms:.2f}", f"{100 * share:.1f}", f"{gmac:.3f}", f"{rate:.0f}"
        for right, cell, always in zip(
            COLUMNS.values(), cells, (True, True, False, False), strict=True
        ):
            if always or gmac:
                self._text(right, cell, f"r {style}".strip())

    def _text(self, x: float, words: str, style: str = "") -> None:
        kind = f' class="{style}"' if style else ""
        self._parts.append(f'<text x="{x}" y="{self._y}"{kind}>{escape(words)}</text>')

    def _bar(self, x: float, width: float, colour: str) -> None:
        if width >= 0.05:
            self._parts.append(
                f'<rect x="{x:.1f}" y="{self._y - 11}" width="{width:.1f}" height="14" '
                f'fill="{colour}"/>'
            )

    def _line(self, y: float) -> None:
        self._parts.append(
            f'<line x1="{MARGIN}" y1="{y}" x2="{WIDTH - MARGIN}" y2="{y}" stroke="#bbb"/>'
        )


def _together(name: str, shares: Sequence[Share]) -> Share:
    kinds = {"other": sum(share.ms_by_kind.get("other", 0.0) for share in shares)}
    ms, gmac = sum(share.ms for share in shares), sum(share.gmac for share in shares)
    busy = ms - kinds["other"]
    rate = gmac / busy * 1e3 if busy else 0.0
    return Share(name, ms, sum(share.share for share in shares), gmac, rate, kinds)
