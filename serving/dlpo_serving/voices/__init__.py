"""Finds and opens voices: those inside the package, or a bundle at a path."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dlpo.bundle import DEFAULT_VOICE, MANIFEST, Bundle, Manifest
from dlpo.commit import PACKAGE
from dlpo.errors import InputError
from dlpo.mark import PUBLIC, NoiseMark
from dlpo_serving.voices.names import about_voices, voice_named

if TYPE_CHECKING:
    from dlpo_serving.engines import EngineName, EnginePrecision
    from dlpo_serving.request import SpeechRequest
    from dlpo_serving.voices.synthesizer import Synthesizer

_EMBEDDED = PACKAGE / "voices"  # bundles, named after the first voice


def known_voices() -> list[str]:
    """Names of the voices that ship with dlpo, the default voice first."""
    return [*_embedded()]


def _embedded() -> dict[str, tuple[Path, Manifest]]:
    """The voices that ship with dlpo, each with its bundle and the manifest of that."""
    paths = sorted(_EMBEDDED.glob(f"*/{MANIFEST}"), key=lambda path: path.parent.name)
    paths.sort(key=lambda path: path.parent.name != DEFAULT_VOICE)
    bundles = [(path.parent, Manifest.from_json(path.read_bytes())[0]) for path in paths]
    return {name: bundle for bundle in bundles for name in bundle[1].offered_voices}


def find_voice(name_or_path: str | os.PathLike[str]) -> Path:
    """The bundle of a voice: one that ships with dlpo, or a directory or .dlpo file at a path.

    Args:
        name_or_path: may also name a voice, or a mix of voices, of a multi-voice bundle, or be a
            stock name, see `built_in_name`.

    Raises:
        InputError: there is no such voice.
    """
    return _find(os.fspath(name_or_path))[0]


def _find(asked: str) -> tuple[Path, str]:
    """The bundle of a voice, see `find_voice`, and what it calls the voice; reads manifests once.

    Raises:
        InputError: there is no such voice.
    """
    if asked == DEFAULT_VOICE:
        return _EMBEDDED / DEFAULT_VOICE, asked
    embedded = _embedded()
    name = _built_in(asked, [*embedded])
    if name in embedded:
        return embedded[name][0], name
    if _is_there(Path(name)):
        return Path(name), name
    for path, manifest in embedded.values():
        if manifest.mixes(name):
            return path, name
    about = about_voices()
    known = (f"{voice} ({about[voice]})" if voice in about else voice for voice in embedded)
    listed = "; ".join(known) or "none"
    raise InputError(f"no voice {asked!r}. Built in: {listed}. The path of a bundle also works")


def _written(name_or_path: object) -> str:
    if name_or_path is None or name_or_path == "":
        return DEFAULT_VOICE
    if isinstance(name_or_path, str | os.PathLike):
        return os.fspath(name_or_path)
    raise InputError(f"voice is {name_or_path!r:.60}; expected a name or a path")


def built_in_name(name: str) -> str:
    """The built-in voice for a stock name such as alloy or af_heart; any other name as it is."""
    return _built_in(name, known_voices())


def _built_in(name: str, known: Sequence[str]) -> str:
    if name in known or _is_there(Path(name)):
        return name
    return voice_named(name, known) or DEFAULT_VOICE


def _is_there(path: Path) -> bool:
    """Whether a path exists, even if unreadable; opening it reports the permission error."""
    try:
        return path.exists()
    except PermissionError:
        return True
    except OSError:  # for example, too long for a file name
        return False


def open_voice(
    name_or_path: str | os.PathLike[str] | None = None,
    engine: EngineName = "cpu",
    precision: EnginePrecision | None = None,
    request: SpeechRequest | None = None,
    dictionary: Mapping[str, str] | None = None,
    mark: NoiseMark | None = PUBLIC,
) -> Synthesizer:
    """Load a voice with its engine and the text front end.

    Args:
        name_or_path: see `find_voice`; None is the default, or the voice that the request's
            document names or that speaks its language.
        engine, precision: see `open_engine`.
        request: validated before the engine, the slowest part, is loaded.
        dictionary: word -> ARPAbet; overrides that of the voice.
        mark: that its speech has; None: no mark, for research.

    Raises:
        RequestError: the voice does not support what the request asks for.
        InputError: the dictionary is wrong, there is no such voice, or the engine does not support
            this precision.
        BundleError: the bundle is damaged, or has no graphs in this precision.
        EngineError: the run-time can't load it.
        MissingExtraError: the engine's packages are not installed.
    """
    from dlpo.text import TextFrontEnd
    from dlpo_serving.engines import open_engine
    from dlpo_serving.request import check_request
    from dlpo_serving.voices.choice import VoiceChoice
    from dlpo_serving.voices.synthesizer import Synthesizer

    place, name = _find(_written(name_or_path))
    bundle = Bundle.load(place)
    manifest = bundle.manifest
    if request:
        name = (not name_or_path and VoiceChoice(manifest.of_voices).of(request)[0]) or name
        check_request(request, manifest if place == Path(name) else manifest.with_voice(name))
    words = {**manifest.dictionary, **(dictionary or {})}
    front_end = TextFrontEnd(words, manifest.language, manifest.symbols)
    synthesizer = Synthesizer(open_engine(bundle, engine, precision), front_end, mark)
    if bundle.manifest.voices and place != Path(name):
        return synthesizer.speaking(name)
    return synthesizer
