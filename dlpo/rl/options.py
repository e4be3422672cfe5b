"""Options of `dlpo tune`. The CLI imports this module on startup, so it imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from dlpo.config.fields import HIDDEN, As, File, Flag, Folder, NotNegative, Range, Share
from dlpo.errors import InputError
from dlpo.rl.core.objective import Guide, MethodName, Objective

if TYPE_CHECKING:
    from dlpo.checkpoint import Checkpoint
    from dlpo.data.dataset import Corpora
    from dlpo.data.preferences import PreferencePair
    from dlpo.rl.ending_prompts import EndingPrompt

ENDINGS = "endings"


@dataclass(frozen=True, slots=True)
class OwnChain:
    """The reverse chain of checkpoints; None is their own choice."""

    schedule: str | None = None
    """Noise schedule for checkpoints; by default, their own."""
    eta: Share | None = None
    """For checkpoints: 0 = DDIM, 1 = ancestral; by default their own."""

    def of(self, schedule: str, eta: float) -> tuple[str, float]:
        """Schedule and eta of a checkpoint whose own are these."""
        return (
            schedule if self.schedule is None else self.schedule,
            eta if self.eta is None else self.eta,
        )


OWN_CHAIN = OwnChain()


@dataclass(frozen=True, slots=True)
class RewardSources:
    """Weights and targets from which rewards are built."""

    models: Annotated[Path | None, Flag("--weights")] = Path("judges")
    """Directory with the weights of NISQA and NISQA-TTS."""
    utmos: File | None = None
    """UTMOS weights file; adds UTMOS as a judge."""
    whisper: Folder | None = None
    """Whisper checkpoint directory, for the reward whisper: the text's probability."""
    high_band_db: Annotated[float | None, HIDDEN] = None
    """Energy above 4 kHz that the high-band guard holds: measure recordings."""


@dataclass(frozen=True, kw_only=True)
class TuneOptions:
    """What is to be tuned, on what, by what; None is the method's own choice."""

    checkpoint: Annotated[Path, HIDDEN]
    data: Annotated[Mapping[Path, float], HIDDEN]
    """Dataset -> how much is drawn from it."""
    out: Annotated[Path, HIDDEN]
    method: Annotated[str, As(Literal[MethodName, "dpo"])] = "dlpo"
    """Objective to minimize; docs/tuning.md explains each."""
    reward: str = "distillmos"
    """Judges and their weights, such as distillmos=1,high_band=0.3; or endings: how sentences end,
    which tunes the pitch (methods dlpo, awm, control, direct, rwr)."""
    steps: Annotated[int, Range(ge=1, le=16)] | None = None
    """Reverse steps, as served. Default: the voice's own, but at least 2 when exploring the chain's
    noise."""
    chain: Annotated[OwnChain, Flag(panel="Speech")] = OWN_CHAIN
    alpha: NotNegative | None = None
    """Weight of the reward. Default: 1, of endings 2."""
    beta: NotNegative | None = None
    """Weight of the diffusion loss. Default: 1, of endings 2."""
    guide: Annotated[str | None, As(Guide)] = None
    """Use the diffusion loss in the return or on recordings. Default: on recordings for dlpo;
    direct has none."""
    pairs: File | None = None
    """For dpo: preference pairs from `dlpo listen export`, which teach the pitch."""
    texts: Annotated[tuple[str, ...], Flag(metavar="FILE[=LANGUAGE]")] = ()
    """For endings: a file of lines id|text to draw sentences from; repeatable. Voices of LANGUAGE
    say them, such as es-419; en-US by default."""
    without: File | None = None
    """Ids of texts to leave out, one a line."""
    guard: Literal["on", "off"] = "on"
    """Let KL, held-out judges or word errors stop the run."""
    sources: Annotated[RewardSources, Flag(panel="Judges")] = RewardSources()
    settings: Annotated[Mapping[str, Any], HIDDEN] = field(default_factory=dict)
    """Of the objective and of the run, by key."""

    @cached_property
    def base(self) -> Checkpoint:
        """The checkpoint that is tuned."""
        from dlpo.checkpoint import load_checkpoint

        return load_checkpoint(self.checkpoint)

    @cached_property
    def corpora(self) -> Corpora:
        """The datasets."""
        from dlpo.data.dataset import Corpora

        return Corpora(list(self.data), list(self.data.values()))

    @cached_property
    def preferences(self) -> list[PreferencePair]:
        """The listeners' pairs, if they were given."""
        from dlpo.data.preferences import read_pairs

        return [] if self.pairs is None else read_pairs(self.pairs)

    @property
    def tunes_endings(self) -> bool:
        """Whether the pitch learns how sentences end."""
        return self.reward == ENDINGS

    @property
    def weights(self) -> dict[str, float]:
        """alpha and beta, where they were given."""
        both = {"alpha": self.alpha, "beta": self.beta}
        return {name: weight for name, weight in both.items() if weight is not None}

    def split(self, taken: Sequence[str]) -> tuple[dict[str, Any], ...]:
        """The settings that are the objective's, and the others.

        Args:
            taken: fields of the objective that are no settings.
        """
        own = {one.name for one in fields(Objective)} - {*taken}
        of_objective = {key: value for key, value in self.settings.items() if key in own}
        rest = {key: value for key, value in self.settings.items() if key not in own}
        return of_objective, rest

    def prompts(self) -> list[EndingPrompt]:
        """The sentences of `texts`.

        Raises:
            InputError: there are no files, or a language that can't be read.
        """
        if not self.texts:
            raise InputError(
                "--reward endings draws sentences from texts; give --texts FILE (id|text)"
            )
        from dlpo.rl.ending_prompts import read_ending_prompts

        return read_ending_prompts(self.texts, self.without)
