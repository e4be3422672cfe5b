"""The comparison with judges that measure something we know."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dlpo.errors import CheckpointError, DataError, EngineError, InputError, MissingExtraError
from dlpo.judges.judge import Scores, Waveform
from dlpo.text import TextFrontEnd
from dlpo_bench.clips import Clip, clips_of_texts, load_clips, read_audio
from dlpo_bench.eval import figures, markdown, samples, write_judged
from dlpo_bench.judging import ERROR_RATIO, WORD_ERRORS, JudgePanel, evaluate, load_panel
from dlpo_bench.record import read_record, write_record
from dlpo_bench.systems import audio_files, recordings, text_to_speech
from dlpo_serving.engines.fake_engine import FakeEngine
from dlpo_serving.synthesizer import Synthesizer

RATE = 22_050  # Hz
TEXTS = {"LJ002-0161": "one two three four", "LJ002-0162": "one, two."}


class Level:
    """Scores the RMS of a waveform, which every system should have alike."""

    name = "RMS"
    sample_rate_hz = RATE

    def score(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> Scores:
        return np.array([np.sqrt(np.mean(waveform**2)) for waveform in waveforms], np.float64)


class Deaf:
    """Understands the same words whatever is said."""

    name = "deaf"

    def transcribe(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> list[str]:
        return ["one two three"] * len(waveforms)


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


PANEL = JudgePanel([Level()], {WORD_ERRORS: Deaf()}, {})


def test_every_system_is_heard_at_the_level_of_the_recording(clips: list[Clip]) -> None:
    systems = {"recordings": recordings, "quiet": lambda clip: tone(0.01)}
    quality = evaluate(systems, clips, PANEL)
    np.testing.assert_allclose(
        quality.scores["quiet"].values["RMS"], quality.scores["recordings"].values["RMS"], rtol=1e-3
    )
    assert quality.scores["quiet"].values["level, dB"][0] == pytest.approx(-43, abs=0.1)


def test_word_errors_are_pooled_and_compared_with_the_recordings(clips: list[Clip]) -> None:
    quality = evaluate({"recordings": recordings, "text": recordings}, clips, PANEL)
    estimates = quality.estimates("text")
    assert estimates[WORD_ERRORS].value == pytest.approx(2 / 6)
    assert estimates[ERROR_RATIO].value == 1


def test_no_ratio_where_the_recordings_have_no_errors(clips: list[Clip]) -> None:
    perfect = [Clip("LJ002-0161", "one two three", clips[0].recording)]
    quality = evaluate({"recordings": recordings}, perfect, PANEL)
    assert ERROR_RATIO not in quality.estimates("recordings")


def test_panel_without_recogniser_still_scores(clips: list[Clip]) -> None:
    quality = evaluate({"recordings": recordings}, clips, JudgePanel([Level()], {}, {}))
    assert "RMS" in quality.estimates("recordings")
    assert WORD_ERRORS not in quality.estimates("recordings")


def test_progress_is_told_after_each_clip_of_each_system(clips: list[Clip]) -> None:
    ticks: list[None] = []
    evaluate({"a": recordings, "b": recordings}, clips, PANEL, lambda: ticks.append(None))
    assert len(ticks) == 4


@pytest.mark.parametrize(
    ("waveform", "message"),
    [
        (np.zeros(0, np.float32), "broken, LJ002-0161: waveform 0 lasts"),
        (np.full(RATE, np.nan, np.float32), "broken, LJ002-0161: .*NaN"),
        (np.zeros((RATE, 2), np.float32), "broken, LJ002-0161: .*one channel"),
    ],
)
def test_unusable_waveform_is_told_with_its_system_and_clip(
    waveform: Waveform, message: str, clips: list[Clip]
) -> None:
    with pytest.raises(InputError, match=message):
        evaluate({"broken": lambda clip: waveform}, clips, PANEL)


def test_takes_are_averaged_first_so_that_the_sentence_stays_the_unit(clips: list[Clip]) -> None:
    takes = [lambda clip, s=seconds: tone(0.1, s) for seconds in (0.5, 1.0, 1.5)]
    quality = evaluate({"a": takes}, clips, PANEL)
    np.testing.assert_allclose(quality.scores["a"].values["seconds"], [1.0, 1.0])
    assert len(quality.scores["a"].takes) == 3
    assert quality.scores["a"].errors[WORD_ERRORS].tolist() == [1, 1]


def test_unmatched_systems_are_heard_at_their_own_level(clips: list[Clip]) -> None:
    quality = evaluate({"quiet": lambda clip: tone(0.01)}, clips, PANEL, match=False)
    np.testing.assert_allclose(quality.scores["quiet"].values["RMS"], 0.01 / 2**0.5, rtol=1e-3)
    assert "at their own levels" in markdown(quality)


class Moody(Level):
    """Can't stand long waveforms: raises for one, gives NaN for another."""

    name = "moody"

    def score(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> Scores:
        if len(waveforms[0]) > 0.8 * RATE:
            raise RuntimeError("out of patience")
        return super().score(waveforms, sample_rate_hz)


def moody_systems(clips: list[Clip]) -> dict[str, object]:
    """The second clip of `b` is too long for `Moody`."""
    return {
        "a": lambda clip: tone(0.1),
        "b": lambda clip: tone(0.2, 0.5 if clip is clips[0] else 1.0),
    }


def test_clip_that_a_judge_fails_on_is_told_and_left_out_of_its_pair(
    clips: list[Clip], tmp_path: Path
) -> None:
    quality = evaluate(moody_systems(clips), clips, JudgePanel([Moody(), Level()], {}, {}))
    assert [(f.system, f.clip_id, f.measure) for f in quality.failures] == [
        ("b", "LJ002-0162", "moody")
    ]
    assert quality.differences("b")["moody"].sentences == 1
    assert quality.differences("b")["RMS"].sentences == 2
    text = markdown(quality)
    assert "moody failed on 1 of b's clips, the first LJ002-0162: RuntimeError: out of pat" in text
    path = write_record("quality", figures(quality), "x", tmp_path, samples=samples(quality))
    assert read_record(path).samples["systems"]["b"]["values"]["moody"][1] is None


def test_score_that_is_no_number_is_a_failure(clips: list[Clip]) -> None:
    class Lost(Level):
        def score(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> Scores:
            return np.array([np.nan])

    quality = evaluate({"a": recordings}, clips, JudgePanel([Lost()], {}, {}))
    assert [f.reason for f in quality.failures] == ["its score is nan"] * 2
    assert "RMS" not in quality.estimates("a")


def test_engine_that_fails_is_told_with_its_system_and_clip(clips: list[Clip]) -> None:
    def broken(clip: Clip) -> Waveform:
        raise EngineError("the encoder predicts durations from nan to nan frames")

    with pytest.raises(InputError, match="broken, LJ002-0161: the encoder predicts"):
        evaluate({"broken": broken}, clips, PANEL)


def test_package_that_a_judge_lacks_is_no_failure_of_a_clip(clips: list[Clip]) -> None:
    class Incomplete(Level):
        def score(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> Scores:
            raise MissingExtraError("soxr", "bench")

    with pytest.raises(MissingExtraError, match="pip install"):
        evaluate({"a": recordings}, clips, JudgePanel([Incomplete()], {}, {}))


def test_recogniser_that_fails_leaves_its_clip_out(clips: list[Clip]) -> None:
    class Choosy(Deaf):
        def transcribe(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> list[str]:
            if len(waveforms[0]) > 0.8 * RATE:
                raise ValueError("too long")
            return super().transcribe(waveforms, sample_rate_hz)

    quality = evaluate(moody_systems(clips), clips, JudgePanel([], {WORD_ERRORS: Choosy()}, {}))
    assert quality.estimates("b")[WORD_ERRORS].value == pytest.approx(1 / 4)  # the first alone
    assert quality.differences("b")[WORD_ERRORS].sentences == 1


def test_first_system_is_the_baseline_unless_another_is_named(clips: list[Clip]) -> None:
    systems = {"recordings": recordings, "a": recordings, "b": recordings}
    assert evaluate(systems, clips, PANEL).baseline == "a"
    quality = evaluate(systems, clips, PANEL, baseline="b")
    assert set(quality.differences("a")) >= {"RMS", WORD_ERRORS}
    assert quality.differences("b") == {}
    with pytest.raises(InputError, match="baseline 'c' is unknown; expected one of recordings, a"):
        evaluate(systems, clips, PANEL, baseline="c")


def test_pooled_difference_of_word_errors(clips: list[Clip]) -> None:
    class ByLevel(Deaf):
        def transcribe(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> list[str]:
            return ["one two three four" if np.abs(waveforms[0]).max() > 0.15 else ""]

    systems = {"quiet": lambda clip: tone(0.1), "loud": lambda clip: tone(0.2)}
    panel = JudgePanel([], {WORD_ERRORS: ByLevel()}, {})
    quality = evaluate(systems, clips, panel, match=False)
    # quiet: 4 + 2 of 6 words are lost; loud: 0 + 2 inserted
    assert quality.differences("loud")[WORD_ERRORS].difference.value == pytest.approx(2 / 6 - 1)


def test_silent_system_is_told(clips: list[Clip]) -> None:
    quality = evaluate({"mute": lambda clip: np.zeros(RATE, np.float32)}, clips, PANEL)
    assert quality.silent == ["mute, LJ002-0161", "mute, LJ002-0162"]
    assert "without a sound: mute, LJ002-0161; mute" in markdown(quality)


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
    np.testing.assert_allclose(np.std(heard), 0.5 / 2**0.5, rtol=1e-3)  # as the recording


def test_wavs_that_cannot_be_written_are_told(clips: list[Clip], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"can't write .*choose another --wavs"):
        write_judged(tmp_path / "file", "a", 0, clips[0], tone(0.1))


def test_nothing_to_compare_is_refused(clips: list[Clip]) -> None:
    with pytest.raises(InputError, match="0 systems"):
        evaluate({}, clips, PANEL)
    with pytest.raises(InputError, match="0 clips"):
        evaluate({"recordings": recordings}, [], PANEL)


def test_text_to_speech_is_a_system(clips: list[Clip]) -> None:
    system = text_to_speech(Synthesizer(FakeEngine(), TextFrontEnd()), seed=3)
    waveform = system(clips[0])
    assert waveform.ndim == 1
    np.testing.assert_array_equal(waveform, system(clips[0]))


def test_figures_and_samples_fit_into_a_record(clips: list[Clip], tmp_path: Path) -> None:
    quality = evaluate({"recordings": recordings}, clips, PANEL)
    path = write_record(
        "quality", figures(quality), "dlpo eval", tmp_path, samples=samples(quality)
    )
    assert "one two three" in path.read_text()


def test_lines_of_a_text_are_clips_without_recordings(tmp_path: Path) -> None:
    (tmp_path / "texts").write_text("Dr. Who has 23 hats.\n\n  \nHm.  \n", "utf-8")
    clips = clips_of_texts(tmp_path / "texts")
    assert [(c.clip_id, c.text, c.recording) for c in clips] == [
        ("line-0001", "Dr. Who has 23 hats.", None), ("line-0004", "Hm.", None),
    ]  # fmt: skip
    assert clips[0].spoken == "doctor who has twenty three hats"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no sentences; expected one a line"),
        (b" \n\n", "has no sentences"),
        (b"One.\n?!\n", "line 2: nothing in the text can be spoken"),
        (b"\xff\xfe", "can't be read as text"),
    ],
)
def test_texts_that_cannot_be_said_are_told(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "texts").write_bytes(content)
    with pytest.raises(DataError, match=message):
        clips_of_texts(tmp_path / "texts")


def test_clip_that_the_corpus_does_not_have_is_told(corpus: Path) -> None:
    with pytest.raises(DataError, match="no clip 'LJ999-0001'"):
        load_clips(corpus, ["LJ999-0001"])


def test_directory_that_is_no_corpus_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"metadata\.csv: can't be read"):
        load_clips(tmp_path)


def test_clip_without_recording_is_told(corpus: Path) -> None:
    (corpus / "wavs" / "LJ002-0161.wav").unlink()
    with pytest.raises(DataError, match="LJ002-0161 has no recording"):
        recordings(load_clips(corpus, TEXTS)[0])


@pytest.mark.parametrize(
    ("samples_", "rate", "message"),
    [
        (np.zeros((100, 2)), RATE, "2 channels at 22050 Hz; expected mono"),
        (np.zeros(100), 16_000, "1 channels at 16000 Hz"),
    ],
)
def test_audio_of_another_layout_is_refused(
    samples_: np.ndarray, rate: int, message: str, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "a.wav", samples_, rate)
    with pytest.raises(DataError, match=message):
        read_audio(tmp_path / "a.wav")


def test_file_that_is_no_audio_is_refused(tmp_path: Path) -> None:
    (tmp_path / "LJ002-0161.wav").write_bytes(b"RIFF, but no")
    with pytest.raises(DataError, match="can't be read"):
        audio_files(tmp_path)(Clip("LJ002-0161", "one", None))


def test_missing_weights_leave_a_judge_out_with_the_reason(tmp_path: Path) -> None:
    panel = load_panel(tmp_path)
    assert [judge.name for judge in panel.judges] == ["DistillMOS"]
    assert set(panel.left_out) >= {"NISQA", "NISQA-TTS", "DNSMOS P.808"}
    assert "no such file" in panel.left_out["NISQA"]


def test_whisper_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no config\.json; expected the directory of a Wh"):
        load_panel(tmp_path, whisper=[tmp_path])


def test_utmos_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="utmos: no such file"):
        load_panel(tmp_path, utmos=tmp_path / "utmos")
