"""Clips on disk, their endings, the teacher's tones, and the corpus that they become."""

import lzma
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from recipe.speech.corpus import CorpusMaker, on_frames
from recipe.speech.endings import ending
from recipe.speech.notch import TONES_HZ, notch, prominence_db
from recipe.speech.store import FRAME, RATE, Sentence, append, repair, rows, skipped, write_clip
from recipe.speech.texts import Text

TEXT = Text("CA0001", "Wait.", "conversation")
TEACHERS = Path(__file__).resolve().parents[3] / "shared" / "teachers"


def pulses(hertz, seconds, jitter=0.0):
    """A voice's pulse train; jitter as a share of the period."""
    chance = np.random.default_rng(0)
    at = 0.0
    out = np.zeros(int(seconds * RATE), np.float32)
    while at < len(out) - 1:
        out[int(at)] = 1
        at += RATE / hertz * (1 + jitter * chance.uniform(-1, 1))
    return np.convolve(out, np.exp(-np.arange(200) / 40), "same").astype(np.float32)


def sentence(waveform, f0=100.0):
    frames = len(waveform) // FRAME
    return Sentence("wˈAt.", ("Wait",) * 4 + (".",), [1] * (frames - 1) + [1], waveform,
                    np.full(2 * frames, f0, np.float32))  # fmt: skip


def store_clip(folder, text, sentences):
    append(folder, write_clip(folder, text, sentences, "test"))


def test_clip_is_stored_with_letters_and_durations(tmp_path):
    said = sentence(pulses(100, 1.0) * 0.5)
    store_clip(tmp_path, TEXT, [said, said])
    (row,) = rows(tmp_path)
    assert row["samples"] == 2 * RATE == FRAME * sum(sum(s["frames"]) for s in row["sentences"])
    assert row["sentences"][0]["words"] == [["Wait", 4], [".", 1]]
    assert np.load(tmp_path / "f0" / "CA0001.npy").shape == (160,)


def test_loud_clip_is_turned_down_not_clipped(tmp_path):
    loud = pulses(100, 1.0)
    store_clip(tmp_path, TEXT, [sentence(loud * 3 / np.abs(loud).max())])
    (row,) = rows(tmp_path)
    assert row["gain"] == pytest.approx(0.33, abs=1e-3)
    assert row["peak"] == pytest.approx(0.99, abs=1e-3)


def test_half_written_row_is_cut_off(tmp_path):
    append(tmp_path, skipped(TEXT, "why"))
    with (tmp_path / "clips.jsonl").open("a") as stream:
        stream.write('{"id": "CA00')
    repair(tmp_path)
    assert [row["id"] for row in rows(tmp_path)] == ["CA0001"]
    repair(tmp_path / "absent")


def test_steady_end_is_clear_and_irregular_end_creaky():
    f0 = np.full(80, 100.0, np.float32)
    clear, creaky = pulses(100, 1.0), pulses(100, 1.0, jitter=0.5)
    assert not ending(clear, f0).creaky
    assert ending(clear, f0).periodicity > 0.9
    assert ending(creaky, f0).creaky


def test_end_pitch_is_relative_to_the_clip():
    f0 = np.concatenate([np.full(100, 120.0), np.full(20, 90.0)]).astype(np.float32)
    assert ending(pulses(100, 1.5), f0).f0_ratio == pytest.approx(0.75)


def test_clip_without_voice_is_creaky():
    noise = np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    assert ending(noise, np.zeros(80, np.float32)).creaky


def test_tones_go_and_no_hole_is_left():
    noise = np.random.default_rng(0).standard_normal(3 * RATE)
    seconds = np.arange(3 * RATE) / RATE
    tones = sum(0.1 * np.sin(2 * np.pi * tone * seconds + 1) for tone in TONES_HZ)
    waveform = (noise + tones).astype(np.float32)
    for tone in TONES_HZ:
        assert prominence_db(waveform, tone) > 8
        assert abs(prominence_db(notch(waveform), tone)) < 2
    rest = notch(waveform) - noise
    assert np.sqrt(np.mean(rest[RATE:-RATE] ** 2)) < 0.05 * np.sqrt(np.mean(noise**2))


def test_notch_leaves_other_sound_alone():
    voice = pulses(130, 2.0)
    assert np.abs(notch(voice) - voice).max() < 1e-2 * np.abs(voice).max()


def test_pitch_moves_to_the_frames_of_a_dataset():
    f0 = np.r_[np.zeros(8), np.linspace(100, 180, 41), np.zeros(8)].astype(np.float32)
    found = on_frames(f0, cut_s=0.1, frames=50, hop=240)  # 100 frames a second
    inside = np.arange(2, 48)  # frame k is at 10 k + 5 ms, and the ramp starts at 6.25 ms
    expected = 100 + (10 * inside + 5 - 6.25) / 12.5 * 2
    np.testing.assert_allclose(found[inside], expected, rtol=1e-3)
    assert not on_frames(np.zeros(9, np.float32), 0.0, 5, 240).any()


@pytest.mark.skipif(not TEACHERS.exists(), reason="needs ../shared/teachers")
def test_clips_become_an_aligned_corpus(tmp_path):
    loud, quiet = pulses(100, 1.0), np.zeros(2 * FRAME, np.float32)
    for number in range(3):
        said = Sentence("wˈAt.", ("Wait",) * 4 + (".",), [2, 10, 10, 10, 6, 4, 2],
                        np.r_[quiet, loud, quiet], np.full(88, 100.0, np.float32))  # fmt: skip
        text = Text(f"CA000{number}", "Wait.", "conversation")
        store_clip(tmp_path / "voice", text, [said])
    append(tmp_path / "voice", skipped(Text("CA0009", "No.", "drill"), "why"))
    maker = CorpusMaker(TEACHERS, 240)
    clips, left_out = maker.make(tmp_path / "voice", tmp_path / "corpus")
    assert (clips, set(left_out)) == (3, {"CA0009"})
    with lzma.open(tmp_path / "corpus" / "alignments.tsv.xz", "rt") as table:
        _, line, *_ = table
    clip, phonemes, durations, words = line.rstrip("\n").split("\t")
    waveform, rate = soundfile.read(tmp_path / "corpus" / "wavs" / f"{clip}.flac")
    assert phonemes.split()[1:4] == ["W", "EY1", "T"]
    assert rate == RATE
    assert sum(map(int, durations.split())) == round(1000 * len(waveform) / RATE)
    assert words.split(":")[0] == "wait"
    assert len(np.load(tmp_path / "corpus" / "f0" / f"{clip}.npy")) == len(waveform) // 240


@pytest.mark.skipif(not TEACHERS.exists(), reason="needs ../shared/teachers")
def test_spanish_clips_are_aligned_too(tmp_path):
    loud, quiet = pulses(100, 1.0), np.zeros(2 * FRAME, np.float32)
    for number in range(3):
        said = Sentence("sˈi.", ("sí", "sí", "sí", ""), [2, 10, 10, 14, 2, 4],
                        np.r_[quiet, loud, quiet], np.full(84, 100.0, np.float32))  # fmt: skip
        store_clip(tmp_path / "voice", Text(f"ES000{number}", "Sí.", "spanish"), [said])
    clips, left_out = CorpusMaker(TEACHERS, 240).make(tmp_path / "voice", tmp_path / "corpus")
    assert (clips, left_out) == (3, {})
    with lzma.open(tmp_path / "corpus" / "alignments.tsv.xz", "rt") as table:
        _, line, *_ = table
    _, phonemes, _, words = line.rstrip("\n").split("\t")
    assert [phone for phone in phonemes.split() if phone != "sil"] == ["S", "I1"]
    assert words.split(":")[0] == "sí"


@pytest.mark.skipif(not TEACHERS.exists(), reason="needs ../shared/teachers")
def test_a_phone_that_only_a_late_clip_has_is_learned(tmp_path, monkeypatch):
    monkeypatch.setattr("recipe.speech.corpus.LEARN_FROM", 2)
    sound = np.r_[
        np.zeros(2 * FRAME, np.float32), pulses(100, 1.0), np.zeros(2 * FRAME, np.float32)
    ]
    for number, (letters, word) in enumerate([("wˈAt.", "Wait")] * 3 + [("ʃˈAt.", "Shate")]):
        said = Sentence(letters, (word,) * 4 + (".",), [2, 10, 10, 10, 6, 4, 2],
                        sound, np.full(88, 100.0, np.float32))  # fmt: skip
        store_clip(tmp_path / "voice", Text(f"CA000{number}", f"{word}.", "conversation"), [said])
    clips, left_out = CorpusMaker(TEACHERS, 240).make(tmp_path / "voice", tmp_path / "corpus")
    assert (clips, left_out) == (4, {})


@pytest.mark.skipif(not TEACHERS.exists(), reason="needs ../shared/teachers")
def test_clips_without_sound_are_placed_like_those_with_it(tmp_path):
    quiet = np.zeros(4 * FRAME, np.float32)
    sound = np.r_[quiet, pulses(100, 1.0), quiet]
    for number in range(6):
        said = Sentence("wˈAt.", ("Wait",) * 4 + (".",), [4, 10, 10, 10, 8, 4, 2],
                        sound, np.full(96, 100.0 + number, np.float32))  # fmt: skip
        text = Text(f"CA000{number}", "Wait.", "conversation")
        store_clip(tmp_path / "voice", text, [said])
        store_clip(tmp_path / "silent", text, [replace(said, waveform=None)])
    maker = CorpusMaker(TEACHERS, 240)
    maker.make(tmp_path / "voice", tmp_path / "heard")
    made = maker.make(tmp_path / "silent", tmp_path / "silent-corpus", tmp_path / "heard")
    assert made == (6, {})
    assert not (tmp_path / "silent-corpus" / "wavs").exists()
    heard, silent = (durations_ms(tmp_path / name) for name in ("heard", "silent-corpus"))
    np.testing.assert_allclose(silent, heard, atol=2)
    f0 = np.load(tmp_path / "silent-corpus" / "f0" / "CA0003.npy")
    np.testing.assert_allclose(f0, 103, rtol=1e-6)
    assert len(f0) == int(silent[3].sum() / 10)


def durations_ms(corpus):
    """(clips, phones)"""
    with lzma.open(corpus / "alignments.tsv.xz", "rt") as table:
        _, *lines = table
    return np.array([line.split("\t")[2].split() for line in lines], float)
