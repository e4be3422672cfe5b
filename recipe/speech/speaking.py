"""Every voice says its texts until it has its hours."""

from __future__ import annotations

import fcntl
import math
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import IO

from recipe.run import on_stop
from recipe.speech import plan, store
from recipe.speech.kokoro import ENGINE, GRAPH, CannotSpeakError, Kokoro, Reader, published_network
from recipe.speech.prompts import synthetic_prompts
from recipe.speech.texts import Reading, Text, held_out, read_letters, read_texts

EVERYDAY = "conversation-a.csv"
CONVERSATIONS = (EVERYDAY, "conversation-b.csv")


def all_texts(texts: Path, teachers: Path) -> list[Text]:
    """Every text that may be spoken."""
    conversation = [t for name in CONVERSATIONS for t in read_texts(texts / name, "conversation")]
    out = held_out()
    lines = [line for n in CONVERSATIONS for line in (texts / n).read_text("utf-8").splitlines()]
    measured = [line.split("|", 1)[1] for line in lines if line.split("|", 1)[0] in out]
    generated = synthetic_prompts(conversation, measured)
    return [*conversation, *read_texts(teachers / "texts.csv", "prose"), *generated]


@dataclass(frozen=True, slots=True)
class Folders:
    """Where speech goes to, and what it is made from."""

    speech: Path
    teachers: Path
    """the folder of teacher.py"""
    weights: Path
    """of get_hibari.sh and get_kokoro.sh"""
    texts: Path
    spanish: Path | None
    """letters of the texts of spanish.csv; without them its voices wait"""
    measured: bool = False
    """whether it is the held-out texts of conversation-a.csv and spanish.csv that are spoken"""
    sound: bool = True
    """whether clips get sound, or only durations and pitch"""

    @property
    def targets(self) -> Sequence[plan.Target]:
        """The voices and their hours."""
        if self.measured:
            return plan.HELD_OUT_TARGETS
        return plan.TARGETS if self.sound else plan.SILENT_TARGETS


def speak(folders: Folders, jobs: int, hours: float = math.inf) -> None:
    """Speak until every voice has its hours or no text is left for it.

    Args:
        jobs: processes, which share the voices. When one fails, all end; so they do on SIGINT and
            SIGTERM.
        hours: of all voices together, after which it is enough.
    """
    shares = plan.share_out(jobs, plan.within(hours, folders.targets))
    if len(shares) == 1:
        speak_voices(folders, shares[0])
        return
    with on_stop(leave), ProcessPoolExecutor(len(shares), get_context("spawn")) as pool:
        try:
            for done in as_completed(pool.submit(speak_voices, folders, each) for each in shares):
                done.result()
        except BaseException:
            for process in active_children():
                process.terminate()
            raise


def leave(*_: object) -> None:
    """End this program on a signal, so that clean-up runs."""
    sys.exit("stopped; run it again to go on")


def locked(folder: Path) -> IO[str]:
    """The lock of a voice's folder, held until it is closed or the process ends."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = (folder / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise SystemExit(f"{folder}: another process speaks here already") from None
    return lock


def check_kind(folder: Path, sound: bool) -> None:
    """Refuse a voice's folder whose clips have sound where these won't, or the other way round."""
    clip = next((row for row in store.rows(folder) if "samples" in row), None)
    if clip is not None and ("peak" in clip) != sound:
        kind = "with" if "peak" in clip else "without"
        raise SystemExit(f"{folder}: holds clips {kind} sound; speak to another folder")


def speak_voices(folders: Folders, targets: Sequence[plan.Target]) -> None:
    """Speak until these voices have their hours or no text is left for them."""
    with ExitStack() as locks:
        for target in targets:
            locks.enter_context(locked(folders.speech / target.voice))
            check_kind(folders.speech / target.voice, folders.sound)
        network = published_network(folders.weights / GRAPH, sound=folders.sound)
        kokoro = Kokoro(folders.weights, network)
        reader = Reader(folders.teachers, folders.weights)
        speak_texts(folders.speech, reader.read, kokoro, texts_to_say(folders), targets)


@dataclass(frozen=True, slots=True)
class ToSay:
    """Texts that may be spoken."""

    texts: list[Text]
    letters: dict[str, Reading]
    """of those that Kokoro's reader of English can't read, by id"""


def texts_to_say(folders: Folders) -> ToSay:
    """All texts, the Spanish ones if their letters are given."""
    measured = folders.measured
    letters = {} if folders.spanish is None else read_letters(folders.spanish)
    spanish = read_texts(folders.texts / "spanish.csv", "spanish", digits=True, measured=measured)
    if measured:
        known = read_texts(folders.texts / EVERYDAY, "conversation", measured=True)
    else:
        known = all_texts(folders.texts, folders.teachers)
    return ToSay([*known, *(text for text in spanish if text.id in letters)], letters)


def speak_texts(
    speech: Path,
    read: Callable[[str], Reading],
    kokoro: Kokoro,
    to_say: ToSay,
    targets: Sequence[plan.Target],
) -> None:
    """Speak, one voice after the other; what exists isn't spoken again.

    Args:
        speech: the folder of all voices.
        read: gives the letters of texts that have none in `to_say`.
        kokoro: what speaks.
        to_say: the texts.
        targets: the voices.
    """
    for target in targets:
        voice, folder = target.voice, speech / target.voice
        store.repair(folder)
        made = {row["id"]: row.get("samples", 0) / store.RATE for row in store.rows(folder)}
        spoken_s = sum(made.values())
        for text in plan.order_for(voice, to_say.texts):
            if text.id in made:
                continue
            if spoken_s >= target.hours * 3600:
                break
            began_s = time.monotonic()
            try:
                sentences = kokoro.say(voice, to_say.letters.get(text.id) or read(text.text))
                row = store.write_clip(folder, text, sentences, ENGINE)
            except CannotSpeakError as error:
                row = store.skipped(text, str(error))
            store.append(folder, row)
            spoken_s += row.get("samples", 0) / store.RATE
            took_s = time.monotonic() - began_s
            print(f"{voice} {text.id}, {took_s:.2f} s, {spoken_s / 3600:.2f} hours", flush=True)
        else:
            print(f"{voice}: no text is left", flush=True)
