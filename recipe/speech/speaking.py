"""Every voice says its texts until it has its hours."""

from __future__ import annotations

import fcntl
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import wait
from pathlib import Path
from typing import IO, Any, cast

from recipe.signals import on_stop
from recipe.speech import plan, store
from recipe.speech.drills import drills
from recipe.speech.kokoro import (
    GRAPH,
    CannotSpeakError,
    GraphNetwork,
    InBatches,
    Kokoro,
    Reader,
)
from recipe.speech.processes import Each, each_in, leave
from recipe.speech.texts import Reading, Text, held_out, read_letters, read_texts

TOGETHER_S = 2400.0  # of speech: a round on a GPU
Asked = tuple[str, Text]
"""a voice and what it is to say"""
Said = Sequence[store.Sentence] | CannotSpeakError | str
"""sentences, or why there are none"""
EVERYDAY = "conversation-a.csv"
CONVERSATIONS = (EVERYDAY, "conversation-b.csv")

_reader: list[Reader] = []
"""of this process"""


def all_texts(texts: Path, teachers: Path) -> list[Text]:
    """Every text that may be spoken."""
    conversation = [t for name in CONVERSATIONS for t in read_texts(texts / name, "conversation")]
    out = held_out()
    lines = [line for n in CONVERSATIONS for line in (texts / n).read_text("utf-8").splitlines()]
    measured = [line.split("|", 1)[1] for line in lines if line.split("|", 1)[0] in out]
    generated = drills(conversation, measured)
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


def speak(folders: Folders, jobs: int, hours: float = math.inf) -> None:
    """Speak until every voice has its hours or no text is left for it.

    Args:
        jobs: processes, which share the voices. When one fails, all end; so they do on SIGINT and
            SIGTERM.
        hours: of all voices together, after which it is enough.
    """
    shares = plan.share_out(jobs)
    if len(shares) == 1:
        speak_voices(folders, shares[0], hours)
        return
    context = get_context("spawn")
    each = plan.hours_of_each(hours)
    workers = [
        context.Process(
            target=speak_voices,
            args=(folders, share, sum(each[target.voice] for target in share)),
            daemon=True,
        )
        for share in shares
    ]
    with on_stop(leave):
        try:
            for worker in workers:
                worker.start()
            running = {worker.sentinel: worker for worker in workers}
            while running:
                for sentinel in wait(list(running)):
                    worker = running.pop(cast(int, sentinel))
                    worker.join()
                    if worker.exitcode:
                        raise SystemExit(
                            f"a process ended with {worker.exitcode}; its error is above"
                        )
        finally:
            for worker in workers:
                if worker.is_alive():
                    worker.terminate()
                    worker.join()


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


def speak_voices(folders: Folders, targets: Sequence[plan.Target], hours: float = math.inf) -> None:
    """Speak a text at a time until these voices have their hours or no text is left for them."""
    network = GraphNetwork(folders.weights / GRAPH)
    with each_in(1, _open_reader, folders) as each:
        speaker = Speaker(folders.speech, Kokoro(folders.weights, network), each, 0.0)
        _speak(speaker, folders, targets, hours)


def speak_together(folders: Folders, jobs: int, hours: float = math.inf) -> None:
    """Speak hundreds of texts at once, on a GPU if there is one.

    Args:
        jobs: processes that read and write meanwhile.
        hours: of all voices together, after which it is enough.
    """
    import torch

    from recipe.speech.kokoro_torch import BatchedKokoro

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = InBatches(BatchedKokoro(folders.weights / GRAPH, device))
    print(f"speaking with {network.engine}", flush=True)
    with each_in(jobs, _open_reader, folders) as each:
        speaker = Speaker(folders.speech, Kokoro(folders.weights, network), each, TOGETHER_S)
        _speak(speaker, folders, plan.TARGETS, hours)


def _speak(
    speaker: Speaker, folders: Folders, targets: Sequence[plan.Target], hours: float
) -> None:
    with ExitStack() as locks:
        for target in targets:
            locks.enter_context(locked(folders.speech / target.voice))
        speak_texts(speaker, texts_to_say(folders), targets, hours)


@dataclass(frozen=True, slots=True)
class Speaker:
    """What speaks, where to, and how much at once."""

    speech: Path
    kokoro: Kokoro
    each: Each
    at_once_s: float
    """seconds of speech, by estimate; 0 for a text at a time"""


class Queue:
    """The texts that wait, in the order of `plan.next_voice`; what exists isn't spoken again.

    Args:
        speech: the folder of all voices.
        texts: that may be spoken.
        targets: the voices.
        hours: of them together, after which it is enough.
    """

    def __init__(
        self, speech: Path, texts: Sequence[Text], targets: Sequence[plan.Target], hours: float
    ) -> None:
        self._targets = list(targets)
        self._enough_s = hours * 3600
        self._waiting = dict[str, Iterator[Text]]()
        self.spoken_s = dict[str, float]()
        for target in targets:
            folder = speech / target.voice
            store.repair(folder)
            made = {row["id"]: row.get("samples", 0) / store.RATE for row in store.rows(folder)}
            self.spoken_s[target.voice] = sum(made.values())
            order = plan.order_for(target.voice, texts)
            self._waiting[target.voice] = iter([text for text in order if text.id not in made])

    def take(self, at_once_s: float) -> list[Asked]:
        """The next texts, at least one if any waits; they count as spoken, by estimate."""
        taken = list[Asked]()
        left_s = at_once_s
        while (not taken or left_s > 0) and sum(self.spoken_s.values()) < self._enough_s:
            voice = plan.next_voice(self.spoken_s, self._targets)
            if voice is None:
                break
            text = next(self._waiting[voice], None)
            if text is None:
                print(f"{voice}: no text is left", flush=True)
                self._targets = [one for one in self._targets if one.voice != voice]
                continue
            taken.append((voice, text))
            left_s -= text.expected_s
            self.spoken_s[voice] += text.expected_s
        return taken


def speak_texts(
    speaker: Speaker, to_say: ToSay, targets: Sequence[plan.Target], hours: float = math.inf
) -> None:
    """Speak in turn, by `plan.next_voice`.

    While a round is spoken, the clips of the one before are written; the manifests have them
    before the next one begins, and also when it is interrupted.
    """
    queue = Queue(speaker.speech, to_say.texts, targets, hours)
    asked = list[Asked]()
    written: Iterator[dict[str, Any]] = iter(())
    while True:
        began_s = time.monotonic()
        coming = queue.take(speaker.at_once_s)
        try:
            spoken = _spoken(speaker, to_say, coming)
        finally:
            _note(speaker.speech, queue, asked, written)
        if not coming and not asked:
            return
        folders = [speaker.speech / voice for voice, _ in coming]
        engines = [speaker.kokoro.network.engine] * len(coming)
        texts = [text for _, text in coming]
        asked = coming
        written = speaker.each(_write, folders, texts, spoken, engines)
        if coming:
            voice, first = coming[0]
            more = f" and {len(coming) - 1} more" if len(coming) > 1 else ""
            hours_said = sum(queue.spoken_s.values()) / 3600
            took_s = time.monotonic() - began_s
            print(f"{voice} {first.id}{more}, {took_s:.2f} s, {hours_said:.2f} hours", flush=True)


def _spoken(speaker: Speaker, to_say: ToSay, asked: Sequence[Asked]) -> list[Said]:
    """The sentences of each text, or why it can't be spoken."""
    given = (to_say.letters.get(text.id) or text.text for _, text in asked)
    readings = list(speaker.each(_read, given))
    readable = [
        (voice, reading)
        for (voice, _), reading in zip(asked, readings, strict=True)
        if not isinstance(reading, str)
    ]
    said = iter(speaker.kokoro.say(readable))
    return [reading if isinstance(reading, str) else next(said) for reading in readings]


def _note(
    speech: Path, queue: Queue, asked: Sequence[Asked], written: Iterator[dict[str, Any]]
) -> None:
    """Add the rows of clips to the manifests, and their true lengths to the queue."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for (voice, text), row in zip(asked, written, strict=True):
        rows.setdefault(voice, []).append(row)
        queue.spoken_s[voice] += row.get("samples", 0) / store.RATE - text.expected_s
    for voice, some in rows.items():
        store.append(speech / voice, some)


def _open_reader(folders: Folders) -> None:
    _reader[:] = [Reader(folders.teachers, folders.weights)]


def _read(text: str | Reading) -> Reading | str:
    """A text's sentences in letters, or why it can't be read."""
    if not isinstance(text, str):
        return text
    try:
        return _reader[0].read(text)
    except CannotSpeakError as error:
        return str(error)


def _write(folder: Path, text: Text, said: Said, engine: str) -> dict[str, Any]:
    """A clip's row, once its sound is on disk."""
    if isinstance(said, CannotSpeakError | str):
        return store.skipped(text, str(said))
    return store.write_clip(folder, text, said, engine)


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
