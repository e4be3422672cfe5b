"""Processes that speak at the same time."""

from pathlib import Path

import pytest

from recipe.speech.plan import TARGETS, Target
from recipe.speech.speaking import Folders, Queue, locked, speak
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
    with pytest.raises(SystemExit, match="a process ended with 1"):
        speak(folders(tmp_path), jobs=2)
    for target in TARGETS:
        locked(tmp_path / "speech" / target.voice).close()  # nobody speaks any more


def texts(pool_sizes: dict[str, int]) -> list[Text]:
    return [Text(f"{p}{i}", "w" * 81, p) for p, n in pool_sizes.items() for i in range(n)]  # 6 s


def test_a_round_has_texts_of_every_voice(tmp_path: Path) -> None:
    pools = {"conversation": 90, "prose": 90, "drill": 90}
    queue = Queue(tmp_path, texts(pools), TARGETS, hours=10)
    voices = {voice for voice, _ in queue.take(at_once_s=2400)}
    assert voices == {target.voice for target in TARGETS if "spanish" not in target.shares}


def test_a_voice_without_texts_ends_and_the_others_go_on(tmp_path: Path) -> None:
    queue = Queue(tmp_path, texts({"conversation": 5}), VOICES, hours=10)
    assert len(queue.take(at_once_s=1e9)) == 10
    assert queue.take(at_once_s=1e9) == []


def test_enough_hours_end_it(tmp_path: Path) -> None:
    queue = Queue(tmp_path, texts({"conversation": 100}), VOICES, hours=0.05)
    assert len(queue.take(at_once_s=1e9)) == 30  # of 6 s each
