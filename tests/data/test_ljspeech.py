"""`dlpo prepare`: what it keeps, what it leaves out and why, and that it can be interrupted."""

from __future__ import annotations

import json
import shutil
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlpo.audio import read_wav
from dlpo.data import ljspeech
from dlpo.data.dataset import Corpora, speech_learned
from dlpo.data.ljspeech import Prepared, prepare, split_of
from dlpo.data.options import CorpusSpeaker, FeatureSet
from dlpo.errors import DataError, InputError
from dlpo.frame_grid import PUBLISHED_GRID, FrameGrid

RATE_HZ = PUBLISHED_GRID.sample_rate_hz

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "ljspeech"
TONE = 0.3 * np.sin(np.arange(int(1.5 * RATE_HZ)) / 20)


@pytest.fixture
def corpus(tiny_corpus: Path, tmp_path: Path) -> Path:
    """A copy of the tiny corpus that a test may damage."""
    return Path(shutil.copytree(tiny_corpus, tmp_path / "corpus"))


def prepared(corpus: Path) -> Path:
    """Where this corpus is prepared."""
    return corpus.parent / "dataset"


def remade(corpus: Path, out: Path | None = None, **options: Any) -> Prepared:
    """Prepare it."""
    return prepare(corpus, corpus / "alignments.tsv", out or prepared(corpus), **options)


def test_every_clip_is_kept_with_its_split(tiny_dataset: Path) -> None:
    dataset = Corpora([tiny_dataset])
    assert {entry.id: entry.split for entry in dataset.entries} == {
        "LJ001-0001": "train",
        "LJ001-0002": "train",
        "LJ002-0161": "test",
        "LJ002-0181": "validation",
        "LJ003-0001": "train",
    }
    assert len(dataset.split("train", with_audio=True)) == 2
    assert [dataset.entries[i].id for i in dataset.split("train", with_audio=False)] == [
        "LJ003-0001"
    ]


def test_a_clip_reads_back_as_it_was_recorded(tiny_corpus: Path, tiny_dataset: Path) -> None:
    recorded, _ = read_wav(tiny_corpus / "wavs" / "LJ001-0002.wav")
    utterance = Corpora([tiny_dataset])[1]
    assert utterance.waveform == pytest.approx(recorded[: len(utterance.waveform)], abs=1e-4)
    assert utterance.durations.sum() == pytest.approx(1.5)
    voiced = utterance.features.f0[utterance.features.f0 > 0]
    assert np.median(voiced) == pytest.approx(170, abs=2)


def rewrite(path: Path, samples: np.ndarray, rate: int = RATE_HZ, channels: int = 1) -> None:
    """Replace a clip by 16-bit samples of any rate and channels."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32767).astype("<i2").tobytes())


def claim_a_terabyte(path: Path) -> None:
    """Replace a clip by a FLAC whose header claims 2^36 samples."""
    soundfile = pytest.importorskip("soundfile")
    soundfile.write(path, TONE, RATE_HZ, format="FLAC")
    content = bytearray(path.read_bytes())
    content[21] |= 0x0F  # the count's highest bits. Reference: RFC 9639, section 8.2
    content[22:26] = b"\xff" * 4
    path.write_bytes(content)


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "rate": (lambda path: rewrite(path, TONE, rate=16_000), "1 channels at 16000 Hz"),
    "stereo": (lambda path: rewrite(path, np.repeat(TONE, 2), channels=2), "2 channels"),
    "silence": (lambda path: rewrite(path, 0 * TONE), "silent"),
    "short": (lambda path: rewrite(path, TONE[:100]), "100 samples"),
    "length": (
        lambda path: rewrite(path, TONE[: RATE_HZ // 2]),
        "alignment ends at 1.50 s",
    ),
    "claims a terabyte": (claim_a_terabyte, "frames at 22050 Hz are more than 120 s"),
    "claims a rate": (lambda path: rewrite(path, TONE, rate=1), "a rate of 1 Hz"),
    "bytes": (lambda path: path.write_bytes(b"not audio"), "can't be decoded"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_an_unusable_clip_is_left_out_with_the_reason(corpus: Path, kind: str) -> None:
    damage, reason = DAMAGE[kind]
    damage(corpus / "wavs" / "LJ001-0001.wav")
    report = remade(corpus)
    assert list(report.left_out) == ["LJ001-0001"]
    assert reason in report.left_out["LJ001-0001"]
    assert report.with_audio == 3
    assert "LJ001-0001" not in {entry.id for entry in Corpora([prepared(corpus)]).entries}


def test_no_usable_clip_is_an_error(corpus: Path) -> None:
    for path in (corpus / "wavs").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match="none of 4 recordings is usable"):
        remade(corpus)


def test_no_place_and_missing_parts_are_named(corpus: Path) -> None:
    (corpus.parent / "file").write_text("")
    with pytest.raises(InputError, match="choose another --out"):
        remade(corpus, corpus.parent / "file" / "out")
    for missing in ("alignments.tsv", "metadata.csv"):
        (corpus / missing).unlink()
        with pytest.raises(DataError, match=missing):
            remade(corpus)


def test_an_interrupted_run_goes_on_where_it_was(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[int] = []

    def measure_or_stop(waveform: np.ndarray, grid: FrameGrid, f0: None) -> object:
        if len(measured) == 2:
            raise KeyboardInterrupt
        measured.append(len(waveform))
        return measure(waveform, grid)

    measure = ljspeech.measure
    monkeypatch.setattr(ljspeech, "measure", measure_or_stop)
    with pytest.raises(KeyboardInterrupt):
        remade(corpus)
    with pytest.raises(DataError, match="not a prepared dataset"):
        Corpora([prepared(corpus)])
    again: list[int] = []
    monkeypatch.setattr(
        ljspeech, "measure", lambda w, *how: (again.append(len(w)), measure(w, *how))[1]
    )
    assert remade(corpus).with_audio == 4
    assert len(again) == 2


def test_a_dataset_of_other_symbols_is_refused(tiny_dataset: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(tiny_dataset, tmp_path / "dataset"))
    index = (path / "dataset.json").read_text()
    (path / "dataset.json").write_text(index.replace('"ZH"', '"XX"'))
    with pytest.raises(DataError, match="prepare it again"):
        Corpora([path])


def test_other_frames_are_advised_where_a_model_can_have_them(tiny_dataset: Path) -> None:
    data, other = Corpora([tiny_dataset]), FrameGrid(16_000, 200)
    with pytest.raises(DataError, match=r"--set model\.hop_length=300$"):
        data.check_grid(other)
    with pytest.raises(DataError, match=r"--frame 200$"):
        data.check_grid(other, fixed=True)


def test_the_split_is_that_of_the_data_readme() -> None:
    clips = [f"LJ002-0{number}" for number in (160, 161, 180, 181, 200, 201)]
    expected = ["train", "test", "test", "validation", "validation", "train"]
    assert [split_of(clip) for clip in clips] == expected


@pytest.mark.full
def test_real_clips_are_prepared(tmp_path: Path) -> None:
    if not SHARED.exists():
        pytest.skip("../shared/data/ljspeech is not here")
    corpus = tmp_path / "corpus"
    (corpus / "wavs").mkdir(parents=True)
    shutil.copy(SHARED / "metadata.csv", corpus)
    for clip in ("LJ001-0002", "LJ001-0042"):
        (corpus / "wavs" / f"{clip}.flac").symlink_to(SHARED / "wavs" / f"{clip}.flac")
    report = prepare(corpus, SHARED / "alignments.tsv.xz", tmp_path / "dataset")
    assert report.with_audio == 1
    assert report.timing_only > 12_000
    assert "alignment ends at" in report.left_out["LJ001-0042"]
    dataset = Corpora([tmp_path / "dataset"])
    utterance = dataset[[entry.id for entry in dataset.entries].index("LJ001-0002")]
    voiced = utterance.features.f0[utterance.features.f0 > 0]
    assert 150 < np.median(voiced) < 280  # Linda Johnson


def test_sessions_become_voices_of_the_speaker(corpus: Path) -> None:
    out = prepared(corpus)
    remade(corpus, out, speaker=CorpusSpeaker("ann", sessions=True), jobs=2)
    assert {entry.id: entry.voice for entry in Corpora([out]).entries} == {
        "LJ001-0001": "ann/LJ001",
        "LJ001-0002": "ann/LJ001",
        "LJ002-0161": "ann/LJ002",
        "LJ002-0181": "ann/LJ002",
        "LJ003-0001": "ann",  # has no recording
    }


def test_stages_that_hear_an_origin_again_add_only_its_minutes(tiny_dataset: Path) -> None:
    heard = Corpora([tiny_dataset]).datasets
    known = ["LJSpeech-1.1 (public domain), 37 minutes; my voice", "my voice; other, 2 minutes"]
    once = "LJSpeech-1.1 (public domain), 37 + 0 minutes; my voice; other, 2 minutes"
    assert speech_learned(known, heard) == speech_learned([once], heard) == once


def test_a_dataset_names_its_language(corpus: Path, tiny_dataset: Path, tmp_path: Path) -> None:
    out = prepared(corpus)
    remade(corpus, speaker=CorpusSpeaker("dora", language="es-MX"))
    assert Corpora([tiny_dataset, out], [1, 1]).languages == {"lj": "en-US", "dora": "es-419"}
    assert "language" not in json.loads((tiny_dataset / "dataset.json").read_text())
    remade(corpus, tmp_path / "lj", speaker=CorpusSpeaker(language="es"))
    with pytest.raises(DataError, match="lj speaks es-419 here and en-US in another"):
        Corpora([tiny_dataset, tmp_path / "lj"], [1, 1])
    with pytest.raises(InputError, match="'de' can't be read"):
        remade(corpus, tmp_path / "de", speaker=CorpusSpeaker(language="de"))


def test_known_f0_is_taken_and_a_wrong_one_leaves_the_clip_out(corpus: Path) -> None:
    frames = len(read_wav(corpus / "wavs" / "LJ001-0002.wav")[0]) // 300
    (corpus / "f0").mkdir()
    np.save(corpus / "f0" / "LJ001-0002.npy", np.full(frames, 123.0))
    np.save(corpus / "f0" / "LJ001-0001.npy", np.full(7, 123.0))
    done = remade(corpus)
    assert list(done.left_out) == ["LJ001-0001"]
    assert "f0/LJ001-0001.npy" in done.left_out["LJ001-0001"]
    dataset = Corpora([prepared(corpus)])
    known = dataset[[entry.id for entry in dataset.entries].index("LJ001-0002")]
    assert set(np.unique(known.features.f0)) <= {0.0, 123.0}
    assert (known.features.f0 > 0).mean() > 0.3


def test_unheard_clips_keep_only_text_and_timing(corpus: Path, tmp_path: Path) -> None:
    clip = "LJ001-0002"
    done = remade(corpus, tmp_path / "all")
    without = FeatureSet(unheard=frozenset({clip}))
    fewer = remade(corpus, tmp_path / "fewer", features=without)
    assert fewer.with_audio == done.with_audio - 1
    entries = {entry.id: entry for entry in Corpora([tmp_path / "fewer"]).entries}
    assert not entries[clip].frames
    assert entries[clip].text


def test_without_f0_it_lacks_only_what_wavegrad2_leaves_unread(
    corpus: Path, tiny_dataset: Path
) -> None:
    done = remade(corpus, features=FeatureSet(without_f0=True))
    assert (done.with_audio, done.timing_only) == (4, 1)
    assert not any((prepared(corpus) / f"{name}.npy").exists() for name in ("f0", "phase"))
    plain, full = Corpora([prepared(corpus)]), Corpora([tiny_dataset])
    assert plain.entries == full.entries
    for i, entry in enumerate(full.entries):
        here = (i, 0, entry.frames)
        assert np.array_equal(plain.audio(*here), full.audio(*here))
        assert np.array_equal(plain.mel(*here), full.mel(*here))
        assert np.array_equal(plain.timing(i)[1], full.timing(i)[1])
    with pytest.raises(DataError, match="prepared without F0"):
        plain.window(0, 0, 1)


def test_pitch_of_clips_that_nobody_recorded_is_kept(corpus: Path, tiny_dataset: Path) -> None:
    full = Corpora([tiny_dataset])
    (corpus / "f0").mkdir()
    for i, entry in enumerate(full.entries):
        np.save(corpus / "f0" / f"{entry.id}.npy", full.f0(i) if entry.frames else np.ones(2))
    shutil.rmtree(corpus / "wavs")
    without = FeatureSet(without_sound=True)
    done = remade(corpus, features=without)
    assert (done.with_audio, list(done.left_out)) == (4, ["LJ003-0001"])  # of another length
    pitch = Corpora([prepared(corpus)])
    for i, entry in enumerate(pitch.entries):
        assert entry == full.entries[i]
        assert np.array_equal(pitch.f0(i), full.f0(i))
        assert np.array_equal(pitch.timing(i)[1], full.timing(i)[1])
    for whole in (pitch.window, pitch.audio, pitch.mel):
        with pytest.raises(DataError, match="prepared without sound"):
            whole(0, 0, 1)


def test_what_leaves_nothing_or_finds_nothing_is_refused(corpus: Path) -> None:
    with pytest.raises(InputError, match="neither F0 nor sound"):
        FeatureSet(without_f0=True, without_sound=True)
    with pytest.raises(DataError, match=r"f0: no \.npy inside"):
        remade(corpus, features=FeatureSet(without_sound=True))


def test_an_unfinished_run_without_f0_does_not_serve_one_with_it(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = corpus, corpus / "alignments.tsv", prepared(corpus)
    with monkeypatch.context() as patch:
        patch.setattr(ljspeech, "pack", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            prepare(*where, features=FeatureSet(without_f0=True))
    prepare(*where)
    assert Corpora([prepared(corpus)])[0].features.f0.any()


@pytest.fixture(scope="module")
def datasets(tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("corpora")
    for speaker in ("ann", "bob"):
        corpus = Path(shutil.copytree(tiny_corpus, root / f"{speaker}-corpus"))
        one = CorpusSpeaker(speaker, sessions=True)
        remade(corpus, root / speaker, speaker=one)
    return [root / "ann", root / "bob"]


def test_utterances_are_those_of_each_corpus_in_order(datasets: list[Path]) -> None:
    joined, apart = Corpora(datasets, [1, 1]), [Corpora([path]) for path in datasets]
    assert joined.voices == (
        "ann", "ann/LJ001", "ann/LJ002", "bob", "bob/LJ001", "bob/LJ002",
    )  # fmt: skip
    second = len(apart[0])
    assert joined.entries[second].voice == "bob/LJ001"
    assert np.array_equal(joined[second].waveform, apart[1][0].waveform)
    assert len(joined.split("train", with_audio=True)) == 4


def test_shares_divide_what_is_drawn(datasets: list[Path]) -> None:
    joined = Corpora(datasets, [3, 1])
    train = joined.split("train", with_audio=True)
    chances = joined.chances(train)
    anns = [joined.entries[i].voice.startswith("ann") for i in train]
    assert chances.sum() == pytest.approx(1)
    assert chances[anns].sum() == pytest.approx(0.75)


@pytest.mark.parametrize("shares", [[1], [1, 0], [1, -1]])
def test_shares_that_make_no_sense_are_refused(datasets: list[Path], shares: list[float]) -> None:
    with pytest.raises(DataError, match="positive share"):
        Corpora(datasets, shares)
