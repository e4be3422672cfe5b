"""Two questions to ask of rewards before a chain is tuned by them.

    python -m research.best_of_eight voices/mini/checkpoint --data data/heart --record

1  Do they prefer what is right to what is wrong: recordings to what the chain says?
2  Does the best of eight by them raise judges that took no part, over the mean of the eight?

A chain's only choice is its noise, so that the best of eight can't be spoken again under other
noise: the judges hear the very clips. The sentences are the first short ones of the validation
split. Differences are means over sentences with 95 % intervals of a bootstrap.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from dlpo.audio import Waveform
from dlpo.checkpoint import load_checkpoint
from dlpo.data.dataset import Corpora
from dlpo.noise_schedule import named_schedule
from dlpo.rl.chain import ChainPolicy
from dlpo.rl.probe import DRAWS, MeanDifference
from dlpo.rl.prompts import validation_prompts
from dlpo_bench.judging import JudgePanel
from dlpo_bench.panel import JUDGES, load_panel
from dlpo_bench.record import Measured, check_recordable, write_record
from dlpo_bench.tables import Table, show
from research import RECORDS, run_study, study_command

KIND = "best-of-eight"


def heard(
    panel: JudgePanel, clips: Sequence[Waveform], rate_hz: int, text: str
) -> dict[str, list[float]]:
    """Name of a judge -> its score of each clip."""
    scores = {j.name: [float(s) for s in j.score(clips, rate_hz)] for j in panel.judges}
    for measure in panel.measures:
        rows = [measure.measure(clip, rate_hz, text) for clip in clips]
        scores |= dict(zip(measure.names, map(list, zip(*rows, strict=True)), strict=True))
    return scores


def standardised(
    scores: Mapping[str, Sequence[float]], spread: Mapping[str, float]
) -> NDArray[np.float64]:
    """(N,) sum of the scores, each in units of its spread among all draws."""
    total: NDArray[np.float64] = sum(
        (np.asarray(scores[name]) / spread[name] for name in spread), np.zeros(())
    )
    return total


def main(
    checkpoint: Annotated[Path, typer.Argument(exists=True, file_okay=False)],
    data: Annotated[Path, typer.Option(exists=True, help="Dataset of the voice.")],
    weights: Annotated[Path, typer.Option(help="Weights of the judges.")] = Path(
        "../shared/models"
    ),
    reward: Annotated[str, typer.Option(help="Names of `dlpo eval --judge`, with commas.")] = (
        "distillmos,dnsmos"
    ),
    witness: Annotated[str, typer.Option(help="The same; those that take no part.")] = (
        "nisqa,plcmos,p835"
    ),
    steps: Annotated[int, typer.Option(min=2)] = 10,
    schedule: str = "linear",
    eta: Annotated[float, typer.Option(min=0, max=1)] = 1.0,
    sentences: Annotated[int, typer.Option(min=2)] = 24,
    longest_s: Annotated[float, typer.Option(help="Seconds that a recording may last.")] = 2.0,
    record: Annotated[bool, typer.Option(help="Write a record.")] = False,
) -> None:
    """Ask both questions of the sum of some judges, each at unit spread."""
    if record:
        check_recordable(RECORDS)
    loaded, dataset = load_checkpoint(checkpoint), Corpora([data])
    chain = named_schedule(schedule, steps, eta)
    policy = ChainPolicy(loaded.model.eval(), chain)
    rate_hz = loaded.model.config.grid.sample_rate_hz
    rewards = reward.split(",")
    panel = load_panel(weights, only=[*rewards, *witness.split(",")])
    spoken, recorded = [], []
    for prompt in validation_prompts(dataset, sentences, longest_s):
        clips = policy.draw([prompt], (0, 16), DRAWS).waveforms(loaded.model)
        spoken.append(heard(panel, clips, rate_hz, prompt.text))
        recording = dataset.audio(prompt.number, 0, dataset.entries[prompt.number].frames)
        recorded.append(heard(panel, [recording], rate_hz, prompt.text))
    names = [JUDGES[name][0] for name in rewards]
    spread = {name: float(np.std([one[name] for one in spoken])) for name in names}
    prefers, raises = [], defaultdict(list)
    for eight, right in zip(spoken, recorded, strict=True):
        total = standardised(eight, spread)
        prefers.append(float(standardised(right, spread)[0] - total.mean()))
        for name, scores in eight.items():
            raises[name].append(scores[int(total.argmax())] - float(np.mean(scores)))
    found = {"recording less drawn, in spreads": MeanDifference.of(prefers)} | {
        f"best of eight, {name}": MeanDifference.of(values) for name, values in raises.items()
    }
    rows = [[n, f"{d.mean:+.3f}", f"{d.low:+.3f} to {d.high:+.3f}"] for n, d in found.items()]
    show([Table(["difference", "mean", "95 %"], rows)])
    if record:
        figures = {
            "checkpoint_sha256": loaded.sha256,
            "chain": {"steps": steps, "schedule": schedule, "eta": eta},
            "reward": names,
            "differences": {n: [d.mean, d.low, d.high] for n, d in found.items()},
        }
        measured = Measured(figures, {"spoken": spoken})
        typer.echo(write_record(KIND, measured, study_command(KIND), RECORDS))


if __name__ == "__main__":
    run_study(main)
