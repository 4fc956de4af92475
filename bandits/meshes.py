"""Newton steps for many small contexts at once: star-mesh elimination, and spanning-tree coordinates where that would lose digits.

Eliminating a node adds w_ik w_jk / d_k to the weight between each two of its neighbours: sums of positive numbers. The gradient can
still cancel when a group hangs on the rest by a weight that is tiny beside its own. Those contexts take as unknowns the differences
along a spanning tree of largest weights, where a cut's gradient adds the edges that cross it, no others: nothing cancels.
"""

from __future__ import annotations

import numpy as np

from bandits.door import Array

__all__ = ["Meshes"]

_CHUNK = 4_000_000  # floats of one batch of cut matrices
_LOOSE = 1e-2  # part of a node's weight left when it is eliminated; below, its gradient has lost digits
_SHARP = 1e-11  # nats; bounds above it are worked out along trees
_EPS = np.finfo(np.float64).eps


class Meshes:
    """Exact steps of X contexts in one batch.

    Args:
        context: (N,) context of each row.
        actions: (N, 2) chosen and rejected.
        shape: (X, A).
    """

    def __init__(self, context: Array, actions: Array, shape: tuple[int, int]) -> None:
        x, a = self.shape = shape
        self.upper = np.triu_indices(a, 1)
        self.n_slots = len(self.upper[0])
        number = np.zeros((a, a), dtype=np.int64)
        number[self.upper] = number.T[self.upper] = np.arange(self.n_slots)
        chosen, rejected = actions[:, 0], actions[:, 1]
        self.slot = number[chosen, rejected] * x + context
        self.sign = np.where(chosen < rejected, 1.0, -1.0)

    def solve(self, pull: Array, stiff: Array) -> tuple[Array, Array]:
        slopes, weights = self._on_edges(self.sign * pull), self._on_edges(stiff)
        gradient = self._at_nodes(slopes, -1)
        mesh = _Mesh(weights, self.upper, self.shape)
        change = mesh.solve(gradient)
        decrement = np.sum(gradient * change, axis=0)
        loose = np.flatnonzero(mesh.loose)
        for part in self._chunks(loose):
            tree = _Trees(weights[:, part].T, self.upper, self.shape[1])
            change[:, part], decrement[part] = tree.solve(slopes[:, part].T)
        return -change.T, decrement

    def bound(self, pull: Array, stiff: Array) -> Array:
        slopes, weights, efforts = self._on_edges(self.sign * pull), self._on_edges(stiff), self._on_edges(np.abs(pull))
        mesh = _Mesh(weights, self.upper, self.shape)
        rounding = mesh.solve(8 * _EPS * self._at_nodes(efforts, 1))
        found = 2 * np.ptp(mesh.solve(self._at_nodes(slopes, -1)), axis=0) + 2 * np.abs(rounding).max(axis=0)
        for part in self._chunks(np.flatnonzero(mesh.loose | (found > _SHARP))):
            tree = _Trees(weights[:, part].T, self.upper, self.shape[1])
            found[part] = 2 * np.ptp(tree.solve(slopes[:, part].T)[0], axis=0) + tree.rounding(efforts[:, part].T)
        return found

    def _on_edges(self, parts: Array) -> Array:
        x = self.shape[0]
        return np.bincount(self.slot, weights=parts, minlength=self.n_slots * x).reshape(self.n_slots, x)

    def _at_nodes(self, parts: Array, sign: int) -> Array:
        found = np.zeros((self.shape[1], self.shape[0]))
        for edge, (i, j) in enumerate(zip(*self.upper, strict=True)):
            found[i] += parts[edge]
            found[j] += sign * parts[edge]
        return found

    def _chunks(self, contexts: Array) -> list[Array]:
        size = max(1, _CHUNK // (self.n_slots * self.shape[1]))
        return [contexts[first : first + size] for first in range(0, len(contexts), size)]


class _Mesh:
    """The eliminations of X Laplacians, (E, X) weights on the pairs `upper` of A nodes; the last node of a component stays at 0."""

    def __init__(self, weights: Array, upper: tuple[Array, Array], shape: tuple[int, int]) -> None:
        x, a = shape
        full = np.zeros((a, a, x))
        full[upper] = weights
        full[upper[1], upper[0]] = weights
        whole = full.sum(axis=1)
        self.degree, self.share = [], []
        self.loose = np.zeros(x, dtype=bool)
        for node in range(a - 1):
            row = full[node, node + 1 :]
            degree = row.sum(axis=0)
            self.loose |= (degree > 0) & (degree < _LOOSE * whole[node])
            degree = np.where(degree > 0, degree, np.inf)
            share = row / degree
            full[node + 1 :, node + 1 :] += share[:, None] * row[None]
            self.degree.append(degree)
            self.share.append(share)

    def solve(self, right: Array) -> Array:
        """(A, X) potentials for (A, X) right sides."""
        change = right.copy()
        for node, share in enumerate(self.share):
            change[node + 1 :] += share * change[node]
        change[-1] = 0.0
        for node in range(len(self.share) - 1, -1, -1):
            change[node] = change[node] / self.degree[node] + np.sum(self.share[node] * change[node + 1 :], axis=0)
        return change


class _Trees:
    """The same systems in the differences along a spanning tree of largest weights: (X, E) weights."""

    def __init__(self, stiff: Array, upper: tuple[Array, Array], n_actions: int) -> None:
        self.paths = _widest_trees(stiff, upper, n_actions)
        cuts = self.paths[:, upper[0], :] - self.paths[:, upper[1], :]
        self.across = cuts.transpose(0, 2, 1)
        hessian = self.across @ (stiff[:, :, None] * cuts)
        diagonal = np.einsum("xcc->xc", hessian)
        self.used = diagonal > 0
        self.root = np.sqrt(np.where(self.used, diagonal, 1.0))
        self.scaled = hessian / (self.root[:, :, None] * self.root[:, None, :])
        each = np.arange(self.scaled.shape[1])
        self.scaled[:, each, each] = 1.0 + 1e-15

    def solve(self, slopes: Array) -> tuple[Array, Array]:
        """(A, X) potentials and (X,) decrements for (X, E) slopes."""
        gradient = np.einsum("xce,xe->xc", self.across, slopes)
        right = np.where(self.used, gradient, 0.0) / self.root
        change = np.linalg.solve(self.scaled, right[:, :, None])[:, :, 0] / self.root
        return np.einsum("xac,xc->ax", self.paths, change), np.sum(gradient * change, axis=1)

    def rounding(self, efforts: Array) -> Array:
        """(X,) nats that rounding of the (X, E) efforts can move a difference."""
        slack = 8 * _EPS * np.einsum("xce,xe->xc", np.abs(self.across), efforts) / self.root
        spread = np.einsum("xcd,xd->xc", np.abs(np.linalg.inv(self.scaled)), slack) / self.root
        return 2 * np.max(np.einsum("xac,xc->xa", self.paths, spread), axis=1, initial=0.0)


def _widest_trees(stiff: Array, upper: tuple[Array, Array], n_actions: int) -> Array:
    """(X, A, A - 1) tree edges on the path from action 0 to each action, in a spanning tree of largest weights (Prim)."""
    x = len(stiff)
    weight = np.full((x, n_actions, n_actions), -1.0)
    weight[:, upper[0], upper[1]] = stiff
    weight[:, upper[1], upper[0]] = stiff
    paths = np.zeros((x, n_actions, n_actions - 1))
    rows = np.arange(x)
    best, parent = weight[:, 0, :].copy(), np.zeros((x, n_actions), dtype=np.int64)
    best[:, 0] = -np.inf
    for step in range(n_actions - 1):
        added = np.argmax(best, axis=1)
        paths[rows, added] = paths[rows, parent[rows, added]]
        paths[rows, added, step] = 1.0
        best[rows, added] = -np.inf
        offered = weight[rows, added]
        better = (offered > best) & (best > -np.inf)
        best = np.where(better, offered, best)
        parent = np.where(better, added[:, None], parent)
    return paths
