"""One process of several that tune a tiny voice together; started by test_tuner_processes.py.

    python -m tests.rl.tune_in_processes CHECKPOINT DATA OUT DIES_AT

RANK, WORLD_SIZE and the rest of torch.distributed's environment say which one it is. The second
process kills itself in update DIES_AT; 0 for never.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from dlpo.errors import DlpoError
from dlpo.rl.core.objective import Objective
from tests.rl.conftest import Tuning


def main(checkpoint: str, data: str, out: str, dies_at: str) -> None:
    tuning = Tuning(Path(checkpoint), Path(data), Path(out).parent)
    tuner = tuning.tuner(Path(out).name, Objective())
    if tuner.processes.rank == 1 and int(dies_at):
        collect = tuner.collector.collect

        def last_words(update: int) -> Any:
            if update + 1 == int(dies_at):
                os.kill(os.getpid(), signal.SIGKILL)
            return collect(update)

        tuner.collector.collect = last_words
    try:
        tuner.run()
    except DlpoError as error:
        sys.exit(f"dlpo: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
