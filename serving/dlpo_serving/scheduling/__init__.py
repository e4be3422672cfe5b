"""Who is computed next: many streams on few engine threads, none of them late if it can be helped.

Pure Python without a thread or a clock: time is passed in, so that tests run in simulated time.
"""

from __future__ import annotations

from dlpo_serving.scheduling.costs import CostLines, Costs, Line, Stage, Unit
from dlpo_serving.scheduling.scheduler import Batch, Scheduler
from dlpo_serving.scheduling.stream import FIRST_CHUNK_S, AdmissionPolicy, Stream, Work

__all__ = [
    "FIRST_CHUNK_S",
    "AdmissionPolicy",
    "Batch",
    "CostLines",
    "Costs",
    "Line",
    "Scheduler",
    "Stage",
    "Stream",
    "Unit",
    "Work",
]
