"""Pictures of the explanation pages: python -m dlpo_bench.explain

levels    the noise levels that a chain visits; from the schedules themselves
chain     a sentence at every reverse step; from a checkpoint
windows   how a sentence is cut into chunks and windows; by the server's own rule
lanes     whose turn it is, when; by the server's own scheduler in simulated time
"""

from __future__ import annotations
