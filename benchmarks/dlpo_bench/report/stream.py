"""The section on servers under load from client processes: knees, server time, tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dlpo_bench.report.scenes import Dot, Scene, draw_scenes
from dlpo_bench.report.sections import Found, Section
from dlpo_bench.stream.summary import knee_tables, tokens_table

HEAD = """\
The knee is the highest load (listeners in the closed loop, calls per second in the open one) at
which 99 % of what was asked for was heard without a gap and 95 % of first audio came in time. More
on the words: [load.md](load.md)."""
SEEN = "First audio and goodput from one stream to saturation"
PASSING = "blue: passes, orange: fails"


def stream(found: Sequence[Found]) -> Section:
    """Each measurement from the newest record that has it."""
    newest = {
        name: next((one for one in found if name in one.record.figures), None)
        for name in ("knee", "tokens")
    }
    knee, tokens = newest["knee"], newest["tokens"]
    parts, pictures = [], {}
    if knee:
        parts += [HEAD, *knee_tables(knee.record.figures["knee"])]
        pictures = _pictures(knee.record.samples["knee"], knee.record.figures["knee"])
    if tokens:
        rate = tokens.record.samples["options"]["tokens_per_s"]
        parts.append(f"Text that a language model writes, {rate:g} words a second:")
        parts.append(tokens_table(tokens.record.figures["tokens"]))
    if not parts:
        raise LookupError("neither knee nor tokens")
    sources = list({one.path: one for one in newest.values() if one}.values())
    for one in sources:
        skipped = one.record.figures.get("skipped", {})
        problems = one.record.figures.get("problems", [])
        lines = [f"- not measured: {what}: {why}" for what, why in skipped.items()]
        lines += [f"- failed: {problem}" for problem in problems]
        parts += ["\n".join(lines)] if lines else []
    return Section("Servers under load", "\n\n".join(parts), sources, pictures)


def _pictures(races: Mapping[str, Any], knees: Mapping[str, Any]) -> dict[str, str]:
    """Two scenes for each race that came to its end."""
    scenes = []
    for name, levels in races.items():
        if name not in knees:
            continue
        knee = knees[name]["knee"]
        for key, title, unit in (
            ("first_audio_ms_p95", "first audio p95", "ms"),
            ("goodput_audio_s_per_s", "goodput", "s/s"),
        ):
            dots = [
                Dot(one["load"], one[key], "good" if one["load"] <= knee else "bad")
                for one in levels.values()
                if key in one
            ]
            if not dots:
                continue
            note = [(knee, f"knee {knee:g}")] if knee else []
            load = "listeners" if name.endswith("closed") else "calls per second"
            scenes.append(
                Scene(f"{name}: {title}", load, f"{unit} ({PASSING})", dots=dots, notes=note)
            )
    return {SEEN: draw_scenes(SEEN, scenes)} if scenes else {}
