"""One-off studies behind decisions of the project; not part of the wheel.

Each module answers one question, runs as `python -m research.NAME` from a checkout, and keeps its
records in research/records. The product and its benchmarks never import it.
"""

from __future__ import annotations

from pathlib import Path

RECORDS = Path("research") / "records"  # from the root of a checkout
