"""How much signal and how much noise a chain has at each of its stops."""

from __future__ import annotations

from collections.abc import Iterator

from dlpo.noise_schedule import NoiseSchedule, named_schedule
from dlpo_bench.svg import document, text

WIDTH, HEIGHT = 860, 340  # pixels, as all below
LEFT, RIGHT, TOP, BOTTOM = 60, 830, 84, 264
CHAINS = (("linear", 1000), ("cosine:1.25", 3))  # the papers', and the one that is served


def draw_levels() -> str:
    """An SVG document: sqrt(alpha_bar) over the share of the chain that is done."""
    parts = [text(20, 26, "What is left of the noise, step by step", "title"), *_axes()]
    for (name, steps), colour, row in zip(CHAINS, ("plain", "good"), (0, 1), strict=True):
        schedule = named_schedule(name, steps)
        parts += _chain(schedule, colour)
        label = f"{steps} steps, {name}"
        parts.append(
            f'<rect class="{colour}" x="{LEFT + 300 * row}" y="38" width="14" height="4"/>'
        )
        parts.append(text(LEFT + 300 * row + 20, 44, label))
    return document("Noise levels of two chains", WIDTH, HEIGHT, parts)


def _axes() -> Iterator[str]:
    for share in (0.0, 0.5, 1.0):
        y = _down(share)
        yield f'<line class="axis" x1="{LEFT}" x2="{RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield text(LEFT - 8, round(y) + 4, f"{share:g}", "soft end")
    yield text(LEFT, BOTTOM + 22, "pure noise", "soft")
    yield text(RIGHT, BOTTOM + 22, "speech", "soft end")
    words = "upwards: sigma, the share of noise in amplitude; to the right: reverse steps done"
    yield text(LEFT, BOTTOM + 52, words, "soft")


def _chain(schedule: NoiseSchedule, colour: str) -> Iterator[str]:
    places = [
        (LEFT + (RIGHT - LEFT) * k / schedule.steps, _down(float(sigma)))
        for k, sigma in enumerate(schedule.sigma)
    ]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    yield f'<polyline class="{colour}" style="fill:none" stroke-width="2" points="{points}"/>'
    if schedule.steps > 8:  # dots would touch
        return
    for (x, y), sigma in zip(places, schedule.sigma, strict=True):
        yield f'<circle class="{colour}" cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
        above = min(round(y) - 10, BOTTOM - 10)
        yield text(
            x + (-8 if x > RIGHT - 60 else 8), above, f"{sigma:.2f}", "end" * (x > RIGHT - 60)
        )


def _down(share: float) -> float:
    return BOTTOM - share * (BOTTOM - TOP)
