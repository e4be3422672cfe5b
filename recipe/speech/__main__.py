"""Speak the queue, or say how far it is.

    python -m recipe.speech speak ROOT --teachers DIR --weights DIR --texts DIR   until all is said
        [--jobs 2] [--hours 10] [--held-out] [--without-sound]
    python -m recipe.speech letters TEXTS OUT                                     Spanish, for speak
    python -m recipe.speech status ROOT                                           hours by voice
    python -m recipe.speech corpus ROOT/VOICE OUT --teachers DIR [--hop 300]      for dlpo prepare
        [--jobs 2] [--like CORPUS]

Interrupted or run again, `speak` goes on with the next clip. Only one `speak`
may run on a voice at a time.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from pathlib import Path

from recipe.speech import plan, store
from recipe.speech.spanish import lines


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
    speaking.add_argument(
        "--held-out", action="store_true", help="the texts that voices are compared on instead"
    )
    speaking.add_argument(
        "--without-sound", action="store_true", help="durations and pitch alone, 85 times real time"
    )
    speaking.add_argument("--hours", type=float, default=math.inf, help="of all voices together")
    making.add_argument("--jobs", type=int, default=1, help="processes")
    making.add_argument("spoken", type=Path, help="folder of a voice")
    making.add_argument("out", type=Path, help="folder of the corpus")
    making.add_argument("--teachers", type=Path, required=True, help="folder of aligner.py")
    making.add_argument(
        "--like", type=Path, help="a corpus of the voice that has sound, for clips without"
    )
    making.add_argument("--hop", type=int, default=300, help="samples of a frame, at 24 kHz")
    spelling.add_argument("texts", type=Path, help="spanish.csv: id|text")
    spelling.add_argument("out", type=Path, help="the file for speak --spanish")
    given = parser.parse_args()
    if getattr(given, "jobs", 1) < 1:
        parser.error(f"--jobs is {given.jobs}; expected 1 or more")
    if given.command == "status":
        status(given.root)
    elif given.command == "corpus":
        from recipe.speech.corpus import CorpusMaker

        maker = CorpusMaker(given.teachers, given.hop)
        if given.like is None:
            clips, left_out = maker.make(given.spoken, given.out, given.jobs)
        else:
            clips, left_out = maker.make_without_sound(given.spoken, given.out, given.like)
        print(f"{given.out}: {clips} clips, {len(left_out)} left out")
    elif given.command == "letters":
        made = (f"{line}\n" for line in lines(given.texts.read_text(encoding="utf-8")))
        given.out.write_text("".join(made), encoding="utf-8")
    else:
        from recipe.speech.speaking import Folders, speak

        if not given.hours > 0:
            parser.error(f"--hours is {given.hours}; expected more than 0")
        folders = Folders(
            speech=given.root,
            teachers=given.teachers,
            weights=given.weights,
            texts=given.texts,
            spanish=given.spanish,
            measured=given.held_out,
            sound=not given.without_sound,
        )
        speak(folders, given.jobs, given.hours)


if __name__ == "__main__":
    main()
