"""The XPO loss: DPO with a bonus for answers that the reference would not give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import is_symbolic, softplus
from dpo_theory.losses._options import require_convention, require_positive
from dpo_theory.losses._properties import PROPERTIES

__all__ = ["XPO"]


@dataclass(frozen=True)
class XPO:
    r"""-log s(z) + alpha log pi(y~|x), z = beta (log-ratio of chosen - log-ratio of rejected), y~ the answer of the pair that was drawn
    from the reference, per comparison.

    A pair of XPO is one answer of the policy and one of the reference, in the order that was preferred. Pushing down the reference's
    own answer makes the policy optimistic about others. `PairLogProbs` does not say which answer that was; `drawn` does, for all
    pairs: split a batch where it differs.

    Args:
        beta: reward per nat, > 0.
        alpha: of the bonus, > 0.
        drawn: which answer of the pairs was drawn from the reference, `rejected` or `chosen`.

    Source: Xie et al. 2024, arXiv:2405.21046, algorithm 1.

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.array([[-1.0], [-3.0], [-2.0], [-2.0]]))
    >>> XPO(beta=0.5, alpha=0.1)(pairs).round(4)
    array([0.0133])
    """

    beta: float = 0.1
    alpha: float = 0.01
    drawn: Literal["chosen", "rejected"] = "rejected"

    takes: ClassVar[type] = PairLogProbs

    def __post_init__(self) -> None:
        if not is_symbolic(self.beta):
            require_beta(self.beta)
        require_positive("alpha", self.alpha)
        require_convention("drawn", self.drawn, ("chosen", "rejected"))

    @property
    def has(self) -> frozenset[str]:
        """Where the chosen answer is the reference's own, the bonus works against it."""
        return frozenset({"bounded-gradient", "uses-reference"} | ({"monotone"} if self.drawn == "rejected" else set()))

    @property
    def lacks(self) -> frozenset[str]:
        """What it does not have."""
        return PROPERTIES - self.has

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison."""
        bonus = pairs.policy_chosen if self.drawn == "chosen" else pairs.policy_rejected
        return softplus(-self.beta * pairs.margin) + self.alpha * bonus
