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

__all__ = ["consecutive_wins", "minimise_ranking_loss", "ranking_strengths"]

_CHUNK = 4_000_000


def consecutive_wins(blocks: Sequence[Rankings]) -> Comparisons:
    """Each ranking as the wins of neighbours: enough to tell connectivity and existence.

    >>> consecutive_wins([Rankings([0], [[2, 0, 1]])]).chosen.tolist()
    [0, 2]
    """
    parts = []
    for block in blocks:
        context, order = np.asarray(block.context), np.asarray(block.order)
        stages = order.shape[1] - 1
        weight = np.ones(len(order)) if block.weight is None else np.asarray(block.weight)
        pairs = order[:, :-1].reshape(-1), order[:, 1:].reshape(-1)
        parts.append((np.repeat(context, stages), *pairs, np.repeat(weight, stages)))
    if not parts:
        none = np.zeros(0, dtype=np.int64)
        return Comparisons(none, none, none, np.zeros(0))
    return Comparisons(*(np.concatenate(column) for column in zip(*parts, strict=True))).aggregate()


def ranking_strengths(blocks: Sequence[Rankings], n_actions: int) -> Rest:
    r"""Maximum-likelihood strengths: P(ranking) = prod_k e^{s_k} / sum_{j >= k} e^{s_j}, by its exact gradient and Hessian.

    Args:
        blocks: Rankings of one length each, all in context 0; weights count repetitions.
        n_actions: A.

    Returns:
        Rest of (A,) strengths, of mean 0 on each connected component.

    Raises:
        ValueError: some component is not strongly connected, so that no estimate exists; or as `ranking_columns`.

    Source: Plackett 1975, Applied Statistics 24; existence: Hunter 2004, Annals of Statistics 32(1).

    >>> rest = ranking_strengths([Rankings([0, 0], [[0, 1], [1, 0]], [3.0, 1.0])], 2)
    >>> float(np.exp(rest.at[0] - rest.at[1]).round(12))
    3.0
    """
    checked = [ranking_columns(block, n_actions, 1)[1:] for block in blocks]
    constants = component_constants(_determined(blocks, n_actions), n_actions)

    def curve(strength: Array) -> Curve:
        value, gradient, hessian, magnitude = 0.0, np.zeros(n_actions), np.zeros((n_actions, n_actions)), 0.0
        for order, weight in _pieces(checked):
            score = strength[order]
            tail = np.logaddexp.accumulate(score[:, ::-1], axis=1)[:, ::-1]
            stages = order.shape[1] - 1
            share = np.triu(np.exp(score[:, None, :] - tail[:, :, None]))[:, :stages]
            value += float(weight @ (tail - score)[:, :stages].sum(axis=1))
            slope = share.sum(axis=1)
            bend = -np.einsum("nki,nkj->nij", share, share)
            each = np.arange(order.shape[1])
            bend[:, each, each] += slope
            slope[:, :stages] -= 1.0
            _scatter(gradient, hessian, order, weight, slope, bend)
            magnitude += float(weight.sum()) * stages
        return Curve(value, gradient, hessian, magnitude)

    return descend_strengths(curve, np.zeros(n_actions), constants, concordance=np.sqrt(2))


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
    constants = component_constants(_determined(blocks, len(log_ref)), len(log_ref))

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


def _determined(blocks: Sequence[Rankings], n_actions: int) -> Array:
    graph = comparison_graph(consecutive_wins(blocks), n_actions, n_contexts=1)
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
