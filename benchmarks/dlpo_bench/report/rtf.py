"""The section on real-time factors against the paper's sampler."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dlpo_bench.load.report import Target
from dlpo_bench.report.log_panels import Range, draw_log_panels
from dlpo_bench.report.sections import Found, Section
from dlpo_bench.report.tables import number, table

PAPER, EAGER, STREAMED = "eager-1000", "eager", "eager streamed"
KINDS = {  # key of the figures -> words
    "speech": "Speech, text to audio",
    "denoiser": "Reverse steps alone",
}
HEAD = {"speech": "5 s", "denoiser": "1 s"}  # the case that ratios are quoted of
AIMS = (  # of the voice as it is served; the baseline that each is against
    (PAPER, Target("the paper's sampler, 1000 steps", "", "", 500, 1500, more_is_better=True)),
    (EAGER, Target("PyTorch, N steps, whole sentences", "", "", 4, 8, more_is_better=True)),
    (STREAMED, Target("PyTorch, N steps, in the same chunks", "", "", 4, 8, more_is_better=True)),
)
LENGTH = ("60 s / 5 s", Target("time per second of audio, 60 s / 5 s of speech", "", "", 1.1, 1.02))
SAME_DB = -400  # of equal audio
DEVIATIONS = {
    "load_s": "load, s",
    "first_rtf": "first run, RTF",
    "error_db": "deviation, dB",
    "log_spectral_db": "log-spectral, dB",
}

Figures = Mapping[str, Any]


def rtf(found: Sequence[Found]) -> Section:
    """The newest record of each model."""
    newest: dict[str, Found] = {}
    for one in found:
        newest.setdefault(one.record.figures["model"], one)
    order = [model for model in ("lite", "base", "large") if model in newest]
    if not order:
        raise LookupError("no record of lite, base or large")
    parts, pictures = [], {}
    for model in order:
        record = newest[model].record
        parts.append(_model(record.figures))
        seen = f"Real-time factors of {model}"
        pictures[seen] = _picture(seen, record.figures, record.samples)
    text = (
        "One run a model, all in turns, on one core; what the words mean:"
        " [bench-rtf.md](bench-rtf.md).\n\n"
    )
    sources = [newest[model] for model in order]
    return Section("Real-time factor", text + "\n\n".join(parts), sources, pictures)


def _model(figures: Figures) -> str:
    chain = figures["chain"]
    weights = "random weights" if figures["weights"].startswith("random") else "one checkpoint"
    parts = [
        f"**{figures['model']}**: {figures['parameters'] / 1e6:.2f} million parameters, {weights},"
        f" N = {chain['steps']}."
    ]
    ratios = list(_ratios(figures))
    if ratios:
        parts.append(table([f"{figures['served']}, served", "measured", "floor", "aim", "reached"],
                           ratios))  # fmt: skip
    parts += [_times(what, figures[what]) for what in KINDS if what in figures]
    if "speech" in figures:
        parts.append(_deviations(figures))
    if figures["skipped"]:
        parts.append(_left_out(figures["skipped"]))
    return "\n\n".join(parts)


def _ratios(figures: Figures) -> Iterator[list[str]]:
    """The rows that the product is judged by."""
    served, speech = figures["served"], figures.get("speech")
    if not (served and speech):
        return
    label = _head("speech", speech)
    row = speech[label]["contestants"].get(served, {"speedup": {}})
    for baseline, target in AIMS:
        if ratio := row["speedup"].get(baseline):
            aims = [f"{target.floor:g}", f"{target.aim:g}", target.verdict(ratio["value"])]
            yield [f"times faster than {target.name}, {label}", _interval(ratio), *aims]
    key, target = LENGTH
    if ratio := figures["length_costs"].get(served, {}).get(key):
        aims = [f"{target.floor:g}", f"{target.aim:g}", target.verdict(ratio["value"])]
        yield [target.name, _interval(ratio), *aims]


def _times(what: str, cases: Figures) -> str:
    """Real-time factors of every size, and how many times faster than the baselines."""
    head = _head(what, cases)
    names = list(dict.fromkeys(name for case in cases.values() for name in case["contestants"]))
    header = [f"{KINDS[what]}: RTF, median", *cases]
    header += [f"times {baseline}, {head}" for baseline in (PAPER, EAGER)]
    rows = []
    for name in names:
        found = [case["contestants"].get(name) for case in cases.values()]
        speedups = (cases[head]["contestants"].get(name) or {"speedup": {}})["speedup"]
        rows.append(
            [name]
            + [_rtf(one) if one else "" for one in found]
            + [_interval(speedups[b]) if b in speedups else "" for b in (PAPER, EAGER)]
        )
    return table(header, rows)


def _rtf(row: Figures) -> str:
    return number(row["rtf_median"]) + (" extrapolated" if "timed_steps" in row else "")


def _deviations(figures: Figures) -> str:
    """What loading and the first run cost, and how far the audio is from the reference."""
    head = _head("speech", figures["speech"])
    rows = []
    for name, row in figures["speech"][head]["contestants"].items():
        values = {**figures["contestants"][name], **row}
        rows.append([name, *(_deviation(values, key) for key in DEVIATIONS)])
    return table([f"speech {head}", *DEVIATIONS.values()], rows)


def _deviation(values: Figures, key: str) -> str:
    if key == "error_db" and values.get(key) == SAME_DB:
        return "equal"
    return number(values[key]) if key in values else ""


def _left_out(skipped: Mapping[str, str]) -> str:
    names: dict[str, list[str]] = {}  # reason -> whom it kept away
    for name, reason in skipped.items():
        names.setdefault(reason, []).append(name)
    return "Left out:\n\n" + "\n".join(f"- {'; '.join(of)}: {why}" for why, of in names.items())


def _picture(title: str, figures: Figures, samples: Figures) -> str:
    panels = {}
    for what, words in KINDS.items():
        if what not in figures:
            continue
        head = _head(what, figures[what])
        panels[f"{words}, {head}: real-time factor, least to largest of all rounds"] = [
            _range(name, row, samples[what][head][name][f"{what}_rtf"])
            for name, row in figures[what][head]["contestants"].items()
        ]
    note = f"; x as fast as {PAPER}" if any(_has_paper(figures, what) for what in KINDS) else ""
    return draw_log_panels(f"{title}{note}", panels)


def _has_paper(figures: Figures, what: str) -> bool:
    return what in figures and PAPER in figures[what][_head(what, figures[what])]["contestants"]


def _range(name: str, row: Figures, rtf: Sequence[float]) -> Range:
    words = ", extrapolated" if "timed_steps" in row else ""
    if ratio := row["speedup"].get(PAPER):
        words = f", {number(ratio['value'])} x as fast"
    return Range(name, row["rtf_median"], min(rtf), max(rtf), words, hollow="timed_steps" in row)


def _head(what: str, cases: Figures) -> str:
    """The case that is quoted: the usual one, else the last."""
    return HEAD[what] if HEAD[what] in cases else list(cases)[-1]


def _interval(ratio: Figures) -> str:
    low, high = ratio["interval_95"]
    return f"{number(ratio['value'])} [{number(low)}, {number(high)}]"
