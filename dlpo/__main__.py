"""`python -m dlpo`: the command line, also as the first process of a container.

The kernel hands process 1 of a namespace only the signals that it handles. Until a command does
that by itself, SIGTERM would be lost while its modules load.
"""

from __future__ import annotations

import os
import signal
import sys

if __name__ == "__main__":
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))

    from dlpo.cli import app

    app(prog_name="dlpo")
