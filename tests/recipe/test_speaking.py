"""Processes that speak at the same time."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from recipe.speech import store
from recipe.speech.kokoro import Kokoro, Spoken
from recipe.speech.plan import TARGETS, Target, within
from recipe.speech.speaking import Folders, ToSay, check_kind, locked, speak, speak_texts
from recipe.speech.texts import Text

VOICES = (Target("af_heart", 1, 1), Target("am_puck", 1, 1))


def folders(tmp_path: Path) -> Folders:
    """Without a teacher, so that every process fails."""
    return Folders(tmp_path / "speech", tmp_path, tmp_path, tmp_path, None)


def test_a_voice_is_spoken_by_one_process(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(SystemExit, match="another process"):
        locked(tmp_path)
    locked(tmp_path).close()


def test_a_failed_process_ends_the_command(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="kokoro"):
        speak(folders(tmp_path), jobs=2)
    for target in TARGETS:
        locked(tmp_path / "speech" / target.voice).close()  # nobody speaks any more


class Humming:
    """Speaks a second a sentence, and fails after the sentence `last`."""

    def __init__(self, last: int = 1000, *, sound: bool = True) -> None:
        self.left = last
        self.sound = sound

    def __call__(self, tokens: NDArray[np.int64], style: NDArray[np.float32]) -> Spoken:
        if not self.left:
            raise RuntimeError("no breath left")
        self.left -= 1
        sound = np.sin(np.arange(24_000) / 20).astype(np.float32)
        return Spoken(sound if self.sound else None, np.full(4, 10), np.full(80, 190, np.float32))


def hum(folder: Path, network: Humming, hours: float) -> None:
    """Let two voices say 40 texts, of which one has a letter that isn't known."""
    (folder / "voices").mkdir(exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({"vocab": {"a": 1}}))
    for voice in VOICES:
        np.zeros((510, 256), "<f4").tofile(folder / "voices" / f"{voice.voice}.bin")
    known = [Text(f"conversation{i}", "w" * 81, "conversation") for i in range(40)]  # 6 s each
    letters = {text.id: [("aa", ("a", "a"))] for text in known}
    letters["conversation3"] = [("ab", ("a", "b"))]
    del letters["conversation5"]
    to_say = ToSay(known, letters)
    targets = within(hours, VOICES)
    speak_texts(folder, lambda text: [("a", ("a",))], Kokoro(folder, network), to_say, targets)


def rows(folder: Path) -> list[dict[str, Any]]:
    return [row for voice in VOICES for row in store.rows(folder / voice.voice)]


def seconds(folder: Path) -> float:
    return sum(row.get("samples", 0) for row in rows(folder)) / store.RATE


def test_true_lengths_decide_when_it_is_enough(tmp_path: Path) -> None:
    hum(tmp_path, Humming(), hours=60 / 3600)  # by estimate 10 texts, in truth 60
    assert seconds(tmp_path) == 60
    skipped = [row for row in store.rows(tmp_path / "af_heart") if "skipped" in row]
    assert [row["id"] for row in skipped] in ([], ["conversation3"])


def test_without_sound_a_clip_has_its_length_and_pitch(tmp_path: Path) -> None:
    hum(tmp_path, Humming(sound=False), hours=60 / 3600)
    assert seconds(tmp_path) == 60
    folder = tmp_path / "af_heart"
    assert not (folder / "wavs").exists()
    row = next(row for row in store.rows(folder) if "samples" in row)
    assert "creaky" not in row
    assert np.load(folder / "f0" / f"{row['id']}.npy").tolist() == [190.0] * 80
    check_kind(folder, sound=False)
    with pytest.raises(SystemExit, match="holds clips without sound"):
        check_kind(folder, sound=True)


def test_an_interruption_loses_no_clip_that_was_spoken(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no breath"):
        hum(tmp_path, Humming(last=25), hours=1)
    assert seconds(tmp_path) == 25
    hum(tmp_path, Humming(), hours=1)
    assert seconds(tmp_path) == 78  # 40 texts by two voices, but for the one that neither can say


def test_fewer_hours_are_shared_as_planned() -> None:
    for hours in (10, 45, 100):
        cut = sum(target.hours for target in within(hours))
        assert cut == pytest.approx(min(hours, sum(t.hours for t in TARGETS)))
    few, many = ({target.voice: target.hours for target in within(hours)} for hours in (10, 45))
    assert few["am_puck"] == pytest.approx(10 * 3.2 / 37.8)
    assert many["af_heart"] == pytest.approx(9 + 45 - 37.8)
