"""What writing a bundle replaces and what it leaves alone."""

from __future__ import annotations

import dataclasses
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from dlpo.bundle import FORMAT, MANIFEST, Bundle, Manifest, copy_bundle, write_bundle
from dlpo.errors import BundleError


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_same_content_gives_the_same_bytes(
    tmp_path: Path, manifest: Manifest, content: Path
) -> None:
    first, second = (
        write_bundle(tmp_path / name, manifest, content) for name in ("a.dlpo", "b.dlpo")
    )
    assert first.read_bytes() == second.read_bytes()


def test_earlier_bundle_is_replaced(out: Path, manifest: Manifest, content: Path) -> None:
    write_bundle(out, manifest, content)
    (content / "frames.onnx").write_bytes(b"newer")

    write_bundle(out, manifest, content)

    assert Bundle.load(out).graph_path("frames").read_bytes() == b"newer"
    assert names(out.parent) == {out.name}


def test_bundle_is_rewritten_from_its_own_folder(directory: Path) -> None:
    bundle = Bundle.load(directory)
    louder = dataclasses.replace(bundle.manifest, gain=1.5)

    write_bundle(directory, louder, bundle.directory)

    assert Bundle.load(directory).manifest == louder


@pytest.mark.parametrize("place", ["thesis", "thesis.dlpo"])
@pytest.mark.parametrize("also", [None, "{}", '{"files": 3}', "[]", "no JSON"])
def test_folder_that_is_no_bundle_is_not_replaced(
    tmp_path: Path, manifest: Manifest, content: Path, place: str, also: str | None
) -> None:
    precious = tmp_path / place
    precious.mkdir()
    (precious / "chapter1.txt").write_text("years of work")
    if also is not None:
        (precious / MANIFEST).write_text(also)
    with pytest.raises(BundleError, match="not a bundle"):
        write_bundle(precious, manifest, content)
    assert (precious / "chapter1.txt").read_text() == "years of work"


def test_bundle_with_a_note_in_it_is_not_replaced(
    directory: Path, manifest: Manifest, content: Path
) -> None:
    (directory / "note.txt").write_text("works well with speed 1.2")
    with pytest.raises(BundleError, match="more than a bundle"):
        write_bundle(directory, manifest, content)
    assert (directory / "note.txt").exists()


@pytest.mark.parametrize("data", [b"", b"years of work"])
def test_file_that_is_no_bundle_is_not_replaced(
    tmp_path: Path, manifest: Manifest, content: Path, data: bytes
) -> None:
    for name in ("voice", "voice.dlpo"):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(BundleError, match="not a bundle"):
            write_bundle(tmp_path / name, manifest, content)
        assert (tmp_path / name).read_bytes() == data


def test_zip_of_something_else_is_not_replaced(
    tmp_path: Path, manifest: Manifest, content: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "thesis.dlpo", "w") as archive:
        archive.writestr("chapter1.txt", "years of work")
    with pytest.raises(BundleError, match="not a bundle"):
        write_bundle(tmp_path / "thesis.dlpo", manifest, content)


def test_damaged_or_older_bundle_is_replaced(
    directory: Path, manifest: Manifest, content: Path, edit_manifest: Any
) -> None:
    edit_manifest(directory, lambda values: values.update(format=1))
    (directory / "frames.onnx").write_bytes(b"damaged")
    write_bundle(directory, manifest, content)

    assert Bundle.load(directory).manifest.format == FORMAT


def test_unwritable_place_is_refused(tmp_path: Path, manifest: Manifest, content: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleError, match="can't be written"):
        write_bundle(tmp_path / "file" / "voice", manifest, content)


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
    directory: Path, tmp_path: Path, edit_manifest: Any
) -> None:
    edit_manifest(directory, lambda values: values.update(mood="of a later dlpo"))

    packed = copy_bundle(Bundle.load(directory), tmp_path / "packed.dlpo")
    unpacked = copy_bundle(Bundle.load(packed), tmp_path / "unpacked")

    assert names(unpacked) == names(directory)
    for name in names(directory):
        assert (unpacked / name).read_bytes() == (directory / name).read_bytes()
