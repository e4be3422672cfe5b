"""The graphs that a web page runs, from those of a bundle: sentence, features and speech.

python -m dlpo_export.browser.build BUNDLE OUT [--precision fp32]
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlpo.audio import MAX_HARMONICS
from dlpo.bundle import Bundle, Manifest, Precision
from dlpo.errors import BundleError
from dlpo.mark.stream import PUBLIC_KEY, key_bits
from dlpo_export.browser.joining import end_to_end, rename, scripted

if TYPE_CHECKING:
    import onnx

GAIN_RAMP_S = 0.005  # as in dlpo_serving.synthesis.timing
FADE_S = 0.005  # as in dlpo_serving.synthesis.level


def build(bundle: Bundle, out: Path, precision: Precision | None = None) -> None:
    """Write the graphs, their weights and `host.json`, which says what a host must know.

    Args:
        precision: of the graphs; the bundle's own by default.

    Raises:
        BundleError: the voice needs what these graphs lack.
    """
    manifest = bundle.manifest
    _check(manifest)
    out.mkdir(parents=True, exist_ok=True)
    chosen = precision or manifest.precision
    files = {"encoder": "sentence", "frames": "features", f"denoiser_{manifest.steps}": "speech"}
    for name, target in files.items():
        found = manifest.graphs[name].files
        model = _read(bundle.directory / found.get(chosen, found["fp32"]))
        joined = _JOINS[target](model, manifest)
        (out / f"{target}.onnx").write_bytes(joined.SerializeToString())
    shutil.copy(bundle.directory / "weights.bin", out)
    (out / "signs.bin").write_bytes(np.packbits(key_bits(PUBLIC_KEY)).tobytes())
    (out / "host.json").write_text(json.dumps(_host(manifest, chosen)), encoding="utf-8")


def _check(manifest: Manifest) -> None:
    lacking = {
        "has a jitter of pulses": bool(manifest.jitter),
        "draws no pitch": manifest.pitch_points is None,
        "names no voices": not manifest.voices,
        "has frames that see the whole sentence": manifest.frames_context is None,
        "draws noise at every step": manifest.noise_shape(f"denoiser_{manifest.steps}")[0] != 1,
    }
    for what, found in lacking.items():
        if found:
            raise BundleError(f"voice {manifest.voice!r} {what}; the page's graphs can't do that")


def _host(manifest: Manifest, precision: Precision) -> dict[str, Any]:
    """What a host must know to run the graphs."""
    graph = manifest.graphs["frames"].outputs[0]
    return {
        "rate": manifest.sample_rate_hz,
        "hop": manifest.hop_length,
        "voices": manifest.voices,
        "pitchPoints": manifest.pitch_points,
        "channels": graph.shape[1],
        "context": manifest.context_frames(manifest.steps, precision),
        "framesContext": manifest.frames_context,
    }


def _read(path: Path) -> onnx.ModelProto:
    import onnx

    return onnx.load(path, load_external_data=False)


def _sentence(encoder: onnx.ModelProto, manifest: Manifest) -> onnx.ModelProto:
    """phonemes, noise, voice, speed, pitch, gain -> what the frames of a sentence depend on."""
    from dlpo_export.browser.pace import pace

    outputs = ("ends", "own", "places", "pitches", "gains")
    end_frames = np.array([manifest.grid.end_frames], np.float64)
    after = scripted(pace, outputs, {"end_frames": end_frames}, "pace")
    return end_to_end([encoder, after], ["hidden", "ranges", *outputs])


def _features(frames: onnx.ModelProto, manifest: Manifest) -> onnx.ModelProto:
    """A block of frames, behind those that are known."""
    from dlpo_export.browser.sound import block_positions, joined

    before = scripted(block_positions, ["positions"], {}, "before")
    outputs = ("known_conditioning", "known_f0")
    after = scripted(joined, outputs, {}, "after")
    rename(frames, {"conditioning": "more", "f0": "more_f0", "durations": "own"})
    return end_to_end([before, frames, after], outputs)


def _speech(denoiser: onnx.ModelProto, manifest: Manifest) -> onnx.ModelProto:
    """A chunk of audio, from the frames that are known and noise."""
    from dlpo_export.browser.sound import chunk_level, window_inputs

    hop, rate = manifest.hop_length, manifest.sample_rate_hz
    heard = manifest.uses_source and manifest.source.harmonics
    amplitude = manifest.source.amplitude if heard else 0.0
    taper_hz = manifest.grid.taper_hz
    faded = (np.inf, taper_hz) if taper_hz else (MAX_HARMONICS, np.inf)
    inputs = {
        "shares": ((np.arange(hop) + hop % 2 / 2) / hop)[None],
        "tuning": np.array([2 * np.pi / rate, manifest.grid.source_ceiling_hz, amplitude, *faded]),
    }
    before = scripted(window_inputs, ["read", "sounding", "end_phase"], inputs, "before")
    ramp = min(GAIN_RAMP_S * rate, hop)
    rise = (np.arange(round(FADE_S * rate)) + 0.5) * np.pi
    level = {
        "ramp": ((np.arange(hop) - hop // 2 + ramp / 2) / ramp).clip(0, 1)[None],
        "gain": np.array([manifest.gain], np.float32),
        "fade": ((1 - np.cos(rise / len(rise))) / 2).astype(np.float32),
    }
    after = scripted(chunk_level, ["samples"], level, "after")
    rename(denoiser, {"conditioning": "read", "source": "sounding"})
    return end_to_end([before, denoiser, after], ["samples", "sounding", "end_phase"])


_JOINS = {"sentence": _sentence, "features": _features, "speech": _speech}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--precision", choices=["fp32", "int8"])
    asked = parser.parse_args()
    build(Bundle.load(asked.bundle), asked.out, asked.precision)


if __name__ == "__main__":
    main()
