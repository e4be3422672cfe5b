"""What the parity check measured, and how much of it is allowed in each precision."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dlpo.bundle import Precision

EQUAL_DB = 200.0  # reported where there is no error at all, since JSON has no infinity


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a graph may be from torch; what fails any of these fails the export."""

    largest: float
    """of all absolute errors of a tensor, divided by its RMS where that is above 1"""
    sqnr_db: float
    """at least this, of a tensor over all sentences"""
    log_spectral_db: float
    """at most this, of a waveform, averaged over the sentences"""
    judge_drop: float
    """at most this, of a judge's mean score over the sentences and seeds"""
    f0_cents: float
    """at most this, RMS, of F0 where it is voiced in both"""
    wrong_voicing: float
    """at most this share of frames is voiced in one and not in the other"""
    layer_sqnr_db: float
    """usual of a tensor inside a healthy graph; a layer is to blame for what it loses below it"""


# 8 bits with one scale for a tensor: 30 to 40 dB a layer, and most of it hides under speech.
# On the embedded voice 35 dB and 0.4 dB cost 0.03 DistillMOS, 23 dB and 2.2 dB cost 0.2, and
# 20 dB and 3.5 dB, where no layer is spared, 0.9. F0 is exact where no layer on its way is
# rounded, as `quantise` has it; nobody hears 20 cents, and a near decision on voicing may tip.
_INT8 = Tolerance(
    largest=math.inf,
    sqnr_db=15.0,
    log_spectral_db=2.0,
    judge_drop=0.05,
    f0_cents=20.0,
    wrong_voicing=0.03,
    layer_sqnr_db=30.0,
)
TOLERANCES: Mapping[Precision, Tolerance] = {
    # Other kernels add up in another order: 1e-6 to 1e-5 is usual, anything more is a bug.
    "fp32": Tolerance(
        largest=1e-4,
        sqnr_db=80.0,
        log_spectral_db=0.05,
        judge_drop=0.01,
        f0_cents=0.1,
        wrong_voicing=0.0,
        layer_sqnr_db=110.0,
    ),
    # 11 bits a value: 66 dB a layer. An error is a few times as large at the end of the chain.
    "fp16": Tolerance(
        largest=math.inf,
        sqnr_db=40.0,
        log_spectral_db=0.5,
        judge_drop=0.02,
        f0_cents=2.0,
        wrong_voicing=0.005,
        layer_sqnr_db=60.0,
    ),
    "int8": _INT8,
    "int8_symmetric": _INT8,
}


@dataclass(frozen=True, slots=True)
class Difference:
    """How far an output of a graph is from torch's, over all sentences."""

    graph: str
    precision: Precision
    tensor: str
    largest: float
    """of all absolute errors, divided by the RMS of the tensor where that is above 1"""
    rms: float
    """the same of this output"""
    sqnr_db: float
    """power of the tensor over the power of its error, `EQUAL_DB` where there is none"""
    log_spectral_db: float | None = None
    """of a waveform; see `log_spectral_distance`"""
    wrong_durations: int | None = None
    """of symbols: how many last another number of whole frames"""
    f0_cents: float | None = None
    """of F0: RMS error where it is voiced in both"""
    wrong_voicing: float | None = None
    """of F0: share of frames that are voiced in one and not in the other"""

    @property
    def measured(self) -> str:
        """What was measured."""
        return self.tensor

    def failure(self) -> str | None:
        """What is above its tolerance, in words, or None."""
        tolerance = TOLERANCES[self.precision]
        if self.wrong_durations:
            return f"{self.wrong_durations} symbols last another number of frames"
        if not self.largest <= tolerance.largest:
            return (
                f"differs by {self.largest:.1e} (RMS {self.rms:.1e}), tolerance "
                f"{tolerance.largest:.0e}"
            )
        if self.f0_cents is not None and self.wrong_voicing is not None:
            # Without its SQNR: of a voice that hardly sounds, one decision on voicing is all of it.
            return _f0_failure(self.f0_cents, self.wrong_voicing, tolerance)
        if not self.sqnr_db >= tolerance.sqnr_db:
            return f"differs, SQNR {self.sqnr_db:.1f} dB, expected {tolerance.sqnr_db:.0f} dB"
        if self.log_spectral_db is None or self.log_spectral_db <= tolerance.log_spectral_db:
            return None
        return (
            f"differs by {self.log_spectral_db:.2f} dB of log-spectral distance, tolerance "
            f"{tolerance.log_spectral_db} dB"
        )

    def __str__(self) -> str:
        rest = ""
        if self.log_spectral_db is not None:
            rest = f", spectra {self.log_spectral_db:.2f} dB"
        if self.f0_cents is not None and self.wrong_voicing is not None:
            rest = f", {self.f0_cents:.2f} cents, {self.wrong_voicing:.2%} of voicing wrong"
        return (
            f"{self.graph} {self.precision}: {self.tensor} differs by {self.largest:.1e} "
            f"(RMS {self.rms:.1e}, SQNR {self.sqnr_db:.0f} dB{rest})"
        )


def _f0_failure(cents: float, wrong_voicing: float, tolerance: Tolerance) -> str | None:
    if not wrong_voicing <= tolerance.wrong_voicing:
        return (
            f"is voiced in one and not in the other in {wrong_voicing:.1%} of the frames,"
            f" tolerance {tolerance.wrong_voicing:.1%}"
        )
    if not cents <= tolerance.f0_cents:
        return f"is {cents:.1f} cents off, tolerance {tolerance.f0_cents} cents"
    return None


@dataclass(frozen=True, slots=True)
class JudgedDifference:
    """What a judge thinks of a graph's speech, beside that of torch, over all sentences."""

    graph: str
    precision: Precision
    judge: str
    torch_score: float
    """mean"""
    score: float
    """mean, of the graph"""
    clips: int

    @property
    def measured(self) -> str:
        """What was measured."""
        return self.judge

    def failure(self) -> str | None:
        """In words, or None."""
        drop, allowed = self.torch_score - self.score, TOLERANCES[self.precision].judge_drop
        if not drop <= allowed:
            return f"drops by {drop:.3f}, tolerance {allowed}"
        return None

    def __str__(self) -> str:
        return (
            f"{self.graph} {self.precision}: {self.judge} {self.score:.3f}, torch "
            f"{self.torch_score:.3f} ({self.clips} clips)"
        )


@dataclass(frozen=True, slots=True)
class ParityReport:
    """All that was measured when a bundle was exported."""

    differences: tuple[Difference, ...]
    judged: tuple[JudgedDifference, ...] = ()

    def failures(self) -> list[tuple[Difference | JudgedDifference, str]]:
        """What is above its tolerance, with the reason."""
        entries: tuple[Difference | JudgedDifference, ...] = (*self.differences, *self.judged)
        found = [(entry, entry.failure()) for entry in entries]
        return [(entry, reason) for entry, reason in found if reason is not None]

    def as_json(self) -> dict[str, Any]:
        """For a file beside the bundle: plain lists, numbers and strings, tolerances included."""

        def plain(entry: Any) -> dict[str, Any]:
            values = dataclasses.asdict(entry).items()
            return {k: v for k, v in values if v is not None and v != math.inf}

        precisions = dict.fromkeys(entry.precision for entry in self.differences)
        return {
            "tolerances": {name: plain(TOLERANCES[name]) for name in precisions},
            "differences": [plain(entry) for entry in self.differences],
            "judged": [plain(entry) for entry in self.judged],
        }

    def lines(self) -> list[str]:
        """One for each entry."""
        return [str(entry) for entry in (*self.differences, *self.judged)]
