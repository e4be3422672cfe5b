"""Opening a bundle: every name, size and sha256 is checked before anything is used."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dlpo.bundle.manifest import Manifest
from dlpo.bundle.parts import FileInfo, Precision
from dlpo.bundle.voice_json import EXPORT_AGAIN, MANIFEST, MAX_MANIFEST_BYTES
from dlpo.errors import BundleError


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Bundle:
    """A verified bundle whose files stay in `directory` for the lifetime of this object."""

    manifest: Manifest
    sha256: str
    """Identifies the bundle: the hash of its manifest, which holds the hash of every file."""
    directory: Path

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Bundle:
        """Verify and open a bundle: its directory, or a `.dlpo` zip, unpacked to a temporary one.

        Raises:
            BundleError: absent, damaged, of another format, or unsafe.
        """
        path = Path(path)
        try:
            if path.is_dir():
                return cls(*_verify_directory(path), path)
            if path.is_file():
                return cls._load_zip(path)
        except OSError as error:
            raise BundleError(
                f"{path} can't be read ({error}); check its permissions and, for a zip, space in "
                f"{_temporary_folder()}"
            ) from error
        raise BundleError(
            f'{path}: no such bundle; give a directory or .dlpo file made by "dlpo export"'
        )

    @classmethod
    def _load_zip(cls, path: Path) -> Bundle:
        directory = Path(tempfile.mkdtemp(prefix="dlpo-bundle-"))
        try:
            bundle = cls(*_unpack(path, directory), directory)
        except BaseException:
            shutil.rmtree(directory)
            raise
        weakref.finalize(bundle, shutil.rmtree, directory, ignore_errors=True)
        return bundle

    def graph_path(self, graph: str, precision: Precision = "fp32") -> Path:
        """Path of a graph's ONNX file, such as `encoder` or `denoiser_4`."""
        if graph not in self.manifest.graphs:
            raise BundleError(
                f"the bundle has no graph {graph!r}; it has {', '.join(self.manifest.graphs)}"
            )
        files = self.manifest.graphs[graph].files
        if precision not in files:
            raise BundleError(
                f"the bundle has {graph} in {', '.join(files)}, not in {precision}; "
                f'export it with "dlpo export --precision {precision}"'
            )
        return self.directory / files[precision]


def file_info(path: Path) -> FileInfo:
    """The sha256 and size of a file as it is now."""
    with path.open("rb") as file:
        return FileInfo(hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size)


def _verify_directory(directory: Path) -> tuple[Manifest, str]:
    entries = {entry.name: entry for entry in directory.iterdir()}
    for entry in entries.values():
        if not stat.S_ISREG(entry.lstat().st_mode):
            raise BundleError(
                f"{entry}: a link or folder; a bundle holds only plain files, {EXPORT_AGAIN}"
            )
    sizes = {name: entry.stat().st_size for name, entry in entries.items()}
    return _verify(directory, sizes, lambda name: entries[name].open("rb"))


def _unpack(path: Path, directory: Path) -> tuple[Manifest, str]:
    """Unpack the zip at `path` into `directory`, bounded by the sizes in its manifest."""
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist()}
            for info in archive.infolist():
                # An LZMA stream may demand gigabytes for its dictionary before it gives a byte.
                if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise BundleError(
                        f"{path}: {info.filename!r} is compressed by method {info.compress_type};"
                        f" expected stored or deflated files, {EXPORT_AGAIN}"
                    )
            if len(sizes) != len(archive.infolist()):
                raise BundleError(f"{path}: a name occurs twice in the zip; {EXPORT_AGAIN}")
            return _verify(path, sizes, archive.open, directory)
    # A damaged archive raises any of these, an encrypted one RuntimeError.
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise BundleError(
            f"{path}: a damaged or truncated zip ({error}); copy it again or {EXPORT_AGAIN}"
        ) from error


def _verify(
    where: Path, sizes: dict[str, int], open_file: Callable[[str], IO[bytes]],
    out: Path | None = None,
) -> tuple[Manifest, str]:  # fmt: skip
    """Check the files of a bundle by name, size and sha256, and copy them to `out` if given."""
    if sizes.pop(MANIFEST, None) is None:
        raise BundleError(f"{where}: there is no {MANIFEST}; {EXPORT_AGAIN}")
    with open_file(MANIFEST) as file:
        content = file.read(MAX_MANIFEST_BYTES + 1)
    manifest, sha256 = Manifest.from_json(content)
    if missing := sorted(manifest.files.keys() - sizes):
        raise BundleError(f"{where}: {missing[0]} is missing; copy it again or {EXPORT_AGAIN}")
    if more := sorted(sizes.keys() - manifest.files):
        raise BundleError(
            f"{where}: {more[0]!r} is not in the manifest; delete it or {EXPORT_AGAIN}"
        )
    for name, expected in manifest.files.items():
        if sizes[name] != expected.bytes:
            raise BundleError(_differs(name, "size", sizes[name], expected.bytes))
        with open_file(name) as source, open(out / name if out else os.devnull, "wb") as target:
            found = _copy_and_hash(source, target, expected.bytes)
        if found != expected.sha256:
            raise BundleError(_differs(name, "sha256", found, expected.sha256))
    if out:
        (out / MANIFEST).write_bytes(content)
    return manifest, sha256


def _copy_and_hash(source: IO[bytes], target: IO[bytes], limit: int) -> str:
    """Copy at most `limit` + 1 bytes and return their sha256, so that a longer source differs."""
    digest = hashlib.sha256()
    left = limit + 1
    while left and (block := source.read(min(left, 1 << 20))):
        digest.update(block)
        target.write(block)
        left -= len(block)
    return digest.hexdigest()


def _differs(name: str, what: str, found: object, expected: object) -> str:
    return f"{name}: {what} is {found}, manifest says {expected}; copy it again or {EXPORT_AGAIN}"


def _temporary_folder() -> str:
    """Where zips are unpacked, or advice if there is no such folder, as with a read-only root."""
    try:
        return tempfile.gettempdir()
    except FileNotFoundError:
        return "the temporary folder, which is missing: mount one at /tmp"
