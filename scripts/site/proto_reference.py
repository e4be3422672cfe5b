"""The protocol page: the commented .proto file, a heading for each block."""

from __future__ import annotations

import re
from pathlib import Path

BLOCK = re.compile(
    r"^((?://.*\n)*(?:service|message|enum) (\w+) \{(?:\}|\n(?:.*\n)*?\})\n)", re.MULTILINE
)


def proto_reference(protos: Path) -> str:
    """Markdown: services, messages and enumerations as the file has them.

    Args:
        protos: folder of the .proto files.
    """
    name = "dlpo/v1/speech.proto"
    contract = (protos / name).read_text(encoding="utf-8")
    head = contract[: next(BLOCK.finditer(contract)).start()].strip()
    parts = ["# Protocol: `dlpo.v1`", f"`protos/{name}`. Errors by code: [error codes](errors.md)."]
    parts.append(f"```protobuf\n{head}\n```")
    for block in BLOCK.finditer(contract):
        parts += [f"## {block[2]}", f"```protobuf\n{block[0]}```"]
    return "\n\n".join(parts) + "\n"
