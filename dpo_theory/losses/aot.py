"""The AOT loss: the sorted margins of a batch against the sorted margins of the reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import ascending, is_symbolic, softplus
from dpo_theory.losses.dpo import DPO

__all__ = ["AOT"]


@dataclass(frozen=True)
class AOT:
    r"""-log s(beta (u_(k) - v_(k))), u and v the margins of policy and reference, each sorted over the batch.

    It asks that the policy's margins dominate the reference's as a distribution. The pairs of a batch see each other, and its
    losses are in the order of the sorted margins; a pair alone has the loss of `DPO`.

    Args:
        beta: reward per nat, > 0.

    Source: Melnyk et al. 2024, arXiv:2406.05882, the paired form.

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.array([[-1.0, -2.0], [-3.0, -1.0], [-2.0, -2.0], [-1.0, -2.0]]))
    >>> AOT(beta=0.5)(pairs).round(4)
    array([0.6931, 0.3133])
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
        policy = ascending(pairs.policy_chosen - pairs.policy_rejected)
        reference = ascending(pairs.ref_chosen - pairs.ref_rejected)
        return softplus(-self.beta * (policy - reference))
