"""Where voices are found: inside the package, or at a path."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import dlpo
from dlpo.bundle import MANIFEST, Bundle, Manifest
from dlpo.errors import InputError

if TYPE_CHECKING:
    from dlpo_serving.engines import EngineName, EnginePrecision
    from dlpo_serving.request import SpeechRequest
    from dlpo_serving.synthesizer import Synthesizer

DEFAULT_VOICE = "lj"

_EMBEDDED = Path(dlpo.__file__).resolve().parent / "voices"  # one folder for each name


def known_voices() -> list[str]:
    """Names of the voices that came with dlpo, sorted."""
    return sorted(manifest.parent.name for manifest in _EMBEDDED.glob(f"*/{MANIFEST}"))


def find_voice(name_or_path: str | os.PathLike[str]) -> Path:
    """The bundle of a voice: one that came with dlpo, or the path of a directory or .dlpo file.

    Args:
        name_or_path: also a voice, or a mix of voices, of a bundle with several.

    Raises:
        InputError: there is no such voice.
    """
    if name_or_path in known_voices():
        return _EMBEDDED / name_or_path
    if _is_there(Path(name_or_path)):
        return Path(name_or_path)
    for name in known_voices():
        manifest, _ = Manifest.from_json((_EMBEDDED / name / MANIFEST).read_bytes())
        if manifest.mixes(os.fspath(name_or_path)):
            return _EMBEDDED / name
    known = ", ".join(known_voices()) or "no voice"
    raise InputError(
        f"no voice {os.fspath(name_or_path)!r}; {known} came with dlpo,"
        ' the path of a bundle made by "dlpo export" does as well'
    )


def _is_there(path: Path) -> bool:
    """True if unreadable too; opening it reports the permission error."""
    try:
        return path.exists()
    except PermissionError:
        return True
    except OSError:  # such as a text that is too long for a name
        return False


def open_voice(
    name_or_path: str | os.PathLike[str],
    engine: EngineName = "cpu",
    precision: EnginePrecision | None = None,
    request: SpeechRequest | None = None,
) -> Synthesizer:
    """Load a voice with its engine and the text front end.

    Args:
        engine, precision: see `open_engine`.
        request: checked before the engine is loaded, which takes longest.

    Raises:
        RequestError: the voice can't do what the request says.
        InputError: there is no such voice, or the engine does not compute in this precision.
        BundleError: the bundle is damaged, or has no graphs in this precision.
        EngineError: the run-time can't load it.
        MissingExtraError: the engine's packages are not installed.
    """
    from dlpo.text import TextFrontEnd
    from dlpo_serving.engines import open_engine
    from dlpo_serving.request import check_request
    from dlpo_serving.synthesizer import Synthesizer

    bundle = Bundle.load(find_voice(name_or_path))
    if request:
        check_request(request, bundle.manifest)
    front_end = TextFrontEnd(bundle.manifest.dictionary)
    synthesizer = Synthesizer(open_engine(bundle, engine, precision), front_end)
    if bundle.manifest.voices and not _is_there(Path(name_or_path)):
        return synthesizer.speaking(os.fspath(name_or_path))
    return synthesizer
