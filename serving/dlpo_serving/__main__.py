"""The server without the command line's dependencies: python -m dlpo_serving --port 50051"""

from __future__ import annotations

import sys

from dlpo.errors import DlpoError
from dlpo_serving.settings.sources import read_settings


def main() -> int:
    try:
        settings = read_settings(prog="python -m dlpo_serving")
        if settings.ray:
            from dlpo_serving.ray.cluster import serve_on_ray

            serve_on_ray(settings)
        else:
            from dlpo_serving.server import serve  # late, to keep --help fast

            serve(settings)
    except DlpoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
