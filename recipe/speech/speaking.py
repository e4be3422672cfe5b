"""Every voice says its texts until it has its hours."""

from __future__ import annotations

import fcntl
import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from recipe.speech import plan, store
from recipe.speech.drills import drills
from recipe.speech.kokoro import CannotSpeakError, Kokoro
from recipe.speech.texts import Reading, Text, held_out, read_letters, read_texts

CONVERSATIONS = ("conversation-a.csv", "conversation-b.csv")


def all_texts(texts: Path, teachers: Path) -> list[Text]:
    """Every text that may be spoken."""
    conversation = [t for name in CONVERSATIONS for t in read_texts(texts / name, "conversation")]
    out = held_out()
    lines = [line for n in CONVERSATIONS for line in (texts / n).read_text("utf-8").splitlines()]
    measured = [line.split("|", 1)[1] for line in lines if line.split("|", 1)[0] in out]
    generated = drills(conversation, measured)
    return [*conversation, *read_texts(teachers / "texts.csv", "prose"), *generated]


@dataclass(frozen=True, slots=True)
class Speaking:
    """Where speech comes from and goes to."""

    root: Path
    teachers: Path
    """the folder of teacher.py"""
    weights: Path
    """of get_hibari.sh and get_kokoro.sh"""
    texts: Path
    spanish: Path | None
    """letters of the texts of spanish.csv; without them its voices wait"""


def speak(given: Speaking, jobs: int) -> None:
    """Speak until every voice has its hours or no text is left for it, `jobs` voices at a time."""
    given.root.mkdir(parents=True, exist_ok=True)
    lock = (given.root / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SystemExit(f"{given.root}: another process speaks here already") from None
    shares = plan.share_out(jobs)
    if len(shares) == 1:
        speak_voices(given, shares[0])
        return
    with ProcessPoolExecutor(len(shares), get_context("spawn")) as workers:
        for done in [workers.submit(speak_voices, given, share) for share in shares]:
            done.result()


def speak_voices(given: Speaking, targets: Sequence[plan.Target]) -> None:
    """Speak until these voices have their hours or no text is left for them."""
    kokoro, known = Kokoro(given.teachers, given.weights), all_texts(given.texts, given.teachers)
    letters = dict[str, Reading]() if given.spanish is None else read_letters(given.spanish)
    in_spanish = read_texts(given.texts / "spanish.csv", "spanish", digits=True)
    known += [text for text in in_spanish if text.id in letters]
    waiting, spoken_s = dict[str, Iterator[Text]](), dict[str, float]()
    for target in targets:
        folder = given.root / target.voice
        store.repair(folder)
        made = {row["id"]: row.get("samples", 0) / store.RATE for row in store.rows(folder)}
        spoken_s[target.voice] = sum(made.values())
        order = plan.order_for(target.voice, known)
        waiting[target.voice] = iter([text for text in order if text.id not in made])
    while voice := plan.next_voice(spoken_s, targets):
        text = next(waiting[voice], None)
        if text is None:
            print(f"{voice}: no text is left at {spoken_s[voice] / 3600:.1f} hours", flush=True)
            spoken_s[voice] = math.inf
            continue
        began, cpu = time.monotonic(), time.process_time()
        try:
            reading = letters.get(text.id) or kokoro.read(text.text)
            sentences = list(kokoro.say(voice, reading))
            length_s = store.write_clip(given.root / voice, text, sentences, kokoro.engine)
        except CannotSpeakError as error:
            store.write_skipped(given.root / voice, text, str(error))
            continue
        spoken_s[voice] += length_s
        took_s, cpu_s = time.monotonic() - began, time.process_time() - cpu
        print(f"{voice} {text.id} {length_s:.2f} s, {took_s:.2f} s, {cpu_s:.2f} cpu s", flush=True)
