"""Answers on disk: what was acknowledged is there, whatever happens to the process afterwards."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from dlpo.errors import InputError
from dlpo_bench.listening.answers import Answer, read_file
from dlpo_bench.listening.key import ANSWERS, Key

MAX_SESSIONS = 10_000  # files; a page that is open to everybody must not fill the disk


class AnswerStore:
    """One file of JSON lines a sitting, only ever appended to. May be used by many threads."""

    def __init__(self, folder: Path, key: Key, max_sessions: int = MAX_SESSIONS) -> None:
        """`folder`: of the test, whose `answers` is made where it is missing.

        Raises:
            InputError: it can't be made.
        """
        self._directory = folder / ANSWERS
        self._key = key
        self._max_sessions = max_sessions
        self._lock = threading.Lock()
        self._known: dict[str, dict[str, Answer]] = {}  # session -> trial -> latest
        try:
            self._directory.mkdir(exist_ok=True)
        except OSError as error:
            raise InputError(f"can't make {self._directory}: {error.strerror}") from error

    def add(self, answer: Answer) -> bool:
        """Store an answer, or find that it is stored already.

        Returns:
            Whether a line was written. An answer that is there, or that a later revision has
            replaced, writes none: clients repeat what they got no reply to.

        Raises:
            InputError: another answer has this revision, or there are too many sittings.
            OSError: it is not on the disk; nothing of it is.
        """
        with self._lock:
            latest = self._session(answer.session)
            known = latest.get(answer.trial)
            if known == answer or (known and known.revision > answer.revision):
                return False
            if known and known.revision == answer.revision:
                raise InputError(
                    f"revision {answer.revision} of this answer is stored and differs;"
                    " expected a higher revision"
                )
            self._append(self._path(answer.session), answer.to_json().encode())
            latest[answer.trial] = answer
            self._known[answer.session] = latest
            return True

    def _path(self, session: str) -> Path:
        return self._directory / f"{session}.jsonl"  # 32 hexadecimal digits, see `parse_answer`

    def _session(self, session: str) -> dict[str, Answer]:
        if session in self._known:
            return self._known[session]
        latest: dict[str, Answer] = {}
        path = self._path(session)
        if path.exists():
            for answer in read_file(path, self._key)[0]:
                if answer.trial not in latest or answer.revision > latest[answer.trial].revision:
                    latest[answer.trial] = answer
        elif sum(1 for _ in self._directory.glob("*.jsonl")) >= self._max_sessions:
            raise InputError(f"{self._max_sessions} sittings are stored; this test takes no more")
        return latest

    def _append(self, path: Path, line: bytes) -> None:
        """Write a line and wait until it is on the disk; on failure the file is as it was."""
        is_new = not path.exists()
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644)
        try:
            size = os.fstat(file).st_size
            if size and os.pread(file, 1, size - 1) != b"\n":
                line = b"\n" + line  # the process before was killed within a line
            try:
                written = 0
                while written < len(line):
                    written += os.write(file, line[written:])
                os.fsync(file)
            except OSError:
                os.ftruncate(file, size)
                raise
        finally:
            os.close(file)
        if is_new:
            directory = os.open(self._directory, os.O_RDONLY)
            try:
                os.fsync(directory)  # the name, too
            finally:
                os.close(directory)
