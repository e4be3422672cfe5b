"""A bundle loads whole and unharmed, or not at all."""

from __future__ import annotations

import dataclasses
import gc
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from dlpo.bundle import (
    MANIFEST,
    Bundle,
    CheckpointInfo,
    GraphInfo,
    Manifest,
    ScheduleInfo,
    TensorInfo,
    write_bundle,
)
from dlpo.errors import BundleError

CONTENT = {"encoder.onnx": b"encoder" * 50, "frames.onnx": b"frames", "denoiser_2.onnx": b"d" * 99}


def make_manifest() -> Manifest:
    tensor = TensorInfo("phonemes", "int64", (1, "P"))
    return Manifest(
        voice="test",
        language="en-US",
        sample_rate_hz=22050,
        hop_length=300,
        symbols=("_", "^"),
        parametrisation="x0",
        noise_schedule=ScheduleInfo("cosine"),
        steps=2,
        context_frames_per_step=7,
        graphs={
            name.removesuffix(".onnx"): GraphInfo({"fp32": name}, (tensor,), (tensor,)) for name in CONTENT
        },
        licence="CC0",
        corpus="none",
        checkpoint=CheckpointInfo("0" * 64, "abc", 3),
    )


@pytest.fixture
def content(tmp_path: Path) -> Path:
    folder = tmp_path / "content"
    folder.mkdir()
    for name, data in CONTENT.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture(params=["directory", "zip"])
def bundle_path(request: pytest.FixtureRequest, tmp_path: Path, content: Path) -> Path:
    name = "voice.dlpo" if request.param == "zip" else "voice"
    return write_bundle(tmp_path / name, make_manifest(), content)


@pytest.fixture
def directory(tmp_path: Path, content: Path) -> Path:
    return write_bundle(tmp_path / "voice", make_manifest(), content)


def edit_manifest(directory: Path, edit: Callable[[dict[str, object]], object]) -> None:
    values = json.loads((directory / MANIFEST).read_bytes())
    edit(values)
    (directory / MANIFEST).write_text(json.dumps(values))


def rewrite_zip(path: Path, edit: Callable[[dict[str, bytes]], object]) -> None:
    """Replace the zip by one with edited members, compressed."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    edit(members)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def test_written_bundle_loads_with_the_same_manifest_and_files(bundle_path: Path) -> None:
    bundle = Bundle.load(bundle_path)
    assert dataclasses.replace(bundle.manifest, files={}) == make_manifest()
    assert bundle.graph_path("denoiser_2").read_bytes() == CONTENT["denoiser_2.onnx"]
    assert bundle.manifest.available_steps == (2,)
    assert bundle.manifest.context_frames(2) == 15


def test_unpacked_files_vanish_with_the_bundle(tmp_path: Path, content: Path) -> None:
    bundle = Bundle.load(write_bundle(tmp_path / "v.dlpo", make_manifest(), content))
    directory = bundle.directory
    assert directory.is_dir()
    del bundle
    gc.collect()
    assert not directory.exists()


def test_same_content_gives_the_same_bytes(tmp_path: Path, content: Path) -> None:
    first, second = (
        write_bundle(tmp_path / name, make_manifest(), content) for name in ("a.dlpo", "b.dlpo")
    )
    assert first.read_bytes() == second.read_bytes()


def test_earlier_bundle_is_replaced(directory: Path, content: Path) -> None:
    (content / "frames.onnx").write_bytes(b"newer")
    write_bundle(directory, make_manifest(), content)
    assert Bundle.load(directory).graph_path("frames").read_bytes() == b"newer"
    assert {path.name for path in directory.parent.iterdir()} == {"voice", "content"}


def test_folder_that_is_no_bundle_is_not_replaced(tmp_path: Path, content: Path) -> None:
    precious = tmp_path / "thesis"
    precious.mkdir()
    (precious / "chapter1.txt").write_text("years of work")
    with pytest.raises(BundleError, match="not a bundle"):
        write_bundle(precious, make_manifest(), content)
    assert (precious / "chapter1.txt").exists()


def test_unwritable_place_is_refused(tmp_path: Path, content: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleError, match="can't be written"):
        write_bundle(tmp_path / "file" / "voice", make_manifest(), content)


@pytest.mark.parametrize("name", CONTENT)
def test_flipped_byte_is_refused_with_both_hashes(directory: Path, name: str) -> None:
    data = bytearray(CONTENT[name])
    data[3] ^= 1
    (directory / name).write_bytes(data)
    with pytest.raises(BundleError, match=rf"{name}: sha256 is \w+, manifest says \w+"):
        Bundle.load(directory)


def test_flipped_byte_in_a_zip_is_refused(tmp_path: Path, content: Path) -> None:
    path = write_bundle(tmp_path / "v.dlpo", make_manifest(), content)
    data = path.read_bytes()
    path.write_bytes(data.replace(CONTENT["encoder.onnx"], b"x" + CONTENT["encoder.onnx"][1:]))
    with pytest.raises(BundleError, match="damaged"):
        Bundle.load(path)


def test_rezipped_wrong_content_is_refused(tmp_path: Path, content: Path) -> None:
    path = write_bundle(tmp_path / "v.dlpo", make_manifest(), content)
    rewrite_zip(path, lambda members: members.update({"frames.onnx": b"fRames"}))
    with pytest.raises(BundleError, match="sha256"):
        Bundle.load(path)


def test_cut_off_file_is_refused_with_both_sizes(directory: Path) -> None:
    (directory / "encoder.onnx").write_bytes(CONTENT["encoder.onnx"][:100])
    with pytest.raises(BundleError, match="size is 100, manifest says 350"):
        Bundle.load(directory)


@pytest.mark.parametrize("keep", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_cut_off_zip_is_refused(tmp_path: Path, content: Path, keep: float) -> None:
    path = write_bundle(tmp_path / "v.dlpo", make_manifest(), content)
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data))])
    with pytest.raises(BundleError, match="zip"):
        Bundle.load(path)


def test_zip_bomb_is_refused_before_it_unfolds(tmp_path: Path, content: Path) -> None:
    path = write_bundle(tmp_path / "v.dlpo", make_manifest(), content)
    rewrite_zip(path, lambda members: members.update({"frames.onnx": bytes(50_000_000)}))
    assert path.stat().st_size < 100_000
    with pytest.raises(BundleError, match=r"frames\.onnx: size is 50000000, manifest says 6"):
        Bundle.load(path)


def test_manifest_bomb_is_refused(tmp_path: Path, content: Path) -> None:
    path = write_bundle(tmp_path / "v.dlpo", make_manifest(), content)
    rewrite_zip(path, lambda members: members.update({MANIFEST: b" " * 50_000_000}))
    with pytest.raises(BundleError, match="more than 1048576 bytes"):
        Bundle.load(path)


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
    tmp_path: Path, content: Path, name: str
) -> None:
    path = write_bundle(tmp_path / "deep" / "v.dlpo", make_manifest(), content)
    rewrite_zip(path, lambda members: members.update({name: b"evil"}))
    with pytest.raises(BundleError, match="is not in the manifest"):
        Bundle.load(path)
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize(
    "name", ["../encoder.onnx", "/etc/passwd", "a/b", "..", ".", "", "a\\b", "C:x", "voice.json"]
)
def test_manifest_that_names_a_path_is_refused(directory: Path, name: str) -> None:
    def edit(values: dict[str, object]) -> None:
        values["files"][name] = {"sha256": "0" * 64, "bytes": 1}  # type: ignore[index]

    edit_manifest(directory, edit)
    with pytest.raises(BundleError, match="not a plain file name"):
        Bundle.load(directory)


def test_link_in_the_folder_is_refused(directory: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(CONTENT["frames.onnx"])
    (directory / "frames.onnx").unlink()
    (directory / "frames.onnx").symlink_to(outside)
    with pytest.raises(BundleError, match="link"):
        Bundle.load(directory)


def test_newer_format_asks_for_an_upgrade(directory: Path) -> None:
    edit_manifest(directory, lambda values: values.update(format=3, unheard_of=True))
    with pytest.raises(BundleError, match="format is 3, this dlpo reads 2; upgrade"):
        Bundle.load(directory)


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{}", b"null", b"{not json", b"\xff\xfe", b"[" * 100_000]
)
def test_manifest_that_is_no_manifest_is_refused(directory: Path, text: bytes) -> None:
    (directory / MANIFEST).write_bytes(text)
    with pytest.raises(BundleError, match=MANIFEST):
        Bundle.load(directory)


def test_unknown_key_is_refused_with_the_closest_one(directory: Path) -> None:
    edit_manifest(directory, lambda values: values.update(hop_lenght=300))
    with pytest.raises(BundleError, match="'hop_lenght'; did you mean 'hop_length'"):
        Bundle.load(directory)


@pytest.mark.parametrize(
    ("key", "value"),
    [("gain", float("nan")), ("gain", 0), ("hop_length", "300"), ("steps", 3), ("symbols", "abc")],
)
def test_unusable_value_is_refused_by_name(directory: Path, key: str, value: object) -> None:
    edit_manifest(directory, lambda values: values.update({key: value}))
    with pytest.raises(BundleError, match="denoiser_3" if key == "steps" else key):
        Bundle.load(directory)


def test_absent_path_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="dlpo export"):
        Bundle.load(tmp_path / "nothing")


def test_unknown_graph_names_the_known_ones(directory: Path) -> None:
    with pytest.raises(BundleError, match="denoiser_2"):
        Bundle.load(directory).graph_path("denoiser_9")
