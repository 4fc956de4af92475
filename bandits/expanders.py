"""Newton steps on large, well connected graphs: conjugate gradients on the normalised Laplacian, with its spectral gap measured.

On a random graph of mean degree d the normalised Laplacian has its eigenvalues near 1 +- 2 / sqrt(d), so that a few products with
the weights solve it. The gap that certifies the result is bounded by Lanczos iterations from a random start.
"""

from __future__ import annotations

import numpy as np

from bandits.door import Array

__all__ = ["FAILURE", "Expander"]

_EPS = np.finfo(np.float64).eps
_DENSE = 2000  # nodes up to which the weights are a full matrix when a tenth of it is used
_MOST = 80  # products with the weights, after which a factorisation is the better way
_LANCZOS = 24
FAILURE = 1e-9  # probability that the random start hides the smallest eigenvalue


class Expander:
    """Iterative steps. `reliable` turns False where they are too slow to be trusted.

    Args:
        chosen: (N,) node of each row's chosen action, context * A + action.
        rejected: (N,) node of the other.
        shape: (X, A).
    """

    def __init__(self, chosen: Array, rejected: Array, shape: tuple[int, int]) -> None:
        from scipy.sparse import coo_array, csr_array
        from scipy.sparse.csgraph import connected_components

        self.chosen, self.rejected, self.shape, self.n = chosen, rejected, shape, shape[0] * shape[1]
        self.reliable = True
        n = self.n
        self.matrix = None
        if n <= _DENSE and 10 * len(chosen) >= n * n:
            self.cell = chosen * n + rejected
            self.matrix, self.weights = np.zeros((n, n)), np.empty((n, n))
            touched = np.bincount(chosen, minlength=n) + np.bincount(rejected, minlength=n)
            connected = self._reaches_all(touched)
        else:
            connected = False
            self.order = None if (chosen[1:] >= chosen[:-1]).all() else np.argsort(chosen, kind="stable")
            self.indices = (rejected if self.order is None else rejected[self.order]).astype(np.int32)
            self.indptr = np.concatenate([[0], np.cumsum(np.bincount(chosen, minlength=n))]).astype(np.int32)
        if connected:
            self.label, self.count = np.zeros(n, dtype=np.int64), 1
        else:
            graph = coo_array((np.ones(len(chosen), dtype=np.int8), (chosen, rejected)), shape=(n, n))
            if self.matrix is None:
                ones = np.ones(len(chosen), dtype=np.int8)
                graph = csr_array((ones, self.indices, self.indptr), shape=(n, n))
            self.count, label = connected_components(graph, directed=True, connection="weak")
            self.label = label.astype(np.int64)

    def solve(self, pull: Array, stiff: Array) -> tuple[Array, Array]:
        degree = self._load(stiff)
        root = np.sqrt(np.where(degree > 0, degree, np.inf))
        gradient = self._at_nodes(pull, -1)
        right = self._off_null(gradient / root, root)
        effort = 2 * float(np.abs(pull).sum()) / float(np.linalg.norm(root[degree > 0]))
        roughness = max(float(np.linalg.norm(right)) / max(effort, 1e-300), 1e-15)
        found = self._conjugate_gradients(right, root, min(0.03, max(roughness, 1e-15 / roughness)))
        change = found / root
        return -change.reshape(self.shape), (gradient * change).reshape(self.shape).sum(axis=1)

    def bound(self, pull: Array, stiff: Array) -> Array:
        r"""Gradient over strong convexity: |D^(1/2) (h - h*)| <= 2 |D^(-1/2) g| / gap, context by context.

        Source: the gap by Lanczos from a random start: Kuczynski and Wozniakowski 1992, SIAM J. Matrix Anal. 13(4), Theorem 4.2.
        """
        degree = self._load(stiff)
        root = np.sqrt(np.where(degree > 0, degree, np.inf))
        gap = self._gap(root)
        if not gap > 0.01:
            return np.full(self.shape[0], np.inf)
        gradient = 2 * np.abs(self._at_nodes(pull, -1)) + 8 * _EPS * self._at_nodes(np.abs(pull), 1)
        length = np.sqrt(np.sum((gradient / root).reshape(self.shape) ** 2, axis=1))
        return 2 * length / (gap * root.reshape(self.shape).min(axis=1))

    def _reaches_all(self, touched: Array) -> bool:
        return bool((touched > self.n).all())  # more rows than twice half the others: any two nodes share a neighbour

    def _at_nodes(self, parts: Array, sign: int) -> Array:
        return np.bincount(self.chosen, weights=parts, minlength=self.n) + sign * np.bincount(
            self.rejected, weights=parts, minlength=self.n
        )

    def _load(self, stiff: Array) -> Array:
        """Put the weights in place; (n,) their sums at each node."""
        from scipy.sparse import csr_array

        if self.matrix is not None:
            self.matrix.reshape(-1)[self.cell] = stiff
            np.add(self.matrix, self.matrix.T, out=self.weights)
            return self.weights.sum(axis=0)
        data = stiff if self.order is None else stiff[self.order]
        self.weights = csr_array((data, self.indices, self.indptr), shape=(self.n, self.n))
        self.turned = self.weights.T
        return self._times(np.ones(self.n))

    def _times(self, vector: Array) -> Array:
        if self.matrix is not None:
            return self.weights @ vector
        return self.weights @ vector + self.turned @ vector

    def _conjugate_gradients(self, right: Array, root: Array, tolerance: float) -> Array:
        """Solve (I - N) u = right, N = D^(-1/2) W D^(-1/2); `right` has no part in the null space."""
        found, residual = np.zeros(self.n), right
        along, size = residual, float(residual @ residual)
        limit = tolerance**2 * size
        for _ in range(_MOST):
            if size <= limit:
                return found
            image = along - self._times(along / root) / root
            length = size / float(along @ image)
            found, residual = found + length * along, residual - length * image
            size, before = float(residual @ residual), size
            along = residual + (size / before) * along
        self.reliable = size <= limit
        return found

    def _off_null(self, vector: Array, root: Array) -> Array:
        """Without its part along root on each component, which I - N maps to 0."""
        level = np.where(np.isfinite(root), root, 0.0)
        if self.count == 1:
            return vector - level * (float(level @ vector) / float(level @ level))
        mass = np.bincount(self.label, weights=level**2, minlength=self.count)
        part = np.bincount(self.label, weights=level * vector, minlength=self.count) / np.where(mass > 0, mass, 1.0)
        return vector - level * part[self.label]

    def _gap(self, root: Array) -> float:
        """A lower bound of the smallest eigenvalue of I - N off the null space, but for a probability of `FAILURE`."""
        vector = np.where(np.isfinite(root), np.random.default_rng(0).normal(size=self.n), 0.0)
        vector = self._off_null(vector, root)
        vector /= np.linalg.norm(vector)
        before, beta = np.zeros(self.n), 0.0
        diagonal, beside = [], []
        for _ in range(_LANCZOS):
            image = self._off_null((vector + self._times(vector / root) / root) / 2, root) - beta * before
            diagonal.append(float(vector @ image))
            image -= diagonal[-1] * vector
            beta = float(np.linalg.norm(image))
            beside.append(beta)
            if beta < 1e-12:
                break
            before, vector = vector, image / beta
        size = len(diagonal)
        tridiagonal = np.diag(diagonal) + np.diag(beside[: size - 1], 1) + np.diag(beside[: size - 1], -1)
        share = (np.log(1.648 * np.sqrt(self.n) / FAILURE) / (2 * size - 1)) ** 2
        largest = np.linalg.eigvalsh(tridiagonal)[-1] / (1 - share) if share < 1 else 1.0
        return float(2 * (1 - largest))
