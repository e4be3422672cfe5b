"""Speak the queue, or say how far it is.

    python -m recipe.speech speak ROOT --teachers DIR --weights DIR --texts DIR   until all is said
    python -m recipe.speech letters TEXTS OUT                                     Spanish, for speak
    python -m recipe.speech status ROOT                                           hours by voice
    python -m recipe.speech corpus ROOT/VOICE OUT --teachers DIR [--hop 240]      for dlpo prepare

Interrupted or run again, `speak` goes on with the next clip. One may run at a time.
"""

from __future__ import annotations

import argparse
import fcntl
import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from recipe.speech import plan, store
from recipe.speech.drills import drills
from recipe.speech.spanish import lines
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
    from recipe.speech.kokoro import CannotSpeakError, Kokoro

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


def status(root: Path) -> None:
    """Print clips and hours by voice and pool, and what is left."""
    left_s = 0.0
    print(f"{'voice':12}{'hours':>7}{'of':>6}{'clips':>7}{'skipped':>8}   minutes by pool")
    for target in plan.TARGETS:
        made = list(store.rows(root / target.voice))
        clips = [row for row in made if "samples" in row]
        pools = Counter[str]()
        for row in clips:
            pools[row["pool"]] += row["samples"] / store.RATE
        spoken_s = sum(pools.values())
        left_s += max(0.0, target.hours * 3600 - spoken_s)
        by_pool = ", ".join(f"{pool} {seconds / 60:.0f}" for pool, seconds in sorted(pools.items()))
        print(f"{target.voice:12}{spoken_s / 3600:7.2f}{target.hours:6.1f}{len(clips):7d}"
              f"{len(made) - len(clips):8d}   {by_pool}")  # fmt: skip
    print(f"left to speak: {left_s / 3600:.1f} hours")


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    speaking, counting, making, spelling = map(
        commands.add_parser, ("speak", "status", "corpus", "letters")
    )
    for command in (speaking, counting):
        command.add_argument("root", type=Path, help="where the speech is")
    speaking.add_argument("--teachers", type=Path, required=True, help="folder of teacher.py")
    speaking.add_argument(
        "--weights", type=Path, required=True, help="of get_hibari.sh, get_kokoro.sh"
    )
    speaking.add_argument("--texts", type=Path, required=True, help="folder of conversation-a.csv")
    speaking.add_argument("--spanish", type=Path, help="letters of spanish.csv's texts")
    speaking.add_argument("--jobs", type=int, default=1, help="processes, one thread each")
    making.add_argument("spoken", type=Path, help="folder of a voice")
    making.add_argument("out", type=Path, help="folder of the corpus")
    making.add_argument("--teachers", type=Path, required=True, help="folder of aligner.py")
    making.add_argument("--hop", type=int, default=240, help="samples of a frame, at 24 kHz")
    spelling.add_argument("texts", type=Path, help="spanish.csv: id|text")
    spelling.add_argument("out", type=Path, help="the file for speak --spanish")
    given = parser.parse_args()
    if given.command == "status":
        status(given.root)
    elif given.command == "corpus":
        from recipe.speech.corpus import CorpusMaker

        clips, left_out = CorpusMaker(given.teachers, given.hop).make(given.spoken, given.out)
        print(f"{given.out}: {clips} clips, {len(left_out)} left out")
    elif given.command == "letters":
        made = (f"{line}\n" for line in lines(given.texts.read_text(encoding="utf-8")))
        given.out.write_text("".join(made), encoding="utf-8")
    else:
        where = (given.root, given.teachers, given.weights, given.texts, given.spanish)
        speak(Speaking(*where), given.jobs)


if __name__ == "__main__":
    main()
