"""The table of methods. Each is a page, with equation, symbols, needs and source."""

from __future__ import annotations

from collections.abc import Mapping

from dlpo.rl.awm import AWM
from dlpo.rl.control import Control
from dlpo.rl.core.method import Method
from dlpo.rl.core.objective import MethodName
from dlpo.rl.ddpo import DDPO
from dlpo.rl.direct import Direct
from dlpo.rl.dlpo import DLPO, OnlyDL
from dlpo.rl.dpok import DPOK
from dlpo.rl.klinr import KLinR
from dlpo.rl.nft import DiffusionNFT
from dlpo.rl.rwr import RWR

METHODS: Mapping[MethodName, type[Method]] = {
    "rwr": RWR,
    "ddpo": DDPO,
    "dpok": DPOK,
    "klinr": KLinR,
    "onlydl": OnlyDL,
    "dlpo": DLPO,
    "awm": AWM,
    "nft": DiffusionNFT,
    "control": Control,
    "direct": Direct,
}
"""On a chain all of them; on a flow those that need no density: rwr, dlpo, awm, nft, control,
direct; all of them through `dlpo.rl.core.flow`."""
