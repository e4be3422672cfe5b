"""The protocol page, generated from the .proto files and their comments."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)

Place = tuple[int, ...]
# Field numbers in descriptor.proto that make up the location of a comment.
MESSAGE = 4
ENUM = 5
SERVICE = 6
OF_MESSAGE = 2
OF_ENUM = 2
OF_SERVICE = 2
SYNTAX = 12
SCALARS = {
    number: name.removeprefix("TYPE_").lower() for name, number in FieldDescriptorProto.Type.items()
}


def proto_reference(protos: Path) -> str:
    """Markdown: services, messages and enumerations of `dlpo.v1` with their comments.

    Args:
        protos: folder of the .proto files.

    Raises:
        RuntimeError: the compiler rejected a file.
    """
    (file,) = _compiled(protos).file
    return "\n\n".join(_ProtoFile(file).parts()) + "\n"


def _compiled(protos: Path) -> FileDescriptorSet:
    from grpc_tools import protoc

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "protos.binpb"
        sources = sorted(map(str, protos.glob("dlpo/**/*.proto")))
        options = ["--include_source_info", f"--descriptor_set_out={out}"]
        if protoc.main(["protoc", f"-I{protos}", *options, *sources]) != 0:
            raise RuntimeError(f"protoc refused {', '.join(sources)}; its message is above")
        return FileDescriptorSet.FromString(out.read_bytes())


class _ProtoFile:
    """One file, with the comment preceding each of its elements."""

    def __init__(self, file: FileDescriptorProto) -> None:
        self.file = file
        self.comments: Mapping[Place, str] = {
            tuple(location.path): location.leading_comments
            for location in file.source_code_info.location
        }

    def parts(self) -> Iterator[str]:
        """Headings, paragraphs and tables, in the order of the file."""
        yield f"# Protocol: `{self.file.package}`"
        yield f"From `protos/{self.file.name}`. Errors by code: [error codes](errors.md)."
        yield self._about((SYNTAX,))
        for i, service in enumerate(self.file.service):
            yield from self._service(service, (SERVICE, i))
        yield "## Messages"
        for i, message in enumerate(self.file.message_type):
            yield from self._message(message, (MESSAGE, i))
        yield "## Enumerations"
        for i, enum in enumerate(self.file.enum_type):
            yield from self._enum(enum, (ENUM, i))

    def _service(self, service: ServiceDescriptorProto, place: Place) -> Iterator[str]:
        yield f"## {service.name}"
        yield self._about(place)
        for i, method in enumerate(service.method):
            sent = "stream " * method.client_streaming + self._name(method.input_type)
            back = "stream " * method.server_streaming + self._name(method.output_type)
            yield f"### {method.name}"
            yield f"{sent} → {back}"
            yield self._about((*place, OF_SERVICE, i))

    def _message(self, message: DescriptorProto, place: Place) -> Iterator[str]:
        yield f"### {message.name}"
        yield self._about(place)
        if message.field:
            rows = [
                self._field(message, i, (*place, OF_MESSAGE, i)) for i in range(len(message.field))
            ]
            yield "\n".join(["| field | number | type | |", "|---|---|---|---|", *rows])

    def _field(self, message: DescriptorProto, index: int, place: Place) -> str:
        field = message.field[index]
        kind = self._kind(message, field)
        if field.HasField("oneof_index") and not field.proto3_optional:
            kind += f", one of `{message.oneof_decl[field.oneof_index].name}`"
        elif field.proto3_optional:
            kind = f"optional {kind}"
        return f"| `{field.name}` | {field.number} | {kind} | {self._about(place)} |"

    def _kind(self, message: DescriptorProto, field: FieldDescriptorProto) -> str:
        repeated = field.label == FieldDescriptorProto.LABEL_REPEATED
        for nested in message.nested_type:  # a map is a repeated message with two fields
            if nested.options.map_entry and field.type_name.endswith(f".{nested.name}"):
                key, value = (self._kind(nested, of_entry) for of_entry in nested.field)
                return f"map of {key} to {value}"
        kind = self._name(field.type_name) if field.type_name else SCALARS[field.type]
        return f"repeated {kind}" if repeated else kind

    def _enum(self, enum: EnumDescriptorProto, place: Place) -> Iterator[str]:
        yield f"### {enum.name}"
        yield self._about(place)
        rows = [
            f"| `{value.name}` | {value.number} | {self._about((*place, OF_ENUM, i))} |"
            for i, value in enumerate(enum.value)
        ]
        yield "\n".join(["| value | number | |", "|---|---|---|", *rows])

    def _about(self, place: Place) -> str:
        """The preceding comment, one paragraph per line; for a table, joined to one line."""
        comment = self.comments.get(place, "").strip().replace("<", "&lt;")
        if place != (SYNTAX,):
            return re.sub(r"\s+", " ", comment)
        return "\n\n".join(re.sub(r"\s+", " ", part) for part in re.split(r"\n\s*\n", comment))

    def _name(self, full: str) -> str:
        name = full.rpartition(".")[2]
        return f"[{name}](#{name.lower()})"
