"""Writing a bundle: all or nothing, and the same bytes for the same content."""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from dlpo.bundle.load import file_info
from dlpo.bundle.manifest import MANIFEST, Manifest
from dlpo.errors import BundleError

_ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # the same bytes for the same content


def write_bundle(out: Path, manifest: Manifest, content: Path) -> Path:
    """Write `manifest` and the files of the folder `content` as a bundle at `out`, all or nothing.

    A name that ends in `.dlpo` gives a zip, any other a directory. The manifest's `files` are
    filled in here. An earlier bundle at `out` is replaced; anything else there is refused.

    Returns:
        `out`. The same content gives the same bytes.

    Raises:
        BundleError: `out` exists and is no bundle, can't be written, or the manifest is wrong.
    """
    zipped = out.suffix == ".dlpo"
    if out.exists() and not (out.is_file() if zipped else (out / MANIFEST).is_file()):
        raise BundleError(f"{out} exists and is not a bundle; choose another --out or delete it")
    paths = {path.name: path for path in sorted(content.iterdir())}
    manifest = dataclasses.replace(manifest, files={n: file_info(p) for n, p in paths.items()})
    manifest.check()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".dlpo-", dir=out.parent) as scratch:
            made = Path(scratch) / "made"
            if zipped:
                _write_zip(made, manifest, paths)
                os.replace(made, out)
                return out
            made.mkdir()
            for name, path in paths.items():
                shutil.copyfile(path, made / name)
            (made / MANIFEST).write_bytes(manifest.to_json())
            if out.exists():
                out.rename(Path(scratch) / "replaced")
            made.rename(out)
    except OSError as error:
        raise BundleError(f"{out} can't be written ({error}); choose another --out") from error
    return out


def _write_zip(made: Path, manifest: Manifest, paths: Mapping[str, Path]) -> None:
    # Stored, not deflated: weights hardly shrink, and loading is a plain copy.
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(MANIFEST, _ZIP_DATE), manifest.to_json())
        for name, path in paths.items():
            info = zipfile.ZipInfo(name, _ZIP_DATE)
            info.file_size = path.stat().st_size
            with path.open("rb") as source, archive.open(info, "w") as target:
                shutil.copyfileobj(source, target)
