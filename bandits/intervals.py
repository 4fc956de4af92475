"""Likelihood-ratio intervals for a difference of rewards, everything else profiled out exactly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from bandits.columns import comparison_columns
from bandits.data import Comparisons, Rankings, Ties
from bandits.door import Array
from bandits.graph import comparison_graph
from bandits.ranking import ranking_likelihood
from bandits.rankings_rows import ranked_blocks
from bandits.strengths import Curve, component_constants, descend_strengths
from bandits.ties import tie_likelihood

__all__ = ["Interval", "likelihood_interval"]

_CONCORDANCE = 5.0  # of all the likelihoods here


class Interval(NamedTuple):
    """The differences whose likelihood ratio a test of the level keeps.

    Args:
        estimate: the difference of largest likelihood.
        low, high: its profile deviance is `threshold` at both.
        threshold: the chi-square quantile with one degree of freedom.
    """

    estimate: float
    low: float
    high: float
    threshold: float


def likelihood_interval(
    data: Comparisons | Rankings | Sequence[Rankings],
    n_actions: int,
    first: int,
    second: int,
    *,
    level: float = 0.95,
    ties: Ties | None = None,
    model: str = "davidson",
    top: int | None = None,
) -> Interval:
    r"""The interval of delta = r_first - r_second in which 2 (max log-likelihood - max over the rest at delta) <= chi-square quantile.

    Unlike estimate +- 1.96 standard errors it follows the likelihood's shape, and is the same in every parametrisation.

    Args:
        data: Comparisons of one context; weight counts repetitions, a target P weighs both orders. Or Rankings of one context, or
            a list of Rankings of one length each, whose likelihood is that of Plackett and Luce.
        n_actions: A.
        first, second: the two actions.
        level: asymptotic coverage, in (0, 1).
        ties: comparisons that ended in a tie; then the tie parameter is profiled out too.
        model: "davidson" or "rao-kupper", for ties.
        top: for rankings of which only the first `top` places were seen in order.

    Returns:
        Interval.

    Raises:
        ValueError: the data do not identify the difference, or no estimate exists; an index or the level is out of range;
            several contexts; a target strictly between 0 and 1 together with ties; ties with rankings, or `top` without them.

    Source: Wilks 1938, Ann. Math. Statist. 9(1).

    >>> found = likelihood_interval(Comparisons([0, 0], [0, 1], [1, 0], [9.0, 3.0]), 2, 0, 1)
    >>> [round(x, 6) for x in found[:3]]
    [1.098612, -0.110854, 2.604151]
    >>> found = likelihood_interval(Rankings([0, 0], [[0, 1], [1, 0]], [9.0, 3.0]), 2, 0, 1)
    >>> [round(x, 6) for x in found[:3]]
    [1.098612, -0.110854, 2.604151]
    """
    for name, index in (("first", first), ("second", second)):
        if int(index) != index or not 0 <= index < n_actions:
            raise ValueError(f"{name} is {index}, expected an action below {n_actions}.")
    if first == second:
        raise ValueError(f"first and second are both {first}: their difference is 0.")
    if not 0 < level < 1:
        raise ValueError(f"level is {level}, expected a probability strictly between 0 and 1.")
    blocks = ranked_blocks(data)
    if blocks is not None:
        if ties is not None:
            raise ValueError(
                "ties were given with rankings: no likelihood of both is known here. Rank by comparisons, or leave the ties out."
            )
        curve, constants, component = ranking_likelihood(_of_one_context(blocks), n_actions, top=top)
    else:
        if top is not None:
            raise ValueError(f"top is {top}, but the data are comparisons: it says how many places of a ranking were seen.")
        curve, constants, component = _likelihood(data, ties, n_actions, model)
    if component[first] != component[second]:
        raise ValueError(
            f"actions {first} and {second} are in different components of the comparisons: their difference is not identified."
        )
    start = np.zeros(constants.shape[1])
    best = descend_strengths(curve, start, constants, concordance=_CONCORDANCE)
    contrast = np.zeros(len(start))
    contrast[first], contrast[second] = 1.0, -1.0
    lowest, estimate = curve(best.at).value, float(contrast @ best.at)
    error = float(np.sqrt(contrast @ best.covariance @ contrast))
    frame = np.linalg.qr(np.column_stack([contrast, np.eye(len(start))]))[0][:, 1 : len(start)]
    threshold = _quantile(level)

    def excess(delta: float) -> float:
        return 2 * (_profile(curve, best.at, contrast, frame, constants, delta) - lowest) - threshold

    low, high = (_crossing(excess, estimate, side * error * np.sqrt(threshold)) for side in (-1, 1))
    return Interval(estimate, low, high, threshold)


def _of_one_context(blocks: Sequence[Rankings]) -> list[Rankings]:
    contexts = np.unique(np.concatenate([np.asarray(block.context).reshape(-1) for block in blocks]))
    if len(contexts) > 1:
        raise ValueError(f"the data has contexts {contexts.tolist()[:5]}, expected one. Select a context's rankings.")
    return [block._replace(context=np.zeros(len(block.order), dtype=np.int64)) for block in blocks]


def _likelihood(data: Any, ties: Ties | None, n_actions: int, model: str) -> tuple[Callable[[Array], Curve], Array, Array]:
    context, chosen, rejected, weight, target = comparison_columns(data, n_actions)
    if len(np.unique(context)) > 1:
        raise ValueError(f"the data has contexts {np.unique(context).tolist()[:5]}, expected one. Select a context's rows.")
    here = np.zeros(len(context), dtype=np.int64)
    if ties is not None:
        if ((target > 0) & (target < 1) & (weight > 0)).any():
            raise ValueError("a comparison has a target strictly between 0 and 1, and ties were given. Say each judgement in one way.")
        flipped = target == 0
        kept = (weight > 0) & (chosen != rejected)
        wins = Comparisons(here, np.where(flipped, rejected, chosen), np.where(flipped, chosen, rejected), weight)
        wins = Comparisons(*(column[kept] for column in wins[:4]))
        curve, constants = tie_likelihood(wins, ties, n_actions, model=model)
        level = ties._replace(context=np.zeros(len(ties.left), dtype=np.int64))
        return curve, constants, comparison_graph(wins, n_actions, n_contexts=1, ties=level).component[0]
    graph = comparison_graph(Comparisons(here, chosen, rejected, weight, target), n_actions, n_contexts=1)
    if not graph.exists[0]:
        ahead = np.flatnonzero(graph.direction[0]).tolist()
        raise ValueError(f"no estimate exists: actions {ahead[:10]} are never beaten from outside. Add prior counts, or leave them out.")
    winner, loser = np.concatenate([chosen, rejected]), np.concatenate([rejected, chosen])
    counts = np.bincount(winner * n_actions + loser, np.concatenate([weight * target, weight * (1 - target)]), n_actions**2)
    cells = np.flatnonzero(counts)
    cells = cells[cells // n_actions != cells % n_actions]
    constants = component_constants(graph.component[0], n_actions)
    return _wins_curve(cells // n_actions, cells % n_actions, counts[cells], n_actions), constants, graph.component[0]


def _wins_curve(winner: Array, loser: Array, weight: Array, size: int) -> Callable[[Array], Curve]:
    def curve(strength: Array) -> Curve:
        gap = strength[winner] - strength[loser]
        shrunk = np.exp(-np.abs(gap))
        miss = np.where(gap >= 0, shrunk, 1.0) / (1 + shrunk)
        value, pull, stiff = weight * np.logaddexp(0.0, -gap), weight * miss, weight * shrunk / (1 + shrunk) ** 2
        gradient = np.bincount(loser, pull, size) - np.bincount(winner, pull, size)
        hessian = np.zeros((size, size))
        for i, j, sign in ((winner, winner, 1), (loser, loser, 1), (winner, loser, -1), (loser, winner, -1)):
            np.add.at(hessian, (i, j), sign * stiff)
        return Curve(float(value.sum()), gradient, hessian, float(value.sum() + 2 * pull.sum()))

    return curve


def _profile(curve: Callable, at: Array, contrast: Array, frame: Array, constants: Array, delta: float) -> float:
    """The least loss among parameters whose contrast is `delta`; `frame` spans those whose contrast is 0."""
    origin = at + contrast * (delta - contrast @ at) / 2

    def inner(free: Array) -> Curve:
        found = curve(origin + frame @ free)
        return Curve(found.value, frame.T @ found.gradient, frame.T @ found.hessian @ frame, found.magnitude)

    if frame.shape[1] == len(constants):
        return curve(origin).value
    rest = descend_strengths(inner, np.zeros(frame.shape[1]), constants @ frame, concordance=_CONCORDANCE)
    return curve(origin + frame @ rest.at).value


def _crossing(excess: Callable[[float], float], estimate: float, step: float) -> float:
    """Where the deviance, which grows with the distance from the estimate, meets its threshold."""
    from scipy.optimize import brentq

    near, far = estimate, estimate + step
    while excess(far) < 0:
        near, far, step = far, far + 2 * step, 2 * step
    return float(brentq(excess, near, far, xtol=1e-13, rtol=8.9e-16))


def _quantile(level: float) -> float:
    from scipy.special import ndtri

    return float(ndtri((1 + level) / 2) ** 2)
