"""Training as it is done: gradient steps on the logits of a tabular policy, from the reference, on the exact loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bandits.data import PairLogProbs
from bandits.derivatives import quick_margin_derivatives
from bandits.door import Array

__all__ = ["descend", "flow", "slope_of"]


def slope_of(loss: Callable[..., Any], wins: Array) -> Callable[[Array], Array]:
    """The gradient of the mean loss in the logits, for a loss of the margin.

    Args:
        loss: PairLogProbs -> (N,), a function of the margin alone.
        wins: (P, A, A) how often i is chosen over j, in each of P problems; sums to 1 in each.

    Returns:
        (P, A) log-ratios, up to a constant in each row -> (P, A) slopes.

    >>> slope = slope_of(lambda pairs: pairs.margin**2, np.array([[[0.0, 1.0], [0.0, 0.0]]]))
    >>> slope(np.array([[3.0, 0.0]])).tolist()
    [[6.0, -6.0]]
    """
    problem, chosen, rejected = np.nonzero(wins)
    weight, actions = wins[problem, chosen, rejected], wins.shape[1]
    zero = np.zeros(len(weight))
    derive = quick_margin_derivatives(loss, PairLogProbs(np.linspace(-3.0, 3.0, len(weight)), zero, zero, zero))

    def slope(log_ratio: Array) -> Array:
        margin = log_ratio[problem, chosen] - log_ratio[problem, rejected]
        pull = weight * derive(loss, PairLogProbs(margin, zero, zero, zero))[1]
        cells = np.concatenate([problem * actions + chosen, problem * actions + rejected])
        return np.bincount(cells, np.concatenate([pull, -pull]), wins.shape[0] * actions).reshape(log_ratio.shape)

    return slope


def descend(loss: Callable[..., Any], wins: Array, *, tol: float = 1e-12, max_steps: int = 5000) -> Array:
    """(P, A) log-ratios, up to a constant in each row, where gradient descent from the reference comes to rest.

    The length of each step is Barzilai and Borwein's; every step is along the gradient, which is all that decides where among the
    minimisers it ends.

    Args:
        loss, wins: as for `slope_of`; a convex loss with a minimiser.
        tol: it stops when no slope is larger.
        max_steps: after which it gives up.

    Raises:
        ValueError: it did not come to rest.

    Source: Barzilai and Borwein 1988, IMA Journal of Numerical Analysis 8(1).

    >>> wins = np.array([[[0.0, 0.8, 0.0], [0.2, 0.0, 0.0], [0.0, 0.0, 0.0]]])
    >>> descend(lambda pairs: np.logaddexp(0.0, -pairs.margin), wins).round(6).tolist()
    [[0.693147, -0.693147, 0.0]]
    """
    slope = slope_of(loss, wins)
    at = np.zeros(wins.shape[:2])
    down, length = -slope(at), np.ones((len(wins), 1))
    for _ in range(max_steps):
        if np.abs(down).max() <= tol:
            return at
        move = length * down
        at = at + move
        before, down = down, -slope(at)
        turn = np.sum(move * (before - down), axis=1, keepdims=True)
        moving = turn > 1e-300
        length = np.where(moving, np.sum(move**2, axis=1, keepdims=True) / np.where(moving, turn, 1.0), length)
    raise ValueError(f"gradient descent still has a slope of {np.abs(down).max():.2g} after {max_steps} steps. Is there a minimiser?")


def flow(loss: Callable[..., Any], wins: Array, times: Array) -> Array:
    """(T, P, A) log-ratios along the gradient flow from the reference, dh/dt = -slope: descent in steps too small to matter.

    Args:
        loss, wins: as for `slope_of`.
        times: (T,) >= 0, rising.

    Raises:
        ValueError: the integration failed.

    >>> wins = np.array([[[0.0, 1.0], [0.0, 0.0]]])
    >>> flow(lambda pairs: np.logaddexp(0.0, -pairs.margin), wins, np.array([0.0, (np.e + 1) / 2 - 0.5])).round(9).tolist()
    [[[0.0, 0.0]], [[0.5, -0.5]]]
    """
    from scipy.integrate import solve_ivp

    slope, shape = slope_of(loss, wins), wins.shape[:2]
    found = solve_ivp(
        lambda _, at: -slope(at.reshape(shape)).reshape(-1), (0.0, float(times[-1])), np.zeros(shape).reshape(-1), "DOP853", times,
        rtol=1e-11, atol=1e-13,
    )  # fmt: skip
    if not found.success:
        raise ValueError(f"the gradient flow could not be followed to time {times[-1]:g}: {found.message}")
    return np.asarray(found.y.T.reshape(len(times), *shape))
