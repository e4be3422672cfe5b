"""Each layer of a graph under the roof: what it reaches, and what it could.

A layer is bound by the peak, or by memory where it multiplies little with what it reads: at most
min(peak, intensity x bandwidth). Intensity is operations for each byte that its nodes read and
write.

Reference: Williams, Waterman and Patterson, Roofline: an insightful visual performance model for
multicore architectures, 2009.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from dlpo_bench.roofline.kernels import GIGA, Kind, Peak
from dlpo_export.profile.measure import NodeTime, Profile


@dataclass(frozen=True, slots=True)
class Layer:
    """All nodes of one layer, its activations and conversions included, over all reverse steps."""

    layer: str
    ms: float
    gop: float
    """1e9 operations"""
    traffic_mb: float
    intensity: float
    """operations a byte"""
    gop_per_s: float
    bound_gop_per_s: float
    """what the roof allows"""
    share_of_bound: float
    multiplying_ms: float
    """of `ms`, convolutions, products and LSTMs"""
    multiplying_gop_per_s: float
    """of these alone"""
    largest_kinds: tuple[tuple[str, float], ...]
    """operators that take most, and their ms"""


@dataclass(frozen=True, slots=True)
class OperatorShare:
    """All nodes of one kind of operator."""

    operator: str
    ms: float
    share: float
    """of the time of all nodes"""
    gop_per_s: float


LARGEST = 4  # operators that are named beside a layer


def layers(profile: Profile, roof: Mapping[Kind, Peak], kind: Kind) -> list[Layer]:
    """The layers that multiply, the one that takes most time first.

    Args:
        roof: has `kind` and `memory`.
        kind: number format of the graph.
    """
    nodes: dict[str, list[NodeTime]] = defaultdict(list)
    for node in profile.nodes:
        nodes[node.layer].append(node)
    found = [_layer(name, members, roof, kind) for name, members in nodes.items()]
    return sorted((one for one in found if one.gop), key=lambda one: -one.ms)


def operators(profile: Profile) -> list[OperatorShare]:
    """Kinds of operator, the one that takes most time first."""
    return [OperatorShare(one.name, one.ms, one.share, 2 * one.gmac_per_s) for one in profile.kinds]


def as_figures(found: Sequence[Layer] | Sequence[OperatorShare]) -> list[dict[str, object]]:
    """For a record."""
    return [asdict(one) for one in found]


def _layer(name: str, nodes: Sequence[NodeTime], roof: Mapping[Kind, Peak], kind: Kind) -> Layer:
    ms, gop = sum(node.ms for node in nodes), 2 * sum(node.mac for node in nodes) / GIGA
    traffic = sum(node.traffic for node in nodes) / GIGA
    intensity = gop / traffic if traffic else 0.0
    bound = min(roof[kind].rate, intensity * roof["memory"].rate)
    rate = gop / ms * 1e3 if ms else 0.0
    busy_ms = sum(node.ms for node in nodes if node.mac)
    by_kind: dict[str, float] = defaultdict(float)
    for node in nodes:
        by_kind[node.kind] += node.ms
    largest = sorted(by_kind.items(), key=lambda item: -item[1])[:LARGEST]
    return Layer(
        name, ms, gop, 1e3 * traffic, intensity, rate, bound, rate / bound if bound else 0.0,
        busy_ms, gop / busy_ms * 1e3 if busy_ms else 0.0, tuple(largest),
    )  # fmt: skip
