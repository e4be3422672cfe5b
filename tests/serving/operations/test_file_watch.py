"""Noticing that files changed, in simulated time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dlpo_serving.operations.files import FileWatch


class Clock:
    """Seconds that pass when a test says so."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_file_that_is_written_has_changed_once(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "a"
    path.write_text("1")
    watch = FileWatch([path], clock, poll_s=1)

    path.write_text("22")

    assert not watch.changed()  # it is not looked at yet
    clock.now_s = 1
    assert watch.changed()
    clock.now_s = 2
    assert not watch.changed()


def test_a_file_of_the_same_size_and_time_put_in_its_place_has_changed(
    tmp_path: Path, clock: Clock
) -> None:
    path, other = tmp_path / "a", tmp_path / "b"
    path.write_text("1")
    other.write_text("2")
    os.utime(path, ns=(0, 0))
    os.utime(other, ns=(0, 0))
    watch = FileWatch([path], clock, poll_s=1)

    other.replace(path)

    clock.now_s = 1
    assert watch.changed()


def test_a_link_that_points_elsewhere_has_changed_as_kubernetes_does_it(
    tmp_path: Path, clock: Clock
) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tls.crt").write_text(name)
    (tmp_path / "..data").symlink_to("old")
    (tmp_path / "tls.crt").symlink_to("..data/tls.crt")
    watch = FileWatch([tmp_path / "tls.crt"], clock, poll_s=1)

    (tmp_path / "..next").symlink_to("new")
    (tmp_path / "..next").replace(tmp_path / "..data")

    clock.now_s = 1
    assert watch.changed()
