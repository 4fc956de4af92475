"""The AOT loss on unpaired answers: the sorted rewards of all chosen against those of all rejected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import ascending, is_symbolic, softplus
from dpo_theory.losses.dpo import DPO

__all__ = ["AOTUnpaired"]


@dataclass(frozen=True)
class AOTUnpaired:
    r"""-log s(beta (a_(k) - b_(k))), the log-ratios of chosen and of rejected answers, each sorted over the batch.

    Which rejected answer stands beside which chosen one does not matter. The answers of a batch see each other, and the losses
    are in sorted order; a pair alone has the loss of `DPO`.

    Args:
        beta: reward per nat, > 0.

    Source: Melnyk et al. 2024, arXiv:2406.05882, the unpaired form.

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.array([[-1.0, -2.0], [-3.0, -1.0], [-2.0, -2.0], [-1.0, -2.0]]))
    >>> AOTUnpaired(beta=0.5)(pairs).round(4)
    array([0.3133, 0.6931])
    """

    beta: float = 0.1

    takes: ClassVar[type] = PairLogProbs
    has: ClassVar[frozenset[str]] = DPO.has | {"batch-coupled"}
    lacks: ClassVar[frozenset[str]] = DPO.lacks

    def __post_init__(self) -> None:
        if not is_symbolic(self.beta):
            require_beta(self.beta)

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per place in the sorted batch."""
        if np.ndim(pairs.policy_chosen) > 1:
            raise ValueError(
                f"policy_chosen has shape {tuple(pairs.policy_chosen.shape)}, expected (N,): a batch is sorted along its one axis."
            )
        return softplus(-self.beta * (ascending(pairs.chosen_log_ratio) - ascending(pairs.rejected_log_ratio)))
