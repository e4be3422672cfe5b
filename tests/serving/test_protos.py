"""The contract: stubs of the .proto files, buf's rules, and nothing taken from callers."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet

from dlpo.v1 import speech_pb2

ROOT = Path(__file__).resolve().parents[2]
PROTOS = ROOT / "protos"
PUBLISHED = PROTOS / "published.binpb"  # what callers were compiled against


@pytest.mark.parametrize(
    ("script", "folder"),
    [
        ("protos/generate.py", "."),
        ("protos/riva/generate.py", "serving/dlpo_serving/protocols/riva/proto"),
    ],
)
def test_stubs_have_not_drifted_from_the_proto_files(
    script: str, folder: str, tmp_path: Path
) -> None:
    pytest.importorskip("grpc_tools", reason="grpcio-tools is in the dev extra")

    stubs = runpy.run_path(str(ROOT / script))["generate"](tmp_path)

    assert stubs
    for stub in stubs:
        checked_in = ROOT / folder / stub.relative_to(tmp_path)
        assert checked_in.read_text() == stub.read_text(), f"run: python {script}"


def fields(message: DescriptorProto) -> dict[int, tuple[str, int, int, str]]:
    return {f.number: (f.name, f.type, f.label, f.type_name) for f in message.field}


def test_published_fields_are_unchanged() -> None:
    (published,) = FileDescriptorSet.FromString(PUBLISHED.read_bytes()).file
    present = FileDescriptorProto()
    speech_pb2.DESCRIPTOR.CopyToProto(present)

    messages = {message.name: fields(message) for message in present.message_type}
    for message in published.message_type:
        assert fields(message).items() <= messages[message.name].items()
    values = {enum.name: {v.number: v.name for v in enum.value} for enum in present.enum_type}
    for enum in published.enum_type:
        assert {v.number: v.name for v in enum.value}.items() <= values[enum.name].items()
    methods = [method.SerializeToString() for method in present.service[0].method]
    assert published.service[0].method
    assert all(method.SerializeToString() in methods for method in published.service[0].method)
