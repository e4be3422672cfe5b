"""`dlpo prepare recordings`: checks and alignment, of speech of the embedded voice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from dlpo.audio import Waveform
from dlpo.data.alignments import read_alignments
from dlpo.data.recordings import MARK, Aligner, fingerprint, read_recording, write_corpus
from dlpo.errors import DataError, InputError
from dlpo.frame_grid import PUBLISHED_GRID
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesis.job import AudioChunk
from dlpo_serving.voices import open_voice

RATE_HZ = PUBLISHED_GRID.sample_rate_hz

TEXT = "The ferry leaves at seven, and 3 trains wait for it."
OTHER = "The children had not heard why the school was closed."


@pytest.fixture(scope="module")
def chunks() -> dict[str, list[AudioChunk]]:
    voice = open_voice("heart")
    return {t: list(voice.stream(voice.read(SpeechRequest(t)))) for t in (TEXT, OTHER)}


@pytest.fixture(scope="module")
def speech(chunks: dict[str, list[AudioChunk]]) -> dict[str, Waveform]:
    return {text: np.concatenate([c.samples for c in made]) for text, made in chunks.items()}


@pytest.fixture(scope="module")
def aligner() -> Aligner:
    return Aligner()


@pytest.mark.parametrize("text", [TEXT, OTHER])
def test_words_begin_where_the_voice_says_that_they_do(
    text: str,
    chunks: dict[str, list[AudioChunk]],
    speech: dict[str, Waveform],
    aligner: Aligner,
) -> None:
    aligned = aligner.align("clip", speech[text], RATE_HZ, text)
    expected = [word.start / RATE_HZ for chunk in chunks[text] for word in chunk.words]
    begins_s = np.cumsum([0.0, *aligned.durations_s])
    found = [begins_s[word.first] for word in aligned.words]
    assert len(found) == len(expected) > 8
    assert np.abs(np.subtract(found, expected)).max() < 0.06
    assert aligned.seconds == pytest.approx(len(speech[text]) / RATE_HZ)
    symbols, _ = aligned.utterance(text)
    assert {"OW1", "."} <= {*symbols} or {"EH1", ",", "."} <= {*symbols}  # stress and marks


@pytest.mark.parametrize(
    "text",
    [
        OTHER,
        TEXT.replace("and 3", "and certainly another ferry and 3"),
        TEXT.replace("The ferry leaves at seven, ", ""),
    ],
)
def test_a_text_that_is_not_spoken_is_noticed(
    text: str, speech: dict[str, Waveform], aligner: Aligner
) -> None:
    with pytest.raises(DataError, match="text"):
        aligner.align("clip", speech[TEXT], RATE_HZ, text)


def noise(waveform: Waveform) -> Waveform:
    drawn = np.random.default_rng(0).normal(size=len(waveform))
    return (waveform + 0.05 * drawn).astype(np.float32)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda w: np.clip(w * 50, -1, 1), "clipped; record it at a lower level"),
        (lambda w: 0 * w, "silent"),
        (noise, "above the noise; expected 20"),
        (lambda w: w[10_000:12_000], "s of speech; expected 0.8 to 15 s"),
        (lambda w: np.tile(w, 6), "s of speech; expected 0.8 to 15 s"),
        (lambda w: w * np.nan, "NaN"),
    ],
)
def test_an_unusable_recording_is_refused(
    change: object, reason: str, speech: dict[str, Waveform], tmp_path: Path
) -> None:
    assert callable(change)
    soundfile.write(tmp_path / "a.wav", change(speech[TEXT]), RATE_HZ, subtype="FLOAT")
    with pytest.raises(DataError, match=reason):
        read_recording(tmp_path / "a.wav", RATE_HZ)


def test_a_folder_becomes_a_corpus_and_says_what_is_left_out(
    speech: dict[str, Waveform], tmp_path: Path
) -> None:
    folder, out = tmp_path / "mine", tmp_path / "corpus"
    (folder / "more").mkdir(parents=True)
    stereo = np.repeat(speech[TEXT], 2)[:, None].repeat(2, 1) / 4  # 44.1 kHz, and faint
    soundfile.write(folder / "one take.wav", stereo, 2 * RATE_HZ)
    (folder / "one take.txt").write_text(f"{TEXT}\n")
    for name in ("two.flac", "more/two.flac", "three.flac"):
        soundfile.write(folder / name, speech[OTHER], RATE_HZ)
    (folder / "metadata.csv").write_text(f"two.flac|Raw.|{OTHER}\n")
    (folder / "four.wav").write_bytes(b"no sound")
    (folder / "four.txt").write_text("Hello.")
    (folder / "five.AIF").write_bytes(b"")
    (folder / "five.txt").write_bytes(b"It\x92s Latin-1.")
    (folder / "._one take.wav").write_bytes(b"of a Mac")
    (folder / "old").mkdir()
    (folder / "old" / MARK).touch()
    (folder / "old" / "six.wav").write_bytes(b"of an earlier run")
    before = fingerprint(folder)

    left_out = write_corpus(folder, out)

    assert {name: why.partition(";")[0].partition(" (")[0] for name, why in left_out.items()} == {
        "five.AIF": f"{folder / 'five.txt'}: can't be read",
        "four.wav": "can't be decoded",
        "three.flac": "no text",
        "two.flac": "another recording is called two",
    }
    assert [a.id for a in read_alignments(out / "alignments.tsv")] == ["two", "one_take"]
    assert (out / "metadata.csv").read_text().splitlines()[1].startswith("one_take|The ferry")
    kept, rate = soundfile.read(out / "wavs" / "one_take.wav")
    assert rate == RATE_HZ
    assert kept.ndim == 1
    assert len(kept) == pytest.approx(len(speech[TEXT]), rel=0.2)
    assert fingerprint(folder) == before
    (folder / "one take.txt").write_text("Corrected.")
    assert fingerprint(folder) != before
    loud = kept[np.abs(kept) > 0.01]
    assert 10 * np.log10((loud**2).mean()) == pytest.approx(-21, abs=2)


def test_a_folder_without_recordings_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no recordings; expected files of \.aif"):
        write_corpus(tmp_path, tmp_path / "out")
    (tmp_path / "a.wav").write_bytes(b"no sound")
    with pytest.raises(DataError, match=r"no recording is usable; first problem: a\.wav: no text"):
        write_corpus(tmp_path, tmp_path / "out")


def test_nothing_that_is_not_ours_is_replaced(speech: dict[str, Waveform], tmp_path: Path) -> None:
    recording = tmp_path / "corpus" / "a.wav"
    recording.parent.mkdir()
    soundfile.write(recording, speech[TEXT], RATE_HZ)
    recording.with_suffix(".txt").write_text(TEXT)
    with pytest.raises(InputError, match="would be replaced; choose another --out"):
        write_corpus(recording.parent, recording.parent)
    (tmp_path / "kept").mkdir()
    with pytest.raises(InputError, match="was not written by dlpo and is kept"):
        write_corpus(recording.parent, tmp_path / "kept")
    for _ in range(2):  # what it wrote itself is replaced
        assert not write_corpus(recording.parent, recording.parent / "data")
    assert recording.exists()


def test_a_language_without_an_acoustic_model_is_refused() -> None:
    with pytest.raises(InputError, match="in es-419 can't be aligned here; expected en-US"):
        Aligner("es-MX")
