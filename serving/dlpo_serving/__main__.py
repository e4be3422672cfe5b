"""The server without the command line's dependencies: python -m dlpo_serving --port 50051"""

from __future__ import annotations

import argparse
import logging
import sys
from typing import get_args

from dlpo.errors import DlpoError
from dlpo_serving.engines import EngineName, EnginePrecision
from dlpo_serving.server import ServerConfig, serve


def main() -> int:
    defaults = ServerConfig()
    parser = argparse.ArgumentParser("dlpo_serving", description="Serve speech over gRPC.")
    parser.add_argument("--host", default=defaults.host)
    parser.add_argument("--port", type=int, default=defaults.port, help="0 lets the system choose")
    parser.add_argument("--voice", default=defaults.voice, help="a name or the path of a bundle")
    parser.add_argument("--max-streams", type=int, default=defaults.max_streams)
    parser.add_argument("--engine", default=defaults.engine, choices=get_args(EngineName))
    parser.add_argument("--precision", choices=get_args(EnginePrecision), help="of the denoiser")
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning"))
    arguments = vars(parser.parse_args())
    level = arguments.pop("log_level").upper()
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        serve(ServerConfig(**arguments))
    except DlpoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
