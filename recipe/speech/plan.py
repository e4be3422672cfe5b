"""The texts of each voice and their order: a plan that needs no memory but the clips that exist.

Voices start at different places of each pool, so together they have said as many different texts
as possible.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from zlib import crc32

from recipe.speech.texts import Text

SHARES = {
    "conversation": 0.45,
    "prose": 0.37,
    "drill": 0.18,
}  # of a voice's time, while a pool lasts
SPANISH = {"spanish": 1.0}


@dataclass(frozen=True, slots=True)
class Target:
    """A voice of Kokoro and how much it is to say."""

    voice: str
    hours: float
    first_hours: float
    """of them, which all voices have said before one says more"""
    shares: Mapping[str, float] = field(default_factory=lambda: SHARES)
    """of its time, by pool"""


# Published grades (Kokoro-82M's VOICES.md): heart A, bella A-; sarah, aoede, kore, michael, fenrir,
# puck C+; nova C; echo, onyx, eric, liam D. nicole (B-) whispers, so it isn't here. The names that
# 1.0 ships must be here.
TARGETS = (
    Target("af_heart", 20, 9),
    Target("am_michael", 3.2, 3.2),
    Target("af_nova", 3.2, 3.2),
    Target("am_fenrir", 3.2, 3.2),
    Target("af_bella", 3.2, 3.2),
    Target("am_puck", 3.2, 3.2),
    Target("af_sarah", 3.2, 3.2),
    Target("am_echo", 3.2, 3.2),
    Target("ef_dora", 3.2, 3.2, SPANISH),
    Target("em_alex", 3.2, 3.2, SPANISH),
)


# Without sound a voice says an hour in 42 seconds.
SILENT_TARGETS = tuple(replace(t, hours=max(t.hours, 8), first_hours=8) for t in TARGETS)
# The held-out texts take ten minutes a voice, whatever it learns from.
HELD_OUT_TARGETS = tuple(replace(t, hours=1, first_hours=1) for t in TARGETS)


def share_out(jobs: int, targets: Sequence[Target] = TARGETS) -> list[list[Target]]:
    """Each job's voices, about equally long to speak; no job without a voice."""
    shares = [list[Target]() for _ in range(min(jobs, len(targets)))]
    for target in sorted(targets, key=lambda t: -t.hours):
        min(shares, key=lambda share: sum(t.hours for t in share)).append(target)
    return shares


def within(hours: float, targets: Sequence[Target] = TARGETS) -> list[Target]:
    """The targets cut down to so many hours together."""
    share = min(1.0, hours / sum(target.first_hours for target in targets))
    left = max(0.0, hours - sum(target.first_hours for target in targets))
    found = []
    for target in targets:
        more = min(left, target.hours - target.first_hours)
        left -= more
        found.append(replace(target, hours=target.first_hours * share + more))
    return found


def order_for(voice: str, texts: Sequence[Text], targets: Sequence[Target] = TARGETS) -> list[Text]:
    """All texts of a voice's pools in the order in which it says them, mixed by its shares."""
    number = [target.voice for target in targets].index(voice)
    place, shares = number / len(targets), targets[number].shares
    pools = {pool: _rotated([t for t in texts if t.pool == pool], place) for pool in shares}
    used, out = dict.fromkeys(shares, 0.0), list[Text]()
    at = dict.fromkeys(shares, 0)
    while open_pools := [p for p in shares if at[p] < len(pools[p])]:
        pool = min(open_pools, key=lambda p: used[p] / shares[p])
        text = pools[pool][at[pool]]
        at[pool] += 1
        used[pool] += text.expected_s
        out.append(text)
    return out


def _rotated(pool: list[Text], place: float) -> list[Text]:
    """The pool in a fixed random order, beginning at a share of it."""
    shuffled = sorted(pool, key=lambda text: (crc32(text.id.encode()), text.id))
    first = int(len(shuffled) * place)
    return shuffled[first:] + shuffled[:first]
