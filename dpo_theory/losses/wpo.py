"""The WPO loss: DPO on pairs that count as much as the policy would write them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import detached, exp, is_symbolic, relu, softplus, total
from dpo_theory.losses._lengths import token_counts
from dpo_theory.losses._options import require_positive
from dpo_theory.losses._properties import PROPERTIES

__all__ = ["WPO"]


@dataclass(frozen=True)
class WPO:
    r"""-w_w w_l log s(z), z = beta (log-ratio of chosen - log-ratio of rejected), per comparison; no gradient passes the weights w.

    The weight of an answer is the exponential of its mean token log-probability. `PairLogProbs.chosen_token_logps` and
    `rejected_token_logps` carry those, 0 beyond an answer's end; where they are absent the mean is policy_chosen / chosen_tokens. The
    paper aligns them first: log pi(y_t) - log sum_v pi(v)^2 in place of log pi(y_t).

    Args:
        beta: reward per nat, > 0.
        cap: the largest weight of a pair, > 0; aligned token log-probabilities can exceed 1. The paper has none; TRL has 1.

    Source: Zhou et al. 2024, arXiv:2406.11827, eq. 3 and section 3.3.

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.array([[-1.0], [-3.0], [-2.0], [-2.0], [4], [4]]))
    >>> (WPO(beta=0.5)(pairs) * np.e).round(4)  # DPO, with the weights e^-1/4 and e^-3/4
    array([0.3133])
    """

    beta: float = 0.1
    cap: float = 1.0

    takes: ClassVar[type] = PairLogProbs
    has: ClassVar[frozenset[str]] = frozenset(
        {
            "antisymmetric-gradient",
            "bounded-below",
            "bounded-gradient",
            "surrogate-gradient",
            "uses-reference",
            "vanishing-weight",
        }
    )
    lacks: ClassVar[frozenset[str]] = PROPERTIES - has

    def __post_init__(self) -> None:
        if not is_symbolic(self.beta):
            require_beta(self.beta)
        require_positive("cap", self.cap)

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison.

        Raises:
            ValueError: the lengths are missing or not positive.
        """
        return self.weight(pairs) * softplus(-self.beta * pairs.margin)

    def weight(self, pairs: PairLogProbs) -> Any:
        """(N,) the weight of each pair, outside any autograd graph."""
        chosen, rejected = token_counts(pairs)
        first = pairs.policy_chosen if pairs.chosen_token_logps is None else total(pairs.chosen_token_logps)
        second = pairs.policy_rejected if pairs.rejected_token_logps is None else total(pairs.rejected_token_logps)
        raw = exp(detached(first / chosen + second / rejected))
        return raw - relu(raw - self.cap)
