"""The context that a chunk needs is measured, and is enough."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from torch import Tensor, nn

from dlpo.config.models import SpectralConfig, WaveGrad2Config
from dlpo.frame_grid import PUBLISHED_GRID
from dlpo.model.build import build_model
from dlpo.model.reach import context_frames_per_step
from dlpo.noise_schedule import named_schedule
from dlpo_export.graphs import DenoiserGraph, EncoderGraph, FramesGraph, frames_context
from dlpo_export.needed_context import MARGIN, needed_contexts, needed_frames_context
from tests.toys import BASE, SPECTRAL

STEPS = 2
PHONEME_FRAMES = 6.0


DEEPER = replace(SPECTRAL, prosody_blocks=2, mel_blocks=2)


class Spread(nn.Module):
    """A denoiser that averages the noise over `reach` frames each side, and nothing else."""

    def __init__(self, reach: int) -> None:
        super().__init__()
        self.reach = reach
        self.schedule = named_schedule("cosine", STEPS)

    def forward(self, conditioning: Tensor, source: Tensor, noise: Tensor) -> Tensor:
        padded = nn.functional.pad(noise[0], (0, 0, self.reach, self.reach))
        frames = noise.shape[2]
        return torch.stack([padded[:, k : k + frames] for k in range(2 * self.reach + 1)]).mean(0)


def speaking(*_: Any, **__: Any) -> tuple[Tensor, Tensor, Tensor]:
    """An encoder of 20 phonemes."""
    return torch.zeros(1, 4, 20), torch.full((1, 20), PHONEME_FRAMES), torch.ones(1, 20)


def framing(hidden: Tensor, counts: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    frames = int(counts.sum())
    return torch.zeros(1, 4, frames), torch.zeros(1, frames)


def needed(reach: int, context_frames_per_step: int) -> int:
    found = needed_contexts(
        speaking, framing, {"any": Spread(reach)}, context_frames_per_step, PUBLISHED_GRID
    )
    return found[str(STEPS)]


@pytest.mark.parametrize("reach", [1, 4])
def test_a_denoiser_that_uses_little_of_its_reach_needs_little(reach: int) -> None:
    assert needed(reach, context_frames_per_step=10) == reach + MARGIN


def test_a_denoiser_that_uses_all_of_its_reach_gets_all() -> None:
    assert needed(reach=6, context_frames_per_step=3) == STEPS * 3 + 1


def test_a_sentence_too_short_to_measure_gives_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "PHONEME_FRAMES", 2.0)
    assert needed(reach=20, context_frames_per_step=20) == STEPS * 20 + 1


def test_the_search_goes_on_a_frame_below_what_fewer_steps_need() -> None:
    few, many = Spread(4), Spread(2)
    many.schedule = named_schedule("cosine", STEPS + 1)
    found = needed_contexts(speaking, framing, {"many": many, "few": few}, 10, PUBLISHED_GRID)

    assert found == {str(STEPS): 4 + MARGIN, str(STEPS + 1): 3 + MARGIN}


def averaging(path: Path, reach: int) -> Path:
    """`Spread` as an ONNX file."""
    pool = f"kernel_shape = [{2 * reach + 1}, 1], pads = [{reach}, 0, {reach}, 0]"
    model = onnx.parser.parse_model(f"""
        <ir_version: 10, opset_import: ["" : 20]>
        spread (float[1, B, F, 300] noise) => (float[B, F, 300] waveform)
        <int64[1] first = {{0}}> {{
            mean = AveragePool <{pool}, count_include_pad = 1> (noise)
            waveform = Squeeze(mean, first)
        }}
    """)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(("reach", "expected"), [(4, 4 + MARGIN), (12, 2 * 6 + 1)])
def test_what_a_graph_file_needs_is_measured_by_running_it(
    tmp_path: Path, reach: int, expected: int
) -> None:
    file = averaging(tmp_path / "int8.onnx", reach)

    found = needed_contexts(
        speaking, framing, {"any": Spread(0)}, min(reach, 6), PUBLISHED_GRID, {"any": file}
    )

    assert found == {str(STEPS): min(expected, STEPS * min(reach, 6) + 1)}


@torch.no_grad()
def test_chunks_with_that_context_equal_the_whole() -> None:
    torch.manual_seed(3)
    model = build_model(SPECTRAL).eval()
    denoiser = DenoiserGraph(model, named_schedule("cosine", STEPS))
    reach = context_frames_per_step(model, 16)
    found = needed_contexts(
        lambda phonemes: (torch.randn(1, 16, phonemes.shape[1]), *speaking()[1:]),
        lambda hidden, counts, *_: (torch.randn(1, 16, 120), torch.full((1, 120), 150.0)),
        {"any": denoiser},
        reach,
        PUBLISHED_GRID,
    )

    context = found[str(STEPS)]
    conditioning, source = torch.randn(1, 16, 90), torch.randn(1, 90, 300)
    noise = torch.randn(1, 1, 90, 300)
    whole = denoiser(conditioning, source, noise)[:, 40:50]
    window = slice(40 - context, 50 + context)
    chunk = denoiser(conditioning[:, :, window], source[:, window], noise[:, :, window])

    assert context <= STEPS * reach + 1
    torch.testing.assert_close(chunk[:, context:-context], whole, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("config", "expected"),
    [(DEEPER, 2 * 3 + 1 + 2 * 3 + 1 + 3), (BASE, 0)],  # half of each kernel on the way
    ids=["spectral", "wavegrad2"],
)
def test_the_measured_context_is_that_of_the_kernels(
    config: SpectralConfig | WaveGrad2Config, expected: int
) -> None:
    torch.manual_seed(0)
    model = build_model(config).eval()

    assert frames_context(model) == expected
    assert needed_frames_context(EncoderGraph(model), FramesGraph(model), expected) <= expected


def test_blocks_with_the_needed_context_are_near_the_whole() -> None:
    class Averaging(nn.Module):
        """Averages a wave over three frames each side, as conditioning, and has no F0."""

        voices = None

        def forward(self, *_: Tensor, positions: Tensor, **__: Tensor | None) -> tuple[Tensor, ...]:
            wave = nn.functional.pad(torch.sin(positions * positions)[None], (3, 3))
            return wave.unfold(1, 7, 1).mean(-1)[None], torch.zeros(1, len(positions))

    assert needed_frames_context(speaking, Averaging(), 9) == 3 + MARGIN  # type: ignore[arg-type]
