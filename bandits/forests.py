"""Newton steps on forests (chains, stars, trees): without cycles every compared pair has its own equation, solved exactly."""

from __future__ import annotations

import numpy as np

from bandits.door import Array

__all__ = ["Forest", "is_forest"]

_EPS = np.finfo(np.float64).eps


def is_forest(left: Array, right: Array, n_nodes: int) -> bool:
    """Whether the graph of the edges left[k] - right[k], counted once each, has no cycle.

    >>> is_forest(np.array([0, 1, 1]), np.array([1, 0, 2]), 3), is_forest(np.array([0, 1, 2]), np.array([1, 2, 0]), 3)
    (True, False)
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if len(left) > 2 * n_nodes:
        return False
    edges = len(np.unique(np.minimum(left, right) * n_nodes + np.maximum(left, right)))
    graph = coo_array((np.ones(len(left)), (left, right)), shape=(n_nodes, n_nodes))
    return edges == n_nodes - connected_components(graph, directed=False)[0]


class Forest:
    """One edge from each node to its parent; a log-ratio is the sum of the margins on the way to the root.

    Args:
        left: (N,) node of each row's chosen action.
        right: (N,) node of the other.
        shape: (X, A).
    """

    reliable = True

    def __init__(self, left: Array, right: Array, shape: tuple[int, int]) -> None:
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import breadth_first_order, connected_components

        self.shape, self.n = shape, shape[0] * shape[1]
        n = self.n
        graph = coo_array((np.ones(len(left)), (left, right)), shape=(n, n))
        label = connected_components(graph, directed=False)[1]
        root = np.unique(label, return_index=True)[1]
        ends = np.concatenate([left, root]), np.concatenate([right, np.full(len(root), n)])
        graph = coo_array((np.ones(len(ends[0])), ends), shape=(n + 1, n + 1)).tocsr()
        parent = breadth_first_order(graph, n, directed=False)[1][:n].astype(np.int64)
        self.parent = np.where(parent == n, np.arange(n), parent)
        below = self.parent[left] == right
        self.left, self.right = left, right
        self.child = np.where(below, left, right)
        self.sign = np.where(below, 1.0, -1.0)

    def solve(self, pull: Array, stiff: Array) -> tuple[Array, Array]:
        slope, weight = self._on_edges(self.sign * pull), self._on_edges(stiff)
        change = np.where(weight > 0, slope / np.where(weight > 0, weight, 1.0), 0.0)
        return -self._to_root(change).reshape(self.shape), (slope * change).reshape(self.shape).sum(axis=1)

    def gradient(self, pull: Array, stiff: Array) -> Array:
        won, lost = (np.bincount(ends, weights=pull, minlength=self.n) for ends in (self.left, self.right))
        return (won - lost).reshape(self.shape)

    def bound(self, pull: Array, stiff: Array) -> Array:
        slope, weight = np.abs(self._on_edges(self.sign * pull)), self._on_edges(stiff)
        off = (2 * slope + 8 * _EPS * self._on_edges(np.abs(pull))) / np.where(weight > 0, weight, np.inf)
        return 2 * self._to_root(off).reshape(self.shape).max(axis=1)

    def _on_edges(self, parts: Array) -> Array:
        return np.bincount(self.child, weights=parts, minlength=self.n)

    def _to_root(self, parts: Array) -> Array:
        """(n,) sums over the way to the root, in doubling strides; a root's own part counts nothing."""
        sums, ahead = parts.copy(), self.parent
        sums[self.parent == np.arange(self.n)] = 0.0
        while (ahead != ahead[ahead]).any():
            sums = sums + sums[ahead]
            ahead = ahead[ahead]
        return sums
