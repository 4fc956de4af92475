"""The SimPO loss: averaged log-probabilities without a reference, and a target margin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import is_symbolic, softplus
from dpo_theory.losses._lengths import SUM_OR_MEAN, SumOrMean, answer_logps
from dpo_theory.losses._options import require_convention, require_number
from dpo_theory.losses._properties import PROPERTIES

__all__ = ["SimPO"]


@dataclass(frozen=True)
class SimPO:
    r"""-log s(beta (log pi(y_w|x)/|y_w| - log pi(y_l|x)/|y_l|) - gamma), per comparison.

    There is no reference. The target margin is tied to the winner, so the optimum is not that of Bradley-Terry unless gamma is 0.

    Args:
        beta: reward per nat, > 0.
        gamma: the target margin.
        gamma_in: `reward`: gamma is subtracted after the multiplication by beta, as in the paper; `nats`: before it, so that the
            target is beta gamma (the option gamma_beta_ratio of the authors' code).
        token_logps: `mean` over the tokens of an answer, as in the paper, or their `sum`.

    Source: Meng et al. 2024, arXiv:2405.14734, eq. 6.

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.array([[-2.0], [-9.0], [0.0], [0.0]]), np.array([2]), np.array([3]))
    >>> SimPO(beta=2.0, gamma=1.0)(pairs).round(4), SimPO(beta=2.0, gamma=1.0, gamma_in="nats")(pairs).round(4)
    (array([0.0486]), array([0.1269]))
    """

    beta: float = 2.0
    gamma: float = 1.0
    gamma_in: Literal["reward", "nats"] = "reward"
    token_logps: SumOrMean = "mean"

    takes: ClassVar[type] = PairLogProbs

    def __post_init__(self) -> None:
        if not is_symbolic(self.beta):
            require_beta(self.beta)
        require_number("gamma", self.gamma)
        require_convention("gamma_in", self.gamma_in, ("reward", "nats"))
        require_convention("token_logps", self.token_logps, SUM_OR_MEAN)

    @property
    def has(self) -> frozenset[str]:
        """Averages forget lengths; sums are functions of a difference."""
        found = {"bounded-below", "bounded-gradient", "monotone", "vanishing-weight"}
        found |= {"length-invariant"} if self.token_logps == "mean" else {"antisymmetric-gradient", "convex", "shift-invariant"}
        return frozenset(found | ({"normalised-likelihood"} if self.gamma == 0 else set()))

    @property
    def lacks(self) -> frozenset[str]:
        """What it does not have."""
        return PROPERTIES - self.has

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison.

        Raises:
            ValueError: averages are wanted and lengths are missing.
        """
        chosen, rejected = answer_logps(pairs, self.token_logps)
        target = self.gamma if self.gamma_in == "reward" else self.beta * self.gamma
        return softplus(target - self.beta * (chosen - rejected))
