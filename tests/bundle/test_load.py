"""A bundle loads whole and unharmed, or not at all."""

from __future__ import annotations

import dataclasses
import gc
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dlpo.bundle import MANIFEST, Bundle, Manifest
from dlpo.errors import BundleError
from tests.bundle.conftest import EditManifest


def rewrite_zip(path: Path, edit: Callable[[dict[str, bytes]], object]) -> None:
    """Replace the zip by one with edited members, compressed."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    edit(members)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


@pytest.mark.parametrize("kind", ["directory", "zipped"])
def test_written_bundle_loads_with_the_same_manifest_and_files(
    kind: str, manifest: Manifest, files: dict[str, bytes], request: pytest.FixtureRequest
) -> None:
    bundle = Bundle.load(request.getfixturevalue(kind))

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


def appended(path: Path) -> None:
    """A second member of a name."""
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("frames.onnx", b"frames")


def linked(path: Path) -> None:
    (path / "frames.onnx").rename(path.parent / "outside")
    (path / "frames.onnx").symlink_to(path.parent / "outside")


def cut(path: Path, keep: float) -> None:
    path.write_bytes(path.read_bytes()[: round(keep * path.stat().st_size)])


def member(name: str, data: bytes) -> Callable[[Path], None]:
    return lambda path: rewrite_zip(path, lambda members: members.update({name: data}))


def compressed(path: Path, method: int) -> None:
    """Write the zip again with another method: some take gigabytes to undo."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


DAMAGE: list[tuple[str, Callable[[Path], object], str]] = [  # kind of bundle, what is done, message
    ("directory", lambda path: (path / "frames.onnx").write_bytes(b"fRames"),
     r"frames\.onnx: sha256 is \w+, manifest says \w+"),
    ("directory", lambda path: cut(path / "encoder.onnx", 2 / 7), "size is 100, manifest says 350"),
    ("directory", lambda path: (path / "frames.onnx").unlink(), r"frames\.onnx is missing"),
    ("directory", lambda path: (path / "evil.py").touch(), r"'evil\.py' is not in the manifest"),
    ("directory", linked, "link"),
    ("zipped", member("frames.onnx", b"fRames"), "sha256"),
    ("zipped", member("frames.onnx", bytes(50_000_000)),
     r"frames\.onnx: size is 50000000, manifest says 6"),
    ("zipped", member(MANIFEST, b" " * 50_000_000), "more than 1048576 bytes"),
    ("zipped", appended, "occurs twice"),
    *(("zipped", member(name, b"evil"), "is not in the manifest")
      for name in ("../evil", "/evil", "folder/evil", "folder/")),
    *(("zipped", partial(compressed, method=method), rf"compressed by method {method}; expected")
      for method in (zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2)),
    *(("zipped", partial(cut, keep=keep), "zip") for keep in (0.0, 0.1, 0.5, 0.9, 0.99)),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "damage", "message"), DAMAGE)
def test_damaged_bundle_is_refused_and_leaves_nothing_behind(
    kind: str,
    damage: Callable[[Path], object],
    message: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    path = request.getfixturevalue(kind)
    damage(path)
    assert kind == "directory" or path.stat().st_size < 100_000  # a bomb is refused unfolded
    with pytest.raises(BundleError, match=message):
        Bundle.load(path)
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize(
    "name", ["../encoder.onnx", "/etc/passwd", "a/b", "..", ".", "", "a\\b", "C:x", "voice.json"]
)
def test_manifest_that_names_a_path_is_refused(
    directory: Path, edit_manifest: EditManifest, name: str
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
        ("licence", "a\nb"),
        ("gain", 1e308), ("gain", float("nan")), ("gain", 0),
        ("jitter", {"nobody": 0.01}), ("jitter", {"test": 0.2}), ("jitter", {"test": float("nan")}),
        ("sample_rate_hz", 10**12),
        ("hop_length", 10**9), ("hop_length", "300"),
        ("steps", 3),
        ("symbols", "abc"),
        ("noise_schedule", {"name": "ddim", "eta": -5.0}),
        ("needed_context", {"2": -1}), ("needed_context_int8", {"2": -1}),
        ("prosody", {"speed": [0, 2]}), ("prosody", {"speed": [2, 1]}),
    ],
)  # fmt: skip
def test_value_out_of_bounds_is_refused_by_name_in_a_short_line(
    directory: Path, edit_manifest: EditManifest, key: str, value: Any
) -> None:
    edit_manifest(directory, lambda values: values.update({key: value}))
    name = {"steps": "denoiser_3", "noise_schedule": "eta"}.get(key, key)
    with pytest.raises(BundleError, match=f"{name}.*expected") as caught:
        Bundle.load(directory)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{}", b"{not json", b"\xff\xfe", b"[" * 100_000, b'{"voice": "\\ud800"}']
)
def test_malformed_manifest_is_refused(directory: Path, text: bytes) -> None:
    (directory / MANIFEST).write_bytes(text)
    with pytest.raises(BundleError, match=MANIFEST):
        Bundle.load(directory)


@pytest.mark.parametrize("name", ["7", "denoiser_²", "denoiser_0", "denoiser_two", "denoiser_"])
def test_graph_of_another_kind_offers_no_steps(
    directory: Path, edit_manifest: EditManifest, name: str
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


def test_precision_that_is_absent_names_those_that_are_there(directory: Path) -> None:
    with pytest.raises(BundleError, match="denoiser_2 in fp32, not in int8"):
        Bundle.load(directory).graph_path("denoiser_2", "int8")
