"""Speak from a bundle with numpy and onnxruntime alone: docs/bundle.md as a program.

It leaves out text and streaming: `rows` holds the symbols of each sentence.
"""

import json
import zlib
from pathlib import Path

import numpy as np
import onnxruntime


def speak(folder, rows, seed=0, speed=1.0, pitch=0.0, steps=None):
    voice = json.loads(Path(folder, "voice.json").read_text(encoding="utf-8"))
    steps = steps or voice["steps"]
    shares = np.eye(1, len(voice.get("voices", [])) or 1, dtype=np.float32)  # the first voice alone
    encoder, frames, denoiser = (
        load(folder, voice, name) for name in ("encoder", "frames", f"denoiser_{steps}")
    )
    audio = []
    for index, row in enumerate(rows):
        ids = np.array([[voice["symbols"].index(symbol) for symbol in row]])
        read = {tensor["name"]: tensor["shape"] for tensor in voice["graphs"]["encoder"]["inputs"]}
        shape = (1, ids.size, read.get("noise", (1, 0))[1])
        key = [seed, index, 1]
        if voice.get("own_pitch_noise"):
            key.append(zlib.crc32(voice["voice"].encode()))
        pitch_noise = np.random.default_rng(key).standard_normal(shape, np.float32)
        hidden, durations, ranges = encoder(
            phonemes=ids, noise=pitch_noise.swapaxes(1, 2), voice=shares
        )
        sounds = np.array([symbol[0].isalnum() for symbol in row])
        spoken = whole_frames(paced(durations[0].astype(np.float64), sounds, speed))
        spoken[-1] = max(spoken[-1], round(4 / speed))
        counts = np.where(sounds, np.maximum(spoken, whole_frames(durations[0])), spoken)
        conditioning, f0 = frames(
            hidden=hidden,
            durations=counts[None].astype(np.float32),
            ranges=ranges,
            positions=np.arange(counts.sum(), dtype=np.float32) + np.float32(0.5),
            pitch=np.array([pitch], np.float32),
            voice=shares,
        )
        conditioning, f0 = read_at(conditioning, f0[0], counts, spoken)
        total = len(f0)
        planes = voice["graphs"][f"denoiser_{steps}"]["inputs"][2]["shape"][0]
        shape = (total, planes, voice["hop_length"])
        noise = np.random.default_rng([seed, index]).standard_normal(shape, np.float32)
        (waveform,) = denoiser(
            conditioning=conditioning,
            source=source(f0, voice).reshape(1, total, -1),
            noise=noise.swapaxes(0, 1)[:, None],
        )
        if index:
            audio.append(np.zeros(round(0.2 / speed * voice["sample_rate_hz"])))
        edge = (np.arange(waveform.size) + 0.5) / round(0.005 * voice["sample_rate_hz"])
        fade = (1 - np.cos(np.pi * np.minimum(1, np.minimum(edge, edge[::-1])))) / 2
        audio.append(np.clip(voice["gain"] * fade * waveform.ravel(), -1, 1))
    return np.concatenate(audio)


def load(folder, voice, name):
    graph = voice["graphs"][name]
    file = graph["files"].get(voice["precision"], graph["files"]["fp32"])
    session = onnxruntime.InferenceSession(Path(folder, file))
    declared = {tensor.name for tensor in session.get_inputs()}
    outputs = [tensor["name"] for tensor in graph["outputs"]]
    return lambda **inputs: session.run(outputs, {k: inputs[k] for k in declared})


def paced(durations, sounds, speed):
    paced, lasting = durations / speed, durations[sounds]
    if speed > 1:
        floors = np.minimum(lasting, 3)
        left, above = lasting.sum() / speed - floors.sum(), (lasting - floors).sum()
        shares = (lasting - floors) * left / above if left > 0 else floors * left / floors.sum()
        paced[sounds] = floors + shares
    after_first, until_last = np.maximum.accumulate(sounds), np.maximum.accumulate(sounds[::-1])
    pauses = ~sounds & after_first & until_last[::-1]
    words = pauses.sum() + 1
    rest = max(0, 1 / speed - 4 / 3) / words
    paced[sounds] -= (words - 1) * rest * lasting
    paced[pauses] += rest * lasting.sum()
    return paced


def whole_frames(durations):
    ends = np.rint(np.cumsum(durations, dtype=np.float64)).astype(np.int64)
    ends[-1] = max(ends[-1], 1)
    return np.diff(ends, prepend=0)


def read_at(conditioning, f0, counts, spoken):
    lasts = np.append(True, spoken > 0)
    ends, own_ends = (np.append(0, np.cumsum(frames))[lasts] for frames in (spoken, counts))
    places = np.interp(np.arange(ends[-1]) + 0.5, ends, own_ends) - 0.5
    places = np.clip(places, 0, len(f0) - 1)
    before, after = np.floor(places).astype(int), np.ceil(places).astype(int)
    share = (places - before).astype(np.float32)
    begin, end = f0[before], f0[after]
    line = begin + (end - begin) * share
    f0 = np.where((begin > 0) & (end > 0), line, np.where(share < 0.5, begin, end))
    begin, end = conditioning[:, :, before], conditioning[:, :, after]
    return begin + (end - begin) * share, f0


def source(f0, voice):
    hop, rate = voice["hop_length"], voice["sample_rate_hz"]
    out = np.zeros(len(f0) * hop, np.float32)
    if not (voice["uses_source"] and voice["source"]["harmonics"]):
        return out
    held, last = f0.astype(np.float64), 80.0
    for i in range(len(f0)):
        following = held[i + 1] if i + 1 < len(f0) else 0
        last = held[i] = held[i] or following or last
    centres = (np.arange(len(f0)) + 0.5) * hop
    samples = np.arange(len(out))
    hertz = np.interp(samples, centres, held)
    voiced = np.interp(samples, centres, (f0 > 0).astype(np.float64)) > 0.5
    phase = 2 * np.pi / rate * np.cumsum(hertz)
    harmonics = np.minimum(50, 0.95 * rate / 2 // hertz)
    for k in range(1, 51):
        out += np.where(voiced & (k <= harmonics), np.cos(k * phase), 0)
    return np.float32(voice["source"]["amplitude"] * np.sqrt(1 / 20)) * out
