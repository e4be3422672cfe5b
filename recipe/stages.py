"""A recipe: the stages between texts and a bundle, read from a TOML file.

    [places]                     # folders, by name: {name} in a command; `--place NAME=FOLDER`
    [shares.NAME]                # dataset -> share of what is drawn: `data = "NAME"` in a stage
    [[stages]]
    name = "joint"
    what = "The denoiser learns on predicted mel."
    needs = ["acoustics", "denoiser"]
    command = "dlpo train spectral --set part=joint ... --out {work}/joint"
    makes = "{work}/joint/checkpoint/model.safetensors"

A command that is run again after an interruption goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dlpo.config.strict import from_dict
from dlpo.errors import ConfigError

LANGUAGES = {"a": "en-US", "e": "es-419"}  # by the first letter of the teacher's name of a voice


@dataclass(frozen=True, slots=True)
class Stage:
    """One command of a recipe, or one for each of some voices."""

    name: str
    what: str
    """in a sentence"""
    command: str
    """words as in a shell, {places} filled in; `dlpo`, `python` and `bash` are known"""
    makes: str
    """the file or folder that is there when the stage is done"""
    needs: tuple[str, ...] = ()
    """stages that must be done before"""
    data: str = ""
    """which table of shares its `--data` come from"""
    each: tuple[str, ...] = ()
    """{voice}, as the teacher names it (`af_heart`), {speaker} (`heart`) and {language} (`en-US`)
    of each run"""
    seconds: float = 0.0
    """after which it has to save and stop, and what it has made counts as done; 0: never"""


@dataclass(frozen=True, slots=True)
class Recipe:
    """The stages in an order in which each has what it needs."""

    stages: tuple[Stage, ...]
    places: dict[str, str]
    shares: dict[str, dict[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        before = set[str]()
        for stage in self.stages:
            if stage.name in before:
                raise ConfigError(f"two stages are named {stage.name}; rename one")
            if missing := set(stage.needs) - before:
                raise ConfigError(
                    f"stage {stage.name} needs {', '.join(sorted(missing))};"
                    " expected stages that stand before it"
                )
            if stage.data and stage.data not in self.shares:
                raise ConfigError(
                    f"stage {stage.name} reads the shares {stage.data!r}; expected one of"
                    f" {', '.join(self.shares) or 'none: there are no [shares]'}"
                )
            before.add(stage.name)


@dataclass(frozen=True, slots=True)
class Job:
    """A stage as it runs, once for each of its voices."""

    stage: Stage
    voice: str
    """empty if the stage is run once"""
    words: tuple[str, ...]
    makes: Path
    needs: tuple[str, ...]
    """names of jobs"""
    sha256: str
    """of its command and of those that it needs, without places"""

    @property
    def name(self) -> str:
        """Of the stage, and of the voice."""
        return f"{self.stage.name} {self.voice}".strip()


def read_recipe(file: Path, places: Mapping[str, str] | None = None) -> Recipe:
    """A recipe from its file.

    Args:
        file: TOML.
        places: folders that replace those of the file.

    Raises:
        ConfigError: unreadable, or a stage that can't be followed.
    """
    try:
        recipe = from_dict(Recipe, tomllib.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: not a recipe ({error}); expected TOML with stages") from error
    if unknown := set(places or {}) - set(recipe.places):
        raise ConfigError(
            f"no place is named {', '.join(sorted(unknown))} in {file};"
            f" expected {', '.join(recipe.places)}"
        )
    return replace(recipe, places={**recipe.places, **(places or {})})


def jobs(recipe: Recipe) -> list[Job]:
    """What is to be run, in order.

    Raises:
        ConfigError: a command has a {place} that the recipe doesn't name.
    """
    made: list[Job] = []
    for stage in recipe.stages:
        for voice in stage.each or ("",):
            before = [job for job in made if job.stage.name in stage.needs]
            if voice:  # of a stage that was run for each voice, it needs its own voice's
                before = [job for job in before if not job.stage.each or job.voice == voice]
            shares = recipe.shares[stage.data] if stage.data else {}
            speaker, language = voice.rpartition("_")[2], LANGUAGES.get(voice[:1], "")
            names = {**recipe.places, "voice": voice, "speaker": speaker, "language": language}
            words = _filled(stage, stage.command, names) + _data(shares, names)
            makes = " ".join(_filled(stage, stage.makes, names))
            what = [stage.command, voice, shares, stage.seconds, [job.sha256 for job in before]]
            sha256 = hashlib.sha256(json.dumps(what).encode()).hexdigest()
            needs = tuple(job.name for job in before)
            made.append(Job(stage, voice, words, Path(makes), needs, sha256))
    return made


def needed(todo: Sequence[Job], names: Sequence[str]) -> list[Job]:
    """The jobs of some stages, and those that they need.

    Raises:
        ConfigError: there is no such stage.
    """
    known = dict.fromkeys(job.stage.name for job in todo)
    if unknown := [name for name in names if name not in known]:
        raise ConfigError(f"no stage is named {unknown[0]}; expected one of {', '.join(known)}")
    wanted = {job.name for job in todo if job.stage.name in names}
    for job in reversed(todo):  # each needs what stands before it
        wanted |= set(job.needs) if job.name in wanted else set()
    return [job for job in todo if job.name in wanted]


def _filled(stage: Stage, text: str, names: Mapping[str, str]) -> tuple[str, ...]:
    try:
        return tuple(word.format_map(names) for word in shlex.split(text))
    except (KeyError, ValueError, IndexError) as error:
        known = ", ".join(f"{{{name}}}" for name in names)
        raise ConfigError(
            f"stage {stage.name}: {text!r} can't be filled in ({error}); expected {known}"
        ) from error


def _data(shares: Mapping[str, float], names: Mapping[str, str]) -> tuple[str, ...]:
    """`--data` of each dataset."""
    options = (f"{names['work']}/data/{name}={share}" for name, share in shares.items())
    return tuple(word for option in options for word in ("--data", option))
