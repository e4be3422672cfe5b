"""Sections on speed and memory: streams, real-time factors, peers, lengths, the roofline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dlpo_bench.plots import (
    BLUE,
    GRAY,
    ORANGE,
    Interval,
    PlotPanel,
    Series,
    draw_intervals,
    draw_panels,
)
from dlpo_bench.report.section import Found, Section
from dlpo_bench.tables import (
    TARGET_HEADER,
    Block,
    Table,
    Target,
    cells,
    estimate,
    named_figures,
    number,
    target_table,
)

Figures = Mapping[str, Any]

LATENCY = {
    "first_audio_ms_p50": "first audio, 80-character sentence, p50, ms",
    "first_audio_ms_p95": "p95, ms",
    "stream_rtf_p50": "real-time factor of a stream, p50",
    "start_s": "process start to SERVING, s",
    "rss_mb": "resident memory then, MB",
    "rss_after_mb": "after the calls, MB",
}
COLD_START = {
    "first_audio_ms": "process start to first audio, ms",
    "python_ms": "of which Python's own start, ms",
    "imports_ms": "imports, ms",
    "open_voice_ms": "opening the voice, ms",
    "first_chunk_ms": "first chunk, ms",
    "processor_ms": "processor time of all threads, ms",
}
LOAD_TARGETS = (
    Target("first audio of one stream, p50, ms", 50, 15, ("first-audio", "first_audio_ms_p50")),
    Target("first audio of one stream, p99, ms", 120, 30, ("first-audio", "first_audio_ms_p99")),
    Target("streams in real time without gaps", 16, 80, ("streams", "streams"), True),
    Target("refusal when full, p99, ms", 20, 5, ("refusals", "refusal_ms_p99")),
    Target("refusals with RetryInfo, share", 1, 1, ("refusals", "retry_info_share"), True),
    Target("overload: first audio p95, x unloaded", 4, 2, ("overload", "first_audio_ratio")),
    Target("overload: gaps of admitted streams, s", 0, 0, ("overload", "underrun_s")),
    Target("overload: refusals with RetryInfo", 1, 1, ("overload", "retry_info_share"), True),
    Target("overload: failed calls", 0, 0, ("overload", "failed")),
    Target("cancelled stream frees its place, p99, ms", 200, 50, ("freed-places", "freed_ms_p99")),
    Target("memory growth of the soak, share", 0.05, 0.01, ("soak", "growth")),
    Target("soak: failed requests", 0, 0, ("soak", "failed")),
    Target("stream = one reply, largest deviation", 1e-4, 0, ("ways", "unary_largest")),
    Target("stream = offline, largest deviation", 1e-4, 0, ("ways", "offline_largest")),
    Target("concurrent streams = alone, deviation", 1e-4, 0, ("concurrent", "largest")),
)
CALLS = {  # measurement of a load record, its raw samples -> title of the picture
    ("first-audio", "first_audio_ms"): "First audio, one stream",
    ("refusals", "refusal_ms"): "Refusal by a full server",
    ("freed-places", "freed_ms"): "Place of a cancelled stream, free",
}
KNEE_HEAD = """\
The knee is the highest load (listeners in the closed loop, calls per second in the open one) at
which 99 % of the requested speech played without a gap and 95 % of first audio came in time.
Definitions: [load.md](load.md)."""
KNEE = {  # key of a server's figures in one loop -> column
    "first_audio_ms_p50": "first audio p50, ms",
    "first_audio_ms_p95": "p95",
    "first_audio_ms_p99": "p99",
    "goodput_audio_s_per_s": "goodput, s/s",
    "underrun_share": "gaps, share",
    "shed_share": "shed",
    "core_hour_ratio": "core hours per hour",
    "peak_mb": "peak, MB",
}
STAGES = {
    "queue_ms": "queue, ms a call",
    "encode_ms_per_audio_s": "encode, ms per s",
    "frames_ms_per_audio_s": "frames",
    "denoise_ms_per_audio_s": "denoise",
    "encode_audio_ms_per_audio_s": "encode audio",
}
TOKENS = {
    "first_token_to_speech_ms_p50": "first token to speech p50, ms",
    "first_token_to_speech_ms_p95": "p95",
    "last_token_to_end_of_speech_ms_p50": "last token to end of speech p50, ms",
    "underrun_s": "gaps, s",
    "core_hour_ratio": "core hours per hour",
    "peak_mb": "peak, MB",
}
PAPER, EAGER, STREAMED = "eager-1000", "eager", "eager streamed"
CASES = {"speech": ("Speech, text to audio", "5 s"), "denoiser": ("Reverse steps alone", "1 s")}
"""Key of the figures -> title, and the case that ratios are quoted of."""
RTF_TARGETS = (  # of the served voice; the baseline of each
    (PAPER, Target("the paper's sampler, 1000 steps", 500, 1500, (), True)),
    (EAGER, Target("PyTorch, N steps, whole sentences", 4, 8, (), True)),
    (STREAMED, Target("PyTorch, N steps, in the same chunks", 4, 8, (), True)),
)
LENGTH_TARGET = Target("time per second of audio, 60 s / 5 s of speech", 1.1, 1.02)
SAME_DB = -400  # of equal audio
DEVIATIONS = {
    "load_s": "load, s",
    "first_rtf": "first run, RTF",
    "error_db": "deviation, dB",
    "log_spectral_db": "log-spectral, dB",
}
PIPER = Target("Piper medium's architecture, times as long as ours", 1.5, 5, (), True)
SCALING_TARGETS = (
    Target("time per second of audio, 60 s / 5 s", 1.1, 1.02, ("stream", "rtf")),
    Target("the same, processor time", 1.1, 1.02, ("stream", "cpu_rtf")),
    Target("time from a server", 1.1, 1.02, ("served", "rtf")),
    Target("the same, its processor time", 1.1, 1.02, ("served", "cpu_rtf")),
    Target("peak memory, 60 s / 5 s", 1.1, 1.0, ("stream", "peak_mb")),
    Target("peak memory of a server", 1.1, 1.0, ("served", "peak_mb")),
)
WAYS = {
    "stream": "streamed in process",
    "whole": "whole in process",
    "served": "streamed by a server",
}
DENOISER_TARGET = Target("share of the int8 peak", 40, 60, (), True)
MOST_LAYERS, NAMED_LAYERS = 12, 6  # in a table; in a picture
PEAK_WORDS = {"memory": "memory", "cache": "cached memory"}
BYTES = ("memory", "cache")  # their rates are GB/s, the others' GOP/s
ENCODING = {
    "first_bytes_ms": "audio before first bytes, ms",
    "kbit_per_s": "kbit/s",
    "processor_ms_per_s": "processor, ms per s",
    "open_ms": "open, ms",
    "memory_kb": "memory, kB",
}
PERCENTILES = {50: 2, 95: 20, 99: 100}
"""Percentile that is marked -> fewest samples for it."""


def latency(found: Sequence[Found]) -> Section:
    """One stream over gRPC."""
    record = found[0].record
    pictures = {}
    if first_ms := record.samples.get("first_audio_ms"):
        name = "Latency of one stream"
        pictures[name] = draw_panels(name, [_distribution("First audio", first_ms)])
    return Section("One stream", [named_figures(record.figures, LATENCY)], found[:1], pictures)


def cold_start(found: Sequence[Found]) -> Section:
    """A process that has just been started."""
    table = named_figures(found[0].record.figures, COLD_START)
    note = "The least of all repeats; the files are in the page cache."
    return Section("A cold process", [note, table], found[:1])


def load(found: Sequence[Found]) -> Section:
    """A server under load; each measurement from the newest record that has it."""
    newest: dict[str, Found] = {}
    for one in found:
        for measurement in one.record.figures:
            newest.setdefault(measurement, one)
    figures = {name: one.record.figures[name] for name, one in newest.items()}
    samples = {name: one.record.samples.get(name, {}) for name, one in newest.items()}
    table = target_table(LOAD_TARGETS, figures)
    if not table.rows:
        raise LookupError("no measurement with a target")
    sources = [one for one in found if any(one is used for used in newest.values())]
    blocks: list[Block] = ["Definitions: [load.md](load.md).", table]
    if len(sources) > 1:
        parts = {
            one.path.stem: ", ".join(n for n in figures if newest[n] is one and n != "machine")
            for one in sources
        }
        listed = "; ".join(f"{names} from {stem}" for stem, names in parts.items() if names)
        blocks.append(f"Measured on different machines or days: {listed}.")
    return Section("Under load", blocks, sources, _load_pictures(figures, samples))


def _load_pictures(figures: Figures, samples: Figures) -> dict[str, str]:
    pictures = {}
    calls = [
        _distribution(title, samples[measurement][name])
        for (measurement, name), title in CALLS.items()
        if samples.get(measurement, {}).get(name)
    ]
    if calls:
        pictures["Latency of calls"] = draw_panels("Latency of calls", calls)
    if levels := samples.get("streams", {}).get("levels"):
        passed = figures["streams"]["streams"]
        marks = [(passed, f"{passed:g} in real time")]
        listeners = [level["listeners"] for level in levels]
        panels = [
            PlotPanel(title, "listeners", unit, [Series(listeners, [v[key] for v in levels])],
                  marks=marks)
            for title, unit, key in (
                ("First audio, p95", "ms", "first_audio_ms_p95"),
                ("Refused calls", "calls", "refused"),
            )
        ]  # fmt: skip
        pictures["Levels of load"] = draw_panels("Levels of load", panels)
    return pictures


def load_blocks(figures: Figures) -> list[Block]:
    """What `dlpo bench stream` shows: targets, knees, tokens, and every other figure."""
    blocks: list[Block] = []
    targets = target_table(LOAD_TARGETS, figures)
    if targets.rows:
        blocks.append(targets)
    if "knee" in figures:
        blocks += knee_tables(figures["knee"])
    if "tokens" in figures:
        blocks.append(tokens_table(figures["tokens"]))
    for name, found in figures.items():
        if name not in ("knee", "tokens"):
            rows = [[key, number(v)] for key, v in found.items() if isinstance(v, int | float)]
            blocks.append(Table([name, "measured"], rows))
    return blocks


def stream(found: Sequence[Found]) -> Section:
    """Knees and tokens, each from the newest record that has it."""
    newest = {
        name: one
        for name in ("knee", "tokens")
        if (one := next((one for one in found if name in one.record.figures), None))
    }
    if not newest:
        raise LookupError("neither knee nor tokens")
    blocks: list[Block] = []
    pictures = {}
    if knee := newest.get("knee"):
        figures = knee.record.figures["knee"]
        blocks += [KNEE_HEAD, *knee_tables(figures)]
        pictures = _knee_pictures(knee.record.samples["knee"], figures)
    if tokens := newest.get("tokens"):
        rate = tokens.record.samples["options"]["tokens_per_s"]
        blocks.append(f"Text from a language model, {rate:g} words a second:")
        blocks.append(tokens_table(tokens.record.figures["tokens"]))
    sources = list({one.path: one for one in newest.values()}.values())
    for one in sources:
        lines = [
            f"- not measured: {what}: {why}"
            for what, why in one.record.figures.get("skipped", {}).items()
        ]
        lines += [f"- failed: {problem}" for problem in one.record.figures.get("problems", [])]
        if lines:
            blocks.append("\n".join(lines))
    return Section("Servers under load", blocks, sources, pictures)


def knee_tables(knee: Figures) -> Iterator[Table]:
    """Ratios first, then the knees, then the server's own time at the knee."""
    loops = {name: figures for name, figures in knee.items() if name != "ratios"}
    if ratios := knee.get("ratios"):
        header = ["against the first", "knee", "first audio p50 [95 % interval]", "at load"]
        yield Table(header, [[name, *_ratio_cells(one)] for name, one in ratios.items()])
    rows = []
    for name, figures in loops.items():
        at_least = "≥ " if figures["knee_is_bound"] else ""
        rows.append([name, at_least + number(figures["knee"]), *cells(figures, KNEE, "–")])
    yield Table(["server, loop", "knee", *KNEE.values()], rows)
    staged = {name: figures for name, figures in loops.items() if "queue_ms" in figures}
    if staged:
        rows = [[name, *cells(figures, STAGES, "–")] for name, figures in staged.items()]
        yield Table(["time of the server", *STAGES.values()], rows)


def tokens_table(tokens: Figures) -> Table:
    """Text from a language model."""
    rows = [[name, *cells(figures, TOKENS, "–")] for name, figures in tokens.items()]
    return Table(["server", *TOKENS.values()], rows)


def _ratio_cells(ratios: Mapping[str, float]) -> list[str]:
    knee = number(ratios["knee"]) if "knee" in ratios else "–"
    if "first_audio" not in ratios:
        return [knee, "–", "–"]
    ends = [ratios["first_audio_low"], ratios["first_audio_high"]]
    first = estimate({"value": ratios["first_audio"], "interval_95": ends}, fixed=True)
    return [knee, first, number(ratios["load"])]


def _knee_pictures(samples: Figures, knees: Figures) -> dict[str, str]:
    """Two panels for each loop that has a knee."""
    panels = []
    for name, levels in samples.items():
        if name not in knees:
            continue
        knee = knees[name]["knee"]
        for key, title, unit in (
            ("first_audio_ms_p95", "first audio p95", "ms"),
            ("goodput_audio_s_per_s", "goodput", "s/s"),
        ):
            series = []
            for label, color, passes in (("passes", BLUE, True), ("fails", ORANGE, False)):
                chosen = [
                    (one["load"], one[key])
                    for one in levels.values()
                    if key in one and (one["load"] <= knee) == passes
                ]
                if chosen:
                    x, y = zip(*chosen, strict=True)
                    series.append(Series(x, y, label, color))
            if series:
                marks = [(knee, f"knee {knee:g}")] if knee else []
                x_label = "listeners" if name.endswith("closed") else "calls per second"
                panels.append(PlotPanel(f"{name}: {title}", x_label, unit, series, marks=marks))
    caption = "First audio and goodput from one stream to saturation"
    return {caption: draw_panels(caption, panels)} if panels else {}


def rtf(found: Sequence[Found]) -> Section:
    """The newest record of each model."""
    newest: dict[str, Found] = {}
    for one in found:
        newest.setdefault(one.record.figures["model"], one)
    order = [model for model in ("lite", "base", "large") if model in newest]
    if not order:
        raise LookupError("no record of lite, base or large")
    blocks: list[Block] = [
        "One run per model, contestants in turns on one core. Definitions:"
        " [bench-rtf.md](bench-rtf.md)."
    ]
    pictures = {}
    for model in order:
        record = newest[model].record
        blocks += rtf_blocks(record.figures)
        name = f"Real-time factors of {model}"
        pictures[name] = _rtf_picture(name, record.figures, record.samples)
    return Section("Real-time factor", blocks, [newest[model] for model in order], pictures)


def rtf_blocks(figures: Figures) -> list[Block]:
    """Targets, real-time factors of every size, deviations, and what was skipped."""
    chain = figures["chain"]
    weights = "random weights" if figures["weights"].startswith("random") else "one checkpoint"
    blocks: list[Block] = [
        f"**{figures['model']}**: {figures['parameters'] / 1e6:.2f} million parameters, {weights},"
        f" N = {chain['steps']}."
    ]
    if targets := list(_rtf_targets(figures)):
        blocks.append(Table([f"{figures['served']}, served", *TARGET_HEADER[1:]], targets))
    blocks += [_rtf_table(what, figures[what]) for what in CASES if what in figures]
    if "speech" in figures:
        blocks.append(_deviations(figures))
    if figures["skipped"]:
        names: dict[str, list[str]] = {}  # reason -> what it kept from being measured
        for name, reason in figures["skipped"].items():
            names.setdefault(reason, []).append(name)
        lines = [f"- {'; '.join(of)}: {why}" for why, of in names.items()]
        blocks.append("Skipped:\n\n" + "\n".join(lines))
    return blocks


def _rtf_targets(figures: Figures) -> Iterator[list[str]]:
    served, speech = figures["served"], figures.get("speech")
    if not (served and speech):
        return
    label = _quoted("speech", speech)
    speedups = speech[label]["contestants"].get(served, {"speedup": {}})["speedup"]
    for baseline, target in RTF_TARGETS:
        if ratio := speedups.get(baseline):
            _, *rest = target.row(ratio["value"], estimate(ratio))
            yield [f"times faster than {target.name}, {label}", *rest]
    if ratio := figures["length_costs"].get(served, {}).get("60 s / 5 s"):
        yield LENGTH_TARGET.row(ratio["value"], estimate(ratio))


def _rtf_table(what: str, cases: Figures) -> Table:
    """Real-time factors of every size, and the speed-up over the baselines."""
    title, quoted = CASES[what][0], _quoted(what, cases)
    header = [f"{title}: RTF, median", *cases]
    header += [f"times {baseline}, {quoted}" for baseline in (PAPER, EAGER)]
    rows = []
    for name in dict.fromkeys(name for case in cases.values() for name in case["contestants"]):
        found = [case["contestants"].get(name) for case in cases.values()]
        speedups = (cases[quoted]["contestants"].get(name) or {"speedup": {}})["speedup"]
        rows.append([
            name,
            *(number(one["rtf_median"]) + " extrapolated" * ("timed_steps" in one) if one else ""
              for one in found),
            *(estimate(speedups[b]) if b in speedups else "" for b in (PAPER, EAGER)),
        ])  # fmt: skip
    return Table(header, rows)


def _deviations(figures: Figures) -> Table:
    """What loading and the first run cost, and how far the audio is from the reference."""
    quoted = _quoted("speech", figures["speech"])
    rows = []
    for name, row in figures["speech"][quoted]["contestants"].items():
        values = {**figures["contestants"][name], **row}
        shown = cells(values, DEVIATIONS)
        if values.get("error_db") == SAME_DB:
            shown[list(DEVIATIONS).index("error_db")] = "equal"
        rows.append([name, *shown])
    return Table([f"speech {quoted}", *DEVIATIONS.values()], rows)


def _rtf_picture(title: str, figures: Figures, samples: Figures) -> str:
    panels = {}
    for what, (words, _) in CASES.items():
        if what not in figures:
            continue
        quoted = _quoted(what, figures[what])
        rows = []
        for name, row in figures[what][quoted]["contestants"].items():
            rounds = samples[what][quoted][name][f"{what}_rtf"]
            ratio = row["speedup"].get(PAPER)
            extrapolated = "timed_steps" in row
            note = f"{number(ratio['value'])} x as fast as {PAPER}" if ratio else ""
            note = "extrapolated" if extrapolated and not note else note
            rows.append(
                Interval(name, row["rtf_median"], min(rounds), max(rounds), note, BLUE,
                         extrapolated)
            )  # fmt: skip
        panels[f"{words}, {quoted}: real-time factor, least to largest of all rounds"] = rows
    return draw_intervals(title, panels, log=True)


def _quoted(what: str, cases: Figures) -> str:
    """The case that ratios are quoted of: the usual one, else the last."""
    return CASES[what][1] if CASES[what][1] in cases else list(cases)[-1]


def peers(found: Sequence[Found]) -> Section:
    """How many times as long as ours each peer takes."""
    figures = found[0].record.figures
    pictures = {}
    if figures["ratios"]:
        panels: dict[str, list[Interval]] = {}
        for name, by_length in figures["ratios"].items():
            for length, measures in by_length.items():
                ratio = measures["rtf"]
                low, high = ratio["interval_95"]
                note, color = "undecided", GRAY
                if low > 1 or high < 1:
                    note, color = (
                        ("ours is faster", BLUE) if low > 1 else ("ours is slower", ORANGE)
                    )
                row = Interval(name, ratio["value"], low, high, note, color)
                panels.setdefault(f"text of {length}", []).append(row)
        title = "Time for a second of audio, times that of our voice, 95 % intervals"
        pictures["Peers on one core"] = draw_intervals(title, panels, reference=1)
    return Section("Peers on one core", peers_blocks(figures), found[:1], pictures)


def peers_blocks(figures: Figures) -> list[Block]:
    """Ratios to our voice, each contestant's figures, and notes."""
    blocks: list[Block] = [
        f"All contestants on one core with one thread, in turns over {figures['rounds']} rounds."
        " Definitions: [bench-peers.md](bench-peers.md)."
    ]
    ratios = figures["ratios"]
    if not ratios:
        blocks.append("No peer was measured.")
    else:
        blocks.append(_peer_ratios("time per second of audio, times ours", ratios))
        if to_whole := figures["ratios_to_whole"]:
            blocks.append(_peer_ratios("times ours in whole sentences", to_whole))
        if "piper" in ratios:
            least = min(ratio["rtf"]["value"] for ratio in ratios["piper"].values())
            name, value, floor, aim, verdict = PIPER.row(least)
            blocks.append(f"{name}: {value} at least (floor {floor}, aim {aim}: {verdict}).")
    blocks.append(_contestants(figures["contestants"]))
    notes = [
        f"- {name}: {one['note']}." for name, one in figures["contestants"].items() if "note" in one
    ]
    notes += [
        f"- {_arithmetic(one)}"
        for one in figures["contestants"].values()
        if "gmac_per_audio_s" in one
    ]
    notes += [f"- {name} was skipped: {reason}." for name, reason in figures["skipped"].items()]
    return [*blocks, "\n".join(notes)] if notes else blocks


def _peer_ratios(title: str, ratios: Figures) -> Table:
    lengths = list(next(iter(ratios.values())))
    header = [title, *(h for one in lengths for h in (one, f"{one}, processor time"))]
    rows = [
        [
            name,
            *(
                estimate(ratio[length][measure], fixed=True)
                for length in lengths
                for measure in ("rtf", "cpu_rtf")
            ),
        ]
        for name, ratio in ratios.items()
    ]
    return Table(header, rows)


def _contestants(contestants: Figures) -> Table:
    lengths = list(contestants["dlpo"]["texts"])
    header = ["contestant", "version"]
    for length in lengths:
        header += [f"RTF, {length}", "± deviation", "audio, s"]
    rows = []
    for name, one in contestants.items():
        row = [f"{name}: {one['title']}", one["version"]]
        for length in lengths:
            text = one["texts"][length]
            row += [number(text["rtf_median"]), number(text["rtf_spread"], 2)]
            row.append(f"{text['audio_s']:.1f}")
        load_s = number(one["load_s"]) if "load_s" in one else "each time"
        rows.append([*row, load_s, f"{one['peak_mb']:.0f}"])
    return Table([*header, "load, s", "peak memory, MB"], rows)


def _arithmetic(one: Figures) -> str:
    """Why its speed does not depend on its weights."""
    parts = one["gmac_per_audio_s"]
    whole = sum(parts.values())
    by_part = ", ".join(f"{name} {100 * value / whole:.1f} %" for name, value in parts.items())
    return (
        f"{one['title']}: {one['parameters'] / 1e6:.2f} M parameters in its graph (a published"
        f" voice: {one['published_parameters'] / 1e6:.1f} M), {whole:.2f} x 10^9 multiplications"
        f" in convolutions per second of audio: {by_part}."
    )


def scaling(found: Sequence[Found]) -> Section:
    """Ratios of long to short, then every length and number of streams."""
    figures = found[0].record.figures
    panels = []
    for title, unit, key in (("Time", "real-time factor", "rtf"), ("Peak memory", "MB", "peak_mb")):
        series = [
            Series([v["audio_s"] for v in lengths.values()], [v[key] for v in lengths.values()],
                   WAYS[way], ORANGE if way == "whole" else BLUE)
            for way, lengths in figures["lengths"].items()
            if way != "served"
        ]  # fmt: skip
        panels.append(PlotPanel(title, "seconds of audio", unit, series))
    streams = {int(count): one for count, one in figures["streams"].items()}
    for title, unit, key in (
        ("First audio, median", "ms", "first_audio_ms_p50"),
        ("Peak memory of the server", "MB", "peak_mb"),
    ):
        chosen = {count: one[key] for count, one in streams.items() if key in one}
        if chosen:
            one_series = Series(list(chosen), list(chosen.values()))
            panels.append(PlotPanel(title, "concurrent streams", unit, [one_series]))
    name = "Cost of longer texts and more streams"
    return Section("Cost of scale", scaling_blocks(figures), found[:1],
                   {name: draw_panels(name, panels)})  # fmt: skip


def scaling_blocks(figures: Figures) -> list[Block]:
    """Ratios of long texts to short ones, every length, every number of streams."""
    blocks: list[Block] = [
        f"Medians of {figures['rounds']} rounds, each text in a process of its own. Definitions:"
        " [bench-scaling.md](bench-scaling.md)."
    ]
    if figures["ratios"]:
        blocks.append(target_table(SCALING_TARGETS, figures["ratios"]))
    columns = {
        "rtf": "RTF",
        "cpu_rtf": "RTF, processor time",
        "first_audio_ms": "first audio, ms",
        "peak_mb": "peak memory, MB",
        "grown_mb": "of it for the text, MB",
    }
    rows = []
    for way, lengths in figures["lengths"].items():
        for one in lengths.values():
            growth = one.get("growth_per_minute")
            grown = "" if growth is None else f"{100 * growth:+.2f} %"
            rows.append([f"{WAYS[way]}, {one['audio_s']:.0f} s", *cells(one, columns), grown])
    header = ["text", *columns.values(), "growth per minute of audio"]
    blocks.append(Table(header, rows))
    if figures["streams"]:
        columns = {
            "first_audio_ms_p50": "first audio, p50, ms",
            "first_audio_ms_most": "slowest, ms",
            "speed": "seconds of audio a second",
            "peak_mb": "peak memory, MB",
            "refused": "refused",
        }
        rows = [[count, *cells(one, columns)] for count, one in figures["streams"].items()]
        blocks.append(Table(["concurrent streams", *columns.values()], rows))
    return blocks


def roofline(found: Sequence[Found]) -> Section:
    """One core's peaks, and what each graph reaches of them."""
    figures = found[0].record.figures
    panels = []
    for name in _served_denoisers(figures):
        graph, peaks = figures["graphs"][name], figures["peaks"]
        layers = figures["layers"][name]
        peak = peaks[graph["peak"]]["rate"]
        series = [
            Series([one["intensity"] for one in layers], [one["gop_per_s"] for one in layers],
                   notes=[str(i + 1) for i in range(min(NAMED_LAYERS, len(layers)))])
        ]  # fmt: skip
        low = min(one["intensity"] for one in layers)
        high = max(one["intensity"] for one in layers)
        for kind, color in (("memory", GRAY), ("cache", ORANGE)):
            if kind in peaks:
                x = np.geomspace(low / 2, max(high, peak / peaks[kind]["rate"]) * 2, 50)
                roof = np.minimum(peak, x * peaks[kind]["rate"])
                series.append(Series(x.tolist(), roof.tolist(), PEAK_WORDS[kind], color, "-"))
        listed = "\n".join(
            f"{i + 1}: {one['layer']}" for i, one in enumerate(layers[:NAMED_LAYERS])
        )
        title = f"{name}: {100 * graph['share']:.0f} % of the {graph['peak']} peak"
        panels.append(
            PlotPanel(title, "operations a byte", "GOP/s", series, "xy", legend_title=listed)
        )
    caption = "Layers under the roof"
    return Section("The limit", roofline_blocks(figures), found[:1],
                   {caption: draw_panels(caption, panels)})  # fmt: skip


def roofline_blocks(figures: Figures) -> list[Block]:
    """Targets, peaks, graphs, and the layers and operators of the served denoiser."""
    served = _served_denoisers(figures)
    shown = next((name for name in served if " int8," in name), served[-1])
    rows = []
    for name in served:
        graph = figures["graphs"][name]
        if graph["peak"] == "int8":
            share = 100 * graph["share"]
            _, *rest = DENOISER_TARGET.row(share, f"{share:.3g} %")
            rows.append([f"{DENOISER_TARGET.name}, %, {name}, as served", *rest])
    blocks: list[Block] = [
        "Definitions: [bench-roofline.md](bench-roofline.md).", Table(TARGET_HEADER, rows),
        _peaks(figures), _graphs(figures["graphs"], "graph"),
    ]  # fmt: skip
    layers = [
        [one["layer"], *cells(one, ("ms", "gop", "intensity", "gop_per_s")),
         f"{100 * one['share_of_bound']:.0f} %", number(one["multiplying_gop_per_s"]),
         ", ".join(f"{kind} {number(ms, 2)}" for kind, ms in one["largest_kinds"])]
        for one in figures["layers"][shown][:MOST_LAYERS]
    ]  # fmt: skip
    operators = [
        [one["operator"], number(one["ms"]), f"{100 * one['share']:.1f} %",
         number(one["gop_per_s"]) if one["gop_per_s"] else ""]
        for one in figures["operators"][shown][:MOST_LAYERS]
    ]  # fmt: skip
    blocks += [
        f"Layers of {shown}:",
        Table(["layer", "ms", "GOP", "operations a byte", "GOP/s", "of its bound",
               "GOP/s while multiplying", "operators, ms"], layers),
        f"Operators of {shown}:",
        Table(["operator", "ms", "share of the time", "GOP/s"], operators),
    ]  # fmt: skip
    if figures["skipped"]:
        blocks.append("\n".join(f"- skipped {k}: {why}" for k, why in figures["skipped"].items()))
    return blocks


def _peaks(figures: Figures) -> Table:
    rows = []
    for kind, peak in figures["peaks"].items():
        unit = "GB/s" if kind in BYTES else "GOP/s"
        rates = [f"{number(peak[key])} {unit}" for key in ("rate", "median_rate")]
        rows.append([PEAK_WORDS.get(kind, kind), *rates, peak["by"]])
    return Table(["peak of one core", "best", "median", "by"], rows)


def _graphs(graphs: Figures, title: str) -> Table:
    """What share of the peak each whole graph reaches."""
    rows = []
    for name, graph in graphs.items():
        ends = ""
        if "share_of_medians" in graph:
            low, high = graph["share_of_medians"]["interval_95"]
            ends = f"{100 * low:.0f} to {100 * high:.0f} %"
        rows.append([
            f"{name}{', as served' if graph.get('served') else ''}",
            *cells(graph, ("least_ms", "median_ms", "deviation_ms", "gop", "gop_per_s")),
            f"{graph['peak']}: {100 * graph['share']:.1f} %", ends,
        ])  # fmt: skip
    return Table([title, "least, ms", "median, ms", "deviation, ms", "GOP", "GOP/s",
                  "share of the peak", "of medians, 95 %"], rows)  # fmt: skip


def _served_denoisers(figures: Figures) -> list[str]:
    """The denoiser on the window of a served chunk, in every precision."""
    return [
        name
        for name, graph in figures["graphs"].items()
        if graph["served"] and graph["graph"].startswith("denoiser")
    ]


def audio_path(found: Sequence[Found]) -> Section:
    """Loudness, and what each encoding costs."""
    figures = found[0].record.figures
    loudness = figures["loudness"]
    text = (
        f"The voice speaks at {loudness['integrated_lufs']:.1f} LUFS, its sentences between"
        f" {loudness['softest_lufs']:.1f} and {loudness['loudest_lufs']:.1f}; its peak is"
        f" {loudness['peak_dbfs']:.1f} dBFS."
    )
    rows = [[one["format"], *cells(one, ENCODING)] for one in figures["encodings"]]
    return Section("Encodings", [text, Table(["encoding", *ENCODING.values()], rows)], found[:1])


def _distribution(title: str, samples: Sequence[float]) -> PlotPanel:
    """Share of calls that took at most x ms, with the percentiles that so many samples allow."""
    shares = np.linspace(0, 100, 101)
    marks = [
        (float(np.percentile(samples, p)), f"p{p}: {number(float(np.percentile(samples, p)))}")
        for p, fewest in PERCENTILES.items()
        if len(samples) >= fewest
    ]
    line = Series(np.percentile(samples, shares).tolist(), shares.tolist(), style="-")
    return PlotPanel(
        f"{title}, {len(samples)} calls", "ms", "share of calls, %", [line], marks=marks
    )
