"""Listeners' pairs of pitch: tracked in their audio, learned by the flow."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from dlpo.audio import Waveform, write_wav
from dlpo.checkpoint import load_checkpoint
from dlpo.config.tuning import PitchPairsTuning
from dlpo.data.dataset import Corpora
from dlpo.data.preferences import PreferencePair, read_pairs, write_pairs
from dlpo.errors import DataError
from dlpo.frame_grid import PUBLISHED_GRID
from dlpo.rl.core.objective import Objective
from dlpo.rl.endings import movement_weights
from dlpo.rl.pitch_conditioning import in_time
from dlpo.rl.pitch_flow import PitchFlow
from dlpo.rl.pitch_preferences import PitchPairsTuner, preference_loss, preference_margins
from dlpo.rl.preferences import heard_pairs, pairs_sha256
from dlpo.rl.prompts import Prompt
from dlpo.text import TextFrontEnd
from tests.toys import save_contour_toy

RATE_HZ, HOP = PUBLISHED_GRID.sample_rate_hz, PUBLISHED_GRID.hop_length

Wav = Callable[..., Path]
REPOSITORY = Path(__file__).parents[2]
TEXTS = [
    f"{who} {did} the {noun}?"
    for who, did in (("You", "sold"), ("She", "painted"), ("They", "never saw"))
    for noun in ("boat", "garden wall", "old piano", "museum", "red car", "long letter", "lake")
]
SETTINGS = PitchPairsTuning(
    updates=4, pairs=4, times=2, recorded=2, log_every=1, validate_every=2, save_every=2
)


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_contour_toy(tmp_path_factory.mktemp("voice"), 2.5)  # symbols of a dozen frames


@pytest.fixture
def wav(tmp_path: Path) -> Wav:
    def written(name: str, waveform: Waveform, rate_hz: int = RATE_HZ) -> Path:
        path = tmp_path / f"{name}.wav"
        write_wav(path, waveform, rate_hz)
        return path

    return written


def prompt_of(text: str, number: int = 0) -> Prompt:
    (sentence,) = TextFrontEnd().process(text).sentences
    return Prompt(number, text, np.array(sentence.symbol_ids(), np.int64))


def hummed(policy: PitchFlow, prompt: Prompt, contour: Tensor) -> Waveform:
    """A buzz at the F0 of a contour."""
    sentence = policy.conditioning(prompt)
    log_f0 = sentence.centre + sentence.spread * (sentence.point_weights @ in_time(contour)).numpy()
    phase = np.cumsum(np.repeat(np.exp(log_f0), HOP)) / RATE_HZ * 2 * np.pi
    return (0.1 * sum(np.sin(k * phase) / k for k in range(1, 9))).astype(np.float32)


def test_contours_are_tracked_in_the_audio(voice: Path, wav: Wav) -> None:
    policy = PitchFlow(load_checkpoint(voice).model)
    prompt = prompt_of(TEXTS[0])
    length = len(prompt.symbols)
    rising = torch.linspace(-1, 1, 2 * length).view(length, 2).T
    winner, loser = (
        wav(name, hummed(policy, prompt, contour))
        for name, contour in (("rising", rising), ("falling", -rising))
    )
    (pair,) = heard_pairs([PreferencePair(TEXTS[0], winner, loser)], policy, None)
    inner = slice(1, -1)  # a tracker begins and ends late
    torch.testing.assert_close(pair.winner[:, inner], rising[:, inner], atol=0.2, rtol=0)
    torch.testing.assert_close(pair.loser[:, inner], -rising[:, inner], atol=0.2, rtol=0)


def test_pairs_that_do_not_fit_are_left_out_with_a_warning(
    voice: Path, wav: Wav, caplog: pytest.LogCaptureFixture
) -> None:
    policy = PitchFlow(load_checkpoint(voice).model)
    spoken = hummed(policy, prompt_of(TEXTS[0]), torch.zeros(2, len(prompt_of(TEXTS[0]).symbols)))
    hum, click = wav("hum", spoken), np.zeros(len(spoken), np.float32)
    silence = wav("silence", click)
    click[900] = 0.5
    unfit = {
        "at a different pace from the voice": PreferencePair("Hello?", hum, hum),
        "with several sentences": PreferencePair("Hello. Good morning.", hum, hum),
        "with silent audio": PreferencePair(TEXTS[0], silence, hum),
        "without a voiced sound": PreferencePair(TEXTS[0], wav("click", click), hum),
        "without words": PreferencePair("?!", hum, hum),
    }
    with caplog.at_level(logging.WARNING):
        kept = heard_pairs([*unfit.values(), PreferencePair(TEXTS[0], hum, hum)], policy, None)
    assert len(kept) == 1
    assert ", ".join(f"1 {reason}" for reason in unfit) in caplog.text
    with pytest.raises(DataError, match="none of 5 preference pairs"):
        heard_pairs([*unfit.values()], policy, None)


def test_the_hash_depends_on_the_pairs_and_their_wavs(wav: Wav, tmp_path: Path) -> None:
    noise = 0.05 * np.random.default_rng(0).standard_normal(9_000).astype(np.float32)
    pair = PreferencePair("Hello there.", wav("winner", noise), wav("loser", noise))
    path, other = tmp_path / "pairs.jsonl", tmp_path / "other.jsonl"
    write_pairs(path, [pair])
    write_pairs(other, [pair, pair])
    before = pairs_sha256(path, read_pairs(path))
    assert before == pairs_sha256(path, read_pairs(path))
    assert before != pairs_sha256(other, read_pairs(other))
    write_wav(pair.winner, 0.5 * pair.waveforms(RATE_HZ)[0], RATE_HZ)
    assert before != pairs_sha256(path, read_pairs(path))
    pair.winner.unlink()
    with pytest.raises(DataError, match="can't be read"):
        pairs_sha256(path, [pair])


def listened(
    policy: PitchFlow,
    texts: Sequence[str],
    spoken: Callable[[Prompt, int], Waveform],
    wav: Wav,
) -> list[PreferencePair]:
    """The choices of a listener who hears two takes and likes the one whose end is higher."""
    pairs = []
    for number, text in enumerate(texts):
        prompt = prompt_of(text, number)
        sentence = policy.conditioning(prompt)
        weights = movement_weights(
            sentence.point_weights, sentence.voiced.numpy(), sentence.frames_per_s
        )
        if weights is None:
            continue
        rate_hz = policy.model.config.grid.sample_rate_hz
        takes = [wav(f"{number}-{seed}", spoken(prompt, seed), rate_hz) for seed in (0, 1)]
        (heard,) = heard_pairs([PreferencePair(text, *takes)], policy, None)
        ends = [float(in_time(contour) @ weights) for contour in (heard.winner, heard.loser)]
        pairs.append(PreferencePair(text, *(takes if ends[0] > ends[1] else takes[::-1])))
    return pairs


def ends(policy: PitchFlow, prompts: Sequence[Prompt]) -> float:
    """Mean movement at the end, in standard deviations of the voice."""
    found = []
    for prompt in prompts:
        drawn = policy.draw([prompt], (9, 9), 32)
        (sentence,) = drawn.conditions.sentences
        weights = movement_weights(
            sentence.point_weights, sentence.voiced.numpy(), sentence.frames_per_s
        )
        if weights is not None:
            found.append(float((in_time(drawn.samples[0]) @ weights).mean()))
    return float(np.mean(found))


@pytest.mark.full
def test_a_run_learns_what_a_listener_likes(
    voice: Path, tiny_dataset: Path, wav: Wav, tmp_path: Path
) -> None:
    policy = PitchFlow(load_checkpoint(voice).model)

    def spoken(prompt: Prompt, seed: int) -> Waveform:
        return hummed(policy, prompt, policy.draw([prompt], (seed, 0), 1).samples[0, 0])

    pairs = listened(policy, TEXTS[:9], spoken, wav)
    settings = replace(SETTINGS, updates=30, pairs=8, learning_rate=3e-3, validate_every=40)
    data = Corpora([tiny_dataset])
    tuner = PitchPairsTuner(
        voice, data, pairs, "5" * 64, tmp_path / "run", Objective(beta=0.1), settings
    )
    checkpoint = tuner.run()
    tuned = load_checkpoint(checkpoint)
    others = [
        prompt_of(text, 100 + i) for i, text in enumerate(("You ate it all?", "He went home?"))
    ]
    assert ends(PitchFlow(tuned.model), others) > ends(policy, others) + 0.3
    assert tuned.provenance.tuned is not None
    assert tuned.provenance.tuned.method == "dpo"
    log = map(json.loads, (tmp_path / "run" / "log.jsonl").read_text().splitlines())
    losses = [figures["preference"] for figures in log if figures["split"] == "train"]
    assert losses[0] == pytest.approx(math.log(2), abs=1e-3)
    assert np.mean(losses[-5:]) < 0.6


def test_the_loss_before_tuning_is_log_2_and_falls_for_what_won(voice: Path) -> None:
    start, policy = (PitchFlow(load_checkpoint(voice).model) for _ in range(2))
    drawn = start.draw([prompt_of(TEXTS[0]), prompt_of(TEXTS[1], 1)], (0, 0), 2)
    margins = preference_margins(policy, start, drawn, 3)
    assert margins.shape == (3, 2)
    assert preference_loss(margins, 50.0).item() == pytest.approx(math.log(2))
    flow = policy.flow.requires_grad_(True)
    weights = list(flow.parameters())
    gradients = torch.autograd.grad(preference_loss(margins, 50.0), weights, allow_unused=True)
    with torch.no_grad():
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.sub_(1e-4 * (0.0 if gradient is None else gradient))
        after = preference_margins(policy, start, drawn, 3)
    assert after.mean() > 0
    assert preference_loss(after, 50.0) < math.log(2)
