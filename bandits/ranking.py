"""Rankings of any lengths: the strengths of the Plackett-Luce likelihood, and the optimum of any loss on rankings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from bandits.columns import ranking_columns
from bandits.data import Comparisons, RankedLogProbs, Rankings
from bandits.derivatives import derivatives
from bandits.door import Array, require_support
from bandits.graph import comparison_graph
from bandits.strengths import Curve, Rest, component_constants, descend_strengths

__all__ = ["consecutive_wins", "minimise_ranking_loss", "observed_information", "ranking_likelihood", "ranking_strengths"]

_CHUNK = 4_000_000


def consecutive_wins(blocks: Sequence[Rankings], top: int | None = None) -> Comparisons:
    """Each ranking as the wins of neighbours, the last seen choice as wins over all that were left: enough to tell existence.

    >>> consecutive_wins([Rankings([0], [[2, 0, 1]])]).chosen.tolist()
    [0, 2]
    >>> consecutive_wins([Rankings([0], [[2, 0, 1]])], top=1).rejected.tolist()
    [0, 1]
    """
    parts = []
    for block in blocks:
        context, order = np.asarray(block.context), np.asarray(block.order)
        stages = _seen(order, top)
        weight = np.ones(len(order)) if block.weight is None else np.asarray(block.weight)
        behind = order[:, stages:]
        winner = np.concatenate([order[:, : stages - 1], np.repeat(order[:, stages - 1 : stages], behind.shape[1], axis=1)], axis=1)
        loser = np.concatenate([order[:, 1:stages], behind], axis=1)
        each = winner.shape[1]
        parts.append((np.repeat(context, each), winner.reshape(-1), loser.reshape(-1), np.repeat(weight, each)))
    if not parts:
        none = np.zeros(0, dtype=np.int64)
        return Comparisons(none, none, none, np.zeros(0))
    return Comparisons(*(np.concatenate(column) for column in zip(*parts, strict=True))).aggregate()


def ranking_strengths(blocks: Sequence[Rankings], n_actions: int, *, top: int | None = None) -> Rest:
    r"""Maximum-likelihood strengths: P(ranking) = prod_k e^{s_k} / sum_{j >= k} e^{s_j}, by its exact gradient and Hessian.

    Args:
        blocks: Rankings of one length each, all in context 0; weights count repetitions.
        n_actions: A.
        top: only the order of the first `top` places was seen; default all.

    Returns:
        Rest of (A,) strengths, of mean 0 on each connected component.

    Raises:
        ValueError: some component is not strongly connected, so that no estimate exists; or as `ranking_columns`.

    Source: Plackett 1975, Applied Statistics 24; existence: Hunter 2004, Annals of Statistics 32(1).

    >>> rest = ranking_strengths([Rankings([0, 0], [[0, 1], [1, 0]], [3.0, 1.0])], 2)
    >>> float(np.exp(rest.at[0] - rest.at[1]).round(12))
    3.0
    """
    curve, constants, _ = ranking_likelihood(blocks, n_actions, top=top)
    return descend_strengths(curve, np.zeros(n_actions), constants, concordance=np.sqrt(2))


def ranking_likelihood(
    blocks: Sequence[Rankings], n_actions: int, *, top: int | None = None
) -> tuple[Callable[[Array], Curve], Array, Array]:
    """Minus the Plackett-Luce log-likelihood as a Curve of (A,) strengths, its (C, A) constant directions and (A,) components.

    Args:
        blocks, n_actions, top: as for `ranking_strengths`.

    Raises:
        ValueError: as for `ranking_strengths`.

    >>> curve, _, _ = ranking_likelihood([Rankings([0, 0], [[0, 1], [1, 0]])], 2)
    >>> curve(np.zeros(2)).hessian.tolist()
    [[0.5, -0.5], [-0.5, 0.5]]
    """
    checked = [ranking_columns(block, n_actions, 1)[1:] for block in blocks]
    component = _determined(consecutive_wins(blocks, top), n_actions)

    def curve(strength: Array) -> Curve:
        value, gradient, hessian, magnitude = 0.0, np.zeros(n_actions), np.zeros((n_actions, n_actions)), 0.0
        for order, weight in _pieces(checked):
            stages = _seen(order, top)
            surprise, slope, bend = _staged(strength[order], stages)
            value += float(weight @ surprise)
            _scatter(gradient, hessian, order, weight, slope, bend)
            magnitude += float(weight.sum()) * stages
        return Curve(value, gradient, hessian, magnitude)

    return curve, component_constants(component, n_actions), component


def observed_information(blocks: Sequence[Rankings], reward: Array, *, top: int | None = None) -> Array:
    """The Hessian of minus the Plackett-Luce log-likelihood at (X, A) rewards, (X, A, A): what these rankings tell, existing or not.

    Args:
        blocks: Rankings of one length each; weights count repetitions.
        reward: (X, A), finite.
        top: only the order of the first `top` places was seen; default all.

    Raises:
        ValueError: as `ranking_columns`, or `top` is not a whole number >= 1.

    >>> observed_information([Rankings([0], [[0, 1]], [4.0])], np.zeros((1, 2))).tolist()
    [[[1.0, -1.0], [-1.0, 1.0]]]
    """
    x, a = reward.shape
    found = np.zeros((x, a, a))
    for block in blocks:
        context, order, weight = ranking_columns(block, a, x)
        for here in np.unique(context):
            rows = context == here
            for some, counts in _pieces([(order[rows], weight[rows])]):
                _, slope, bend = _staged(reward[here][some], _seen(some, top))
                _scatter(np.zeros(a), found[here], some, counts, slope, bend)
    return found


def minimise_ranking_loss(
    loss: Callable, blocks: Sequence[Rankings], log_ref: Any, context: Any, *, concordance: float
) -> tuple[Array, Rest]:
    """The policy that minimises a convex loss on rankings of several lengths, in one or several contexts at once.

    Args:
        loss: RankedLogProbs -> (N,), unchanged when all log-ratios of a ranking move together.
        blocks: Rankings of one length each over A actions, all in context 0.
        log_ref: (A,) log-probabilities, normalised within each context, finite.
        context: (A,) the context to which each action belongs.
        concordance: as in `descend_strengths`; sqrt(2) beta for Plackett-Luce.

    Returns:
        (A,) log-policy, normalised within each context, and the Rest of its log-ratios.

    Raises:
        ValueError: a context is not strongly connected, so that the loss falls for ever, or `log_ref` is not normalised.
    """
    context, log_ref = np.asarray(context), np.asarray(log_ref, dtype=np.float64)
    for label in np.unique(context):
        require_support("log_ref", log_ref[context == label], "its log-ratio is not defined")
    checked = [ranking_columns(block, len(log_ref), 1)[1:] for block in blocks]
    constants = component_constants(_determined(consecutive_wins(blocks), len(log_ref)), len(log_ref))

    def normalised(log_ratio: Array) -> Array:
        raw = log_ref + log_ratio
        top = np.full(context.max() + 1, -np.inf)
        np.maximum.at(top, context, raw)
        return raw - (top + np.log(np.bincount(context, weights=np.exp(raw - top[context]))))[context]

    def curve(log_ratio: Array) -> Curve:
        policy = normalised(log_ratio)
        value, size, magnitude = 0.0, len(policy), 0.0
        gradient, hessian = np.zeros(size), np.zeros((size, size))
        for order, weight in _pieces(checked):
            found = derivatives(loss, RankedLogProbs(policy[order], log_ref[order]))
            value += float(weight @ found.value)
            _scatter(gradient, hessian, order, weight, found.gradient, found.hessian)
            magnitude += float(weight @ np.abs(found.gradient).sum(axis=1) + weight @ np.abs(found.value))
        return Curve(value, gradient, hessian, magnitude)

    rest = descend_strengths(curve, np.zeros(len(log_ref)), constants, concordance=concordance)
    return normalised(rest.at), rest


def _seen(order: Array, top: int | None) -> int:
    """How many choices of (N, K) rankings were seen; the last place is none."""
    if top is not None and (int(top) != top or top < 1):
        raise ValueError(f"top is {top}, expected a whole number >= 1: how many places of the rankings are seen.")
    return order.shape[1] - 1 if top is None else min(int(top), order.shape[1] - 1)


def _staged(score: Array, stages: int) -> tuple[Array, Array, Array]:
    """(N,) surprises, (N, K) slopes and (N, K, K) curvatures of the first choices at (N, K) strengths."""
    tail = np.logaddexp.accumulate(score[:, ::-1], axis=1)[:, ::-1]
    share = np.triu(np.exp(score[:, None, :] - tail[:, :, None]))[:, :stages]
    slope = share.sum(axis=1)
    bend = -np.einsum("nki,nkj->nij", share, share)
    each = np.arange(score.shape[1])
    bend[:, each, each] += slope
    slope[:, :stages] -= 1.0
    return (tail - score)[:, :stages].sum(axis=1), slope, bend


def _determined(wins: Comparisons, n_actions: int) -> Array:
    graph = comparison_graph(wins, n_actions, n_contexts=1)
    if not graph.exists[0]:
        ahead = np.flatnonzero(graph.direction[0]).tolist()
        raise ValueError(
            f"no estimate exists: actions {ahead[:10]}{'...' if len(ahead) > 10 else ''} never finish behind the others that they "
            "met, so the likelihood rises for ever as they move away. Keep one strongly connected component."
        )
    return graph.component[0]


def _pieces(checked: Sequence[tuple[Array, Array]]) -> Iterator[tuple[Array, Array]]:
    """(N, K) orders and (N,) weights, few enough at a time for their (N, K, K) Hessians."""
    for order, weight in checked:
        step = max(1, _CHUNK // order.shape[1] ** 2)
        for start in range(0, len(order), step):
            yield order[start : start + step], weight[start : start + step]


def _scatter(gradient: Array, hessian: Array, order: Array, weight: Array, slope: Array, bend: Array) -> None:
    size = len(gradient)
    gradient += np.bincount(order.reshape(-1), weights=(weight[:, None] * slope).reshape(-1), minlength=size)
    cell = order[:, :, None] * size + order[:, None, :]
    added = np.bincount(cell.reshape(-1), weights=(weight[:, None, None] * bend).reshape(-1), minlength=size * size)
    hessian += added.reshape(size, size)
