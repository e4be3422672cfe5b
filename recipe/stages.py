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
from collections.abc import Collection, Mapping, Sequence
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
    """file or folder that exists when the stage is done"""
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
    """The stages, each after those that it needs."""

    stages: tuple[Stage, ...]
    places: dict[str, str]
    shares: dict[str, dict[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
    """A stage as it runs, once for each of its voices."""

    stage: Stage
    name: str
    """of the stage, and of the voice"""
    words: tuple[str, ...]
    makes: Path
    needs: tuple[str, ...]
    """names of jobs"""
    sha256: str
    """of its command and of those that it needs, without places"""


def read_recipe(file: Path, places: Mapping[str, str] | None = None) -> Recipe:
    """A recipe from its TOML file, with folders that replace those of the file.

    Raises:
        ConfigError: unreadable, or a place that the file doesn't name.
    """
    try:
        recipe = from_dict(Recipe, tomllib.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: not a recipe ({error}); expected TOML with stages") from error
    for name in places or {}:
        _check("place", name, recipe.places, f"in {file}")
    return replace(recipe, places={**recipe.places, **(places or {})})


def jobs(recipe: Recipe) -> list[Job]:
    """What is to be run, in order.

    Raises:
        ConfigError: two stages have one name, or one needs a stage, place or table that the recipe
            doesn't have before it.
    """
    made: dict[str, dict[str, Job]] = {}  # stage -> voice, empty if it is run once -> job
    for stage in recipe.stages:
        if stage.name in made:
            raise ConfigError(f"two stages are named {stage.name}; rename one")
        for name in stage.needs:
            _check("stage", name, made, f"before {stage.name}, and {stage.name} needs {name}")
        if stage.data:
            _check("table of shares", stage.data, recipe.shares, f"for {stage.name}")
        made[stage.name] = {}
        for voice in stage.each or ("",):
            before = [
                job
                for name in made
                if name in stage.needs
                for its, job in made[name].items()
                if not voice or not its or its == voice  # of its own voice alone
            ]
            made[stage.name][voice] = _job(recipe, stage, voice, before)
    return [job for voices in made.values() for job in voices.values()]


def needed(todo: Sequence[Job], names: Sequence[str]) -> list[Job]:
    """The jobs of some stages, and those that they need; ConfigError if a stage is unknown."""
    for name in names:
        _check("stage", name, dict.fromkeys(job.stage.name for job in todo))
    wanted = {job.name for job in todo if job.stage.name in names}
    for job in reversed(todo):  # each comes after those that it needs
        wanted |= set(job.needs) if job.name in wanted else set()
    return [job for job in todo if job.name in wanted]


def _job(recipe: Recipe, stage: Stage, voice: str, before: Sequence[Job]) -> Job:
    shares = recipe.shares[stage.data] if stage.data else {}
    speaker, language = voice.rpartition("_")[2], LANGUAGES.get(voice[:1], "")
    names = {**recipe.places, "voice": voice, "speaker": speaker, "language": language}
    try:
        words = [word.format_map(names) for word in shlex.split(stage.command)]
        for dataset, share in shares.items():
            words += ["--data", f"{names['work']}/data/{dataset}={share}"]
        makes = Path(stage.makes.format_map(names))
    except (KeyError, ValueError, IndexError) as error:
        known = ", ".join(f"{{{name}}}" for name in names)
        raise ConfigError(
            f"stage {stage.name} can't be filled in ({error}); expected {known}"
        ) from error
    what = [stage.command, voice, shares, stage.seconds, [job.sha256 for job in before]]
    sha256 = hashlib.sha256(json.dumps(what).encode()).hexdigest()
    needs = tuple(job.name for job in before)
    return Job(stage, f"{stage.name} {voice}".strip(), tuple(words), makes, needs, sha256)


def _check(kind: str, name: str, known: Collection[str], where: str = "") -> None:
    if name not in known:
        expected = ", ".join(known) or "none: the recipe has none"
        raise ConfigError(f"no {kind} is named {name} {where}".rstrip() + f"; expected {expected}")
