"""Newton steps on graphs in which most pairs are compared: weights as a full matrix, conjugate gradients."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy

import numpy as np

from bandits.conjugate import Parts, bound_potentials, parts_of, solve_laplacian
from bandits.door import Array

__all__ = ["TableFold", "Tables", "fills_a_table"]

_LARGEST = 2000  # nodes up to which the weights are a full matrix
_STRIPE = 32  # rows of the matrix worked on at a time: what a processor's cache holds
_NEAR = 0.5  # the spread of a Newton step, halves of a margin, from which on its second-order correction improves it
_ROUGH = 1e-4  # residual of that correction, relative
_EPS = np.finfo(np.float64).eps


def fills_a_table(n_rows: int, n_nodes: int) -> bool:
    """Whether a full matrix is the better way."""
    return n_nodes <= _LARGEST and 10 * n_rows >= n_nodes * n_nodes


class Tables:
    """Iterative steps. `reliable` turns False where they are too slow to be trusted.

    Args:
        chosen: (N,) node of each row's chosen action, context * A + action; no two rows have both nodes in common.
        rejected: (N,) node of the other.
        shape: (X, A).
        parts: the graph's components, if they are known.
    """

    def __init__(self, chosen: Array, rejected: Array, shape: tuple[int, int], parts: Parts | None = None) -> None:
        self.shape, self.n, self.reliable = shape, shape[0] * shape[1], True
        self.cell = chosen * self.n + rejected
        self.parts = parts_of(chosen, rejected, self.n) if parts is None else parts
        self.seen: tuple = ()

    def fold(self, weight: Array) -> TableFold:
        """The rows, of (N,) weights, as unordered pairs."""
        return TableFold(self._spread(weight), self.parts)

    def solve(self, pull: Array, stiff: Array) -> tuple[Array, Array]:
        weights, degree, gradient, _ = self._linearised(pull, stiff)
        effort = 2 * float(np.abs(pull).sum())
        change, self.reliable = solve_laplacian(_both_ways(weights), degree, gradient, self.parts, effort=effort)
        return -change.reshape(self.shape), (gradient * change).reshape(self.shape).sum(axis=1)

    def gradient(self, pull: Array, stiff: Array) -> Array:
        return self._linearised(pull, stiff)[2].reshape(self.shape)

    def bound(self, pull: Array, stiff: Array) -> Array:
        weights, degree, gradient, efforts = self._linearised(pull, stiff)
        off = 2 * np.abs(gradient) + 8 * _EPS * efforts
        return 2 * bound_potentials(_both_ways(weights), degree, off, self.parts).reshape(self.shape).max(axis=1)

    def _linearised(self, pull: Array, stiff: Array) -> tuple[Array, Array, Array, Array]:
        """Weights (n, n) of the rows; sums (n,) of them, of the pulls and of their sizes at the nodes. The last are kept."""
        if not (self.seen and self.seen[0] is pull and self.seen[1] is stiff):
            slopes = self._spread(pull)
            won, lost = slopes.sum(axis=1), slopes.sum(axis=0)
            if (pull <= 0).all():
                efforts = -won - lost
            else:
                np.abs(slopes, out=slopes)
                efforts = slopes.sum(axis=1) + slopes.sum(axis=0)
            weights = self._spread(stiff)
            self.seen = pull, stiff, (weights, weights.sum(axis=1) + weights.sum(axis=0), won - lost, efforts)
        return self.seen[2]

    def _spread(self, parts: Array) -> Array:
        full = np.zeros(self.n * self.n)
        full[self.cell] = parts
        return full.reshape(self.n, self.n)


def _stripes(n: int) -> list[slice]:
    return [slice(first, first + _STRIPE) for first in range(0, n, _STRIPE)]


def _both_ways(weights: Array) -> Callable[[Array], Array]:
    """Products with the symmetric matrix weights + weights.T."""
    return lambda vector: weights @ vector + weights.T @ vector


def _bent(third: Array, change: Array) -> Array:
    """(n,) sums of the upper triangle's third derivatives times squared differences of the change, half of them."""
    n, level = len(change), change.astype(np.float32)
    found = np.zeros(n)
    for rows in _stripes(n):
        ahead = slice(rows.start, n)
        moved = np.subtract.outer(level[rows], level[ahead])
        moved *= moved
        moved *= third[rows, ahead]
        found[rows] += moved.sum(axis=1)
        found[ahead] -= moved.sum(axis=0)
    return found


class TableFold:
    """Unordered pairs of a well filled graph, for `bandits.logistic`.

    Args:
        wins: (n, n) weights of the rows, overwritten.
        parts: the graph's components.
    """

    def __init__(self, wins: Array, parts: Parts) -> None:
        won, lost = wins.sum(axis=1), wins.sum(axis=0)
        self.lead, self.degree, self.parts = (won - lost)[:, None], (won + lost)[:, None], parts
        self.effort, self.weights = 2 * float(self.degree.sum()), np.empty_like(wins)
        self.total = wins
        for rows in _stripes(len(wins)):
            later = slice(rows.stop, None)
            self.total[rows, later] += wins[later, rows].T
            self.total[rows, rows] = np.triu(wins[rows, rows] + wins[rows, rows].T, 1)

    settled = 1e-5  # the steps converge cubically

    def coarse(self) -> TableFold:
        """The same in single precision."""
        found = copy(self)
        found.total, found.weights = self.total.astype(np.float32), np.empty(self.total.shape, dtype=np.float32)
        return found

    def step(self, u: Array, goal: Array) -> Array:
        level, n = u[:, 0], len(u)
        gradient = -goal[:, 0].astype(np.float64)
        third = np.empty(self.total.shape, dtype=np.float32) if self.total.dtype == np.float64 else None  # of small corrections
        for rows in _stripes(n):
            ahead = slice(rows.start, n)
            tanh = np.subtract.outer(level[rows], level[ahead])
            np.tanh(tanh, out=tanh)
            slope = self.total[rows, ahead] * tanh
            stiff = np.subtract(self.total[rows, ahead], tanh * slope, out=self.weights[rows, ahead])
            if third is not None:
                np.multiply(tanh, stiff, out=third[rows, ahead], casting="same_kind")
            gradient[rows] += slope.sum(axis=1)
            gradient[ahead] -= slope.sum(axis=0)
        times = self._times()
        degree = times(np.ones(n))
        change, converged = solve_laplacian(times, degree, gradient, self.parts, effort=self.effort, order=1 if third is None else 2)
        if not converged:
            return np.full_like(u, np.nan)
        if third is not None and np.ptp(change) <= _NEAR:
            change -= solve_laplacian(times, degree, _bent(third, change), self.parts, tolerance=_ROUGH)[0]
        return change[:, None].astype(u.dtype)

    def _times(self) -> Callable[[Array], Array]:
        from scipy.linalg.blas import dsymv, ssymv

        if self.weights.dtype == np.float32:
            return lambda vector: ssymv(1.0, self.weights.T, vector.astype(np.float32), lower=1).astype(np.float64)
        return lambda vector: dsymv(1.0, self.weights.T, vector, lower=1)

    def keep(self, contexts: Array) -> TableFold:
        """One graph is all or nothing."""
        return self
