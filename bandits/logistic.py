"""Losses that are logistic in the margin, recognised by their slope, and brought near their optimum at little cost.

DPO, its conservative and its noise-corrected forms, and whatever else has the slope lean + height tanh(half m), lead to one
equation per action: the tanh of all its differences, weighted by how often each pair was compared, sum to a number that the wins
determine. Both orders of a pair fold into one weight and no logarithm is taken. The answer is only a start: the loss itself,
differentiated exactly, has the last word.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from bandits.data import PairLogProbs
from bandits.door import Array

__all__ = ["Fold", "Logistic", "approach", "recognise"]

_ROUGH_STEPS = 2  # in single precision
_MOST_STEPS = 40
_BOLDEST = 0.97  # of a share of wins minus losses, whose artanh is a start
_MANY, _OPPONENTS, _SWEEPS = 200, 32, 3  # actions from which their strengths are sampled, how many samples, and how often
_AGREE = 1e-12


class Logistic(NamedTuple):
    """A function of the margin m with slope lean + height * tanh(half * m)."""

    lean: float
    height: float
    half: float


class Fold(Protocol):
    """Comparisons folded into unordered pairs, for Newton's method on sum_j w_ij tanh(u_i - u_j) = goal_i."""

    degree: Array  # (A, X) weight of each action's comparisons
    lead: Array  # (A, X) weight won minus weight lost
    settled: float  # after a step as short as this the next is lost in rounding

    def step(self, u: Array, goal: Array) -> Array:
        """(A, X) minus the Newton step at u, known up to a constant per component; NaN or infinite where there is none."""

    def coarse(self) -> Fold | None:
        """The same in single precision, if that is faster."""

    def keep(self, contexts: Array) -> Fold:
        """The same for some of the contexts."""


def recognise(derivatives: Callable, loss: Callable, length: float) -> Logistic | None:
    """The logistic function that agrees with a loss of margins alone, in slope and curvature on 200 margins, or None.

    Args:
        derivatives: (loss, pairs) -> value, slope and curvature along the margin.
        loss: any callable PairLogProbs -> (N,).
        length: nats over which the slope changes by half.

    >>> from bandits.derivatives import margin_derivatives
    >>> recognise(margin_derivatives, lambda pairs: np.logaddexp(0.0, -3 * pairs.margin), 0.3)
    Logistic(lean=-1.5, height=1.5, half=1.5)
    >>> recognise(margin_derivatives, lambda pairs: pairs.margin**2, 1.0)
    """
    ahead = length * np.concatenate([np.geomspace(1e-3, 100.0, 100), [1000.0]])
    margin = np.concatenate([-ahead[::-1], [0.0], ahead])
    nothing = np.zeros(len(margin))
    with np.errstate(over="ignore", invalid="ignore"):
        _, slope, bend = derivatives(loss, PairLogProbs(margin, nothing, nothing, nothing))
    height, middle = (slope[-1] - slope[0]) / 2, bend[len(ahead)]
    if not (np.isfinite(slope).all() and height > 0 and middle > 0):
        return None
    found = Logistic(float((slope[-1] + slope[0]) / 2), float(height), float(middle / height))
    tanh = np.tanh(found.half * margin)
    agrees = np.abs(found.lean + height * tanh - slope).max() <= _AGREE * height
    agrees &= np.abs(middle * (1 - tanh**2) - bend).max() <= _AGREE * middle
    return found if agrees else None


def approach(fold: Fold, logistic: Logistic, log_ratios: Array) -> tuple[Array, Array, int]:
    """Newton steps from (X, A) log-ratios: the end, which contexts (X,) came to rest, and the number of steps.

    Log-ratios of 0 everywhere are replaced by those that each action would have if it had met all others alike.
    Contexts that do not come to rest keep the log-ratios that they had.
    """
    end, goal = np.array(log_ratios.T, order="C"), fold.lead * (-logistic.lean / logistic.height)
    u = logistic.half * end if end.any() else _met_alike(fold.degree, goal)
    settled, open_, steps = np.zeros(len(log_ratios), dtype=bool), np.arange(len(log_ratios)), 0
    rough = fold.coarse()
    if rough is not None:
        u, steps = _roughly(rough, u, goal), _ROUGH_STEPS
    while len(open_) and steps < _MOST_STEPS:
        steps += 1
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            move = fold.step(u, goal)
            size = move.max(axis=0) - move.min(axis=0)
            u -= move / np.maximum(1.0, size) if (size > 1).any() else move
        rests, gone = size <= fold.settled, ~np.isfinite(size)
        if 4 * np.count_nonzero(rests | gone) >= len(open_):
            end[:, open_[rests]], settled[open_[rests]] = u[:, rests] / logistic.half, True
            still = np.flatnonzero(~(rests | gone))
            open_, fold = open_[still], fold.keep(still)
            u, goal = np.take(u, still, axis=1), np.take(goal, still, axis=1)
    return np.ascontiguousarray(end.T), settled, steps


def _roughly(fold: Fold, start: Array, goal: Array) -> Array:
    """(A, X) a few steps from `start` in single precision; contexts that they lead nowhere stay at the start."""
    u, goal = start.astype(np.float32), goal.astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for _ in range(_ROUGH_STEPS):
            move = fold.step(u, goal)
            size = move.max(axis=0) - move.min(axis=0)
            u -= move / np.maximum(np.float32(1.0), size)
    return np.where(np.isfinite(size), u, start)


def _met_alike(degree: Array, goal: Array) -> Array:
    """(A, X) a start: as if all opponents were of one strength or, for one context of many actions, of the strengths found so far."""
    share = np.clip(goal / np.maximum(degree, 1e-300), -_BOLDEST, _BOLDEST)
    u = np.arctanh(share)
    if degree.shape[1] > 1 or len(degree) < _MANY:
        return u
    level, share, mass = u[:, 0], share[:, 0], degree[:, 0] / degree.sum()
    for _ in range(_SWEEPS):
        order = np.argsort(level)
        opponents = np.interp((np.arange(_OPPONENTS) + 0.5) / _OPPONENTS, np.cumsum(mass[order]), level[order])
        tanh = np.tanh(np.subtract.outer(level, opponents))
        wrong, bend = tanh.mean(axis=1) - share, 1 - np.einsum("ij,ij->i", tanh, tanh) / _OPPONENTS
        level = level - np.clip(wrong / np.maximum(bend, 1e-3), -1.0, 1.0)
        level -= mass @ level
    return level[:, None]
