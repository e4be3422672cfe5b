"""Whisper from a local directory: a stand-in of the published layout with random weights.

Its last layer norm is set so that it always says the same word, whatever it hears.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dlpo.errors import CheckpointError, InputError
from dlpo.judges.whisper import Whisper, import_transformers

transformers = pytest.importorskip("transformers")

RATE = 16_000  # Hz
SPECIAL = (
    "<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|translate|>", "<|transcribe|>",
    "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>",
    *(f"<|{t / 50:.2f}|>" for t in range(1501)),
)  # fmt: skip
WORDS_SAID = 3
WORDS = ("Ġ23", "Ġhum", "Ġ...", "Ġt", "Ġth", "Ġthe")
MERGES = [("Ġ", "t"), ("Ġt", "h"), ("Ġth", "e")]


def toy_checkpoint(
    directory: Path,
    says: str,
    multilingual: bool = True,
    merges: Sequence[tuple[str, str]] = MERGES,
) -> Path:
    """Write a checkpoint that says one word again and again."""

    processor_class, model_class = import_transformers()
    from transformers import WhisperConfig
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    texts = [*bytes_to_unicode().values(), *WORDS]
    vocabulary = {token: i for i, token in enumerate([*texts, *SPECIAL])}
    tokenizer = transformers.WhisperTokenizer(
        vocab={token: vocabulary[token] for token in texts} | {"<|endoftext|>": len(texts)},
        merges=list(merges),
    )
    tokenizer.add_special_tokens({"additional_special_tokens": list(SPECIAL[1:])})
    extractor = transformers.WhisperFeatureExtractor(feature_size=16)
    processor_class(extractor, tokenizer).save_pretrained(directory)
    torch.manual_seed(1)
    config = WhisperConfig(
        vocab_size=len(vocabulary),
        num_mel_bins=16,
        d_model=64,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        pad_token_id=vocabulary["<|endoftext|>"],
        bos_token_id=vocabulary["<|endoftext|>"],
        eos_token_id=vocabulary["<|endoftext|>"],
        decoder_start_token_id=vocabulary["<|startoftranscript|>"],
        begin_suppress_tokens=None,
    )
    model = model_class(config)
    last = model.model.decoder.layer_norm
    embedding = model.model.decoder.embed_tokens.weight
    with torch.no_grad():
        embedding.normal_()
        last.weight.zero_()
        last.bias.copy_(embedding[vocabulary[says]])
    special: dict[str, Any] = {
        "no_timestamps_token_id": vocabulary["<|notimestamps|>"],
        "is_multilingual": multilingual,
        "max_initial_timestamp_index": 1,
        "prev_sot_token_id": vocabulary["<|startofprev|>"],
        "return_timestamps": False,
    }
    if multilingual:
        special |= {
            "lang_to_id": {"<|en|>": vocabulary["<|en|>"]},
            "task_to_id": {"transcribe": vocabulary["<|transcribe|>"]},
        }
    for key, value in special.items():
        setattr(model.generation_config, key, value)
    model.generation_config.max_length = WORDS_SAID
    model.generation_config._from_model_config = False  # otherwise it is derived again when loaded
    model.save_pretrained(directory)
    return directory


def test_tokenizer_without_its_first_merge_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cuts ' the' into 4 pieces"):
        Whisper(toy_checkpoint(tmp_path, "Ġhum", merges=MERGES[1:]))


def hum(seconds: float) -> np.ndarray:
    return np.sin(np.arange(round(seconds * RATE)) / 10).astype(np.float32)


@pytest.mark.parametrize("multilingual", [True, False])
def test_words_are_decoded(tmp_path: Path, multilingual: bool) -> None:
    whisper = Whisper(toy_checkpoint(tmp_path / "tiny", "Ġhum", multilingual=multilingual))
    assert whisper.transcribe([hum(1), hum(0.5)], RATE) == ["hum hum hum"] * 2
    assert whisper.name == "Whisper tiny"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_checkpoint(tmp_path_factory.mktemp("whisper") / "tiny", "Ġhum")


@pytest.mark.parametrize(("says", "heard"), [("Ġ23", " ".join(["twenty three"] * 3)), ("Ġ...", "")])
def test_transcripts_are_in_words(tmp_path: Path, says: str, heard: str) -> None:
    (transcript,) = Whisper(toy_checkpoint(tmp_path, says)).transcribe([hum(1)], RATE)
    assert transcript.replace("-", " ") == heard


def test_text_probability_peaks_at_speech_and_has_gradient(tiny: Path) -> None:
    whisper = Whisper(tiny)
    waveform = torch.from_numpy(hum(1)).requires_grad_()
    said, other = (whisper.score_with_gradient(waveform, text) for text in ("hum hum", "23"))
    assert other < said < 0
    (gradient,) = torch.autograd.grad(said, waveform)
    assert gradient.isfinite().all()
    with pytest.raises(InputError, match=r"29.0 s; expected at most 28"):
        whisper.score_with_gradient(torch.zeros(29 * RATE), "hum")


@pytest.mark.parametrize("multilingual", [True, False])
def test_a_question_mark_is_weighed_against_a_full_stop(tmp_path: Path, multilingual: bool) -> None:
    directory = toy_checkpoint(tmp_path / "tiny", "Ġhum", multilingual=multilingual)
    model = import_transformers()[1].from_pretrained(directory)
    tokens = json.loads((directory / "tokenizer.json").read_text())["model"]["vocab"]
    embedding, said = model.model.decoder.embed_tokens.weight, model.model.decoder.layer_norm.bias
    question, stop = (embedding[tokens[mark]] @ said for mark in "?.")

    found = [Whisper(directory).question_logit(hum(1), RATE, text) for text in ("hum?", "hum.")]

    assert found == pytest.approx([(question - stop).item()] * 2, abs=1e-4)


def test_clip_longer_than_a_window_is_heard_to_its_end(tiny: Path) -> None:
    whisper = Whisper(tiny)
    (short,), (long,) = (whisper.transcribe([hum(seconds)], RATE) for seconds in (29, 31))
    assert len(long.split()) > len(short.split())  # each window has its words


def test_directory_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no config\.json; expected the directory"):
        Whisper(tmp_path)


def test_checkpoint_of_another_model_is_refused(tiny: Path, tmp_path: Path) -> None:
    other = shutil.copytree(tiny, tmp_path / "other")
    config = json.loads((other / "config.json").read_text()) | {"d_model": 32}
    (other / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="other"):
        Whisper(other)


def test_damaged_weights_are_refused(tiny: Path, tmp_path: Path) -> None:
    other = shutil.copytree(tiny, tmp_path / "other")
    weights = (other / "model.safetensors").read_bytes()
    (other / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(CheckpointError, match="can't be read as a Whisper checkpoint"):
        Whisper(other)


def test_missing_weights_are_reported(tiny: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    other = shutil.copytree(tiny, tmp_path / "other")
    weights = load_file(other / "model.safetensors")
    del weights["model.encoder.conv1.weight"]
    save_file(weights, other / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=r"1 weights are missing, the first model\.encoder"):
        Whisper(other)
