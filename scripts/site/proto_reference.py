"""The protocol page: the .proto file, whose comments are its reference."""

from __future__ import annotations

from pathlib import Path

HEAD = """# Protocol: `dlpo.v1`

`protos/dlpo/v1/speech.proto`. Errors by code: [error codes](errors.md).
"""


def proto_reference(protos: Path) -> str:
    """Markdown: services, messages and enumerations as the file has them.

    Args:
        protos: folder of the .proto files.
    """
    contract = (protos / "dlpo/v1/speech.proto").read_text(encoding="utf-8")
    return f"{HEAD}\n```protobuf\n{contract}```\n"
