"""What an operator does to a server that serves: voices, keys, stops."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from dlpo.bundle import MANIFEST, Bundle, copy_bundle
from dlpo.bundle.voice_json import SEAL, seal
from dlpo_bench.load.honest import ATTACK_S, CALL_S, Results
from dlpo_bench.machine import resident_mb
from dlpo_serving.operations.keys import new_key

LOOP = b"\x3a\x08\x0a\x06\x22\x04Loop"  # an ONNX file of one operator, which may run without end
DELETED_S = 20.0  # within which a deleted key must end


class Operator:
    """Changes the server's files and its process while it serves."""

    def __init__(self, pid: int, voices: Path, keys: Path, bundle: Path, url: str) -> None:
        self._pid = pid
        self._voices = voices
        self._keys = keys
        self._list = f"{url.rstrip('/')}/v1/voices"
        self._bundle = Bundle.load(bundle)

    def holds(self) -> dict[str, float]:
        """Memory in MB, threads and open files of the server's process."""
        return {
            "resident_mb": resident_mb(self._pid),
            "threads": len(os.listdir(f"/proc/{self._pid}/task")),
            "files": len(os.listdir(f"/proc/{self._pid}/fd")),
        }

    def swap_voices(self, results: Results, stop_s: float) -> None:
        """A voice is added and removed, then one that is damaged and one with an endless graph."""
        made = self._voices / ".new"
        copy_bundle(self._bundle, made)
        manifest = self._bundle.manifest.named("visitor")
        (made / MANIFEST).write_bytes(manifest.to_json())
        made.rename(self._voices / "visitor")
        self._lay_endless()
        (self._voices / "broken.dlpo").write_bytes(b"PK\x03\x04 no zip")
        time.sleep(ATTACK_S)
        shutil.rmtree(self._voices / "visitor")
        shutil.rmtree(self._voices / "endless")
        (self._voices / "broken.dlpo").unlink()

    def _lay_endless(self) -> None:
        made = self._voices / ".endless"
        copy_bundle(self._bundle, made)
        values = json.loads((made / MANIFEST).read_bytes())
        del values[SEAL]
        for name in values["graphs"]["encoder"]["files"].values():
            (made / name).write_bytes(LOOP)
            sha256 = hashlib.sha256(LOOP).hexdigest()
            values["files"][name] = {"sha256": sha256, "bytes": len(LOOP)}
        (made / MANIFEST).write_bytes(seal(values))
        made.rename(self._voices / "endless")

    def _status(self, token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        try:
            request = urllib.request.Request(self._list, headers=headers)
            with urllib.request.urlopen(request, timeout=CALL_S) as reply:
                return int(reply.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def delete_key(self, results: Results, stop_s: float) -> None:
        """A key is added, used and deleted; the file's mode is wrong for a while, too."""
        content = self._keys.read_bytes()
        token = new_key(self._keys, "visitor")
        end_s = time.monotonic() + DELETED_S
        while self._status(token) != 200 and time.monotonic() < end_s:
            time.sleep(0.1)
        self._keys.write_bytes(content)
        self._keys.chmod(0o666)
        time.sleep(ATTACK_S / 4)
        self._keys.chmod(0o600)
        begin_s = time.monotonic()
        while self._status(token) != 401 and time.monotonic() < begin_s + DELETED_S:
            time.sleep(0.1)
        results.deleted_s.append(time.monotonic() - begin_s)

    def rotate_keys(self, results: Results, stop_s: float) -> None:
        """A key is added, then a line is malformed, then the file is restored."""
        content = self._keys.read_text("utf-8")
        for changed in (content + '\n[[key]]\ncaller = "x"\nsha256 = "0"\n', content):
            new = self._keys.with_suffix(".new")
            new.write_text(changed, "utf-8")
            new.chmod(0o600)
            new.replace(self._keys)
            time.sleep(ATTACK_S / 2)

    def stop_process(self, results: Results, stop_s: float) -> None:
        """Stop the process, as happens on a suspended machine."""
        begin_s = time.perf_counter()
        os.kill(self._pid, signal.SIGSTOP)
        time.sleep(stop_s)
        os.kill(self._pid, signal.SIGCONT)
        results.stopped.append((begin_s, time.perf_counter()))

    def steal_processor(self, results: Results, stop_s: float) -> None:
        """Another process takes one core."""
        thief = multiprocessing.get_context("spawn").Process(target=_spin, args=(ATTACK_S,))
        thief.start()
        thief.join()


OPERATOR: dict[str, Callable[[Operator, Results, float], None]] = {
    "swapped voices": Operator.swap_voices,
    "rotated keys": Operator.rotate_keys,
    "deleted key": Operator.delete_key,
    "stopped process": Operator.stop_process,
    "stolen processor": Operator.steal_processor,
}


def _spin(seconds: float) -> None:
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        pass
