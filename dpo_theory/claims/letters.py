"""The letters that derivations share: rows of symbolic length, and the facts about them."""

from __future__ import annotations

from typing import Any

import sympy as sp

from dpo_theory.proof import Row, row

__all__ = [
    "beta",
    "c",
    "expectation",
    "i",
    "j",
    "k",
    "log_policy",
    "log_ref",
    "other_reward",
    "reward",
    "sums_to_one",
    "t",
]

reward: Row = row("r")
other_reward: Row = row("s")
log_ref: Row = row("log_ref")
log_policy: Row = row("log_pi")
beta = sp.Symbol("beta", positive=True)
c = sp.Symbol("c", real=True)
t = sp.Symbol("t", real=True)
i, j, k = sp.symbols("i j k", integer=True, positive=True)


def sums_to_one(log_probs: Row) -> tuple[Any, Any]:
    """The fact that a row of log-probabilities is normalised."""
    return (log_probs.each(sp.exp).sum(), sp.S.One)


def expectation(log_probs: Row, values: Row) -> Any:
    """sum_i exp(log_probs[i]) values[i], written here and not borrowed from the formulas."""
    return (log_probs.each(sp.exp) * values).sum()
