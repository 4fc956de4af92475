"""One loss per pair from code that returns their mean: the last reduction over the batch is left out."""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode

__all__ = ["Unreduced"]

MEANS = (torch.Tensor.mean, torch.mean, torch.Tensor.nanmean, torch.nanmean)


class Unreduced(TorchFunctionMode):
    """Inside, the mean of k*N numbers in a row is the N means of the pairs, and so is the mean of a cross-entropy.

    A guess about where code reduces: what it gives is used only after it has agreed with the code itself, pair by pair.

    Args:
        pairs: N > 1, how many there are in the batch.
    """

    def __init__(self, pairs: int) -> None:
        super().__init__()
        self.pairs = pairs

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in MEANS and len(args) == 1 and not kwargs and args[0].ndim == 1 and self._divides(args[0]):
            return args[0] if len(args[0]) == self.pairs else args[0].view(-1, self.pairs).mean(dim=0)
        if func is torch.nn.functional.cross_entropy and kwargs.get("reduction", "mean") == "mean" and args[0].ndim == 2:
            counted = (args[1] != kwargs.get("ignore_index", -100)).view(self.pairs, -1).sum(dim=1)
            each = func(*args, **{**kwargs, "reduction": "none"}).view(self.pairs, -1)
            return each.sum(dim=1) / counted
        return func(*args, **kwargs)

    def _divides(self, tensor: torch.Tensor) -> bool:
        return len(tensor) > 0 and len(tensor) % self.pairs == 0
