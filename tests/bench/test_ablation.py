"""Ablations: each variant differs from the recipe in the one thing that it names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from dlpo.checkpoint import Checkpoint, load_checkpoint
from dlpo.config import TrainingConfig
from dlpo.data.dataset import Dataset
from dlpo.errors import DataError, InputError
from dlpo.judges.judge import Scores, Waveform
from dlpo.model.emphasis import de_emphasise
from dlpo.model.lite import LiteWaveGrad2, Prosody
from dlpo.training.acoustics import FrozenAcoustics
from dlpo.training.batches import Batches, Windows
from dlpo.training.losses import Denoised, denoise_windows, denoiser_losses
from dlpo_bench.ablation import chains as chains_module
from dlpo_bench.ablation.chains import Chain, chains, open_chain
from dlpo_bench.ablation.learning import learn, untaught
from dlpo_bench.ablation.outcome import listen, write
from dlpo_bench.ablation.variants import VARIANTS, AblatedLite, Variant
from dlpo_bench.judging import Panel
from dlpo_bench.record import read_record
from dlpo_bench.report.ablation import ablation
from dlpo_bench.report.ablation import chains as chains_section
from dlpo_bench.report.sections import Found

NAMED = {variant.name: variant for variant in VARIANTS}
BUDGET = TrainingConfig(
    updates=2, acoustic_updates=0, adversarial_updates=0, batch=2, window=8, warmup=1,
    precision="no",
)  # fmt: skip


@pytest.fixture(scope="session")
def start(slow_checkpoint: Path) -> Checkpoint:
    return load_checkpoint(slow_checkpoint)


@pytest.fixture
def windows(tiny_dataset: Path) -> Windows:
    return Batches(Dataset(tiny_dataset), "train", 0).windows(0, 2, 8)


def denoised(model: LiteWaveGrad2, windows: Windows, data: Path) -> Denoised:
    told = FrozenAcoustics(model, Batches(Dataset(data), "train", 0)).of(windows)
    with torch.no_grad():
        return denoise_windows(model, windows, told, torch.Generator().manual_seed(1))


def test_recipe_is_what_training_minimises(
    start: Checkpoint, windows: Windows, tiny_dataset: Path
) -> None:
    ablated = untaught(start, NAMED["recipe"]).eval()
    plain = LiteWaveGrad2(ablated.config).eval()
    plain.load_state_dict(ablated.state_dict())
    expected = denoiser_losses(denoised(plain, windows, tiny_dataset), plain.config.patch)
    found = NAMED["recipe"].losses(ablated, denoised(ablated, windows, tiny_dataset))
    assert found == expected


def test_every_variant_keeps_the_first_part_and_differs_from_the_recipe(
    start: Checkpoint, windows: Windows, tiny_dataset: Path
) -> None:
    def loss(variant: Variant) -> float:
        model = untaught(start, variant).eval()
        assert torch.equal(model.prenet.weight, start.model.state_dict()["prenet.weight"])
        mine = variant.windows(windows)
        terms = variant.losses(model, denoised(model, mine, tiny_dataset))
        return torch.stack(list(terms.values())).sum().item()

    losses = {variant.name: loss(variant) for variant in VARIANTS}
    assert len(set(losses.values())) == len(VARIANTS), losses


@pytest.mark.parametrize("name", ["predicts-v", "predicts-eps"])
def test_l1_is_that_of_what_the_network_says(
    name: str, start: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against the definitions of v and eps: what is added to the truth is what L1 finds."""
    torch.manual_seed(0)
    clean, noise = torch.randn(2, 600) / 4, torch.randn(2, 600)
    alpha, sigma = torch.tensor([[0.8], [0.6]]), torch.tensor([[0.6], [0.8]])
    truth = alpha * noise - sigma * clean if name == "predicts-v" else noise
    error = torch.randn(2, 600) / 10
    monkeypatch.setattr(LiteWaveGrad2, "denoise", lambda *arguments: truth + error)
    model = untaught(start, NAMED[name]).eval()
    x0 = model.denoise(alpha * clean + sigma * noise, alpha[:, 0], clean, noise)
    found = NAMED[name].losses(model, Denoised(x0, clean))
    assert found["diffusion"].item() == pytest.approx(error.abs().mean().item(), rel=1e-4)
    assert set(found) == {"diffusion", "stft", "seam"}


@pytest.mark.parametrize(
    ("name", "deaf_to"), [("hidden-only", "mel"), ("mel-only", "hidden"), ("recipe", None)]
)
def test_conditioning_hears_only_what_it_is_told(
    name: str, deaf_to: str | None, start: Checkpoint
) -> None:
    model = untaught(start, NAMED[name]).eval()
    torch.manual_seed(0)
    prosody = Prosody(*torch.zeros(3, 1, 9).unbind())
    hidden, mel = torch.randn(1, model.config.hidden_channels, 9), torch.randn(1, 80, 9)

    def heard(hidden: Tensor, mel: Tensor) -> Tensor:
        with torch.no_grad():
            return model.condition(hidden, prosody, mel)

    before = heard(hidden, mel)
    assert torch.equal(heard(hidden, mel + 1), before) == (deaf_to == "mel")
    assert torch.equal(heard(hidden + 1, mel), before) == (deaf_to == "hidden")


def test_without_the_source_nothing_of_it_is_heard(start: Checkpoint) -> None:
    torch.manual_seed(0)
    noisy, source, level = torch.randn(1, 2400), torch.randn(1, 2400), torch.tensor([0.5])
    for name, deaf in (("no-source", True), ("recipe", False)):
        model = untaught(start, NAMED[name]).eval()
        conditioning = torch.randn(1, model.config.conditioning_channels, 8)
        with torch.no_grad():
            a, b = (model.denoise(noisy, level, conditioning, s) for s in (source, -source))
        assert torch.equal(a, b) == deaf


def test_without_pre_emphasis_it_learns_the_waveform_itself(
    start: Checkpoint, windows: Windows
) -> None:
    variant = NAMED["no-pre-emphasis"]
    model = untaught(start, variant)
    learnt_from = variant.windows(windows).waveform
    heard = model.to_waveform(learnt_from * model.config.scale)
    torch.testing.assert_close(heard, de_emphasise(windows.waveform))


def test_run_teaches_once_and_refuses_the_run_of_another(
    start: Checkpoint, tiny_dataset: Path, tmp_path: Path
) -> None:
    dataset, updates = Dataset(tiny_dataset), list[int]()

    def taught(variant: Variant) -> AblatedLite:
        count = updates.append
        return learn(variant, start, dataset, BUDGET, tmp_path, lambda n, loss: count(n)).model

    first, again = taught(NAMED["recipe"]), taught(NAMED["recipe"])
    assert updates == [1, 2]
    assert not torch.equal(
        first.patch_out.weight, untaught(start, NAMED["recipe"]).patch_out.weight
    )
    for name, value in first.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)
    with pytest.raises(DataError, match="holds another model"):
        taught(NAMED["patch-60"])


def test_a_model_of_another_size_is_refused(start: Checkpoint) -> None:
    from dlpo.config import BASE

    with pytest.raises(InputError, match="are of `lite`"):
        untaught(replace(start, config=BASE), NAMED["recipe"])


class Length:
    """Scores how long a waveform is."""

    name = "length"
    sample_rate_hz = 22_050

    def score(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> Scores:
        return np.array([len(waveform) / sample_rate_hz for waveform in waveforms])


def test_record_has_every_variant_beside_the_recordings(
    start: Checkpoint, tiny_dataset: Path, tiny_corpus: Path, tmp_path: Path
) -> None:
    dataset = Dataset(tiny_dataset)
    learnt = [
        learn(NAMED[name], start, dataset, BUDGET, tmp_path / name)
        for name in ("recipe", "no-source")
    ]
    outcome = listen(learnt, start, tiny_corpus, Panel([Length()], {}, {}), ("LJ002-0181",))
    table = outcome.table().splitlines()
    assert [line.split("|")[1].strip() for line in table[2:]] == [
        NAMED["recipe"].question,
        NAMED["no-source"].question,
        "recordings",
    ]
    path = write(outcome, BUDGET, "command", tmp_path)
    path = write(outcome, BUDGET, "command", tmp_path)
    record = read_record(path)
    assert set(record.figures["heard"]) == {"recipe", "no-source", "recordings"}
    assert record.figures["cost"]["no-source"]["weights"] == learnt[1].weights
    assert record.figures["heard"]["no-source"]["length"]["difference"]["from"] == "recipe"
    assert record.samples["budget"]["updates"] == BUDGET.updates
    assert NAMED["no-source"].question in path.with_suffix(".md").read_text("utf-8")
    section = ablation([Found(path, record)])
    assert NAMED["no-source"].question in section.text
    assert "2 updates of 2 windows" in section.text
    assert len(section.pictures) == 1


def test_chains_differ_from_the_served_one_in_one_thing() -> None:
    served = Chain("as served", 3, "cosine:1.25", 0.7)
    first, *others = chains(served)
    assert first == served
    for chain in others:
        apart = [
            name for name in ("steps", "schedule", "eta")
            if getattr(chain, name) != getattr(served, name)
        ]  # fmt: skip
        assert len(apart) == 1, chain
    assert {chain.steps for chain in others} == {1, 2, 3, 4, 5, 6, 7, 8}
    assert len({chain.label for chain in others}) == len(others)


def test_record_of_chains_has_each_of_them(
    slow_checkpoint: Path,
    tiny_corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chains_module, "STEPS", (1,))
    monkeypatch.setattr(chains_module, "WARPS", (1.0,))
    monkeypatch.setattr(chains_module, "ETAS", (0.0,))
    monkeypatch.setattr(chains_module, "VALIDATION_SPLIT", ("LJ002-0181",))
    monkeypatch.setattr(chains_module, "load_panel", lambda path: Panel([Length()], {}, {}))
    quality, tried = chains_module.listen(slow_checkpoint, tiny_corpus, tmp_path, 1)
    assert [chain.label for chain in tried] == ["as served", "1 steps", "cosine, warp 1", "eta 0"]
    path = chains_module.write(quality, tried, slow_checkpoint, tmp_path)
    section = chains_section([Found(path, read_record(path))])
    assert "cosine, warp 1" in section.text


def test_chain_of_a_bundle_cant_be_changed(tiny_bundle: Path) -> None:
    with pytest.raises(InputError, match="no checkpoint"):
        open_chain(tiny_bundle)
