"""The single-sample policy-gradient estimator in the logits of a table: its values, and the trace of its covariance.

Draw y from the policy and return g = signal(y) grad log pi(y), where grad log pi(y) = e_y - pi in the logits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dpo_theory._xp import total

__all__ = ["estimates", "score_norm", "variance", "variance_by_table"]


def score_norm(policy: Any) -> Any:
    """(A,) |e_y - pi|^2 = 1 - 2 pi(y) + sum pi^2.

    >>> score_norm(np.array([0.5, 0.5])).tolist()
    [0.5, 0.5]
    """
    return 1 - 2 * policy + total(policy * policy)


def variance(policy: Any, signal: Any) -> Any:
    r"""tr Cov(g) = E[signal^2 |e_y - pi|^2] - sum_j pi_j^2 (signal_j - E signal)^2.

    Args:
        policy: (A,) probabilities; numbers, or a row of symbolic length.
        signal: (A,) what multiplies the score.

    Returns:
        The trace of the covariance, a scalar.

    >>> float(variance(np.array([0.5, 0.5]), np.array([1.0, -1.0])))
    0.0
    """
    excess = signal - total(policy * signal)
    return total(policy * signal * signal * score_norm(policy)) - total(policy * policy * excess * excess)


def estimates(policy: Any, signal: Any) -> Any:
    """(A, A) row y is the estimate when y is drawn: signal(y) (e_y - pi)."""
    return signal[:, None] * (np.eye(len(policy), dtype=int) - policy[None, :])


def variance_by_table(policy: Any, signal: Any) -> Any:
    """tr Cov(g) from every value that g can take; the entries may be floats, fractions or intervals.

    >>> float(variance_by_table(np.array([0.5, 0.5]), np.array([1.0, -1.0])))
    0.0
    """
    drawn = estimates(policy, signal)
    mean = (policy[:, None] * drawn).sum(axis=0)
    away = drawn - mean[None, :]
    return (policy * (away * away).sum(axis=1)).sum()
