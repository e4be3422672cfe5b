"""The graphs of the web page, driven as the page drives them: the samples of every other host."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from dlpo.audio import Waveform
from dlpo.bundle import DEFAULT_VOICE, Bundle, SourceInfo, write_bundle
from dlpo.errors import BundleError
from dlpo.text import Sentence
from dlpo_export.browser.build import build
from dlpo_export.browser.pace import pace
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesis.chunks import STREAM_LADDER, cut, end_of_next, sizes_of
from dlpo_serving.synthesis.denoiser_input import NEXT_BLOCKS, pitch_noise
from dlpo_serving.synthesis.harmonic_source import LOOKAHEAD
from dlpo_serving.synthesis.pauses import Pauses
from dlpo_serving.synthesis.timing import DurationWarp
from dlpo_serving.voices import find_voice, open_voice

EMBEDDED = find_voice(DEFAULT_VOICE)
MIX = "lj*0.7+nova*0.3"
SSML = (
    '<speak>It was <prosody rate="60%">slow and <emphasis>then</emphasis></prosody> <prosody'
    ' rate="fast" pitch="+3st" volume="-9dB">quick and high</prosody>, at last. Loud!</speak>'
)


class PageHost:
    """What the page's JavaScript does with the graphs."""

    def __init__(self, folder: Path) -> None:
        self.host = json.loads((folder / "host.json").read_text())
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self._sessions = {
            name: onnxruntime.InferenceSession(folder / f"{name}.onnx", options)
            for name in ("sentence", "features", "speech")
        }

    def run(self, name: str, **inputs: Any) -> dict[str, Any]:
        session = self._sessions[name]
        taken = {value.name: inputs[value.name] for value in session.get_inputs()}
        names = [value.name for value in session.get_outputs()]
        return dict(zip(names, session.run(names, taken), strict=True))

    def speak(
        self, sentence: Sentence, request: SpeechRequest, voice: Any, noise: Any, pitch_noise: Any
    ) -> Waveform:
        """One sentence; `noise`: (F, H) of more frames than it has."""
        made = self.run(
            "sentence",
            phonemes=np.array([sentence.symbol_ids()]),
            noise=pitch_noise,
            voice=voice,
            speed=request.speed * np.array(sentence.per_symbol("speed")),
            pitch=np.float32(
                request.pitch_semitones + np.array(sentence.per_symbol("pitch_semitones"))
            ),
            gain=10 ** (np.array(sentence.per_symbol("volume_db")) / 20),
        )
        known = {
            "conditioning": np.zeros((1, self.host["channels"], 0), np.float32),
            "f0": np.zeros((1, 0), np.float32),
        }
        places, hop = made["places"], self.host["hop"]
        context, frames = self.host["context"], len(places)
        needed = min(context + STREAM_LADDER[0] + LOOKAHEAD, frames)
        first = int(np.ceil(places[needed - 1])) + 1
        blocks, pitches = sizes_of((first, *NEXT_BLOCKS)), made["pitches"]
        source, phase = np.zeros((1, 0, hop), np.float32), np.zeros(1)
        origin, done = 0, 0
        samples = []
        for chunk in cut(frames, context, sizes_of(STREAM_LADDER)):
            begin, end = chunk.window_start, chunk.window_stop
            while known["f0"].shape[1] <= np.ceil(places[min(end + LOOKAHEAD, frames) - 1]):
                at = known["f0"].shape[1]
                stop = end_of_next(at, next(blocks), len(pitches))
                stop = at + int(np.argmin([*(pitches[at:stop] == pitches[at]), False]))
                around = self.host["framesContext"]
                span = max(0, at - around), at, stop, min(stop + around, len(pitches))
                more = self.run(
                    "features", **made, **known, voice=voice,
                    pitch=pitches[at : at + 1], span=np.array(span, np.int32),
                )  # fmt: skip
                known = {name: more[f"known_{name}"] for name in known}
            spoken = self.run(
                "speech", **made, **known, phase=phase, source=source[:, begin - origin :],
                noise=noise[None, None, begin:end],
                window=np.array([begin, done, end], np.int32),
                chunk=np.array([chunk.start, chunk.stop, begin], np.int32),
            )  # fmt: skip
            source, phase = spoken["sounding"], spoken["end_phase"]
            origin, done = begin, end
            samples.append(spoken["samples"])
        return np.concatenate(samples)


@pytest.mark.parametrize(
    ("precision", "taper_hz", "least_db"),
    [("fp32", 0.0, 55), ("fp32", 5000.0, 55), ("int8", 0.0, 35)],
)
def test_the_page_speaks_as_python_does(
    precision: Any, taper_hz: float, least_db: float, tmp_path: Path
) -> None:
    bundle = Bundle.load(EMBEDDED)
    manifest = replace(bundle.manifest, source=SourceInfo(taper_hz=taper_hz))
    made = write_bundle(tmp_path / "voice", manifest, bundle.directory)
    build(Bundle.load(made), tmp_path / "page", precision)
    page = PageHost(tmp_path / "page")
    ours = open_voice(made, precision=precision, mark=None).speaking(MIX)
    for request in (
        SpeechRequest("Is it? Noise becomes speech, step by step, and then it is heard."),
        SpeechRequest("One thing, slowly.", speed=0.6, pitch_semitones=-2.0, seed=3),
        SpeechRequest(SSML, speed=1.2, sentence_pause_s=0.1),
    ):
        heard, pauses = [], Pauses(request)
        prepared = ours.read(request)
        for index, sentence in enumerate(prepared.sentences):
            noise = np.random.default_rng([request.seed, index])
            drawn = noise.standard_normal((4000, ours.manifest.hop_length), np.float32)
            symbols = len(sentence.symbol_ids())
            pitch = pitch_noise(ours.manifest, symbols, request.seed, index)
            voice = ours.manifest.voice_input()["voice"]
            pause_s = pauses.before(sentence)
            heard.append(np.zeros(round(pause_s * ours.manifest.sample_rate_hz), np.float32))
            heard.append(page.speak(sentence, request, voice, drawn, pitch))
            pauses.after(sentence)
        audio, expected = np.concatenate(heard), ours.speak(request)
        assert len(audio) == len(expected)
        error = audio - expected
        assert 10 * np.log10((expected @ expected) / max(error @ error, 1e-30)) > least_db


def test_the_graph_and_numpy_agree_on_every_frame() -> None:
    session = onnxruntime.InferenceSession(pace.to_model_proto(ir_version=10).SerializeToString())
    random = np.random.default_rng(0)
    for _ in range(200):
        symbols = int(random.integers(4, 60))
        is_mark = random.random(symbols) < 0.25
        durations = (random.random(symbols) * 12).astype(np.float32)
        durations[is_mark & (random.random(symbols) < 0.7)] = 0
        speed = np.repeat(random.choice([0.5, 0.7, 1, 1.3, 2], 2), [2, symbols - 2])
        warp = DurationWarp.at(durations, is_mark, speed, 4)
        ends, own, places, pitches, gains = session.run(
            None,
            {
                "durations": durations[None],
                "phonemes": np.where(is_mark, 2, 20)[None],
                "speed": speed,
                "pitch": np.arange(symbols, dtype=np.float32),
                "gain": np.arange(symbols) / 2,
                "end_frames": np.array([4.0]),
            },
        )
        np.testing.assert_array_equal(ends, warp.counts.cumsum())
        np.testing.assert_array_equal(own[0], warp.own)
        np.testing.assert_array_equal(places, warp.places)
        np.testing.assert_array_equal(pitches, np.repeat(np.arange(symbols), warp.own))
        np.testing.assert_array_equal(gains, np.repeat(np.arange(symbols) / 2, warp.counts))


def test_a_voice_that_the_page_can_not_speak_is_refused(tmp_path: Path) -> None:
    bundle = Bundle.load(EMBEDDED)
    hoarse = replace(bundle, manifest=replace(bundle.manifest, jitter={DEFAULT_VOICE: 0.01}))
    with pytest.raises(BundleError, match="jitter"):
        build(hoarse, tmp_path)
