"""Newton steps by factorising the Laplacian of a large graph, grounded at one node of each component."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bandits.door import Array

__all__ = ["Factors"]

_DENSE_LIMIT = 3000
_EPS = np.finfo(np.float64).eps


class Factors:
    """Exact steps at the price of a factorisation each.

    Args:
        chosen: (N,) node of each row's chosen action, context * A + action.
        rejected: (N,) node of the other.
        shape: (X, A).
    """

    reliable = True

    def __init__(self, chosen: Array, rejected: Array, shape: tuple[int, int]) -> None:
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        self.left, self.right, self.shape, self.n = chosen, rejected, shape, shape[0] * shape[1]
        graph = coo_array((np.ones(len(chosen)), (chosen, rejected)), shape=(self.n, self.n))
        self.label = connected_components(graph, directed=False)[1]

    def solve(self, pull: Array, stiff: Array) -> tuple[Array, Array]:
        gradient = self._at_nodes(pull, -1)
        change = self._inverse(stiff)(gradient)
        return -change.reshape(self.shape), (gradient * change).reshape(self.shape).sum(axis=1)

    def gradient(self, pull: Array, stiff: Array) -> Array:
        return self._at_nodes(pull, -1).reshape(self.shape)

    def bound(self, pull: Array, stiff: Array) -> Array:
        inverse = self._inverse(stiff)
        move = inverse(self._at_nodes(pull, -1)).reshape(self.shape)
        rounding = np.abs(inverse(8 * _EPS * self._at_nodes(np.abs(pull), 1))).reshape(self.shape)
        return 2 * np.ptp(move, axis=1) + 2 * rounding.max(axis=1)

    def _at_nodes(self, parts: Array, sign: int) -> Array:
        return np.bincount(self.left, weights=parts, minlength=self.n) + sign * np.bincount(self.right, weights=parts, minlength=self.n)

    def _inverse(self, stiff: Array) -> Callable[[Array], Array]:
        left, right, n = self.left, self.right, self.n
        degree = self._at_nodes(stiff, 1)
        order = np.lexsort((-degree, self.label))
        free = np.ones(n, dtype=bool)
        free[order[np.unique(self.label[order], return_index=True)[1]]] = False
        root = np.sqrt(np.where(degree > 0, degree, 1.0))
        scaled = stiff / (root[left] * root[right])
        inner = free[left] & free[right]
        number = np.cumsum(free) - 1
        size = int(free.sum())
        entries = np.concatenate([-scaled[inner], -scaled[inner], np.full(size, 1.0 + 1e-15)])
        i = np.concatenate([number[left[inner]], number[right[inner]], np.arange(size)])
        j = np.concatenate([number[right[inner]], number[left[inner]], np.arange(size)])
        solve = _factorised(entries, i, j, size)

        def inverse(right_side: Array) -> Array:
            change = np.zeros(n)
            change[free] = solve((right_side / root)[free]) / root[free]
            return change

        return inverse


def _factorised(entries: Array, row: Array, column: Array, size: int) -> Callable[[Array], Array]:
    """Solve with a positive definite matrix: Cholesky when it is small and full, a sparse factorisation otherwise."""
    from scipy.linalg import cho_factor, cho_solve
    from scipy.sparse import csc_array
    from scipy.sparse.linalg import splu

    sparse = csc_array((entries, (row, column)), shape=(size, size))
    if size <= _DENSE_LIMIT and len(entries) > 0.05 * size**2:
        try:
            factor = cho_factor(sparse.toarray(), overwrite_a=True, check_finite=False)
        except np.linalg.LinAlgError:
            pass  # not positive definite after rounding: the sparse factorisation pivots
        else:
            return lambda right: cho_solve(factor, right, check_finite=False)
    symmetric = {"permc_spec": "MMD_AT_PLUS_A", "diag_pivot_thresh": 0.0, "options": {"SymmetricMode": True}}
    return splu(sparse, **symmetric).solve
