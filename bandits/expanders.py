"""Newton steps on large, well connected graphs: conjugate gradients on the scaled Laplacian.

On a random graph of mean degree d it has its eigenvalues near 1 +- 2 / sqrt(d), so that a few products with the weights solve it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bandits.conjugate import Parts, bound_potentials, parts_of, solve_laplacian
from bandits.door import Array

__all__ = ["EdgeFold", "Expander"]

_EPS = np.finfo(np.float64).eps
_BLOCK = 65536  # rows worked on at a time: what a processor's cache holds


class Expander:
    """Iterative steps. `reliable` turns False where they are too slow to be trusted.

    Args:
        chosen: (N,) node of each row's chosen action, context * A + action.
        rejected: (N,) node of the other.
        shape: (X, A).
        parts: the graph's components, if they are known.
    """

    def __init__(self, chosen: Array, rejected: Array, shape: tuple[int, int], parts: Parts | None = None) -> None:
        self.shape, self.n = shape, shape[0] * shape[1]
        self.reliable = True
        self.order = None if (chosen[1:] >= chosen[:-1]).all() else np.argsort(chosen, kind="stable")
        self.chosen, self.rejected = (part if self.order is None else part[self.order] for part in (chosen, rejected))
        self.indices = self.rejected.astype(np.int32)
        self.indptr = np.concatenate([[0], np.cumsum(np.bincount(chosen, minlength=self.n))]).astype(np.int32)
        self.parts = parts_of(chosen, rejected, self.n) if parts is None else parts
        self.seen: tuple = ()

    def fold(self, weight: Array) -> EdgeFold:
        """The rows, of (N,) weights, for `bandits.logistic`."""
        return EdgeFold(self, self._in_order(weight))

    def solve(self, pull: Array, stiff: Array) -> tuple[Array, Array]:
        times, degree, gradient = self._linearised(pull, stiff)
        change, self.reliable = solve_laplacian(times, degree, gradient, self.parts, effort=2 * float(np.abs(pull).sum()))
        return -change.reshape(self.shape), (gradient * change).reshape(self.shape).sum(axis=1)

    def gradient(self, pull: Array, stiff: Array) -> Array:
        return self._linearised(pull, stiff)[2].reshape(self.shape)

    def bound(self, pull: Array, stiff: Array) -> Array:
        times, degree, gradient = self._linearised(pull, stiff)
        off = 2 * np.abs(gradient) + 8 * _EPS * self.at_nodes(self._in_order(np.abs(pull)), 1)
        return 2 * bound_potentials(times, degree, off, self.parts).reshape(self.shape).max(axis=1)

    def at_nodes(self, parts: Array, sign: int) -> Array:
        """(n,) sums over the rows of each node, (N,) parts in the order of the chosen, those of the rejected times `sign`."""
        found = sign * (self._table(parts).T @ np.ones(self.n))
        full = np.flatnonzero(self.indptr[1:] > self.indptr[:-1])
        found[full] += np.add.reduceat(parts, self.indptr[full])
        return found

    def times(self, parts: Array) -> Callable[[Array], Array]:
        """Products with the symmetric weights whose (N,) parts are in the order of the chosen."""
        weights = self._table(parts)
        turned = weights.T
        return lambda vector: weights @ vector + turned @ vector

    def margins(self, level: Array) -> Array:
        """(N,) differences of the nodes' levels, in the order of the chosen."""
        found = np.repeat(level, np.diff(self.indptr))
        for first in range(0, len(found), _BLOCK):
            found[first : first + _BLOCK] -= level.take(self.rejected[first : first + _BLOCK])
        return found

    def _table(self, parts: Array) -> Any:
        from scipy.sparse import csr_array

        return csr_array((parts, self.indices, self.indptr), shape=(self.n, self.n))

    def _in_order(self, parts: Array) -> Array:
        return parts if self.order is None else parts[self.order]

    def _linearised(self, pull: Array, stiff: Array) -> tuple[Callable[[Array], Array], Array, Array]:
        """Products with the weights, their sums and the gradient (n,); the last are kept."""
        if not (self.seen and self.seen[0] is pull and self.seen[1] is stiff):
            weights = self._in_order(stiff)
            gradient = self.at_nodes(self._in_order(pull), -1)
            self.seen = pull, stiff, (self.times(weights), self.at_nodes(weights, 1), gradient)
        return self.seen[2]


class EdgeFold:
    """Rows of a sparse graph, for `bandits.logistic`: so few pairs are met twice that they are left as they are.

    Args:
        graph: whose rows, in the order of the chosen, they are.
        weight: (N,).
    """

    def __init__(self, graph: Expander, weight: Array) -> None:
        self.graph, self.weight = graph, weight
        self.lead = graph.at_nodes(weight, -1)[:, None]
        self.degree = graph.at_nodes(weight, 1)[:, None]
        self.effort = 2 * float(self.degree.sum())
        self.slope = np.empty_like(weight)

    settled = 1e-8  # the steps converge quadratically

    def coarse(self) -> None:
        """None: the same precision throughout."""

    def step(self, u: Array, goal: Array) -> Array:
        level, graph = u[:, 0], self.graph
        stiff = graph.margins(level)
        for first in range(0, len(stiff), _BLOCK):
            block = slice(first, first + _BLOCK)
            part = np.tanh(stiff[block], out=stiff[block])
            slope = np.multiply(self.weight[block], part, out=self.slope[block])
            part *= slope
            np.subtract(self.weight[block], part, out=part)
        gradient = graph.at_nodes(self.slope, -1) - goal[:, 0]
        degree = graph.at_nodes(stiff, 1)
        change, converged = solve_laplacian(graph.times(stiff), degree, gradient, graph.parts, effort=self.effort)
        return change[:, None] if converged else np.full_like(u, np.nan)

    def keep(self, contexts: Array) -> EdgeFold:
        """One graph is all or nothing."""
        return self
