"""What writing a bundle replaces and what it leaves alone."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from dlpo.bundle import FORMAT, MANIFEST, Bundle, Manifest, copy_bundle, write_bundle
from dlpo.errors import BundleError
from tests.bundle.conftest import EditManifest

WORK = b"years of work"


def test_same_content_gives_the_same_bytes(
    tmp_path: Path, manifest: Manifest, content: Path
) -> None:
    first, second = (
        write_bundle(tmp_path / name, manifest, content) for name in ("a.dlpo", "b.dlpo")
    )
    assert first.read_bytes() == second.read_bytes()


def zip_of_work(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("chapter1.txt", WORK)


def folder_of_work(path: Path, manifest: bytes | None) -> None:
    path.mkdir()
    (path / "chapter1.txt").write_bytes(WORK)
    if manifest is not None:
        (path / MANIFEST).write_bytes(manifest)


PRECIOUS: list[Callable[[Path], object]] = [
    zip_of_work,
    *(partial(Path.write_bytes, data=data) for data in (b"", WORK)),
    *(partial(folder_of_work, manifest=content)
      for content in (None, b"{}", b'{"files": 3}', b"[]", b"no JSON")),
]  # fmt: skip


@pytest.mark.parametrize("place", ["thesis", "thesis.dlpo"])
@pytest.mark.parametrize("make", PRECIOUS)
def test_only_a_bundle_is_replaced(
    tmp_path: Path, manifest: Manifest, content: Path, place: str, make: Callable[[Path], object]
) -> None:
    make(tmp_path / place)
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}
    with pytest.raises(BundleError, match="not a bundle"):
        write_bundle(tmp_path / place, manifest, content)
    assert {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")} == before


def test_bundle_with_a_note_in_it_is_not_replaced(
    directory: Path, manifest: Manifest, content: Path
) -> None:
    (directory / "note.txt").write_text("works well with speed 1.2")
    with pytest.raises(BundleError, match="more than a bundle"):
        write_bundle(directory, manifest, content)
    assert (directory / "note.txt").exists()


def test_damaged_or_older_bundle_is_replaced(
    directory: Path, manifest: Manifest, content: Path, edit_manifest: EditManifest
) -> None:
    edit_manifest(directory, lambda values: values.update(format=1))
    (directory / "frames.onnx").write_bytes(b"damaged")
    write_bundle(directory, manifest, content)

    assert Bundle.load(directory).manifest.format == FORMAT


@pytest.mark.parametrize("intruder", ["folder", "nothing"])
def test_content_that_is_not_plain_files_is_refused(
    out: Path, manifest: Manifest, content: Path, intruder: str
) -> None:
    if intruder == "folder":
        (content / "notes").mkdir()
    else:
        shutil.rmtree(content)
    with pytest.raises(BundleError, match="expected a folder of plain files"):
        write_bundle(out, manifest, content)
    assert not out.parent.exists()


def test_copies_there_and_back_are_the_same_to_the_byte(
    directory: Path, tmp_path: Path, edit_manifest: EditManifest
) -> None:
    edit_manifest(directory, lambda values: values.update(mood="of a later dlpo"))

    packed = copy_bundle(Bundle.load(directory), tmp_path / "packed.dlpo")
    unpacked = copy_bundle(Bundle.load(packed), tmp_path / "unpacked")

    assert sorted(os.listdir(unpacked)) == sorted(os.listdir(directory))
    for name in os.listdir(directory):
        assert (unpacked / name).read_bytes() == (directory / name).read_bytes()
