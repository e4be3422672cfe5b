"""Batch normalisation folded into the convolution before it, ahead of any rounding.

The exporter folds them too, but after weights were rounded to float16: what it makes fits float16
no more and is stored in float32.
"""

from __future__ import annotations

import copy
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

M = TypeVar("M", bound=nn.Module)


def fold_batch_norms(module: M) -> M:
    """A copy in eval mode without the batch norms that follow a convolution in an `nn.Sequential`.

    `module` itself if it has none.
    """
    chains = [
        (name, place)
        for name, child in module.named_modules()
        if isinstance(child, nn.Sequential)
        for place in range(len(child) - 1)
        if isinstance(child[place], nn.Conv1d) and isinstance(child[place + 1], nn.BatchNorm1d)
    ]
    if not chains:
        return module
    folded = copy.deepcopy(module).eval()
    for name, place in chains:
        chain = folded.get_submodule(name)
        assert isinstance(chain, nn.Sequential)
        convolution, norm = chain[place], chain[place + 1]
        assert isinstance(convolution, nn.Conv1d)
        assert isinstance(norm, nn.BatchNorm1d)
        chain[place] = fuse_conv_bn_eval(convolution, norm)
        chain[place + 1] = nn.Identity()
    return folded
