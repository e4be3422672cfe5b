"""Real-time factors: chains, cases, plans, ratios, and a whole run on a tiny voice."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from typer.testing import CliRunner

from dlpo.bundle import Bundle
from dlpo.checkpoint import load_checkpoint
from dlpo.errors import EngineError, InputError
from dlpo.noise_schedule import MAX_STEPS
from dlpo_bench import rtf
from dlpo_bench.options import RtfOptions
from dlpo_bench.record import read_record
from dlpo_bench.rtf import CaseTimes, Field, figures_of, measure_rtf, open_field, speedup
from dlpo_bench.torch_engine import PaperSampler
from dlpo_cli import app


def opened(bundle: Path, *names: str) -> Field:
    checkpoint = load_checkpoint(bundle.parent / "checkpoint")
    return open_field(Bundle.load(bundle), checkpoint, 2, names)


def test_a_slice_extrapolates_what_the_other_steps_would_take(tiny_bundle: Path) -> None:
    bundle = Bundle.load(tiny_bundle)
    engine = PaperSampler(load_checkpoint(tiny_bundle.parent / "checkpoint"), bundle.manifest)
    assert engine.manifest.graphs["denoiser_1000"].inputs[0].shape[0] == 1  # one plane of noise
    shapes = (1, 16, 5), (1, 5, 300), (1, 1, 5, 300)
    inputs = [np.random.default_rng(3).standard_normal(shape, np.float32) for shape in shapes]

    engine.timed_steps = 10
    made = engine.denoise(MAX_STEPS, *inputs)
    assert made.shape == (1, 5, 300)
    assert np.isfinite(made).all()
    assert engine.left_out_s > 0
    np.testing.assert_array_equal(made, engine.denoise(MAX_STEPS, *inputs))

    engine.timed_steps, engine.left_out_s = MAX_STEPS, 0.0
    engine.denoise(MAX_STEPS, *inputs)
    assert engine.left_out_s == 0


def test_a_speedup_of_rounds_with_the_same_luck_is_certain() -> None:
    luck = np.array([1.0, 1.7, 1.1, 2.5, 1.2])

    ratio = speedup(8 * luck, luck)

    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((8, 8, 8))


def timed(runs_s: list[float], audio_s: float = 2.0, steps: int | None = None) -> CaseTimes:
    return CaseTimes(audio_s, first_s=1.0, timed_steps=steps, runs_s=runs_s)


def test_figures_are_those_of_the_rounds() -> None:
    found = {
        "eager-1000": timed([40.0, 44.0, 60.0], steps=50),
        "cpu:int8": timed([0.02, 0.022, 0.03]),
    }
    speech = figures_of({"2 s": found})["2 s"]

    paper, served = (speech["contestants"][name] for name in found)
    assert speech["audio_s"] == 2
    assert (paper["rtf_min"], paper["rtf_median"], paper["rtf_spread"]) == (20, 22, 2)
    assert paper["timed_steps"] == 50
    assert paper["speedup"] == {}
    assert "timed_steps" not in served
    assert served["first_rtf"] == 0.5
    assert served["speedup"]["eager-1000"]["value"] == pytest.approx(2000)


@pytest.mark.parametrize(
    "bad",
    [
        {"contestant": ["tpu"]},
        {"threads": 10_000},
        {"core": 99_999},
        {"steps": 7},
    ],
)
def test_what_cannot_be_measured_is_refused(bad: dict[str, object], tiny_bundle: Path) -> None:
    options = {"voice": str(tiny_bundle), "checkpoint": tiny_bundle.parent / "checkpoint"}
    with pytest.raises(InputError, match=r"expected|needs|need as|may use|has"):
        measure_rtf(RtfOptions(**(options | bad)))  # type: ignore[arg-type]


def test_a_voice_that_draws_its_pitch_is_measured_too(drawing_bundle: Path) -> None:
    rtf.load_weights(drawing_bundle.parent / "checkpoint", Bundle.load(drawing_bundle))
    assert {"eager", "cpu:fp32"} <= set(opened(drawing_bundle, "eager", "cpu:fp32").present)


@pytest.mark.full
def test_command_times_every_present_contestant(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = f"--voice {tiny_bundle} --checkpoint {tiny_bundle.parent / 'checkpoint'} --quick"
    given += " --seconds 0.5 --seconds 2 --rounds 3 --budget-s 600"
    for contestant in ("eager", "cpu:fp32", "cpu:int8", "cpu:fp16"):
        given += f" --contestant {contestant}"

    ran = CliRunner().invoke(app, ["bench", "rtf", *given.split(), "--record"])

    assert ran.exit_code == 0, ran.output
    assert "skipped cpu:fp16: the bundle has" in ran.stderr
    (path,) = (tmp_path / "benchmarks" / "records").iterdir()
    assert ran.stdout.splitlines()[-1] == str(path.relative_to(tmp_path))
    record = read_record(path)
    assert record.bundle_sha256 == Bundle.load(tiny_bundle).sha256
    figures = record.figures
    assert "stolen_share" in figures["machine"]
    assert figures["chain"] == {"steps": 2, "schedule": "cosine", "eta": 0.0}
    assert figures["paper_chain"] == {"steps": 1000, "schedule": "linear", "eta": 1.0}
    assert list(figures["skipped"]) == ["cpu:fp16"]
    assert list(figures["speech"]) == ["0.5 s", "2 s"]
    speech = figures["speech"]["2 s"]["contestants"]
    assert {"eager", "eager streamed", "cpu:int8", "cpu:int8 whole"} <= set(speech)
    rounds = record.samples["speech"]["2 s"]["cpu:int8"]["speech_rtf"]
    assert len(rounds) == 3
    assert speech["cpu:int8"]["rtf_min"] == min(rounds)
    assert speech["cpu:int8"]["speedup"]["eager"]["value"] > 0
    assert figures["contestants"]["cpu:int8"]["load_s"] > 0


def test_an_engine_that_fails_leaves_the_others(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    field = opened(tiny_bundle, "eager", "cpu:fp32")

    out_of_memory = Mock(side_effect=EngineError("out of memory"))
    monkeypatch.setattr(field.present["eager"].engine, "denoise", out_of_memory)
    timings = rtf.time_in_turns(field, [0.5], 22_050, rounds=3, budget_s=60)

    assert set(timings["0.5 s"]) == {"cpu:fp32", "cpu:fp32 whole"}
    assert field.skipped["eager"] == "out of memory"
