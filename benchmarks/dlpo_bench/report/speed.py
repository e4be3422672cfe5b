"""Sections on speed and memory: streams, real-time factors, peers, lengths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dlpo_bench.plots import BLUE, ORANGE, PlotPanel, Series, draw_panels
from dlpo_bench.tables import (
    Block,
    Figures,
    Found,
    Section,
    Table,
    cell,
    figures_table,
    number,
    table_of,
)

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
LOAD = {
    "streams/streams": "streams in real time without gaps",
    "overload/first_audio_ratio": "overload: first audio p95, x unloaded",
    "overload/underrun_s": "overload: gaps of admitted streams, s",
    "overload/retry_info_share": "overload: refusals with RetryInfo",
    "overload/failed": "overload: failed calls",
    "soak/growth": "memory growth of the soak, share",
    "soak/failed": "soak: failed requests",
}
KNEE_HEAD = """\
The knee is the highest load (listeners in the closed loop, calls per second in the open one) at
which 99 % of the requested speech played without a gap and 95 % of first audio came in time.
Definitions: [speed.md](../docs/speed.md#load)."""
KNEE = {  # a server's figures in one loop
    "knee": "knee",
    "first_audio_ms_p50": "first audio p50, ms",
    "first_audio_ms_p95": "p95",
    "first_audio_ms_p99": "p99",
    "goodput_audio_s_per_s": "goodput, s/s",
    "underrun_share": "gaps, share",
    "shed_share": "shed",
    "core_hour_ratio": "core hours per hour",
    "peak_mb": "peak, MB",
}
RATIOS = {"knee": "knee", "first:fixed": "first audio p50 [95 % interval]", "load": "at load"}
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
PAPER = "eager-1000"
EAGER = "eager"
STREAMED = "eager streamed"
QUOTED = "5 s"  # length of the text that ratios are quoted for
SPEEDUPS = {  # of the served voice, by baseline
    PAPER: "times faster than the paper's sampler, 1000 steps",
    EAGER: "times faster than PyTorch, N steps, whole sentences",
    STREAMED: "times faster than PyTorch, N steps, in the same chunks",
}
FIRST_RUN = {"load_s": "load, s", "first_rtf": "first run, RTF"}
SCALING = {
    "stream/rtf": "time per second of audio, 60 s / 5 s",
    "stream/cpu_rtf": "the same, processor time",
    "stream/peak_mb": "peak memory, 60 s / 5 s",
}
WAYS = {
    "stream": "streamed in process", "whole": "whole in process", "served": "streamed by a server",
}  # fmt: skip
LENGTHS = {
    "rtf": "RTF",
    "first_audio_ms": "first audio, ms",
    "peak_mb": "peak memory, MB",
    "grown_mb": "of it for the text, MB",
    "growth_per_minute:+.2%": "growth per minute of audio",
}


def cold_start_blocks(figures: Figures) -> list[Block]:
    """Figures of a freshly started process."""
    note = "The least of all repeats; the files are in the page cache."
    return [note, figures_table(figures, COLD_START)]


def load(found: Sequence[Found]) -> Section:
    """A server under load; each measurement from the newest record that contains it."""
    newest: dict[str, Found] = {}
    for one in found:
        for measurement in one.figures:
            newest.setdefault(measurement, one)
    table = figures_table({name: one.figures[name] for name, one in newest.items()}, LOAD)
    sources = [one for one in found if any(one is used for used in newest.values())]
    blocks: list[Block] = ["Definitions: [speed.md](../docs/speed.md#load).", table]
    if len(sources) > 1:
        parts = {
            one.path.stem: ", ".join(n for n in newest if newest[n] is one and n != "machine")
            for one in sources
        }
        listed = "; ".join(f"{names} from {stem}" for stem, names in parts.items() if names)
        blocks.append(f"Measured on different machines or days: {listed}.")
    return Section("Under load", blocks, sources)


def load_blocks(figures: Figures) -> list[Block]:
    """The output of `dlpo bench stream`: the page's figures, knees, tokens, and all others."""
    blocks: list[Block] = []
    if any(cell(figures, key) for key in LOAD):
        blocks.append(figures_table(figures, LOAD))
    if "knee" in figures:
        blocks += knee_tables(figures["knee"])
    if "tokens" in figures:
        blocks.append(table_of("server", figures["tokens"], TOKENS, "–"))
    for name, found in figures.items():
        if name not in ("knee", "tokens"):
            rows = [[key, number(v)] for key, v in found.items() if isinstance(v, int | float)]
            blocks.append(Table([name, "measured"], rows))
    return blocks


def stream(found: Sequence[Found]) -> Section:
    """Knees and tokens, each from the newest record that contains it."""
    newest = {
        name: next(one for one in found if name in one.figures)
        for name in ("knee", "tokens")
        if any(name in one.figures for one in found)
    }
    if not newest:
        raise LookupError("neither knee nor tokens")
    blocks: list[Block] = []
    pictures = {}
    if knee := newest.get("knee"):
        blocks += [KNEE_HEAD, *knee_tables(knee.figures["knee"])]
        pictures = _knee_pictures(knee.record.samples["knee"], knee.figures["knee"])
    if tokens := newest.get("tokens"):
        rate = tokens.record.samples["options"]["tokens_per_s"]
        blocks.append(f"Text from a language model, {rate:g} words a second:")
        blocks.append(table_of("server", tokens.figures["tokens"], TOKENS, "–"))
    sources = list({one.path: one for one in newest.values()}.values())
    for one in sources:
        skipped, problems = one.figures.get("skipped", {}), one.figures.get("problems", [])
        lines = [f"- not measured: {what}: {why}" for what, why in skipped.items()]
        lines += [f"- failed: {problem}" for problem in problems]
        if lines:
            blocks.append("\n".join(lines))
    return Section("Servers under load", blocks, sources, pictures)


def knee_tables(knee: Figures) -> Iterator[Table]:
    """Ratios first, then the knees, then the server's own time at the knee."""
    loops = {name: dict(figures) for name, figures in knee.items() if name != "ratios"}
    if ratios := knee.get("ratios"):
        rows = {name: dict(one) for name, one in ratios.items()}
        for one in rows.values():
            if "first_audio" in one:
                ends = [one["first_audio_low"], one["first_audio_high"]]
                one["first"] = {"value": one["first_audio"], "interval_95": ends}
        yield table_of("against the first", rows, RATIOS, "–")
    staged = {name: figures for name, figures in loops.items() if "queue_ms" in figures}
    for figures in loops.values():
        if figures["knee_is_bound"]:
            figures["knee"] = f"≥ {number(figures['knee'])}"
    yield table_of("server, loop", loops, KNEE, "–")
    if staged:
        yield table_of("time of the server", staged, STAGES, "–")


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
                points = [
                    (one["load"], one[key])
                    for one in levels.values()
                    if key in one and (one["load"] <= knee) == passes
                ]
                if points:
                    x, y = zip(*points, strict=True)
                    series.append(Series(x, y, label, color))
            x_label = "listeners" if name.endswith("closed") else "calls per second"
            marks = [(knee, f"knee {knee:g}")] if knee else []
            panels.append(PlotPanel(f"{name}: {title}", x_label, unit, series, marks=marks))
    caption = "First audio and goodput from one stream to saturation"
    return {caption: draw_panels(caption, panels)} if panels else {}


def rtf(found: Sequence[Found]) -> Section:
    """The newest record of each model."""
    newest: dict[str, Found] = {}
    for one in found:
        newest.setdefault(one.figures["model"], one)
    blocks: list[Block] = [
        "One run per model, contestants in turns on one core. Definitions:"
        " [speed.md](../docs/speed.md#real-time-factor)."
    ]
    for one in newest.values():
        blocks += rtf_summary(one.figures)
        if skipped := one.figures["skipped"]:
            blocks.append(f"Not run there: {', '.join(skipped)}.")
    return Section("Real-time factor", blocks, list(newest.values()))


def rtf_blocks(figures: Figures) -> list[Block]:
    """Speed-ups, real-time factors of every size, first runs, and what was skipped."""
    speech = figures["speech"]
    quoted = _quoted(speech)
    rows = {
        name: {**figures["contestants"][name], **one}
        for name, one in speech[quoted]["contestants"].items()
    }
    blocks = [*rtf_summary(figures), table_of(f"speech {quoted}", rows, FIRST_RUN)]
    names: dict[str, list[str]] = {}  # reason -> what it prevented from being measured
    for name, reason in figures["skipped"].items():
        names.setdefault(reason, []).append(name)
    if names:
        lines = "\n".join(f"- {'; '.join(of)}: {why}" for why, of in names.items())
        blocks.append(f"Skipped:\n\n{lines}")
    return blocks


def rtf_summary(figures: Figures) -> Iterator[Block]:
    """Speed-ups, and real-time factors of every size."""
    weights = "random weights" if figures["weights"].startswith("random") else "one checkpoint"
    yield (
        f"**{figures['model']}**: {figures['parameters'] / 1e6:.2f} million parameters, {weights},"
        f" N = {figures['chain']['steps']}."
    )
    if rows := list(_speedups(figures)):
        yield Table([f"{figures['served']}, served", "measured"], rows)
    yield _rtf_table(figures["speech"])


def _speedups(figures: Figures) -> Iterator[list[str]]:
    served, speech = figures["served"], figures["speech"]
    label = _quoted(speech)
    speedups = speech[label]["contestants"].get(served, {"speedup": {}})["speedup"]
    for baseline, name in SPEEDUPS.items():
        if baseline in speedups:
            yield [f"{name}, {label}", cell(speedups, baseline)]


def _rtf_table(speech: Figures) -> Table:
    """Real-time factors for every length, and the speed-up over the baselines."""
    quoted = _quoted(speech)
    rows: dict[str, dict[str, object]] = {}
    for label, case in speech.items():
        for name, one in case["contestants"].items():
            extrapolated = " extrapolated" * ("timed_steps" in one)
            rows.setdefault(name, {})[label] = number(one["rtf_median"]) + extrapolated
            if label == quoted:
                rows[name]["speedup"] = one["speedup"]
    columns = {label: label for label in speech}
    columns |= {f"speedup/{b}": f"times {b}, {quoted}" for b in (PAPER, EAGER)}
    return table_of("Speech, text to audio: RTF, median", rows, columns)


def _quoted(speech: Figures) -> str:
    """The length that ratios are quoted for: the usual one, or the longest."""
    return QUOTED if QUOTED in speech else list(speech)[-1]


def peers(found: Sequence[Found]) -> Section:
    """The newest record."""
    blocks = peers_blocks({**found[0].figures, "ratios_to_whole": {}})
    return Section("Beside other engines, on one core", blocks, found[:1])


def peers_blocks(figures: Figures) -> list[Block]:
    """Ratios to our voice, the figures of each peer, and notes."""
    blocks: list[Block] = [
        f"All on one core with one thread, in turns over {figures['rounds']} rounds."
        " Definitions: [speed.md](../docs/speed.md#other-engines)."
    ]
    contestants, ratios = figures["contestants"], figures["ratios"]
    ratio_columns, columns = dict[str, str](), {"version": "version"}
    for length, measures in contestants["dlpo"]["texts"].items():
        if "rtf_median" in measures:
            ratio_columns[f"{length}/rtf:fixed"] = length
            columns[f"texts/{length}/rtf_median"] = f"RTF, {length}"
        ratio_columns[f"{length}/first_ms:fixed"] = f"{length}, first audio"
        columns[f"texts/{length}/first_ms_median:.3g"] = f"first audio, {length}, ms"
    columns |= {"load_s": "load, s", "peak_mb:.0f": "peak memory, MB", "size_mb:.1f": "size, MB"}
    if ratios:
        blocks.append(table_of("time per second of audio, times ours", ratios, ratio_columns))
    else:
        blocks.append("No peer was measured.")
    if to_whole := figures["ratios_to_whole"]:
        blocks.append(table_of("times ours in whole sentences", to_whole, ratio_columns))
    rows = {f"{name}: {one['title']}": one for name, one in contestants.items()}
    blocks.append(table_of("contestant", rows, columns, "each time"))
    notes = [f"- {name}: {one['note']}." for name, one in contestants.items() if "note" in one]
    notes += [f"- {name} was skipped: {reason}." for name, reason in figures["skipped"].items()]
    return [*blocks, "\n".join(notes)] if notes else blocks


def scaling_summary(figures: Figures) -> list[Block]:
    """Ratios of long texts to short ones, and figures of streams."""
    return scaling_blocks({**figures, "lengths": {"stream": figures["lengths"]["stream"]}})


def scaling_blocks(figures: Figures) -> list[Block]:
    """Ratios of long texts to short ones, and figures for every length."""
    blocks: list[Block] = [
        f"Medians of {figures['rounds']} rounds, each text in a process of its own. Definitions:"
        " [speed.md](../docs/speed.md#long-texts)."
    ]
    if figures["ratios"]:
        blocks.append(figures_table(figures["ratios"], SCALING))
    rows = {
        f"{WAYS[way]}, {one['audio_s']:.0f} s": one
        for way, lengths in figures["lengths"].items()
        for one in lengths.values()
    }
    return [*blocks, table_of("text", rows, LENGTHS)]
