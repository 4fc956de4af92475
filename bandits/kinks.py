"""Convex losses of the margin that are made of straight pieces (hinge): cutting planes and linear programs, with their own bound."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from bandits.derivatives import margin_derivatives
from bandits.door import Array
from bandits.rows import Rows

__all__ = ["Vertex", "minimise_pieces"]

_BOX = 1e3  # lengths of the loss; a solution on the box's wall is no solution
_TIGHT = 1e-9


class Vertex(NamedTuple):
    """A minimiser of the piecewise-linear loss.

    Args:
        log_ratio: (X, A), 0 on one action of each component.
        value: (X,) the loss there.
        gap: the weighted loss is at most this above the linear program's lower bound.
        width: (X,) nats by which a log-ratio can move among the minimisers; infinite where it was not measured.
        steps: linear programs solved.
        inside: no log-ratio touches the box.
    """

    log_ratio: Array
    value: Array
    gap: float
    width: Array
    steps: int
    inside: bool


def minimise_pieces(loss: Callable, rows: Rows, component: Array, length: float, *, max_steps: int = 60) -> Vertex:
    """Minimise the mean loss of rows over log-ratios by cutting planes (Kelley), one epigraph variable per compared pair.

    Args:
        loss: a convex function of the margin with straight pieces.
        rows: the unique rows, pairs.
        component: (X, A) connected components; the smallest action of each is held at 0.
        length: nats over which the slope changes.
        max_steps: linear programs at most.
    """
    problem = _Pieces(loss, rows, component, length)
    at = np.zeros(problem.n_nodes)
    best, bound, steps = np.inf, -np.inf, 0
    best_at = at
    for multiple in (0.0, 1.0, -1.0, 4.0, -4.0, 64.0, -64.0, _BOX, -_BOX):
        problem.cut(np.full(problem.n_edges, multiple * length))
    while steps < max_steps:
        steps += 1
        at, bound = problem.lowest()
        value = problem.cut(at[problem.left] - at[problem.right]).sum()
        if value < best:
            best, best_at = value, at
        if best - bound <= 1e-12 * (1 + abs(best)):
            break
    best_at = problem.nearest(best)
    x, a = component.shape
    edge_value, _ = problem.edges(best_at[problem.left] - best_at[problem.right])
    return Vertex(
        log_ratio=best_at.reshape(x, a),
        value=np.bincount(problem.context, weights=edge_value, minlength=x),
        gap=max(best - bound, 0.0) + _TIGHT * (1 + abs(best)),
        width=problem.widths(best).reshape(x, a).max(axis=1),
        steps=steps,
        inside=bool(np.abs(best_at).max() < 0.999 * _BOX * length),
    )


class _Pieces:
    """The linear program: h per node, t per compared pair, t >= every cut of the pair's convex function."""

    def __init__(self, loss: Callable, rows: Rows, component: Array, length: float) -> None:
        self.loss, self.rows = loss, rows
        x, a = component.shape
        self.n_nodes, self.box = x * a, _BOX * length
        low, high = rows.actions.min(axis=1), rows.actions.max(axis=1)
        key, self.edge = np.unique((rows.context * a + low) * a + high, return_inverse=True)
        self.context = key // a // a
        self.left, self.right = key // a, self.context * a + key % a
        self.n_edges = len(key)
        self.sign = np.where(rows.actions[:, 0] == low, 1.0, -1.0)
        self.free = component.reshape(-1) != np.tile(np.arange(a), x)
        self.slopes: list[Array] = []
        self.heights: list[Array] = []

    def edges(self, margin: Array) -> tuple[Array, Array]:
        """(E,) value and slope of every pair's weighted loss at its margin."""
        rows = self.rows
        policy = rows.ref
        policy[:, 0] = policy[:, 1] + (rows.ref[:, 0] - rows.ref[:, 1]) + self.sign * margin[self.edge]
        value, slope, _ = margin_derivatives(self.loss, rows.see(policy))
        weight = rows.weight
        return (
            np.bincount(self.edge, weights=weight * value, minlength=self.n_edges),
            np.bincount(self.edge, weights=weight * slope * self.sign, minlength=self.n_edges),
        )

    def cut(self, margin: Array) -> Array:
        """Add the tangents at these margins; (E,) values there."""
        value, slope = self.edges(margin)
        self.slopes.append(slope)
        self.heights.append(value - slope * margin)
        return value

    def lowest(self) -> tuple[Array, float]:
        """(X A,) log-ratios at the bottom of the cuts, and that bottom: a lower bound of the loss."""
        cost = np.concatenate([np.zeros(self.n_nodes), np.ones(self.n_edges)])
        found = self._solve(cost)
        return found.x[: self.n_nodes], float(found.fun)

    def nearest(self, best: float) -> Array:
        """(X A,) the minimiser with the smallest sum of absolute log-ratios: the one that leaves the reference least."""
        n, e = self.n_nodes, self.n_edges
        cost = np.concatenate([np.zeros(n + e), np.ones(n)])
        total = np.concatenate([np.zeros(n), np.ones(e), np.zeros(n)])
        return self._solve(cost, total, best + _TIGHT / 100 * (1 + abs(best)), sizes=True).x[:n]

    def widths(self, best: float) -> Array:
        """(X A,) how far each log-ratio can move while the loss stays at its minimum."""
        width = np.zeros(self.n_nodes)
        if self.free.sum() > 40:
            return np.where(self.free, np.inf, 0.0)
        total = np.concatenate([np.zeros(self.n_nodes), np.ones(self.n_edges)])
        for node in np.flatnonzero(self.free):
            cost = np.zeros(self.n_nodes + self.n_edges)
            cost[node] = 1.0
            ends = [self._solve(sense * cost, total, best + _TIGHT / 10 * (1 + abs(best))).x[node] for sense in (1.0, -1.0)]
            width[node] = ends[1] - ends[0]
        return width

    def _solve(self, cost: Array, row: Array | None = None, limit: float = 0.0, sizes: bool = False):
        from scipy.optimize import linprog
        from scipy.sparse import csr_array, eye_array, hstack, vstack

        count, n = len(self.slopes), self.n_edges
        slope, height = np.concatenate(self.slopes), np.concatenate(self.heights)
        number = np.arange(count * n)
        left, right = np.tile(self.left, count), np.tile(self.right, count)
        entries = np.concatenate([slope, -slope, np.full(count * n, -1.0)])
        columns = np.concatenate([left, right, self.n_nodes + np.tile(np.arange(n), count)])
        matrix = csr_array((entries, (np.tile(number, 3), columns)), shape=(count * n, self.n_nodes + n))
        upper = -height
        if sizes:  # one more variable per node, at least the absolute value of its log-ratio
            node, nothing = eye_array(self.n_nodes), csr_array((self.n_nodes, n))
            matrix = vstack(
                [
                    hstack([matrix, csr_array((count * n, self.n_nodes))]),
                    hstack([node, nothing, -node]),
                    hstack([-node, nothing, -node]),
                ]
            )
            upper = np.concatenate([upper, np.zeros(2 * self.n_nodes)])
        if row is not None:
            matrix, upper = vstack([matrix, csr_array(row[None])]), np.append(upper, limit)
        box = np.where(self.free, self.box, 0.0)
        bounds = [(-b, b) for b in box] + [(None, None)] * (n + self.n_nodes * sizes)
        found = linprog(cost, A_ub=matrix, b_ub=upper, bounds=bounds, method="highs")
        if found.x is None:
            raise ValueError(f"the linear program of the loss's straight pieces was not solved: {found.message}")
        return found
