"""`dlpo import wavegrad2`: checkpoints of the published reproduction as checkpoints of ours.

Names and shapes are those of maum-ai/wavegrad2, Base and Large, which the DLPO paper tunes. Its
network equals ours up to the order of operations that commute, with three differences: it takes
other symbols, it isn't shown gaps between words, and it reads its hidden sequence off at the start
of each frame.

Reference: https://github.com/maum-ai/wavegrad2, model/ and text/symbols.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dlpo.checkpoint import Provenance, save_checkpoint
from dlpo.commit import current_commit
from dlpo.config.models import BASE, LARGE, WaveGrad2Config
from dlpo.errors import CheckpointError, ConfigError
from dlpo.model.wavegrad2 import WaveGrad2
from dlpo.text.symbols import CONSONANTS, ENGLISH, MARKS, PAD, START, SYMBOL_IDS, SYMBOLS, VOWELS

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
PUNCTUATION = "!'(),-.:~? "
PUBLISHED_SYMBOLS = (
    "<pad>",
    *LETTERS,
    *PUNCTUATION,
    *(
        f"@{phoneme}{stress}"
        for phoneme in sorted(VOWELS + CONSONANTS)
        for stress in (("", "0", "1", "2") if phoneme in VOWELS else ("",))
    ),
    *("@sp", "@spn", "@sil"),
)
"""Rows of the published embedding."""
UNSEEN = (START, " ")
"""What the published text has no symbol for: recordings are cut at the first sound, and words
without a pause between them follow each other."""
CORPUS = "LJSpeech-1.1 (public domain), by the authors of the published checkpoint"

_WITHIN_UP = (
    (r"first_block_main_branch\.(?:no)?upsampling\.\d\.conv1d", "first"),
    (r"first_block_main_branch\.modulation\.convolution\.conv1d", "modulated.0"),
    (r"second_block_main_branch\.modulation_0\.convolution\.conv1d", "modulated.1"),
    (r"second_block_main_branch\.modulation_1\.convolution\.conv1d", "modulated.2"),
    (r"first_block_residual_branch\.0\.conv1d", "skip"),
)
_NAMES = (
    (r"encoder\.embedding", "encoder.embedding"),
    (r"encoder\.cnn\.(\d+)\.([01])", r"encoder.convolutions.\1.\2"),
    (r"decoder\.dblock_preconv\.conv1d", "decoder.read"),
    (r"decoder\.ublock_preconv\.conv1d", "decoder.condition"),
    (r"decoder\.ublock_postconv\.conv1d", "decoder.write"),
    (r"decoder\.films\.(\d+)\.signal_conv\.0\.conv1d", r"decoder.films.\1.signal"),
    (r"decoder\.films\.(\d+)\.(scale|shift)_conv\.conv1d", r"decoder.films.\1.\2"),
    (r"resampling\.duration_predictor\.fc\.0", "duration_predictor.out"),
    (r"resampling\.range_parameter_predictor\.fc\.0", "range_predictor.out"),
)
_LSTMS = {
    "encoder.lstm": "encoder.lstm",
    "resampling.duration_predictor.lstm": "duration_predictor.lstm",
    "resampling.range_parameter_predictor.lstm": "range_predictor.lstm",
}


def import_wavegrad2(file: Path, out: Path) -> WaveGrad2Config:
    """Write a published checkpoint as one of ours; returns its configuration.

    Args:
        file: a Lightning checkpoint, or a plain torch file of its tensors.
        out: directory of the checkpoint to write, in float32.

    Raises:
        CheckpointError: unreadable, of another network, or `out` can't be written.
    """
    state = load_state(file)
    try:
        config, weights = converted(state)
    except (ConfigError, KeyError, RuntimeError) as error:
        raise CheckpointError(
            f"{file}: not WaveGrad 2 in the layout of maum-ai/wavegrad2 ({error}); expected the"
            " tensors of its Base or Large for LJSpeech"
        ) from error
    digest = sha256(file.read_bytes()).hexdigest()
    save_checkpoint(out, weights, config, Provenance(0, digest, current_commit(), CORPUS))
    return config


class Inert:
    """Stands for an object of the published code, such as its settings: takes anything, is nothing.

    So that the file can be read without that code, and nothing in it runs.
    """

    def __new__(cls, *_: Any, **__: Any) -> Inert:
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def _new_dictionary(*_: Any) -> dict[Any, Any]:
    return {}


def load_state(path: Path) -> dict[str, Tensor]:
    """The tensors by name: those of a Lightning checkpoint's `state_dict`, or of a plain file.

    Raises:
        CheckpointError: the file is missing, damaged, or holds no tensors.
    """
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        known: Any = [
            (_new_dictionary if name.endswith("defaultdict") else Inert, name) for name in names
        ]
        with torch.serialization.safe_globals(known):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises anything on damaged bytes
        raise CheckpointError(
            f"{path}: can't be read as a torch file ({error}); download it again"
        ) from error
    state = content.get("state_dict", content) if isinstance(content, dict) else {}
    tensors = {key: value for key, value in state.items() if isinstance(value, Tensor)}
    if not tensors:
        raise CheckpointError(f"{path}: holds no tensors; expected a checkpoint of WaveGrad 2")
    return tensors


def converted(state: Mapping[str, Tensor]) -> tuple[WaveGrad2Config, dict[str, Tensor]]:
    """Configuration and weights of our model.

    Raises:
        KeyError: a tensor has an unknown name, or is missing.
        ConfigError, RuntimeError: shapes that don't belong to such a network.
    """
    large = any(".upsampling_basic_block." in name for name in state)
    weights = {"speaker": _only_speaker(state["speaker_embedding.weight"])}
    for name, value in state.items():
        if name != "speaker_embedding.weight":
            weights[renamed(name, large)] = value.float()
    weights["encoder.embedding.weight"] = our_symbols(weights["encoder.embedding.weight"])
    config = configuration(weights, large)
    with torch.device("meta"):
        WaveGrad2(config).load_state_dict(weights, assign=True)
    return config, weights


def renamed(name: str, large: bool) -> str:
    """The name in our model of a published tensor.

    Raises:
        KeyError: no published tensor is called that.
    """
    module, _, kind = name.rpartition(".")
    if module in _LSTMS and (match := re.fullmatch(r"(\w+)_l(\d)(_reverse)?", kind)):
        direction = "backwards" if match[3] else "forwards"
        return f"{_LSTMS[module]}.{direction}.{match[2]}.{match[1]}_l0"
    if match := re.fullmatch(r"decoder\.([ud])blocks\.(\d+)\.(.+)", module):
        block = _up_layer(match[3], large) if match[1] == "u" else _down_layer(match[3], large)
        if block is not None:
            branch = "up" if match[1] == "u" else "down"
            return f"decoder.{branch}.{match[2]}.{block}.{kind}"
    for theirs, ours in _NAMES:
        if match := re.fullmatch(theirs, module):
            return f"{match.expand(ours)}.{kind}"
    raise KeyError(name)


def _up_layer(module: str, large: bool) -> str | None:
    """Block and layer of an upsampling block; a Large one has a second that keeps the rate."""
    inner = module.removeprefix("upsampling_basic_block.")
    number = 1 if large and inner == module else 0
    for theirs, ours in _WITHIN_UP:
        if re.fullmatch(theirs, inner):
            return f"{number}.{ours}"
    return None


def _down_layer(module: str, large: bool) -> str | None:
    """Block and layer of a downsampling block, whose first layer interpolates, if it is first."""
    inner = module.removeprefix("downsampling_basic_block.")
    number = 1 if large and inner == module else 0
    if inner == "residual_branch.0.conv1d":
        return f"{number}.skip"
    if match := re.fullmatch(r"main_branch\.(\d+)\.convolution\.conv1d", inner):
        return f"{number}.convolutions.{int(match[1]) - (number == 0)}"
    return None


def our_symbols(embedding: Tensor) -> Tensor:
    """(151, C) published embedding -> (S, C), a row for each of our S symbols.

    Marks are pauses; symbols that it has not seen have zeros.

    Raises:
        RuntimeError: another number of rows.
    """
    if len(embedding) != len(PUBLISHED_SYMBOLS):
        raise RuntimeError(
            f"{len(embedding)} symbols; expected the {len(PUBLISHED_SYMBOLS)} of its English"
        )
    theirs = {PAD: "<pad>", **{phoneme: f"@{phoneme}" for phoneme in ENGLISH}}
    theirs |= dict.fromkeys((mark for mark in MARKS if mark not in UNSEEN), "@sp")
    out = embedding.new_zeros(len(SYMBOLS), embedding.shape[1])
    for symbol, name in theirs.items():
        out[SYMBOL_IDS[symbol]] = embedding[PUBLISHED_SYMBOLS.index(name)]
    return out


def configuration(weights: Mapping[str, Tensor], large: bool) -> WaveGrad2Config:
    """The sizes that the shapes show; factors and dilations, which none does, as published."""
    usual = LARGE if large else BASE
    ups, downs = range(len(usual.up_factors)), range(len(usual.up_factors) - 1)
    layers = {name.split(".")[2] for name in weights if name.startswith("encoder.convolutions.")}
    symbols, channels = weights["encoder.embedding.weight"].shape
    return WaveGrad2Config(
        model=usual.model,
        symbols=symbols,
        unseen_symbols=tuple(SYMBOL_IDS[symbol] for symbol in UNSEEN),
        frame_place=0.0,
        encoder_channels=channels,
        encoder_layers=len(layers),
        speaker_channels=len(weights["speaker"]),
        predictor_channels=weights["duration_predictor.out.weight"].shape[1] // 2,
        conditioning_channels=len(weights["decoder.condition.bias"]),
        up_channels=tuple(len(weights[f"decoder.up.{i}.0.skip.bias"]) for i in ups),
        up_dilations=usual.up_dilations,
        blocks_per_scale=usual.blocks_per_scale,
        waveform_channels=len(weights["decoder.read.bias"]),
        down_channels=tuple(len(weights[f"decoder.down.{i}.0.skip.bias"]) for i in downs),
    )


def _only_speaker(embedding: Tensor) -> Tensor:
    if len(embedding) != 1:
        raise RuntimeError(f"{len(embedding)} speakers; expected one")
    return embedding[0].float()
