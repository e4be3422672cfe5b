"""Where voices are found: inside the wheel, in a checkout, or at a path."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import dlpo
from dlpo.bundle import MANIFEST, Bundle
from dlpo.errors import InputError

if TYPE_CHECKING:
    from dlpo_serving.synthesizer import Synthesizer

DEFAULT_VOICE = "lj"

_PACKAGE = Path(dlpo.__file__).resolve().parent
_IN_WHEEL = _PACKAGE / "voices"  # / name
_IN_CHECKOUT = _PACKAGE.parent / "voices"  # / name / bundle


def known_voices() -> list[str]:
    """Names of the voices that came with dlpo, sorted."""
    in_wheel = {manifest.parts[-2] for manifest in _IN_WHEEL.glob(f"*/{MANIFEST}")}
    in_checkout = {manifest.parts[-3] for manifest in _IN_CHECKOUT.glob(f"*/bundle/{MANIFEST}")}
    return sorted(in_wheel | in_checkout)


def find_voice(name_or_path: str | os.PathLike[str]) -> Path:
    """The bundle of a voice: a name that came with dlpo, or the path of a directory or .dlpo file.

    Raises:
        InputError: there is no such voice.
    """
    given = Path(name_or_path)
    if len(given.parts) == 1:
        for place in (_IN_WHEEL / given, _IN_CHECKOUT / given / "bundle"):
            if (place / MANIFEST).is_file():
                return place
    if given.exists():
        return given
    raise InputError(
        f"no voice {str(name_or_path)!r}; expected one of {', '.join(known_voices()) or 'none'},"
        ' or the path of a bundle made by "dlpo export"'
    )


def open_voice(name_or_path: str | os.PathLike[str]) -> Synthesizer:
    """Load a voice with its engine and the text front end.

    Raises:
        InputError: there is no such voice.
        BundleError: the bundle is damaged.
        EngineError: the run-time can't load it.
    """
    from dlpo.text import TextFrontEnd
    from dlpo_serving.onnx_engine import OnnxEngine
    from dlpo_serving.synthesizer import Synthesizer

    return Synthesizer(OnnxEngine(Bundle.load(find_voice(name_or_path))), TextFrontEnd())
