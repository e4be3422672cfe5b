"""The comparison with judges that measure something we know."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dlpo.errors import InputError
from dlpo.judges.judge import Waveform
from dlpo_bench.clips import Clip, load_clips, read_audio
from dlpo_bench.eval import figures, markdown, samples, verdict, write_judged
from dlpo_bench.judging import CHARACTER_ERRORS, WORD_ERRORS, JudgePanel, evaluate
from dlpo_bench.record import Measured, read_record, write_record
from dlpo_bench.statistics import Estimate, Paired
from dlpo_bench.systems import recordings
from tests.toys import ToyJudge

RATE = 22_050  # Hz
TEXTS = {"LJ002-0161": "one two three four", "LJ002-0162": "one, two."}


LEVEL = ToyJudge("RMS", lambda waveform: np.sqrt(np.mean(waveform**2)))
DEAF = ToyJudge("deaf", words=lambda waveform: "one two three")
PANEL = JudgePanel([LEVEL], {WORD_ERRORS: DEAF}, {})


def tone(amplitude: float, seconds: float = 0.5) -> Waveform:
    time = np.arange(round(seconds * RATE)) / RATE
    return (amplitude * np.sin(2 * np.pi * 200 * time)).astype(np.float32)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    directory = tmp_path / "corpus"
    (directory / "wavs").mkdir(parents=True)
    rows = [f"{clip_id}|{text.upper()}|{text}" for clip_id, text in TEXTS.items()]
    (directory / "metadata.csv").write_text("\n".join(rows), "utf-8")
    for clip_id in TEXTS:
        soundfile.write(directory / "wavs" / f"{clip_id}.wav", tone(0.5), RATE)
    return directory


@pytest.fixture
def clips(corpus: Path) -> list[Clip]:
    return load_clips(corpus, TEXTS)


def test_every_system_is_heard_at_the_level_of_the_recording(clips: list[Clip]) -> None:
    systems = {"recordings": recordings, "quiet": lambda clip: tone(0.01)}
    quality = evaluate(systems, clips, PANEL)
    np.testing.assert_allclose(
        quality.scores["quiet"].values["RMS"], quality.scores["recordings"].values["RMS"], rtol=1e-3
    )
    assert quality.scores["quiet"].values["level, dB"][0] == pytest.approx(-43, abs=0.1)


def test_word_errors_are_pooled(clips: list[Clip]) -> None:
    estimates = evaluate({"text": recordings}, clips, PANEL).estimates("text")
    assert estimates[WORD_ERRORS].value == pytest.approx(2 / 6)


def test_unusable_waveform_is_named_by_system_and_clip(clips: list[Clip]) -> None:
    with pytest.raises(InputError, match=r"broken, LJ002-0161: .*NaN"):
        evaluate({"broken": lambda clip: np.full(RATE, np.nan, np.float32)}, clips, PANEL)


def test_takes_of_a_sentence_are_averaged_first(clips: list[Clip]) -> None:
    takes = [lambda clip, s=seconds: tone(0.1, s) for seconds in (0.5, 1.0, 1.5)]
    quality = evaluate({"a": takes}, clips, PANEL)
    np.testing.assert_allclose(quality.scores["a"].values["seconds"], [1.0, 1.0])
    assert len(quality.scores["a"].takes) == 3
    assert quality.scores["a"].errors[WORD_ERRORS].tolist() == [1, 1]


def moody(waveform: Waveform) -> float:
    """Can't stand long waveforms."""
    if len(waveform) > 0.8 * RATE:
        raise RuntimeError("out of patience")
    return LEVEL.formula(waveform)


def test_clip_that_a_judge_fails_on_leaves_its_pair(clips: list[Clip], tmp_path: Path) -> None:
    systems = {
        "a": lambda clip: tone(0.1),
        "b": lambda clip: tone(0.2, 0.5 if clip is clips[0] else 1.0),
    }
    quality = evaluate(systems, clips, JudgePanel([ToyJudge("moody", moody), LEVEL], {}, {}))
    assert [(f.system, f.clip_id, f.measure) for f in quality.failures] == [
        ("b", "LJ002-0162", "moody")
    ]
    assert quality.differences("b")["moody"].sentences == 1
    assert quality.differences("b")["RMS"].sentences == 2
    text = markdown(quality)
    assert "moody failed on 1 of b's clips, the first LJ002-0162: RuntimeError: out of pat" in text
    path = write_record("quality", Measured(figures(quality), samples(quality)), "x", tmp_path)
    assert read_record(path).samples["systems"]["b"]["values"]["moody"][1] is None


def test_what_is_kept_is_what_was_heard(clips: list[Clip], tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    takes = [lambda clip, a=amplitude: tone(a) for amplitude in (0.01, 0.02)]
    evaluate(
        {"a/b": takes}, clips, PANEL,
        keep=partial(write_judged, kept),
    )  # fmt: skip
    assert {str(p.relative_to(kept)) for p in kept.rglob("*.wav")} == {
        f"{folder}/{clip}.wav" for folder in ("a_b", "a_b, seed 1") for clip in TEXTS
    }
    heard = read_audio(kept / "a_b" / "LJ002-0161.wav")
    np.testing.assert_allclose(np.std(heard[4_000:-4_000]), 0.5 / 2**0.5, rtol=1e-3)  # its level


@pytest.mark.parametrize(
    ("measure", "value", "expected"),
    [
        ("DistillMOS", 0.3, "better"),
        ("DistillMOS", -0.3, "worse"),
        (WORD_ERRORS, 0.3, "worse"),
        (f"{CHARACTER_ERRORS}, base", -0.3, "better"),
        ("seconds", 0.3, "higher"),
        ("level, dB", -0.3, "lower"),
    ],
)
def test_verdict_knows_which_way_is_better(measure: str, value: float, expected: str) -> None:
    found = Paired(Estimate(value, value - 0.1, value + 0.1), 0.01, 10)
    assert verdict(measure, found) == expected
    assert verdict(measure, Paired(found.difference, 0.2, 10)) == "undecided"
