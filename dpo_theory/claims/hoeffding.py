"""Hoeffding's lemma for tilted policies, for every number of answers: what the bounds C11, C12 and C15 share, and the adversary.

For a normalised row q and a row delta, psi(t) = log sum exp(q + t delta) is the log-partition of the policies p_t, proportional
to exp(q + t delta). Its second derivative is the variance of delta, which is at most (max - min)^2 / 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import sympy as sp

from dpo_theory import optimal
from dpo_theory.claims.letters import expectation, log_policy, sums_to_one, t
from dpo_theory.proof import Row, Step, row

__all__ = ["adversary", "cumulant_steps", "delta", "osc", "psi", "tight_steps", "variance", "variance_steps"]

delta = row("delta")
FACTS = (sums_to_one(log_policy),)


def psi(at: Any) -> Any:
    """log sum exp(q + at delta), by the shipped partition function with beta = 1."""
    return optimal.log_partition(delta * at, log_policy, sp.S.One)


def variance(log_probs: Row, values: Row) -> Any:
    """E v^2 - (E v)^2."""
    return expectation(log_probs, values**2) - expectation(log_probs, values) ** 2


def cumulant_steps() -> Iterator[Step]:
    """psi'' is the variance, and the two KL divergences between p_0 and p_1 are its weighted integrals."""
    slope, curve = sp.diff(psi(t), t), sp.diff(psi(t), t, 2)
    p_t = optimal.optimal_log_policy(delta * t, log_policy, sp.S.One)
    p_1 = optimal.optimal_log_policy(delta, log_policy, sp.S.One)
    yield Step("psi'' is the variance of delta under p_t", curve, variance(p_t, delta), "second cumulant")
    yield Step(
        "KL(p_0 || p_1) = psi(1) - psi(0) - psi'(0)",
        optimal.kl_divergence(log_policy, p_1),
        psi(1) - psi(0) - slope.subs(t, 0),
        "log p_1 = q + delta - psi(1)",
        facts=FACTS,
    )
    yield Step(
        "KL(p_1 || p_0) = psi'(1) - psi(1) + psi(0)",
        optimal.kl_divergence(p_1, log_policy),
        slope.subs(t, 1) - psi(1) + psi(0),
        "log p_1 = q + delta - psi(1)",
        facts=FACTS,
    )
    forward, backward = (1 - t) * slope + psi(t), t * slope - psi(t)
    yield Step("the first is the integral of (1 - t) psi''", sp.diff(forward, t), (1 - t) * curve, "from 0 to 1")
    yield Step("the second is the integral of t psi''", sp.diff(backward, t), t * curve, "from 0 to 1")
    weight = sp.integrate(1 - t, (t, 0, 1))
    yield Step("both weights integrate to 1/2", weight, sp.integrate(t, (t, 0, 1)), "1/2", sizes="")


def variance_steps() -> Iterator[Step]:
    """A variance is at most (high - low)^2 / 4, for every policy, p_t among them."""
    low, high = sp.symbols("l h", real=True)
    middle = ((low + high) / 2 - expectation(log_policy, delta)) ** 2
    yield Step(
        "what a variance lacks to (h - l)^2 / 4",
        (high - low) ** 2 / 4 - variance(log_policy, delta),
        middle + expectation(log_policy, Row(lambda i: (high - delta[i]) * (delta[i] - low))),
        "a square, and a mean of products that are >= 0 when l <= delta <= h",
        facts=FACTS,
    )
    above, below = row("x").each(sp.exp), row("y").each(sp.exp)  # h - delta and delta - l, where they are not 0
    yield Step("a mean of products of positive numbers", expectation(log_policy, above * below), 0, "", relation=">")


def tight_steps(divergence: Any, spread: Any) -> Iterator[Step]:
    """A divergence that is spread^2 / 8 to leading order: the constant 1/8 cannot be improved."""
    for order, value in enumerate((0, 0, sp.Rational(1, 4))):
        got = sp.diff(divergence, spread, order).subs(spread, 0)
        why = "so 8 KL / x^2 tends to 1" if order == 2 else "two equal answers"
        yield Step(f"tight: derivative {order} of KL in x = osc/beta at 0, p_0 = (1/2, 1/2)", got, value, why, sizes="n = 2")


def osc(values: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """(X, A) -> (X,) largest minus smallest of the allowed values."""
    high = np.max(values, axis=-1, where=allowed, initial=-np.inf)
    return np.asarray(high - np.min(values, axis=-1, where=allowed, initial=np.inf))


def adversary(ratio: Callable[[np.ndarray, np.ndarray], float], size: int, rng: np.random.Generator) -> float:
    """The largest ratio(logits, values) that a search over both finds, with a spread of values of at least 1e-3."""
    from scipy.optimize import minimize

    def loss(at: np.ndarray) -> float:
        return -ratio(at[:size], at[size:]) if np.ptp(at[size:]) > 1e-3 else 0.0

    options = {"maxiter": 100 * size, "xatol": 1e-7, "fatol": 1e-10}
    return -float(minimize(loss, rng.normal(size=2 * size), method="Nelder-Mead", options=options).fun)
