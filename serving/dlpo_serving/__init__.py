"""Speech from a bundle, offline or streamed over gRPC; with numpy and onnxruntime, never torch.

Entry points:

    speaking.Voice, speaking.Client        the public names, which `dlpo` exports
    local.say.say(SpeechRequest(text))     one text to a WAV file, standard output or the speaker
    server.serve(ServerSettings(...))      the server, until SIGTERM
    local.demo.run_demo(out, voice)        a server, two sentences, demo.wav
    voices.find_voice(name_or_path)        where a voice is stored
    voices.open_voice(name_or_path)        a `Synthesizer`: text -> audio chunks, in this process
    client.SpeechClient(address)           the same over gRPC
"""

from __future__ import annotations
