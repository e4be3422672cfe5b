"""Writing a bundle: all or nothing, and the same bytes for the same content.

It is made in a scratch folder `.dlpo-*` in the same parent, flushed to the disk, and then renamed.
A process that is killed leaves at most that folder behind, which no reader opens.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from dlpo.bundle.load import Bundle, file_info
from dlpo.bundle.manifest import Manifest
from dlpo.bundle.voice_json import MANIFEST, MAX_MANIFEST_BYTES
from dlpo.errors import BundleError
from dlpo.operating_system import flush_directory, flush_file

_ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # the same bytes for the same content


def write_bundle(out: Path, manifest: Manifest, content: Path) -> Path:
    """Write `manifest` and the files of the folder `content` as a bundle at `out`, all or nothing.

    A name that ends in `.dlpo` gives a zip, any other a directory. The manifest's `files` are
    filled in here; a `voice.json` in `content` is ignored, so that a bundle's own folder
    will do. An earlier bundle at `out` is replaced; anything else there is refused.

    Returns:
        `out`. The same content gives the same bytes.

    Raises:
        BundleError: `out` exists and is no bundle, can't be written, or the manifest is wrong.
    """
    try:
        paths = {path.name: path for path in sorted(content.iterdir()) if path.name != MANIFEST}
        files = {name: file_info(path) for name, path in paths.items()}
    except OSError as error:
        raise BundleError(f"{content}: expected a folder of plain files ({error})") from error
    voice_json = dataclasses.replace(manifest, files=files).to_json()
    Manifest.from_json(voice_json)  # what can't be read is not written
    return _write(out, voice_json, paths)


def copy_bundle(bundle: Bundle, out: Path) -> Path:
    """Write a bundle again, byte for byte: `.dlpo` makes a zip, any other name a directory.

    Returns:
        `out`.

    Raises:
        BundleError: `out` exists and is no bundle, or can't be written.
    """
    paths = {name: bundle.directory / name for name in sorted(bundle.manifest.files)}
    try:
        voice_json = (bundle.directory / MANIFEST).read_bytes()
    except OSError as error:
        raise BundleError(f"{bundle.directory} can no longer be read ({error})") from error
    return _write(out, voice_json, paths)


def _write(out: Path, voice_json: bytes, paths: Mapping[str, Path]) -> Path:
    zipped = out.suffix == ".dlpo"
    if _is_in_the_way(out, zipped):
        raise BundleError(
            f"{out} exists and is not a bundle, or holds more than a bundle; choose another place "
            "or delete it"
        )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".dlpo-", dir=out.parent) as scratch:
            made = Path(scratch) / "made"
            if zipped:
                _write_zip(made, voice_json, paths)
                os.replace(made, out)
            else:
                _write_directory(made, voice_json, paths)
                _exchange(made, out, Path(scratch))
            flush_directory(out.parent)
    except OSError as error:
        raise BundleError(
            f"{out} can't be written ({error}); make room there or choose another place"
        ) from error
    return out


def _is_in_the_way(out: Path, zipped: bool) -> bool:
    """Whether something is there that is no bundle of this kind."""
    while (before := _identity(out)) is not None:
        if out.is_dir() != zipped and _holds_a_bundle_only(out):
            return False
        if _identity(out) == before:  # otherwise another writer has replaced it
            return True
    return False


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of the file or directory at a path; None if there is none."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


def _holds_a_bundle_only(path: Path) -> bool:
    """Whether only files of a bundle would be replaced, even if damaged or of another format."""
    try:
        if path.is_dir():
            names = {entry.name for entry in path.iterdir()}
            content = (path / MANIFEST).read_bytes()
        else:
            with zipfile.ZipFile(path) as archive, archive.open(MANIFEST) as file:
                names, content = set(archive.namelist()), file.read(MAX_MANIFEST_BYTES)
        return names <= {MANIFEST, *json.loads(content)["files"]}
    # A file that is no zip, no JSON, or JSON of another layout raises any of these.
    except (OSError, ValueError, TypeError, LookupError, RuntimeError, zipfile.BadZipFile):
        return False


def _write_directory(made: Path, voice_json: bytes, paths: Mapping[str, Path]) -> None:
    made.mkdir()
    for name, path in paths.items():
        shutil.copyfile(path, made / name)
        flush_file(made / name)
    (made / MANIFEST).write_bytes(voice_json)
    flush_file(made / MANIFEST)
    flush_directory(made)


def _write_zip(made: Path, voice_json: bytes, paths: Mapping[str, Path]) -> None:
    # Stored, not deflated: weights hardly shrink, and loading is a plain copy.
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(MANIFEST, _ZIP_DATE), voice_json)
        for name, path in paths.items():
            info = zipfile.ZipInfo(name, _ZIP_DATE)
            info.file_size = path.stat().st_size
            with path.open("rb") as source, archive.open(info, "w") as target:
                shutil.copyfileobj(source, target)
    flush_file(made)


def _exchange(made: Path, out: Path, scratch: Path) -> None:
    """Rename `made` to `out` and what was there into `scratch`; if that fails, nothing changes."""
    while True:
        replaced = Path(tempfile.mkdtemp(dir=scratch)) / "replaced"
        try:
            with contextlib.suppress(FileNotFoundError):
                out.rename(replaced)
            made.rename(out)
            return
        except BaseException as error:
            if replaced.exists() and not out.exists():
                replaced.rename(out)
            if not (isinstance(error, OSError) and error.errno in (errno.ENOTEMPTY, errno.EEXIST)):
                raise
            # Another process put its bundle there in between; the last one stays.
