"""Drives the real nvidia-riva-client: runs in its environment, not in ours; see conftest.py.

Reads one call a line from standard input as JSON and answers each with one line of JSON.
"""

import base64
import json
import sys
from importlib import import_module

import grpc
import riva.client
from riva.client.proto import riva_tts_pb2
from riva.client.proto.riva_audio_pb2 import AudioEncoding


def arguments(call):
    found = dict(call.get("arguments", {}))
    if "encoding" in found:
        found["encoding"] = AudioEncoding.Value(found["encoding"])
    return found


def reply(message):
    return {
        "audio": base64.b64encode(message.audio).decode(),
        "id": message.id.value,
        "text": message.meta.text,
        "processed_text": message.meta.processed_text,
        "predicted_durations": list(message.meta.predicted_durations),
        "words": [(w.word, w.start_time, w.end_time) for w in message.meta.words],
    }


def synthesize(service, call):
    return [reply(service.synthesize(**arguments(call)))]


def synthesize_online(service, call):
    return [reply(message) for message in service.synthesize_online(**arguments(call))]


def raw_online(service, call):
    """Request messages as they are given, by the client's own stub."""
    requests = [riva_tts_pb2.SynthesizeSpeechRequest(**fields) for fields in call["requests"]]
    for request, identity in zip(requests, call.get("ids", ()), strict=False):
        request.id.value = identity
    return [reply(message) for message in service.stub.SynthesizeOnline(iter(requests))]


def synthesis_config(service, call):
    request = riva_tts_pb2.RivaSynthesisConfigRequest()
    configs = service.stub.GetRivaSynthesisConfig(request).model_config
    return [{"model_name": c.model_name, "parameters": dict(c.parameters)} for c in configs]


def descriptors(service, call):
    modules = [import_module(f"riva.client.proto.riva_{n}_pb2") for n in ("audio", "common", "tts")]
    return [base64.b64encode(m.DESCRIPTOR.serialized_pb).decode() for m in modules]


CALLS = (synthesize, synthesize_online, raw_online, synthesis_config, descriptors)


def main():
    calls = {function.__name__: function for function in CALLS}
    for line in sys.stdin:
        call = json.loads(line)
        service = riva.client.SpeechSynthesisService(riva.client.Auth(uri=call["address"]))
        try:
            answer = {"code": "OK", "details": "", "replies": calls[call["do"]](service, call)}
        except grpc.RpcError as error:
            answer = {"code": error.code().name, "details": error.details(), "replies": []}
        finally:
            service.auth.channel.close()
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
