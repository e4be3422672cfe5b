"""The voices that come with dlpo: every folder beside this file is a bundle."""

from __future__ import annotations

from pathlib import Path

from dlpo.errors import InputError

DEFAULT_VOICE = "lj"


def embedded_voices() -> dict[str, Path]:
    """Name of each voice in this installation -> the folder of its bundle, in the names' order."""
    manifests = sorted(Path(__file__).parent.glob("*/voice.json"))
    return {manifest.parent.name: manifest.parent for manifest in manifests}


def voice_path(voice: str) -> Path:
    """The bundle that ``voice`` stands for: an embedded voice's name, a folder or a ``.dlpo`` file.

    Raises:
        InputError: there is no such voice and no such path.
    """
    embedded = embedded_voices()
    if voice in embedded:
        return embedded[voice]
    path = Path(voice)
    if path.exists():
        return path
    known = ", ".join(embedded) or "none"
    raise InputError(
        f"voice {voice!r} is neither an embedded voice (there are: {known}) nor the path of a bundle"
    )
