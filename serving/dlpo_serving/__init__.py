"""Speech from a bundle: offline, or as a gRPC stream. numpy, onnxruntime and gRPC; never torch.

What the command line calls (each imported where it is used, so that nothing heavy loads early):

    dlpo_serving.say.say(text, voice="lj", out=None, play=False, speed=1.0, pitch_semitones=0.0,
                         seed=0, steps=None, dictionary=None, server=None) -> Spoken
    dlpo_serving.server.serve(host="127.0.0.1", port=50051, voice="lj", max_streams=8) -> None
    dlpo_serving.demo.run_demo(out=Path("."), voice="lj") -> dict[str, float]
    dlpo_serving.voices.find_voice(name_or_path) -> Path, known_voices() -> list[str]
"""

from __future__ import annotations
