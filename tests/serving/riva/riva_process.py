"""Drives the real nvidia-riva-client: runs in its environment, not in ours; see conftest.py.

Reads one call a line from standard input as JSON and answers each with one line of JSON.
"""

import base64
import json
import pathlib
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

import grpc
import riva.client
from riva.client.proto import health_pb2, health_pb2_grpc, riva_tts_pb2
from riva.client.proto.riva_audio_pb2 import AudioEncoding


def service_at(address, metadata=()):
    auth = riva.client.Auth(uri=address, use_ssl=False, metadata_args=metadata)
    return riva.client.SpeechSynthesisService(auth)


def arguments(call):
    found = dict(call.get("arguments", {}))
    if "encoding" in found:
        found["encoding"] = AudioEncoding.Value(found["encoding"])
    if "zero_shot_audio_prompt_file" in found:
        found["zero_shot_audio_prompt_file"] = pathlib.Path(found["zero_shot_audio_prompt_file"])
    return found


def reply(message, start):
    return {
        "after_s": time.perf_counter() - start,
        "audio": base64.b64encode(message.audio).decode(),
        "id": message.id.value,
        "text": message.meta.text,
        "processed_text": message.meta.processed_text,
        "predicted_durations": list(message.meta.predicted_durations),
        "words": [(w.word, w.start_time, w.end_time) for w in message.meta.words],
    }


def synthesize(service, call):
    start = time.perf_counter()
    return [reply(service.synthesize(**arguments(call)), start)]


def synthesize_online(service, call):
    """Stops listening after `cancel_after` replies, where that is given."""
    start = time.perf_counter()
    replies = []
    responses = service.synthesize_online(**arguments(call))
    for message in responses:
        replies.append(reply(message, start))
        if len(replies) == call.get("cancel_after"):
            responses.cancel()
            break
    return replies


def synthesize_at_once(service, call):
    """The texts of `texts`, each by a stream of its own, all over one channel.

    Rejected by a full server, it calls again, for `patience_s`.
    """
    end = time.monotonic() + call["patience_s"]

    def joined(text):
        while True:
            try:
                return b"".join(message.audio for message in service.synthesize_online(text))
            except grpc.RpcError as error:
                full = error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
                if not full or time.monotonic() > end:
                    raise

    with ThreadPoolExecutor(len(call["texts"])) as pool:
        audio = pool.map(joined, call["texts"])
        return [base64.b64encode(part).decode() for part in audio]


def raw_online(service, call):
    """Request messages as they are given, by the client's own stub, with a deadline if wanted."""
    requests = [riva_tts_pb2.SynthesizeSpeechRequest(**fields) for fields in call["requests"]]
    for request, identity in zip(requests, call.get("ids", ()), strict=False):
        request.id.value = identity
    start = time.perf_counter()
    responses = service.stub.SynthesizeOnline(iter(requests), timeout=call.get("timeout_s"))
    return [reply(message, start) for message in responses]


def raw_unary(service, call):
    request = riva_tts_pb2.SynthesizeSpeechRequest(**call["requests"][0])
    for identity in call.get("ids", ()):
        request.id.value = identity
    start = time.perf_counter()
    return [reply(service.stub.Synthesize(request, timeout=call.get("timeout_s")), start)]


def old_online(service, call):
    """SynthesizeOnline as older clients call it, such as 2.19.0: one request, no stream."""
    old = service.auth.channel.unary_stream(
        "/nvidia.riva.tts.RivaSpeechSynthesis/SynthesizeOnline",
        request_serializer=riva_tts_pb2.SynthesizeSpeechRequest.SerializeToString,
        response_deserializer=riva_tts_pb2.SynthesizeSpeechResponse.FromString,
    )
    start = time.perf_counter()
    request = riva_tts_pb2.SynthesizeSpeechRequest(**call["requests"][0])
    return [reply(message, start) for message in old(request)]


def synthesis_config(service, call):
    request = riva_tts_pb2.RivaSynthesisConfigRequest(model_name=call.get("model_name", ""))
    configs = service.stub.GetRivaSynthesisConfig(request).model_config
    return [{"model_name": c.model_name, "parameters": dict(c.parameters)} for c in configs]


def health(service, call):
    request = health_pb2.HealthCheckRequest(service=call["service"])
    status = health_pb2_grpc.HealthStub(service.auth.channel).Check(request).status
    return [health_pb2.HealthCheckResponse.ServingStatus.Name(status)]


def descriptors(service, call):
    modules = [import_module(f"riva.client.proto.riva_{n}_pb2") for n in ("audio", "common", "tts")]
    return [base64.b64encode(m.DESCRIPTOR.serialized_pb).decode() for m in modules]


CALLS = (
    synthesize, synthesize_online, synthesize_at_once, raw_online, raw_unary, old_online,
    synthesis_config, health, descriptors,
)  # fmt: skip


def main():
    calls = {function.__name__: function for function in CALLS}
    for line in sys.stdin:
        call = json.loads(line)
        service = service_at(call["address"], call.get("metadata"))
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
