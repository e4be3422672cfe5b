"""Sections on tuning: methods, what one can see of a judge, a judge whose best score is known."""

from __future__ import annotations

from collections.abc import Sequence

from dlpo_bench.curves import Curve, draw_curves
from dlpo_bench.report.sections import Found, Section, named_figures
from dlpo_bench.report.speech import differences

GRADIENT_SIGNAL = {
    "sentences": "sentences",
    "chains": "chains of them all",
    "score_spread_between_seeds": "spread of the score between seeds",
    "share_of_noisy_steps": "gradient through the steps with noise, share of the whole",
    "cosine_estimate_noisy": "cosine of the estimate with that part",
    "cosine_estimate_whole": "cosine of the estimate with the whole",
    "noise_of_one_chain": "noise of one chain's estimate",
    "chains_to_match": "chains until the signal is as large as the noise",
}
TOY_JUDGE = {
    "possible_gain_db_per_octave": "possible gain, dB an octave",
    "share_reached": "share of it that was reached",
    "updates": "updates",
    "chains": "chains",
    "seconds": "seconds",
    "cpu_seconds": "seconds of CPU",
    "threads": "threads",
    "load_average": "load average of the machine",
}


def tuning_comparison(found: Sequence[Found]) -> Section:
    """Every method's differences from the untuned voice, and its curves."""
    record = found[0].record
    text = "Minus the untuned voice; decided differences are bold.\n\n"
    text += differences(record.figures["from untuned"])
    if "from control" in record.figures:
        text += "\n\nMinus the control, the same training without a reward.\n\n"
        text += differences(record.figures["from control"])
    panels = {
        name: [Curve(method, *curve) for method, curve in methods.items()]
        for name, methods in record.samples["curves"].items()
    }
    return Section("Methods of tuning", text, found[:1], {"Curves of tuning": draw_curves(panels)})


def gradient_signal(found: Sequence[Found]) -> Section:
    """How much of a judge's gradient a score-function method can see."""
    text = named_figures(found[0].record.figures, GRADIENT_SIGNAL)
    return Section("What a black-box method sees of a judge", text, found[:1])


def toy_judge(found: Sequence[Found]) -> Section:
    """A judge whose best score is known."""
    record = found[0].record
    figures, points = record.figures, record.samples["curve"]
    updates = [point["update"] for point in points]

    def curve(key: str) -> Curve:
        values = [point[key] for point in points]
        return Curve(figures["method"], updates, values, values, values)

    pictures = {
        "Curve of the toy judge": draw_curves(
            {
                "share of the possible gain, by update": [curve("gain")],
                "distance from the goal, dB an octave": [curve("distance_db")],
            }
        )
    }
    text = f"Method {figures['method']}.\n\n{named_figures(figures, TOY_JUDGE)}"
    return Section("A judge with a known end", text, found[:1], pictures)
