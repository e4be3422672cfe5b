"""Make the stubs of `dlpo.v1` from the .proto files: python protos/generate.py

They are checked in, so that nobody needs a compiler to use or to read them; a test fails when they
drift. Needs grpcio-tools 1.76.0 (in the dev extra): its stubs load on protobuf 6.31 and later.
"""

from __future__ import annotations

import sys
from pathlib import Path

PROTOS = Path(__file__).resolve().parent
REPOSITORY = PROTOS.parent


def generate(out: Path) -> list[Path]:
    """Write the stubs under `out`, as dlpo/v1/*_pb2*; returns the files, sorted.

    Raises:
        RuntimeError: the compiler refused a .proto file (its messages are on stderr).
    """
    from grpc_tools import protoc

    sources = sorted(PROTOS.glob("dlpo/**/*.proto"))
    arguments = [
        "protoc",
        f"-I{PROTOS}",
        f"--python_out={out}",
        f"--pyi_out={out}",
        f"--grpc_python_out={out}",
        *map(str, sources),
    ]
    if protoc.main(arguments) != 0:
        raise RuntimeError(f"protoc failed: {' '.join(arguments)}")
    return sorted(out.glob("dlpo/v*/*_pb2*.py*"))


if __name__ == "__main__":
    generate(REPOSITORY)
    sys.stdout.write("dlpo/v1: stubs written\n")
