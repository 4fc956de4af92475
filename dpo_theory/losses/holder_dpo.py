"""The Hölder-DPO loss: a density power divergence instead of a log-likelihood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import exp, given_slope, is_symbolic, sigmoid, softplus
from dpo_theory.losses._options import require_convention
from dpo_theory.losses._properties import PROPERTIES

__all__ = ["HolderDPO"]


@dataclass(frozen=True)
class HolderDPO:
    r"""gamma M - (1 + gamma) s(z)^gamma, z = beta (log-ratio of chosen - log-ratio of rejected), per comparison.

    M is the model's mass s^(1 + gamma): of the label that was seen, as in the paper, or of both. Pairs that are far off stop pulling
    as satisfied ones do: with the label seen, l' = -gamma (1 + gamma) s(z)^gamma s(-z)^2. Then l'(-z) = e^((2 - gamma) z) l'(z):
    Bradley-Terry is recovered at gamma = 1, where the loss is `Savage` less 1; at gamma = 2 and beyond the best margin is infinite,
    and label noise does not move it. With the mass of both labels the loss is proper for every gamma.

    Args:
        beta: reward per nat, > 0.
        gamma: robustness, > 0; with the mass of both labels the loss over gamma becomes `DPO` towards 0.
        mass: `seen`, s(z)^(1 + gamma); or `both`, s(z)^(1 + gamma) + s(-z)^(1 + gamma).

    Source: Fujisawa, Adachi, Osborne 2025, arXiv:2505.17859, for the Hölder function gamma - (1 + gamma) h; the divergence is of Basu et
    al. 1998.

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.zeros((4, 1)))
    >>> HolderDPO(gamma=1.0)(pairs)  # 1/4 - 1
    array([-0.75])
    """

    beta: float = 0.1
    gamma: float = 2.0
    mass: Literal["seen", "both"] = "seen"

    takes: ClassVar[type] = PairLogProbs

    def __post_init__(self) -> None:
        if not is_symbolic(self.beta):
            require_beta(self.beta)
        if not is_symbolic(self.gamma):
            require_beta(self.gamma, "gamma")
        require_convention("mass", self.mass, ("seen", "both"))

    @property
    def has(self) -> frozenset[str]:
        """It is proper, and then has RLHF's optimum, with the mass of both labels, and at gamma = 1."""
        found = {
            "antisymmetric-gradient",
            "bounded-below",
            "bounded-gradient",
            "calibrated",
            "log-ratio-only",
            "margin-only",
            "monotone",
            "scales-with-beta",
            "shift-invariant",
            "uses-reference",
            "vanishing-weight",
        }
        proper = self.mass == "both" or self.gamma == 1
        found |= {"bt-proper", "recovers-kl-optimum"} if proper else set()
        return frozenset(found | ({"flip-robust"} if self.mass == "seen" and self.gamma >= 2 else set()))

    @property
    def lacks(self) -> frozenset[str]:
        """What it does not have."""
        return PROPERTIES - self.has

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison."""
        z = self.beta * pairs.margin
        far, power = sigmoid(-z), exp(-self.gamma * softplus(-z))
        seen = -power * (1 + self.gamma * far)
        slope = -self.gamma * (1 + self.gamma) * power * far**2
        if self.mass == "seen":
            return given_slope(seen, slope, z)
        other = self.gamma * exp(-(1 + self.gamma) * softplus(z))
        return given_slope(seen, slope, z) + other
