"""The AlphaPO loss: SimPO with a bent reward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import expm1, is_symbolic, softplus
from dpo_theory.losses._lengths import SUM_OR_MEAN, SumOrMean, answer_logps
from dpo_theory.losses._options import require_convention, require_number, require_positive
from dpo_theory.losses._properties import PROPERTIES

__all__ = ["AlphaPO"]


@dataclass(frozen=True)
class AlphaPO:
    r"""-log s(beta (r_w - r_l) - gamma), r = (1 - p^-alpha)/alpha, p = exp(log pi(y|x)/|y|), per comparison.

    At alpha = 0 the reward is log p, and the loss is `SimPO`. For alpha > 0 the reward of an improbable answer falls
    exponentially in its length-normalised log-probability.

    Args:
        beta: scale of the reward, > 0.
        gamma: the target margin.
        alpha: how the reward is bent, any sign.
        gamma_in: `reward`: gamma is subtracted after the multiplication by beta; `nats`: before it.
        token_logps: `mean` over the tokens of an answer, as in the paper, or their `sum`.
        ceiling: the largest exponent -alpha log p that numbers take: beyond it they follow the tangent, so that every dtype stays
            finite; expressions have none.

    Source: Gupta et al. 2025, arXiv:2501.03884.

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.array([[-2.0], [-9.0], [0.0], [0.0]]), np.array([2]), np.array([3]))
    >>> AlphaPO(beta=0.1, gamma=0.0, alpha=1.0)(pairs).round(4)  # the rewards are 1 - e and 1 - e^3
    array([0.1622])
    """

    beta: float = 2.5
    gamma: float = 0.5
    alpha: float = 0.25
    gamma_in: Literal["reward", "nats"] = "reward"
    token_logps: SumOrMean = "mean"
    ceiling: float = 50.0

    takes: ClassVar[type] = PairLogProbs

    def __post_init__(self) -> None:
        if not is_symbolic(self.beta):
            require_beta(self.beta)
        require_number("gamma", self.gamma)
        require_number("alpha", self.alpha)
        require_convention("gamma_in", self.gamma_in, ("reward", "nats"))
        require_convention("token_logps", self.token_logps, SUM_OR_MEAN)
        require_positive("ceiling", self.ceiling)

    @property
    def has(self) -> frozenset[str]:
        """A bent reward keeps what needs no difference."""
        found = {"bounded-below", "monotone", "vanishing-weight"}
        if self.alpha <= 0:
            found.add("bounded-gradient")
        if self.token_logps == "mean":
            found.add("length-invariant")
        return frozenset(found)

    @property
    def lacks(self) -> frozenset[str]:
        """What it does not have."""
        return PROPERTIES - self.has

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison.

        Raises:
            ValueError: averages are wanted and lengths are missing.
        """
        chosen, rejected = (self._reward(logps) for logps in answer_logps(pairs, self.token_logps))
        target = self.gamma if self.gamma_in == "reward" else self.beta * self.gamma
        return softplus(target - self.beta * (chosen - rejected))

    def _reward(self, logps: Any) -> Any:
        if not is_symbolic(self.alpha) and self.alpha == 0:
            return logps
        return -expm1(-self.alpha * logps, ceiling=self.ceiling) / self.alpha
