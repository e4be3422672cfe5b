"""The operators of an ONNX file, read before onnxruntime sees it.

onnxruntime reads files that never end: a loop of 2^62 turns, functions that double with each call.
dlpo exports neither, so a bundle that holds one is refused. Only the fields that lead to operators
are declared here: the rest, such as weights, is skipped unread.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from dlpo.errors import EngineError

BODIES = ("Loop", "Scan", "SequenceMap")  # operators that run a body many times
# Message -> its fields: number, whether repeated, and the message it holds; "" is a string.
# Reference: onnx.proto of ONNX 1.19.
FIELDS = {
    "Model": {"graph": (7, False, "Graph"), "functions": (25, True, "Function")},
    "Graph": {"node": (1, True, "Node")},
    "Node": {"op_type": (4, False, ""), "attribute": (5, True, "Attribute")},
    "Attribute": {"g": (6, False, "Graph"), "graphs": (11, True, "Graph")},
    "Function": {"name": (1, False, "")},
}


@cache
def _model_class() -> Any:
    file = FileDescriptorProto(name="dlpo/operators.proto", package="dlpo.operators")
    file.syntax = "proto2"
    for message, fields in FIELDS.items():
        described = file.message_type.add(name=message)
        for name, (number, repeated, held) in fields.items():
            described.field.add(
                name=name,
                number=number,
                label=Field.LABEL_REPEATED if repeated else Field.LABEL_OPTIONAL,
                type=Field.TYPE_MESSAGE if held else Field.TYPE_BYTES,
                type_name=f".dlpo.operators.{held}" if held else None,
            )
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("dlpo.operators.Model"))


def check_operators(content: bytes, where: str) -> None:
    """Refuse a graph that could compute without end.

    Args:
        content: an ONNX file.
        where: how to call it in an error.

    Raises:
        EngineError: it is no ONNX file, or has loops or functions.
    """
    model = _model_class()()
    try:
        model.ParseFromString(content)
    except DecodeError as error:  # also of graphs within graphs, a hundred deep
        message = f"{where}: no ONNX graph ({error}); copy the bundle again or export again"
        raise EngineError(message) from error
    if model.functions:
        raise EngineError(
            f"{where}: has {len(model.functions)} functions; expected plain operators, as"
            ' "dlpo export" writes'
        )
    for operator in _operators(model.graph):
        if operator.decode("latin-1") in BODIES:
            raise EngineError(
                f"{where}: has a {operator.decode()}, which may run without end; expected plain"
                ' operators, as "dlpo export" writes'
            )


def _operators(graph: Any) -> Iterator[bytes]:
    for node in graph.node:
        yield node.op_type
        for attribute in node.attribute:
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                yield from _operators(inner)
