"""The ORPO loss: likelihood of the chosen answer and a ratio of odds, without a reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bandits.data import PairLogProbs
from bandits.door import as_numpy
from dpo_theory._xp import exp, expm1, is_symbolic, log1mexp, relu, softplus
from dpo_theory.losses._lengths import SUM_OR_MEAN, SumOrMean, answer_logps, negative_log_likelihood
from dpo_theory.losses._options import require_convention, require_nonnegative
from dpo_theory.losses._properties import PROPERTIES

__all__ = ["ORPO"]

FAR = 40.0  # a log-ratio of odds below 10 has fewer nats than this between log-probabilities down to -1e-12


@dataclass(frozen=True)
class ORPO:
    r"""NLL(y_w) - weight log s(log odds(y_w) - log odds(y_l)), odds = p/(1 - p), p = exp(log pi(y|x)/|y|), per comparison.

    The likelihood is that of the answer's tokens alone; libraries that add the prompt's tokens have another loss.

    Args:
        weight: the paper's lambda, >= 0; some libraries call it beta.
        token_logps: in the odds: `mean` over the tokens of an answer, as in the paper, or their `sum`.
        nll: of the chosen answer: `mean` over its tokens, as in the paper, or their `sum`.

    Source: Hong, Lee, Thorne 2024, arXiv:2403.07691, eqs. 6 and 7.

    >>> import numpy as np
    >>> half, quarter = np.log([0.5]), np.log([0.25])
    >>> ORPO(weight=1.0)(PairLogProbs(half, quarter, None, None, np.array([1]), np.array([1]))).round(4)  # log 2 + log(1 + 1/3)
    array([0.9808])
    """

    weight: float = 0.1
    token_logps: SumOrMean = "mean"
    nll: SumOrMean = "mean"

    takes: ClassVar[type] = PairLogProbs

    def __post_init__(self) -> None:
        require_nonnegative("weight", self.weight)
        require_convention("token_logps", self.token_logps, SUM_OR_MEAN)
        require_convention("nll", self.nll, SUM_OR_MEAN)

    @property
    def has(self) -> frozenset[str]:
        """Averages forget lengths; without the odds it is `PreferredFT`."""
        found = {"bounded-below", "monotone"}
        if not is_symbolic(self.weight) and self.weight == 0:
            found |= {"bounded-gradient", "convex", "displacement-free"} | ({"length-invariant"} if self.nll == "mean" else set())
        elif self.token_logps == self.nll == "mean":
            found.add("length-invariant")
        return frozenset(found)

    @property
    def lacks(self) -> frozenset[str]:
        """What it does not have."""
        return PROPERTIES - self.has

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison.

        Raises:
            ValueError: averages are wanted and lengths are missing, or a probability is 1 or more: its odds are infinite.
        """
        likelihood = negative_log_likelihood(pairs, self.nll)
        if not is_symbolic(self.weight) and self.weight == 0:
            return likelihood
        chosen, rejected = answer_logps(pairs, self.token_logps)
        for name, logps in (("policy_chosen", chosen), ("policy_rejected", rejected)):
            _require_odds(name, logps)
        against = rejected - chosen
        complements = expm1(chosen) / expm1(rejected)  # (1 - p_w) / (1 - p_l), exact near 1
        log_ratio = against + log1mexp(chosen) - log1mexp(rejected)
        small = exp(against - relu(against - FAR)) * complements
        return likelihood + self.weight * softplus(log_ratio, exponential=small)


def _require_odds(name: str, logps: Any) -> None:
    if is_symbolic(logps) or type(logps).__module__.startswith("bandits."):
        return
    most = float(as_numpy(name, logps).max(initial=-np.inf))
    if most >= 0:
        raise ValueError(f"{name} holds the log-probability {most:g}: odds need it below 0. Compute log-probabilities in float32 or more.")
