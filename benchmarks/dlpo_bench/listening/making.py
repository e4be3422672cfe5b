"""Making a listening test: sounds under names that tell nothing, a page, and the key to them."""

from __future__ import annotations

import hashlib
import json
import os
import random
import secrets
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from dlpo.audio import write_wav
from dlpo.errors import DataError, InputError
from dlpo_bench.clips import Clip, Waveform
from dlpo_bench.listening import key as layout
from dlpo_bench.listening.key import DEGRADED, Key, Kind, Trial, write_key
from dlpo_bench.listening.sounds import degraded, render
from dlpo_bench.systems import System
from dlpo_serving.loudness import TARGET_LUFS

CLIPS_PER_CATCH = 8  # so many clips have one catch trial of each kind
DATA_MARK = "{{test}}"  # in index.html


def make_test(
    systems: Mapping[str, System],
    clips: Sequence[Clip],
    out: Path,
    *,
    seed: int | None = None,
    catch: int | None = None,
    progress: Callable[[], None] = lambda: None,
) -> Key:
    """Write the folder of a test.

    Args:
        systems: name -> system, two of them.
        clips: what they say.
        out: the folder, new or empty.
        seed: of names, orders and choices; from the system's entropy if None, for who knows the
            seed can work out the key.
        catch: trials of each catching kind; one for every eight clips if None.
        progress: called after each of the `2 * len(clips)` renderings.

    Raises:
        InputError: not two systems, no clips, a folder that is in use or can't be written, or
            systems that sound the same throughout.
        DataError: a system can't say a clip.
    """
    if len(systems) != 2:
        raise InputError(f"{len(systems)} systems ({', '.join(systems)}); expected two names")
    check_unused(out)
    seed = secrets.randbits(64) if seed is None else seed
    draw = random.Random(seed)
    heard = _render_all(systems, clips, progress)
    catch = -(-len(heard) // CLIPS_PER_CATCH) if catch is None else catch
    drawn = _Drawn(draw)
    for clip, by_system in heard:
        drawn.add("pair", clip, by_system, layout.SYSTEMS)
    for clip, by_system in _some(draw, heard, catch):
        side = draw.choice(layout.SYSTEMS)
        drawn.add("identical", clip, by_system, (side, side))
    for clip, by_system in _some(draw, heard, catch):
        side = draw.choice(layout.SYSTEMS)
        worse = degraded(by_system[side], draw.getrandbits(32))
        drawn.add("degraded", clip, {**by_system, DEGRADED: worse}, (side, DEGRADED))
    draw.shuffle(drawn.trials)
    key = Key(
        layout.FORMAT, _test_id(drawn.trials), seed,
        dict(zip(layout.SYSTEMS, systems, strict=True)), TARGET_LUFS, tuple(drawn.trials),
    )  # fmt: skip
    _write(out, key, drawn.waveforms)
    return key


def check_unused(out: Path) -> None:
    """Raise InputError unless a test can be written to this folder without losing anything."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is in use; give --out a new folder, so that no answers are lost")


class _Drawn:
    """The trials so far, and the sounds of them all."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self.trials: list[Trial] = []
        self.waveforms: dict[str, Waveform] = {}

    def add(
        self, kind: Kind, clip: Clip, sounds: Mapping[str, Waveform], sides: Sequence[str]
    ) -> None:
        """A trial of two of the sounds, or of one against itself, in random order."""
        names = {self._name(): side for side in self._draw.sample(sides, len(sides))}
        self.waveforms |= {name: sounds[side] for name, side in names.items()}
        self.trials.append(Trial(self._name(), kind, clip.clip_id, clip.text, names))

    def _name(self) -> str:
        return f"{self._draw.getrandbits(64):016x}"


Heard = list[tuple[Clip, dict[str, Waveform]]]


def _render_all(
    systems: Mapping[str, System], clips: Sequence[Clip], progress: Callable[[], None]
) -> Heard:
    """Each clip as "a" and "b" say it, without the clips that they say alike."""
    if not clips:
        raise InputError("there are no clips; expected at least one sentence")
    heard: Heard = []
    for clip in clips:
        by_system = {}
        for side, (name, system) in zip(layout.SYSTEMS, systems.items(), strict=True):
            by_system[side] = render(name, system, clip)
            progress()
        if not np.array_equal(by_system["a"], by_system["b"]):
            heard.append((clip, by_system))
    if not heard:
        raise InputError(f"{' and '.join(systems)} sound the same in every clip; nothing to judge")
    return heard


def _some(draw: random.Random, heard: Heard, count: int) -> Heard:
    """So many clips, each as often as any other."""
    return (draw.sample(heard, len(heard)) * -(-count // len(heard)))[:count]


def _test_id(trials: Sequence[Trial]) -> str:
    """A name that follows from what the page shows anyway."""
    shown = json.dumps([[trial.trial_id, *trial.sounds] for trial in trials])
    return hashlib.sha256(shown.encode()).hexdigest()[:16]


def _write(out: Path, key: Key, waveforms: Mapping[str, Waveform]) -> None:
    """Write beside the folder, then rename: an interrupted run leaves nothing half made."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
        try:
            part.chmod(0o755)
            page = part / layout.PAGE
            (page / layout.AUDIO).mkdir(parents=True)
            for name in sorted(waveforms):  # random names: times of writing tell nothing
                write_wav(page / layout.AUDIO / f"{name}.wav", waveforms[name])
            _write_page(page, key)
            write_key(part, key)
            os.replace(part, out)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
    except OSError as error:
        raise InputError(f"can't write {out}: {error.strerror}; choose another --out") from error


def _write_page(page: Path, key: Key) -> None:
    for file in resources.files("dlpo_bench.listening").joinpath("page").iterdir():
        (page / file.name).write_bytes(file.read_bytes())
    index = page / "index.html"
    shown: dict[str, Any] = {
        "test": key.test_id,
        "trials": [
            {"trial": trial.trial_id, "text": trial.text, "sounds": [*trial.sounds]}
            for trial in key.trials
        ],
    }
    data = json.dumps(shown, ensure_ascii=False, indent=1).replace("<", "\\u003c")
    html = index.read_text("utf-8")
    if DATA_MARK not in html:
        raise DataError(f"{index} has no {DATA_MARK}; install dlpo again")
    index.write_text(html.replace(DATA_MARK, data), "utf-8")
