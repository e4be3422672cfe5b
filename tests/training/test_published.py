"""Published checkpoints of WaveGrad 2: names, symbols, and that they compute what they computed.

The expected values come from a state of that layout at toy size, in the published order of
operations.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from dlpo.checkpoint import load_checkpoint
from dlpo.errors import CheckpointError
from dlpo.model.gaussian_upsampling import frame_positions
from dlpo.model.wavegrad2 import WaveGrad2
from dlpo.model.wavegrad_decoder import DBlock, UBlock
from dlpo.text.symbols import symbol_ids
from dlpo.training.published import PUBLISHED_SYMBOLS, import_wavegrad2

State = dict[str, Tensor]
C = 8
SPEAKER = 3
PREDICTOR = 5
CONDITION = 10
WAVE = 4
UP = (12, 10, 8, 6, 6)
DOWN = (6, 6, 8, 10)
FACTORS = (5, 5, 3, 2, 2)
Imported = Callable[[bool], tuple[State, WaveGrad2]]
# ---------------------------------------------------------------------- text
TEXT = ["^", "HH", "AH0", " ", "L", "OW1", ",", "ZH", "."]
THEIRS = ["@HH", "@AH0", "@L", "@OW1", "@sp", "@ZH", "@sp"]
SEEN = [1, 2, 4, 5, 6, 7, 8]  # their places in TEXT


def published(large: bool) -> State:
    """Random tensors under the published names."""
    torch.manual_seed(int(large))
    state: State = {}

    def add(name: str, module: nn.Module, suffix: str = "") -> None:
        for key, value in module.state_dict().items():
            value = torch.rand_like(value) + 0.5 if key == "running_var" else value
            state[f"{name}{suffix}.{key}"] = value

    def conv(name: str, a: int, b: int, kernel: int) -> None:
        add(name, nn.Conv1d(a, b, kernel), ".conv1d")

    add("encoder.embedding", nn.Embedding(len(PUBLISHED_SYMBOLS), C))
    for i in range(3):
        add(f"encoder.cnn.{i}.0", nn.Conv1d(C, C, 5))
        add(f"encoder.cnn.{i}.1", nn.BatchNorm1d(C))
    add("encoder.lstm", nn.LSTM(C, C // 2, bidirectional=True))
    add("speaker_embedding", nn.Embedding(1, SPEAKER))
    for part, more in (("duration_predictor", 0), ("range_parameter_predictor", 1)):
        lstm = nn.LSTM(C + SPEAKER + more, PREDICTOR, 2, bidirectional=True)
        add(f"resampling.{part}.lstm", lstm)
        add(f"resampling.{part}.fc.0", nn.Linear(2 * PREDICTOR, 1, bias=False))
    conv("decoder.ublock_preconv", C + SPEAKER, CONDITION, 3)
    conv("decoder.ublock_postconv", UP[-1], 1, 3)
    conv("decoder.dblock_preconv", 1, WAVE, 5)

    def up_block(name: str, a: int, b: int, first: str) -> None:
        conv(f"{name}.first_block_main_branch.{first}", a, b, 3)
        conv(f"{name}.first_block_main_branch.modulation.convolution", b, b, 3)
        conv(f"{name}.first_block_residual_branch.0", a, b, 1)
        for k in range(2):
            conv(f"{name}.second_block_main_branch.modulation_{k}.convolution", b, b, 3)

    def down_block(name: str, a: int, b: int, first: int) -> None:
        for k in range(3):
            conv(f"{name}.main_branch.{first + k}.convolution", b if k else a, b, 3)
        conv(f"{name}.residual_branch.0", a, b, 1)

    for i, (a, b) in enumerate(zip((CONDITION, *UP), UP, strict=False)):
        inner = ".upsampling_basic_block" if large else ""
        up_block(f"decoder.ublocks.{i}{inner}", a, b, "upsampling.2")
        if large:
            up_block(f"decoder.ublocks.{i}", b, b, "noupsampling.1")
    for i, (a, b) in enumerate(zip((WAVE, *DOWN), DOWN, strict=False)):
        inner = ".downsampling_basic_block" if large else ""
        down_block(f"decoder.dblocks.{i}{inner}", a, b, 1)
        if large:
            down_block(f"decoder.dblocks.{i}", b, b, 0)
    for i, (a, b) in enumerate(zip((WAVE, *DOWN), reversed(UP), strict=True)):
        conv(f"decoder.films.{i}.signal_conv.0", a, a, 3)
        conv(f"decoder.films.{i}.scale_conv", a, b, 3)
        conv(f"decoder.films.{i}.shift_conv", a, b, 3)
    return state


class Settings:
    """As of the published code: a class that whoever imports the file doesn't have."""

    ran: ClassVar[list[str]] = []

    def __setstate__(self, state: Any) -> None:
        Settings.ran.append("unpickled")


def save(state: State, path: Path) -> Path:
    """A Lightning checkpoint with settings as objects."""
    settings = Settings()
    settings.__dict__["cache"] = defaultdict(dict, {"a": {"b": 1}})
    content = {"epoch": 1059, "state_dict": OrderedDict(state), "hyper_parameters": settings}
    torch.save(content, path)
    return path


@pytest.fixture
def imported(tmp_path: Path) -> Imported:
    """Whether Large -> the published state and the model that it became."""

    def imported(large: bool) -> tuple[State, WaveGrad2]:
        state = published(large)
        import_wavegrad2(save(state, tmp_path / "theirs.ckpt"), tmp_path / "ours")
        return state, cast(WaveGrad2, load_checkpoint(tmp_path / "ours").model)

    return imported


# ---------------------------------------------------------------------- what was published
def convolved(state: State, name: str, x: Tensor, dilation: int = 1) -> Tensor:
    """(C, L) -> (C', L)."""
    weight, bias = state[f"{name}.weight"].double(), state[f"{name}.bias"].double()
    reach = dilation * (weight.shape[2] - 1) // 2
    return functional.conv1d(x, weight, bias, padding=reach, dilation=dilation)


def leaky(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, 0.2)


def interpolated(x: Tensor, length: int) -> Tensor:
    """(C, L) -> (C, length), linear between the middles of samples."""
    return functional.interpolate(x[None], length, mode="linear", align_corners=False)[0]


def both_ways(state: State, name: str, layers: int, x: Tensor) -> Tensor:
    """(P, C) -> (P, H), by an LSTM of each direction."""
    prefix = f"{name}."
    own = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    hidden = own["weight_hh_l0"].shape[1]
    network = nn.LSTM(x.shape[1], hidden, layers, bidirectional=True)
    network.load_state_dict(own)
    found: Tensor = network.double()(x)[0]
    return found


def up_block(
    state: State, name: str, first: str, x: Tensor, scale: Tensor, shift: Tensor,
    dilations: tuple[int, ...],
) -> Tensor:  # fmt: skip
    """One published upsampling block, as far as it goes up to `scale`'s length."""

    def modulated(x: Tensor, layer: str, dilation: int) -> Tensor:
        return convolved(state, f"{name}.{layer}.conv1d", leaky(scale * x + shift), dilation)

    main, length = f"{name}.first_block_main_branch", scale.shape[1]
    skip = convolved(state, f"{name}.first_block_residual_branch.0.conv1d", x)
    y = convolved(state, f"{main}.{first}.conv1d", interpolated(leaky(x), length), dilations[0])
    y = modulated(y, "first_block_main_branch.modulation.convolution", dilations[1])
    y = y + interpolated(skip, length)
    z = modulated(y, "second_block_main_branch.modulation_0.convolution", dilations[2])
    return y + modulated(z, "second_block_main_branch.modulation_1.convolution", dilations[3])


def down_block(state: State, name: str, first: int, x: Tensor, factor: int) -> Tensor:
    length = x.shape[1] // factor
    y = interpolated(x, length) if factor > 1 else x
    for k, dilation in enumerate((1, 2, 4)):
        layer = f"{name}.main_branch.{first + k}.convolution.conv1d"
        y = convolved(state, layer, leaky(y), dilation)
    skip = convolved(state, f"{name}.residual_branch.0.conv1d", x)
    return y + (interpolated(skip, length) if factor > 1 else skip)


def random(*shape: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).standard_normal(shape))


def given(x: Tensor) -> Tensor:
    return x.float()[None]


def close(found: Tensor, expected: Tensor, atol: float = 1e-4) -> None:
    torch.testing.assert_close(found.double(), expected, rtol=1e-7, atol=atol)


# ---------------------------------------------------------------------- blocks
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("i", [0, 3])
def test_an_upsampling_block_is_the_published_one(imported: Imported, large: bool, i: int) -> None:
    state, model = imported(large)
    x, length = random((CONDITION, *UP)[i], 7), 7 * FACTORS[i]
    scale, shift = random(2, UP[i], length)
    name, dilations = f"decoder.ublocks.{i}", (1, 2, 4, 8) if large or i < 3 else (1, 2, 1, 2)
    inner = f"{name}.upsampling_basic_block" if large else name
    expected = up_block(state, inner, "upsampling.2", x, scale, shift, dilations)
    if large:
        expected = up_block(state, name, "noupsampling.1", expected, scale, shift, dilations)
    made = given(x)
    for block in cast(list[UBlock], model.decoder.up[i]):
        made = block(made, given(scale), given(shift))
    close(made[0], expected)


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("i", [0, 2])
def test_a_downsampling_block_is_the_published_one(imported: Imported, large: bool, i: int) -> None:
    state, model = imported(large)
    factor = FACTORS[::-1][i]
    x, name = random((WAVE, *DOWN)[i], 6 * factor), f"decoder.dblocks.{i}"
    inner = f"{name}.downsampling_basic_block" if large else name
    expected = down_block(state, inner, 1, x, factor)
    if large:
        expected = down_block(state, name, 0, expected, 1)
    made = cast(DBlock, model.decoder.down[i])(given(x))
    close(made[0], expected)


def test_film_is_the_published_one(imported: Imported) -> None:
    state, model = imported(False)
    x, level = random(DOWN[0], 9), 0.37
    half = DOWN[0] // 2
    angles = 5000 * level * 1e-4 ** (torch.arange(half, dtype=torch.float64) / half)
    y = leaky(convolved(state, "decoder.films.1.signal_conv.0.conv1d", x))
    y = y + torch.cat([angles.sin(), angles.cos()])[:, None]
    made = model.decoder.films[1](given(x), torch.tensor([level]))
    for kind, ours in zip(("scale", "shift"), made, strict=True):
        expected = convolved(state, f"decoder.films.1.{kind}_conv.conv1d", y)
        close(ours[0], expected)


def hidden_of(state: State) -> Tensor:
    """(P, C) of THEIRS."""
    rows = [PUBLISHED_SYMBOLS.index(name) for name in THEIRS]
    known = {key: value.double() for key, value in state.items()}
    x = known["encoder.embedding.weight"][rows].T
    for i in range(3):
        x, norm = convolved(state, f"encoder.cnn.{i}.0", x), f"encoder.cnn.{i}.1"
        mean, variance = known[f"{norm}.running_mean"], known[f"{norm}.running_var"]
        x = (x - mean[:, None]) / (variance[:, None] + 1e-5).sqrt()
        x = (x * known[f"{norm}.weight"][:, None] + known[f"{norm}.bias"][:, None]).relu()
    encoded = both_ways(state, "encoder.lstm", 1, x.T)
    speaker = known["speaker_embedding.weight"].expand(len(rows), -1)
    return torch.cat([encoded, speaker], 1)


def test_text_reads_as_published_without_gaps(imported: Imported) -> None:
    state, model = imported(False)
    hidden = hidden_of(state)
    resampling = "resampling.duration_predictor"
    seconds = both_ways(state, f"{resampling}.lstm", 2, hidden)
    seconds = seconds @ state[f"{resampling}.fc.0.weight"][0].double()
    phonemes = torch.tensor([symbol_ids(TEXT)])
    mask = model.seen(phonemes, torch.ones_like(phonemes, dtype=torch.bool))
    assert mask[0].nonzero()[:, 0].tolist() == SEEN
    ours = model.hidden(phonemes, mask)
    durations = model.predict_durations(ours, mask)[0]
    close(ours[0].T[SEEN], hidden, atol=1e-5)
    close(durations[SEEN], 73.5 * seconds)
    assert durations[[0, 3]].tolist() == [0, 0]


def test_frames_are_read_off_where_published(imported: Imported) -> None:
    state, model = imported(False)
    hidden, whole = hidden_of(state), torch.tensor([2.0, 3, 1, 4, 2, 3, 1], dtype=torch.float64)
    resampling = "resampling.range_parameter_predictor"
    x = both_ways(state, f"{resampling}.lstm", 2, torch.cat([hidden, whole[:, None]], 1))
    ranges = functional.softplus(x @ state[f"{resampling}.fc.0.weight"][0].double())
    times = torch.arange(int(whole.sum()))[:, None]
    logits = -(((times - (whole.cumsum(0) - whole / 2)) / ranges) ** 2) / 2
    weights = logits.exp() / ranges
    expected = weights / (weights.sum(1, keepdim=True) + 1e-8) @ hidden
    phonemes = torch.tensor([symbol_ids(TEXT)])
    mask = model.seen(phonemes, torch.ones_like(phonemes, dtype=torch.bool))
    durations = torch.zeros(1, len(TEXT))
    durations[0, SEEN] = whole.float()
    ours = model.hidden(phonemes, mask)
    positions = frame_positions(int(whole.sum()))
    made, _ = model.frames(
        ours, durations, model.predict_ranges(ours, durations, mask), positions, torch.zeros(1)
    )
    close(made[0].T, expected)


# ---------------------------------------------------------------------- the file
def test_nothing_in_the_file_runs(imported: Imported) -> None:
    imported(False)
    assert Settings.ran == []


def test_other_files_are_refused_with_the_reason(tmp_path: Path) -> None:
    def refuse(content: object, reason: str) -> None:
        torch.save(content, tmp_path / "other.ckpt")
        with pytest.raises(CheckpointError, match=reason):
            import_wavegrad2(tmp_path / "other.ckpt", tmp_path / "out")

    state = published(False)
    refuse({"epoch": 3}, "holds no tensors")
    refuse(state | {"decoder.more": torch.ones(1)}, "decoder.more")
    fewer = state | {"encoder.embedding.weight": torch.ones(79, C)}
    refuse(fewer, "79 symbols; expected the 151")
    refuse({k: v for k, v in state.items() if "films.2" not in k}, "films.2")
    (tmp_path / "other.ckpt").write_bytes(b"no torch file")
    with pytest.raises(CheckpointError, match="download it again"):
        import_wavegrad2(tmp_path / "other.ckpt", tmp_path / "out")
    assert not (tmp_path / "out").exists()
