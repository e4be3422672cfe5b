"""Makes a listening test: two systems speak, at equal loudness."""

from __future__ import annotations

import hashlib
import json
import os
import random
import secrets
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from dlpo.audio import write_wav
from dlpo.data.preferences import PreferencePair, write_pairs
from dlpo.errors import DataError, InputError, writing
from dlpo_bench.clips import SAMPLE_RATE, TEST_SPLIT, Clip, Waveform, clips_of_texts, load_clips
from dlpo_bench.listening import answers as layout
from dlpo_bench.listening.answers import AnswerKey, Collected, PairTrial
from dlpo_bench.loudness import TARGET_LUFS, gain_to_reach, integrated_loudness
from dlpo_bench.options import SpeakingOptions
from dlpo_bench.systems import RECORDED, RECORDINGS, Say, System, names_in_folders, open_systems
from dlpo_serving.synthesis.level import limited

DATA_MARK = "{{test}}"  # in index.html
Heard = list[tuple[Clip, dict[str, Waveform]]]


def render(name: str, system: Say, clip: Clip) -> Waveform:
    """(T,) float32 of a clip spoken by a system, at `TARGET_LUFS`.

    Raises:
        DataError: the waveform is inaudible or damaged; the message names the system and the clip.
    """
    try:
        return matched(system(clip))
    except InputError as error:
        raise DataError(f"{name}, clip {clip.clip_id}: {error}") from error


def matched(waveform: Waveform, rate_hz: int = SAMPLE_RATE) -> Waveform:
    """(T,) -> (T,) float32 at `TARGET_LUFS`, with peaks soft-limited below full scale.

    Raises:
        InputError: silent, too short to have a loudness (0.4 s), or not finite.
    """
    loudness = integrated_loudness(waveform, rate_hz)
    if loudness == -np.inf:
        raise InputError("the waveform is silent; expected speech")
    return limited(np.float32(gain_to_reach(TARGET_LUFS, loudness)) * waveform)


def open_pair(a: str, b: str, steps: int | None = None) -> tuple[System, System]:
    """Open two systems by name, see `dlpo_bench.systems`; "recordings" is the speaker.

    Raises:
        InputError: a name leads to nothing, or both are the same system.
        BundleError, CheckpointError, EngineError: one can't be opened.
    """
    if a == b:
        raise InputError(f"A and B are both {a}; name two systems that differ")
    speaking = SpeakingOptions(steps=(steps,) if steps else ())
    opened = iter(open_systems([name for name in (a, b) if name != RECORDINGS], speaking))
    first, second = (RECORDED if name == RECORDINGS else next(opened) for name in (a, b))
    if _identity(first) == _identity(second):
        raise InputError(f"{first.label} and {second.label} are the same system; name another")
    return first, second


def choose_clips(
    pair: Sequence[System], corpus: Path, texts: Path | None = None, count: int | None = None
) -> list[Clip]:
    """Choose the clips of the test.

    Args:
        pair: the systems; folders of wavs restrict the clips to those they all have.
        corpus: texts and recordings in LJSpeech's layout.
        texts: file of sentences, one per line, to use instead.
        count: use only the first `count`.

    Raises:
        DataError: the texts are unreadable, or missing for a system that has to speak them.
        InputError: the systems have no clip in common.
    """
    folders = [Path(one.about["path"]) for one in pair if one.about["kind"] == "files"]
    if texts is not None:
        lines = {clip.clip_id: clip for clip in clips_of_texts(texts)}
        return [lines[name] for name in names_in_folders(pair, list(lines))[:count]]
    names = names_in_folders(pair) if folders else list(TEST_SPLIT)
    try:
        return load_clips(corpus, names[:count])
    except DataError:
        if len(folders) < len(pair):
            raise  # a voice needs the text
        return [Clip(name, "", None) for name in names[:count]]


def _identity(candidate: System) -> dict[str, object]:
    """What identifies a system, whatever its name."""
    about = dict(candidate.about)
    if path := about.pop("path", None):
        about.setdefault("sha256", Path(path).resolve())
    return about


def make_test(
    systems: Mapping[str, Say],
    clips: Sequence[Clip],
    out: Path,
    *,
    seed: int | None = None,
    progress: Callable[[], None] = lambda: None,
) -> AnswerKey:
    """Write the folder of a test.

    Args:
        systems: name -> system, two of them.
        clips: what they say.
        out: the folder, new or empty.
        seed: of names and orders; None draws it from the system's entropy, since anyone
            who knows the seed can work out the key.
        progress: called after each of the `2 * len(clips)` renderings.

    Raises:
        InputError: not two systems, no clips, a folder that is in use or can't be written, or
            systems that sound the same throughout.
        DataError: a system can't speak a clip.
    """
    if len(systems) != 2:
        raise InputError(f"{len(systems)} systems ({', '.join(systems)}); expected two names")
    check_unused(out)
    seed = secrets.randbits(64) if seed is None else seed
    draw = random.Random(seed)
    heard = _render_all(systems, clips, progress)
    trials: list[PairTrial] = []
    waveforms: dict[str, Waveform] = {}
    for clip, by_system in heard:
        names = {_name(draw): side for side in draw.sample(layout.SYSTEMS, 2)}
        waveforms |= {name: by_system[side] for name, side in names.items()}
        trials.append(PairTrial(_name(draw), clip.clip_id, clip.text, names))
    draw.shuffle(trials)
    # Its name follows from what the page shows anyway.
    shown = json.dumps([[trial.trial_id, *trial.sounds] for trial in trials])
    key = AnswerKey(
        2, hashlib.sha256(shown.encode()).hexdigest()[:16], seed,
        dict(zip(layout.SYSTEMS, systems, strict=True)), TARGET_LUFS, tuple(trials),
    )  # fmt: skip
    _write(out, key, waveforms)
    return key


def check_unused(out: Path) -> None:
    """Raise InputError unless a test can be written to this folder without overwriting anything."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is in use; give --out a new folder, so that no answers are lost")


def _name(draw: random.Random) -> str:
    return f"{draw.getrandbits(64):016x}"


def _render_all(
    systems: Mapping[str, Say], clips: Sequence[Clip], progress: Callable[[], None]
) -> Heard:
    """Each clip as spoken by "a" and "b", except clips that both speak identically."""
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


def _write(out: Path, key: AnswerKey, waveforms: Mapping[str, Waveform]) -> None:
    """Write to a temporary folder, then rename it: an interrupted run leaves no partial test."""
    with writing(out, "choose another --out"):
        out.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
        try:
            part.chmod(0o755)
            page = part / layout.PAGE
            (page / layout.AUDIO).mkdir(parents=True)
            for name in sorted(waveforms):  # random names, so file times reveal nothing
                write_wav(page / layout.AUDIO / f"{name}.wav", waveforms[name], SAMPLE_RATE)
            _write_page(page, key)
            content = json.dumps(asdict(key), indent=1, ensure_ascii=False)
            (part / layout.KEY).write_text(content + "\n", "utf-8")
            os.replace(part, out)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise


def _write_page(page: Path, key: AnswerKey) -> None:
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


def export_pairs(folder: Path, key: AnswerKey, collected: Collected, out: Path) -> int:
    """Write a file of pairs, and the wavs to a folder beside it; returns the number of pairs.

    One pair per answer that preferred one of the two systems. Wavs are the page's sounds: mono
    16-bit PCM, 22,050 Hz, at the test's loudness.

    Args:
        folder, key, collected: the test and its answers.
        out: such as pairs.jsonl; the wavs go to `pairs/`.

    Raises:
        DataError: no answer prefers a system, or the texts of the clips are unknown.
        InputError: `out` or the wavs' folder already exists, or can't be written.
    """
    wavs = out.with_suffix("")
    if wavs == out:
        raise InputError(f"{out} has no ending; expected a name like pairs.jsonl")
    if out.exists() or wavs.exists():
        raise InputError(f"{out} or {wavs} exists; choose another --out, or remove both")
    trials = {trial.trial_id: trial for trial in key.trials}
    pairs: dict[tuple[str, str], PreferencePair] = {}  # a rater's later session wins
    for answer in collected.answers:
        trial = trials[answer.trial]
        pairs.pop((answer.who, answer.trial), None)
        if answer.choice == "same":
            continue
        if not trial.text:
            raise DataError(
                f"the text of clip {trial.clip_id} is not known, and dpo needs it; make the test"
                " with --texts or --corpus"
            )
        liked = answer.liked(trial)
        (winner,) = [name for name, side in trial.sounds.items() if side == liked]
        (loser,) = trial.sounds.keys() - {winner}
        pairs[answer.who, answer.trial] = PreferencePair(
            trial.text,
            wavs / f"{winner}.wav",
            wavs / f"{loser}.wav",
            key.systems[liked],
            key.systems[trial.sounds[loser]],
            answer.rater,
            answer.session,
        )
    if not pairs:
        raise DataError("no answer preferred a system; there is nothing to learn from")
    try:
        wavs.mkdir(parents=True)
        for name in sorted(
            {wav.name for pair in pairs.values() for wav in (pair.winner, pair.loser)}
        ):
            shutil.copyfile(folder / layout.PAGE / layout.AUDIO / name, wavs / name)
    except OSError as error:
        raise InputError(f"can't copy the sounds to {wavs}: {error}") from error
    return write_pairs(out, pairs.values())
