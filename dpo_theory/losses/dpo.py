"""The DPO loss, eq. 7."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import is_symbolic, sigmoid, softplus

__all__ = ["DPO"]


@dataclass(frozen=True)
class DPO:
    r"""-log s(beta (log pi/pi_ref (y_w|x) - log pi/pi_ref (y_l|x))), per comparison.

    Args:
        beta: reward per nat, > 0.

    Source: Rafailov et al. 2023, arXiv:2305.18290, eq. 7. Verified by claims `D07`, `D09`, `D10`, `D26`, `D27`.

    >>> import numpy as np
    >>> from bandits.data import PairLogProbs
    >>> pairs = PairLogProbs(*np.array([[-1.0, -2.0], [-3.0, -1.0], [-2.0, -2.0], [-2.0, -2.0]]))
    >>> DPO(beta=0.5)(pairs).round(4)
    array([0.3133, 0.9741])
    """

    beta: float = 0.1

    takes: ClassVar[type] = PairLogProbs
    has: ClassVar[frozenset[str]] = frozenset(
        {
            "antisymmetric-gradient",
            "borda-order",
            "bounded-below",
            "bounded-gradient",
            "bt-proper",
            "calibrated",
            "convex",
            "log-ratio-only",
            "log2-at-reference",
            "margin-only",
            "monotone",
            "normalised-likelihood",
            "recovers-kl-optimum",
            "scales-with-beta",
            "shift-invariant",
            "uses-reference",
            "vanishing-weight",
        }
    )
    lacks: ClassVar[frozenset[str]] = frozenset(
        {"displacement-free", "finite-optimum-when-deterministic", "flip-robust", "length-invariant"}
    )

    def __post_init__(self) -> None:
        if not is_symbolic(self.beta):
            require_beta(self.beta)

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison."""
        return softplus(-self.beta * pairs.margin)

    def weight(self, pairs: PairLogProbs) -> Any:
        """(N,) s(rhat_l - rhat_w): how wrong the implicit reward orders the pair, in (0, 1); the display after eq. 7."""
        return sigmoid(-self.beta * pairs.margin)

    def gradient(self, pairs: PairLogProbs) -> tuple[Any, Any]:
        """(N,), (N,) derivatives in log pi(y_w|x) and log pi(y_l|x): -beta s(rhat_l - rhat_w) and its negative.

        The display after eq. 7 is their chain rule: grad L = -beta E[s(rhat_l - rhat_w)(grad log pi_w - grad log pi_l)].
        """
        pull = self.beta * self.weight(pairs)
        return -pull, pull

    def rewards(self, pairs: PairLogProbs) -> tuple[Any, Any]:
        """(N,), (N,) implicit rewards beta log pi/pi_ref of chosen and rejected, outside any autograd graph; App. B."""
        chosen = self.beta * pairs.chosen_log_ratio
        rejected = self.beta * pairs.rejected_log_ratio
        return _detached(chosen), _detached(rejected)


def _detached(value: Any) -> Any:
    return value.detach() if hasattr(value, "detach") else value
