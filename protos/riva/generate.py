"""Make the stubs of NVIDIA Riva's speech service: python protos/riva/generate.py

They are in dlpo_serving/protocols/riva/proto, while their descriptors keep the paths of NVIDIA's
files, so the imports between them are moved. Needs grpcio-tools 1.76.0, as protos/generate.py does.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

PROTOS = Path(__file__).resolve().parents[1]
STUBS = PROTOS.parent / "serving/dlpo_serving/protocols/riva/proto"


def generate(out: Path) -> list[Path]:
    """Write the stubs under `out`, as *_pb2.py and *_pb2.pyi; returns the files, sorted.

    Raises:
        RuntimeError: the compiler refused a .proto file (its messages are on stderr).
    """
    from grpc_tools import protoc

    sources = sorted(PROTOS.glob("riva/proto/*.proto"))
    with tempfile.TemporaryDirectory() as scratch:
        outputs = [f"--python_out={scratch}", f"--pyi_out={scratch}"]
        if protoc.main(["protoc", f"-I{PROTOS}", *outputs, *map(str, sources)]) != 0:
            raise RuntimeError(f"protoc failed: {' '.join(map(str, sources))}")
        for stub in Path(scratch).glob("riva/proto/*_pb2.py*"):
            code = stub.read_text().replace("from riva.proto import", f"from {_package()} import")
            (out / stub.name).write_text(code)
    return sorted(out.glob("*_pb2.py*"))


def _package() -> str:
    return ".".join(STUBS.relative_to(PROTOS.parent / "serving").parts)


if __name__ == "__main__":
    generate(STUBS)
    sys.stdout.write("dlpo_serving/protocols/riva/proto: stubs written\n")
