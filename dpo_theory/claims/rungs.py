"""What certificates about the whole reward ask of a rung of the ladder."""

from __future__ import annotations

import numpy as np

from bandits.door import Array
from bandits.problem import TabularBandit

__all__ = ["full_support", "score_terms"]


def full_support(bandit: TabularBandit) -> bool:
    """True where every reward is finite and the reference supports every action."""
    return bool(np.isfinite(bandit.reward).all() and bandit.support.all())


def score_terms(bandit: TabularBandit) -> Array:
    """(X, A) sizes of what is added in r - beta log(pi*/pi_ref): |r| + beta |log pi_ref| + beta |log Z|."""
    log_z = np.logaddexp.reduce(bandit.log_ref + bandit.reward / bandit.beta, axis=-1, keepdims=True)
    return np.abs(bandit.reward) + bandit.beta * (np.abs(bandit.log_ref) + np.abs(log_z))
