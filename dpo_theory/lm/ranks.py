"""How a walk is split over processes: which subtrees are mine, and how partial sums become one."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["ALONE", "Ranks", "join_ranks"]


@dataclass(frozen=True)
class Ranks:
    """This process is number `rank` of `size`; `gather` brings the partial results of all to each, in the order of the ranks."""

    rank: int = 0
    size: int = 1
    device: str = "cpu"

    def gather(self, partial: Tensor) -> Tensor:
        """(...) of this process -> (size, ...) of all."""
        if self.size == 1:
            return partial[None]
        parts = [torch.empty_like(partial) for _ in range(self.size)]
        torch.distributed.all_gather(parts, partial.contiguous())
        return torch.stack(parts)


ALONE = Ranks()


def join_ranks(device: str = "cpu") -> Ranks:
    """The ranks that `torchrun` started, or `ALONE` without it: gloo on CPUs, NCCL on GPUs.

    >>> join_ranks() == ALONE
    True
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Ranks(device=device)
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    rank = torch.distributed.get_rank()
    if device.startswith("cuda"):
        device = f"cuda:{os.environ.get('LOCAL_RANK', rank)}"
        torch.cuda.set_device(device)
    return Ranks(rank, torch.distributed.get_world_size(), device)
