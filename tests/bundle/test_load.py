"""A bundle loads whole and unharmed, or not at all."""

from __future__ import annotations

import dataclasses
import gc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlpo.bundle import MANIFEST, Bundle, Manifest, write_bundle
from dlpo.errors import BundleError

GRAPHS = ("encoder.onnx", "frames.onnx", "denoiser_2.onnx")


def rewrite_zip(path: Path, edit: Callable[[dict[str, bytes]], object]) -> None:
    """Replace the zip by one with edited members, compressed."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    edit(members)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def test_written_bundle_loads_with_the_same_manifest_and_files(
    bundle_path: Path, manifest: Manifest, files: dict[str, bytes]
) -> None:
    bundle = Bundle.load(bundle_path)

    assert dataclasses.replace(bundle.manifest, files={}) == manifest
    assert bundle.graph_path("denoiser_2").read_bytes() == files["denoiser_2.onnx"]
    assert bundle.manifest.available_steps == (2,)
    assert bundle.manifest.context_frames(2) == 15


def test_unpacked_files_vanish_with_the_bundle(zipped: Path) -> None:
    bundle = Bundle.load(zipped)
    directory = bundle.directory
    assert directory.is_dir()

    del bundle
    gc.collect()

    assert not directory.exists()


def test_directory_and_zip_of_the_same_content_are_the_same_bundle(
    directory: Path, zipped: Path
) -> None:
    assert Bundle.load(directory).sha256 == Bundle.load(zipped).sha256


@pytest.mark.parametrize("name", GRAPHS)
def test_flipped_byte_is_refused_with_both_hashes(directory: Path, name: str) -> None:
    data = bytearray((directory / name).read_bytes())
    data[3] ^= 1
    (directory / name).write_bytes(data)
    with pytest.raises(BundleError, match=rf"{name}: sha256 is \w+, manifest says \w+"):
        Bundle.load(directory)


def test_rezipped_wrong_content_is_refused(zipped: Path) -> None:
    rewrite_zip(zipped, lambda members: members.update({"frames.onnx": b"fRames"}))
    with pytest.raises(BundleError, match="sha256"):
        Bundle.load(zipped)


def test_cut_off_file_is_refused_with_both_sizes(directory: Path) -> None:
    path = directory / "encoder.onnx"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(BundleError, match="size is 100, manifest says 350"):
        Bundle.load(directory)


@pytest.mark.parametrize("keep", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_cut_off_zip_is_refused(zipped: Path, keep: float) -> None:
    data = zipped.read_bytes()
    zipped.write_bytes(data[: int(keep * len(data))])
    with pytest.raises(BundleError, match="zip"):
        Bundle.load(zipped)


def test_zip_bomb_is_refused_before_it_unfolds(zipped: Path) -> None:
    rewrite_zip(zipped, lambda members: members.update({"frames.onnx": bytes(50_000_000)}))
    assert zipped.stat().st_size < 100_000
    with pytest.raises(BundleError, match=r"frames\.onnx: size is 50000000, manifest says 6"):
        Bundle.load(zipped)


def test_manifest_bomb_is_refused(zipped: Path) -> None:
    rewrite_zip(zipped, lambda members: members.update({MANIFEST: b" " * 50_000_000}))
    with pytest.raises(BundleError, match="more than 1048576 bytes"):
        Bundle.load(zipped)


def test_name_that_occurs_twice_in_a_zip_is_refused(zipped: Path) -> None:
    with zipfile.ZipFile(zipped, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("frames.onnx", b"frames")
    with pytest.raises(BundleError, match="occurs twice"):
        Bundle.load(zipped)


def test_missing_file_is_named(directory: Path) -> None:
    (directory / "frames.onnx").unlink()
    with pytest.raises(BundleError, match=r"frames\.onnx is missing"):
        Bundle.load(directory)


def test_extra_file_is_named(directory: Path) -> None:
    (directory / "evil.py").write_text("")
    with pytest.raises(BundleError, match=r"'evil\.py' is not in the manifest"):
        Bundle.load(directory)


@pytest.mark.parametrize("name", ["../evil", "/evil", "folder/evil", "folder/"])
def test_zip_member_that_leaves_the_folder_is_refused(
    zipped: Path, tmp_path: Path, name: str
) -> None:
    rewrite_zip(zipped, lambda members: members.update({name: b"evil"}))
    with pytest.raises(BundleError, match="is not in the manifest"):
        Bundle.load(zipped)
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize(
    "name", ["../encoder.onnx", "/etc/passwd", "a/b", "..", ".", "", "a\\b", "C:x", "voice.json"]
)
def test_manifest_that_names_a_path_is_refused(
    directory: Path, edit_manifest: Any, name: str
) -> None:
    edit_manifest(
        directory, lambda values: values["files"].update({name: {"sha256": "0" * 64, "bytes": 1}})
    )
    with pytest.raises(BundleError, match="not a plain file name"):
        Bundle.load(directory)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("voice", "a\r\nX-Evil: 1"),
        ("voice", "\x1b]0;pwned\x07"),
        ("voice", ""),
        ("voice", "v" * 500_000),
        ("language", "\x1b[2J"),
        ("licence", "a\nb"),
        ("gain", 1e308),
        ("sample_rate_hz", 10**12),
        ("hop_length", 10**9),
        ("noise_schedule", {"name": "ddim", "eta": -5.0}),
    ],
)
def test_manifest_with_a_value_out_of_bounds_is_refused_in_a_short_line(
    directory: Path, edit_manifest: Any, key: str, value: Any
) -> None:
    edit_manifest(directory, lambda values: values.update({key: value}))
    with pytest.raises(BundleError, match="expected") as caught:
        Bundle.load(directory)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def test_link_in_the_folder_is_refused(directory: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (directory / "frames.onnx").rename(outside)
    (directory / "frames.onnx").symlink_to(outside)
    with pytest.raises(BundleError, match="link"):
        Bundle.load(directory)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        b"{not json",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"voice": "\\ud800"}',
    ],
)
def test_manifest_that_is_no_manifest_is_refused(directory: Path, text: bytes) -> None:
    (directory / MANIFEST).write_bytes(text)
    with pytest.raises(BundleError, match=MANIFEST):
        Bundle.load(directory)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("gain", float("nan")),
        ("gain", 0),
        ("hop_length", "300"),
        ("steps", 3),
        ("symbols", "abc"),
        ("needed_context", {"2": -1}),
        ("needed_context_int8", {"2": -1}),
        ("prosody", {"speed": [0, 2]}),
        ("prosody", {"speed": [2, 1]}),
    ],
)
def test_unusable_value_is_refused_by_name(
    directory: Path, edit_manifest: Any, key: str, value: object
) -> None:
    edit_manifest(directory, lambda values: values.update({key: value}))
    with pytest.raises(BundleError, match="denoiser_3" if key == "steps" else key):
        Bundle.load(directory)


@pytest.mark.parametrize("name", ["7", "denoiser_²", "denoiser_0", "denoiser_two", "denoiser_"])
def test_graph_of_another_kind_is_no_offer_of_steps(
    directory: Path, edit_manifest: Any, name: str
) -> None:
    edit_manifest(
        directory, lambda values: values["graphs"].update({name: values["graphs"]["encoder"]})
    )
    assert Bundle.load(directory).manifest.available_steps == (2,)


def test_a_zip_where_nothing_can_be_written_says_what_to_mount(
    zipped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_folder(**_: object) -> str:
        raise FileNotFoundError("No usable temporary directory found")  # as in a read-only root

    monkeypatch.setattr("tempfile.mkdtemp", no_folder)
    monkeypatch.setattr("tempfile.gettempdir", no_folder)
    with pytest.raises(BundleError, match=r"can't be read .* mount one at /tmp"):
        Bundle.load(zipped)


def test_precision_that_is_absent_names_those_that_are_there(
    directory: Path, manifest: Manifest, tmp_path: Path
) -> None:
    with pytest.raises(BundleError, match="denoiser_2 in fp32, not in int8"):
        Bundle.load(write_bundle(tmp_path / "again", manifest, directory)).graph_path(
            "denoiser_2", "int8"
        )
