"""What judges say of the variants, and the record of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from dlpo.bundle import Bundle
from dlpo.checkpoint import Checkpoint
from dlpo.config import TrainingConfig, to_dict
from dlpo.text import TextFrontEnd
from dlpo_bench.ablation.learning import Learnt
from dlpo_bench.candidates import WHOLE
from dlpo_bench.clips import load_clips
from dlpo_bench.comparison import evaluate
from dlpo_bench.heard import Quality
from dlpo_bench.judging import Panel
from dlpo_bench.quality_report import figures, markdown, markdown_table, samples, scale_of
from dlpo_bench.record import RECORDS, write_record
from dlpo_bench.systems import RECORDINGS, System, recordings, text_to_speech
from dlpo_bench.torch_engine import TorchEngine
from dlpo_serving.synthesizer import Synthesizer
from dlpo_serving.voices import DEFAULT_VOICE, find_voice


@dataclass(frozen=True, slots=True)
class Outcome:
    """All variants, heard."""

    learnt: Sequence[Learnt]
    quality: Quality
    """baseline is the first of `learnt`"""

    def table(self) -> str:
        """Markdown: a row for each variant, judges' means, differences that are decided in bold."""
        measures = [judge.name for judge in self.quality.panel.judges]
        measures += [*self.quality.panel.recognisers]
        rows = [["variant", "weights", "time", *measures]]
        for run in self.learnt:
            time = f"{run.seconds / self.learnt[0].seconds:.2f}x"
            cells = self._cells(run.variant.name, measures)
            rows.append([run.variant.question, f"{run.weights / 1e6:.2f} M", time, *cells])
        rows.append([RECORDINGS, "", "", *self._cells(RECORDINGS, measures)])
        return markdown_table(rows)

    def _cells(self, system: str, measures: Sequence[str]) -> list[str]:
        estimates = self.quality.estimates(system)
        apart = self.quality.differences(system)
        cells = []
        for measure in measures:
            scale, unit = scale_of(measure)
            value = f"{scale * estimates[measure].value:.{1 if unit else 2}f}{unit}"
            decided = measure in apart and apart[measure].decided
            cells.append(f"**{value}**" if decided else value)
        return cells


def says(run: Learnt, start: Checkpoint) -> System:
    """The variant from text alone, with the chain of the embedded voice."""
    like = Bundle.load(find_voice(DEFAULT_VOICE)).manifest
    checkpoint = replace(start, model=run.model, config=run.model.config)
    engine = TorchEngine(checkpoint, like, like.noise_schedule, (like.steps,))
    return text_to_speech(Synthesizer(engine, TextFrontEnd(like.dictionary)), ladder=WHOLE)


def listen(
    learnt: Sequence[Learnt],
    start: Checkpoint,
    corpus: Path,
    panel: Panel,
    clip_ids: Sequence[str],
) -> Outcome:
    """Let the panel hear every variant say these sentences of the corpus."""
    systems: dict[str, System] = {run.variant.name: says(run, start) for run in learnt}
    systems[RECORDINGS] = recordings
    quality = evaluate(
        systems,
        load_clips(corpus, clip_ids),
        panel,
        baseline=learnt[0].variant.name,
    )
    return Outcome(learnt, quality)


def write(outcome: Outcome, budget: TrainingConfig, command: str, out_dir: Path = RECORDS) -> Path:
    """Write the record, and its tables in Markdown beside it."""
    quality = outcome.quality
    found = {
        "heard": figures(quality),
        "cost": {
            run.variant.name: {
                "cpu_seconds_per_update": run.seconds / budget.updates,
                "weights": run.weights,
            }
            for run in outcome.learnt
        },
    }
    raw = samples(quality) | {
        "budget": to_dict(budget),
        "variants": {run.variant.name: asdict(run.variant) for run in outcome.learnt},
    }
    path = write_record("ablation", found, command, out_dir, samples=raw)
    parts = [outcome.table(), markdown(quality)]
    path.with_suffix(".md").write_text("\n\n".join(parts), "utf-8")
    return path
