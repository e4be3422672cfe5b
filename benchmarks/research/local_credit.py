"""Credit where a copy is better: matching of WaveGrad 2's own samples, weighted by stretches.

    python -m research.local_credit CHECKPOINT --data D --out RUN --seed 0     --alpha 0: the guide

The checkpoint speaks recorded sentences with their durations on its own chain, several times each.
Every stretch of a sample is scored by its distance to the recording (`dlpo.rl.log_spectra`) and
compared with the same stretch of the others. Then `awm` learns from them, a sentence and a level an
update, beside the L1 of the noise on recordings at the levels of the chain. Samples are drawn once
and kept; the same command goes on from them. `cost.json` has processor seconds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from accelerate import Accelerator
from torch import Tensor

from dlpo.checkpoint import Checkpoint, Tuned, load_checkpoint, save_checkpoint
from dlpo.config.tuning import TuningConfig
from dlpo.data.dataset import Corpora
from dlpo.noise_schedule import named_schedule
from dlpo.rl.awm import AWM
from dlpo.rl.core.conditions import Conditions, seed_keys
from dlpo.rl.core.method import Sample, TuningSetup, UpdateBatch
from dlpo.rl.core.objective import Objective
from dlpo.rl.core.rollout import Rollout
from dlpo.rl.log_spectra import stretch_rewards
from dlpo.rl.prompts import prompt_of
from dlpo.rl.recordings import Recordings
from dlpo.rl.spoken_chain import SpokenChain, freeze_all_but, pad_conditions, reach_of
from dlpo.training.batches import Batches, whole_frames
from dlpo.training.processes import Processes
from dlpo.training.run_state import write_json
from dlpo.training.synthesis import condition

FRAMES = 6  # of a stretch: 82 ms
SHORTEST, LONGEST = 72, 130  # frames of a sentence to copy
CROP = 60  # frames of it in an update
SPREAD = 0.1  # nats of distance that are an advantage of 1: a stretch's spread within a sentence
RATE, LEAST = 2e-4, 0.03
WARM_UP = 5  # updates
KEPT = 0.95  # of the averaged weights in an update


class Copies:
    """Samples of recorded sentences, and how good each of their stretches is."""

    def __init__(self, policy: SpokenChain, data: Corpora, seed: int, sentences: int, group: int):
        self.policy = policy
        self.data = data
        self.seed = seed
        self.group = group
        self.grid = policy.model.config.grid
        self.reach = policy.reach
        fits = [
            i
            for i in data.split("train", with_audio=True)
            if SHORTEST <= data.entries[i].frames <= LONGEST
        ]
        self.chosen = [int(i) for i in np.random.default_rng(seed).permutation(fits)[:sentences]]

    def conditions(self, number: int) -> Conditions:
        """The inputs of one sentence with its recording's durations, G rows."""
        symbols, seconds = self.data.timing(number)
        conditioning, source = condition(
            self.policy.model, symbols, whole_frames(seconds, self.grid)
        )
        row = conditioning.detach(), torch.from_numpy(source)
        return pad_conditions([row], self.reach).repeat(self.group)

    def recording(self, number: int, samples: int) -> Tensor:
        """(1, T) at a peak of 1, as it was learned, 0 past its end."""
        entry = self.data.entries[number]
        clean = torch.from_numpy(self.data.audio(number, 0, entry.frames)).float()
        found = torch.zeros(1, samples)
        kept = min(samples, len(clean))
        found[0, :kept] = clean[:kept] / clean.abs().max().clamp(min=1e-3)
        return found

    def drawn(self, number: int) -> tuple[Tensor, Tensor]:
        """(G, T) samples of a sentence and (P, G) rewards of their stretches."""
        conditions = self.conditions(number)
        keys = seed_keys(self.seed, 0, [number], self.group)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            output = self.policy.roll_out(conditions, keys, self.group).output.float()
        output = output * conditions.inside
        recorded = self.recording(number, output.shape[1]).expand_as(output) * conditions.inside
        rate_hz, hop = self.grid.sample_rate_hz, self.grid.hop_length
        return output, stretch_rewards(output, recorded, rate_hz, hop, FRAMES)

    def crop(
        self, number: int, output: Tensor, first: int, update: int, matched: tuple[int, ...]
    ) -> Rollout:
        """A sentence's samples from a frame on, to match in an update, on noise of its own."""
        hop = self.grid.hop_length
        conditioning, source = self.conditions(number).inputs
        frames, samples = slice(first, first + CROP), slice(first * hop, (first + CROP) * hop)
        inputs = conditioning[:, :, frames], source[:, samples]
        nothing, kept = output.new_zeros(0, len(output)), output[:, samples]
        return Rollout(
            Conditions(inputs, torch.ones_like(kept)), self.policy.schedule, kept[None],
            nothing[..., None], nothing, seed_keys(self.seed, update + 1, [number], self.group),
            self.group, stretch=FRAMES * hop, matched=matched,
        )  # fmt: skip


class LocalCredit(AWM):
    """AWM of stored samples, one sentence and level an update."""

    def __init__(self, setup: TuningSetup, copies: Copies, kept: dict[int, Any]) -> None:
        super().__init__(setup)
        self.copies = copies
        self.kept = kept

    def collect(self, update: int, logged: bool) -> UpdateBatch:
        if not self.objective.alpha:
            return UpdateBatch(update, {})
        chosen = self.copies.chosen
        epoch, place = divmod(update, len(chosen))
        order = np.random.default_rng((self.copies.seed, epoch)).permutation(chosen)
        number = int(order[place])
        output, rewards = self.kept[number]
        random = np.random.default_rng((self.copies.seed, update, 1))
        level = int(random.integers(self.copies.policy.schedule.steps - 1))  # the last is nearly 1
        stretches, last = CROP // FRAMES, self.copies.data.entries[number].frames // FRAMES
        first = int(random.integers(max(0, last - stretches) + 1))
        drawn = self.copies.crop(number, output, first * FRAMES, update, (level,))
        advantages = self.advantage(rewards)[first : first + stretches].clone()
        advantages[[0, -1]] = 0.0  # the decoder sees less there than in whole sentences
        return UpdateBatch(update, {}, [Sample(1.0, drawn, advantages)])


def rates(updates: int) -> Iterator[float]:
    """The learning rate of each update: a short rise, then a fall to 3 %."""
    for update in range(updates):
        yield RATE * min(1.0, (update + 1) / WARM_UP) * max(LEAST, 1 - update / updates)


def _save(path: Path, start: Checkpoint, model: Any, updates: int, alpha: float) -> None:
    chain = start.provenance.chain
    method = "awm" if alpha else "control"
    done = Tuned(method, f"log_spectra={alpha:g}", *chain, updates, start.sha256)
    provenance = start.provenance.after(done)
    save_checkpoint(path, model.state_dict(), start.config, provenance, torch.float16)


def main(
    checkpoint: Annotated[Path, typer.Argument(help="WaveGrad 2, of `dlpo train` or `dlpo tune`")],
    data: Annotated[Path, typer.Option(help="prepared recordings")],
    out: Annotated[Path, typer.Option(help="directory of the run")],
    seed: Annotated[int, typer.Option(help="of sentences, samples and noise")] = 0,
    updates: Annotated[int, typer.Option()] = 100,
    sentences: Annotated[int, typer.Option(help="that samples are drawn of")] = 12,
    group: Annotated[int, typer.Option(help="samples of each")] = 8,
    alpha: Annotated[float, typer.Option(help="weight of the matching; 0: the guide alone")] = 1.0,
    bound: Annotated[float, typer.Option(help="on what is unlearned")] = 1.3,
    windows: Annotated[int, typer.Option(help="of recordings an update, 48 frames each")] = 4,
) -> None:
    """Tune the decoder by local credit."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    start, before = load_checkpoint(checkpoint), load_checkpoint(checkpoint).model
    chain, corpora = named_schedule(*start.provenance.chain), Corpora([data])
    before.requires_grad_(False).eval()
    reach = reach_of(start.model.eval(), prompt_of(corpora, 0))
    learning = freeze_all_but(start.model, "denoiser", corpora.voices)
    policy, reference = (SpokenChain(model, chain, reach) for model in (start.model, before))
    out.mkdir(parents=True, exist_ok=True)
    copies, kept = Copies(policy, corpora, seed, sentences, group), dict[int, Any]()
    began = time.process_time()
    if alpha:
        kept = _samples(copies, out / "samples.pt")
    drawing = time.process_time() - began
    settings = TuningConfig(window_batch=windows, seed=seed)
    batches = Batches(corpora, "train", seed, 0, start.model.config.rows)
    processes = Processes(Accelerator(cpu=True))
    setup = TuningSetup(
        Objective("awm", alpha=alpha, beta=1.0, error_bound=bound, reward_scale=SPREAD), policy,
        reference, None, group, recordings=Recordings(policy, batches, settings, processes),
    )  # fmt: skip
    method = LocalCredit(setup, copies, kept)
    optimizer = torch.optim.Adam(learning, RATE)
    average = torch.optim.swa_utils.AveragedModel(
        start.model, avg_fn=lambda mean, now, count: torch.lerp(now, mean, KEPT)
    )
    for update, rate in enumerate(rates(updates)):
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        losses = []
        for part in method.parts(method.collect(update, False), 0):
            with torch.autocast("cpu", torch.bfloat16):
                loss = method(part)
            loss.backward()
            losses.append(loss.item())
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimizer.step()
        average.update_parameters(start.model)
        if update % 10 == 9:
            spent = time.process_time() - began
            print(update + 1, f"{spent:.0f} s", *(f"{loss:.4f}" for loss in losses), flush=True)
    _save(out / "checkpoint", start, average.module, updates, alpha)
    spent = time.process_time() - began
    write_json(out / "cost.json", {"drawing_s": drawing, "all_s": spent, "updates": updates})


def _samples(copies: Copies, path: Path) -> dict[int, Any]:
    """Samples of each sentence with their rewards; drawn where the file lacks them."""
    kept: dict[int, Any] = torch.load(path) if path.exists() else {}
    for number in copies.chosen:
        if number not in kept:
            kept[number] = copies.drawn(number)
            torch.save(kept, path)
    inside = torch.cat([rewards.std(1) for _, rewards in kept.values()])
    print(f"{len(kept)} sentences, spread of a stretch within one {inside.mean():.3f}", flush=True)
    return kept


if __name__ == "__main__":
    typer.run(main)
