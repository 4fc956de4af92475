"""What the claims about the pair loss share: comparisons of symbolic number, and every comparison of a problem."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from bandits.data import Comparisons, PairLogProbs
from bandits.problem import TabularBandit
from dpo_theory.claims.letters import log_ref
from dpo_theory.losses import dpo
from dpo_theory.proof import Row, row

__all__ = [
    "N",
    "batch",
    "compared",
    "every_pair",
    "h_chosen",
    "h_rejected",
    "pair",
    "random_log_policy",
    "slope_in_chosen",
    "weights",
]

N = sp.Symbol("N", integer=True, positive=True)
weights: Row = row("m", N)
h_chosen, h_rejected = sp.symbols("h_w h_l", real=True)


def batch() -> PairLogProbs:
    """N comparisons with free log-probabilities: what the loss sees, whatever the model behind it."""
    return PairLogProbs(row("pw", N), row("pl", N), row("rw", N), row("rl", N))


def pair(log_policy: Row, chosen: Any, rejected: Any) -> PairLogProbs:
    """One comparison of two entries of a policy over n answers."""
    return PairLogProbs(log_policy[chosen], log_policy[rejected], log_ref[chosen], log_ref[rejected])


def slope_in_chosen(price: Any) -> Any:
    """dL / d log pi(y_w|x) of one comparison with log-ratios h_w and h_l, differentiated from the loss that runs."""
    loss = dpo.DPO(price)(PairLogProbs(h_chosen, h_rejected, sp.S.Zero, sp.S.Zero))
    return sp.diff(loss, h_chosen)


def every_pair(bandit: TabularBandit) -> Comparisons:
    """Every ordered pair of answers that can be compared: both supported, both of finite reward."""
    open_ = bandit.support & np.isfinite(bandit.reward)
    both = open_[:, :, None] & open_[:, None, :] & ~np.eye(bandit.n_actions, dtype=bool)
    return Comparisons(*np.nonzero(both))


def compared(log_policy: Any, bandit: TabularBandit, data: Comparisons) -> PairLogProbs:
    """The log-probabilities of the compared answers."""
    x, chosen, rejected = data[:3]
    ref = bandit.log_ref
    return PairLogProbs(log_policy[x, chosen], log_policy[x, rejected], ref[x, chosen], ref[x, rejected])


def random_log_policy(bandit: TabularBandit, rng: np.random.Generator) -> np.ndarray:
    """(X, A) a policy that takes every action that is supported and not forbidden."""
    open_ = bandit.support & np.isfinite(bandit.reward)
    score = np.where(open_, rng.normal(scale=2.0, size=bandit.reward.shape), -np.inf)
    return score - np.logaddexp.reduce(score, axis=-1, keepdims=True)
