"""Our description of the wire is NVIDIA's, and the stubs are those of our .proto files."""

from __future__ import annotations

import base64
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorProto

from dlpo_serving.riva.proto import riva_audio_pb2, riva_common_pb2, riva_tts_pb2

FILES = (riva_audio_pb2, riva_common_pb2, riva_tts_pb2)


def fields_of(file: FileDescriptorProto) -> dict[str, tuple[int, int, int, str]]:
    """Full name -> number, type, label and type name of every field of every message."""
    found = {}
    pending = [(file.package, message) for message in file.message_type]
    while pending:
        scope, message = pending.pop()
        name = f"{scope}.{message.name}"
        pending += [(name, nested) for nested in message.nested_type]
        for field in message.field:
            facts = (field.number, field.type, field.label, field.type_name)
            found[f"{name}.{field.name}"] = facts
    return found


def test_descriptors_are_those_of_the_client(riva_client: Any) -> None:
    answer = riva_client("nowhere:1", "descriptors")

    for ours, encoded in zip(FILES, answer.raw, strict=True):
        theirs = FileDescriptorProto.FromString(base64.b64decode(encoded))
        mine = FileDescriptorProto()
        ours.DESCRIPTOR.CopyToProto(mine)
        assert fields_of(mine) == fields_of(theirs)
        assert list(mine.enum_type) == list(theirs.enum_type)
        assert list(mine.service) == list(theirs.service)
        # Equal to the byte: a process may load both, protobuf refuses two files that differ.
        assert mine.SerializeToString(deterministic=True) == theirs.SerializeToString(
            deterministic=True
        )
