"""`dlpo new-voice`, from recordings to a page, with a model of toy size."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile
from typer.testing import Result

from dlpo.bundle import Bundle
from dlpo.data import ljspeech
from dlpo.frame_grid import PUBLISHED_GRID
from dlpo_cli import new_voice
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices import open_voice
from tests.callers import command as run

RATE_HZ = PUBLISHED_GRID.sample_rate_hz

TEXTS = ("The ferry leaves at seven, and the train waits for it.", "The children had not heard it.")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, voice = tmp_path_factory.mktemp("recordings"), open_voice("heart")
    for number, text in enumerate(TEXTS):
        soundfile.write(
            folder / f"{number}.wav",
            voice.speak(SpeechRequest(text)),
            RATE_HZ,
        )
        (folder / f"{number}.txt").write_text(text)
    (folder / "2.wav").write_bytes(b"no sound")
    return folder


def learn(recordings: Path, init: Path, out: Path, *options: str) -> Result:
    settings = ("updates=2", "precision=no", "acoustic_batch=1", "acoustic_window=32")
    words = ["--out", out, "--init", init, *options]
    for setting in settings:
        words += ["--set", setting]
    return run("new-voice", recordings, *words)


@pytest.mark.full
def test_recordings_become_a_bundle_and_a_page(
    recordings: Path, voices_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new_voice, "LEAST_S", 1.0)
    split = {"0": "train", "1": "test"}
    monkeypatch.setattr(ljspeech, "split_of", split.__getitem__)
    out = tmp_path / "run"
    options = ("--name", "mine", "--consent", "I am\nthe speaker")

    done = learn(recordings, voices_checkpoint, out, *options)

    assert done.exit_code == 0, done.output
    assert "left out 2.wav: no text" in done.stdout
    manifest = Bundle.load(out / "mine.dlpo").manifest
    assert manifest.offered_voices == ("mine", "ann", "bob")
    assert "mine (consent: I am the speaker)" in manifest.corpus
    page = (out / "index.html").read_text()
    assert page.count("<audio") == 1 + 1 + len(new_voice.TEXTS)
    assert TEXTS[1] in page
    assert TEXTS[0] not in page
    kept, _ = soundfile.read(out / "page" / "0-recording.wav")
    assert len(kept) > RATE_HZ
    other = learn(recordings, voices_checkpoint, out, "--name", "mine", "--consent", "Not me")
    assert "has other recordings or consent; give another --out" in other.stderr


def test_what_can_t_be_learned_is_refused_before_it_takes_time(
    recordings: Path, voices_checkpoint: Path, tmp_path: Path
) -> None:
    for options, reason in (
        (("--name", "mine", "--consent", " "), "consent is empty"),
        (("--name", "ann", "--consent", "yes"), "--name ann: taken"),
        (("--name", "../mine", "--consent", "yes"), "voice name '../mine' is invalid"),
        (("--name", "mine", "--consent", "yes", "--set", "part=joint"), "leave it out"),
        (("--name", "mine", "--consent", "yes"), "expected at least 120 s"),
    ):
        refused = learn(recordings, voices_checkpoint, tmp_path / "run", *options)
        assert refused.exit_code == 1
        assert reason in refused.stderr
    assert not (tmp_path / "run" / "adapters").exists()
