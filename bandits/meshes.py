"""Newton steps for many small contexts at once: star-mesh elimination, and spanning-tree coordinates where that would lose digits.

Eliminating a node adds w_ik w_jk / d_k to the weight between each two of its neighbours: sums of positive numbers. The gradient can
still cancel when a group hangs on the rest by a weight that is tiny beside its own. Those contexts take as unknowns the differences
along a spanning tree of largest weights, where a cut's gradient adds the edges that cross it, no others: nothing cancels.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bandits.door import Array

__all__ = ["CellMeshes", "MeshFold", "Meshes", "differences"]

_CHUNK = 4_000_000  # floats of one batch of cut matrices
_LOOSE = 1e-2  # part of a node's weight left when it is eliminated; below, its gradient has lost digits
_NEAR = 0.5  # the spread of a Newton step, halves of a margin, from which on its second-order correction improves it
_SHARP = 1e-11  # nats; bounds above it are worked out along trees
_EPS = np.finfo(np.float64).eps


class Meshes:
    """Exact steps of X contexts in one batch.

    Args:
        context: (N,) context of each row.
        actions: (N, 2) chosen and rejected.
        shape: (X, A).
    """

    reliable = True

    def __init__(self, context: Array, actions: Array, shape: tuple[int, int]) -> None:
        x, a = self.shape = shape
        self.upper = np.triu_indices(a, 1)
        self.n_slots = len(self.upper[0])
        number = np.zeros((a, a), dtype=np.int64)
        number[self.upper] = number.T[self.upper] = np.arange(self.n_slots)
        chosen, rejected = actions[:, 0], actions[:, 1]
        self.slot = (number * x).take(chosen * a + rejected) + context
        self.sign = np.where(chosen < rejected, 1.0, -1.0)
        self.seen: tuple = ()

    def fold(self, weight: Array) -> MeshFold:
        """The rows, of (N,) weights, as unordered pairs."""
        lead = _at_nodes(self._apart(weight), self.shape[1], -1)
        total = self._together(weight)
        return MeshFold(total, _at_nodes(total, self.shape[1], 1), lead)

    def solve(self, pull: Array, stiff: Array) -> tuple[Array, Array]:
        slopes, weights, mesh, gradient, change = self._linearised(pull, stiff)
        decrement = np.sum(gradient * change, axis=0)
        move = change.copy()
        for part in self._chunks(np.flatnonzero(mesh.loose)):
            tree = _Trees(weights[:, part].T, self.upper, self.shape[1])
            move[:, part], decrement[part] = tree.solve(slopes[:, part].T)
        return -move.T, decrement

    def gradient(self, pull: Array, stiff: Array) -> Array:
        return self._linearised(pull, stiff)[3].T

    def bound(self, pull: Array, stiff: Array) -> Array:
        slopes, weights, mesh, _, change = self._linearised(pull, stiff)
        efforts = self._efforts(pull)
        rounding = mesh.solve(8 * _EPS * _at_nodes(efforts, self.shape[1], 1))
        found = 2 * np.ptp(change, axis=0) + 2 * np.abs(rounding).max(axis=0)
        for part in self._chunks(np.flatnonzero(mesh.loose | (found > _SHARP))):
            tree = _Trees(weights[:, part].T, self.upper, self.shape[1])
            found[part] = 2 * np.ptp(tree.solve(slopes[:, part].T)[0], axis=0) + tree.rounding(efforts[:, part].T)
        return found

    def _linearised(self, pull: Array, stiff: Array) -> tuple[Array, Array, _Mesh, Array, Array]:
        """Slopes and weights (E, X) of the pairs, their eliminations, the gradient and its potentials (A, X); the last are kept."""
        if not (self.seen and self.seen[0] is pull and self.seen[1] is stiff):
            slopes, weights = self._apart(pull), self._together(stiff)
            whole, gradient = (_at_nodes(parts, self.shape[1], sign) for parts, sign in ((weights, 1), (slopes, -1)))
            mesh = _Mesh(weights.copy(), self.shape[1], np.empty_like(weights), whole)
            self.seen = pull, stiff, (slopes, weights, mesh, gradient, mesh.solve(gradient))
        return self.seen[2]

    def _apart(self, parts: Array) -> Array:
        """(E, X) the rows' parts, those in which the later action was chosen counted negative."""
        return self._together(self.sign * parts)

    def _together(self, parts: Array) -> Array:
        """(E, X) sums of the rows' parts."""
        x = self.shape[0]
        return np.bincount(self.slot, weights=parts, minlength=self.n_slots * x).reshape(self.n_slots, x)

    def _efforts(self, pull: Array) -> Array:
        """(E, X) sums of the sizes of the rows' slopes."""
        return self._together(np.abs(pull))

    def _chunks(self, contexts: Array) -> list[Array]:
        size = max(1, _CHUNK // (self.n_slots * self.shape[1]))
        return [contexts[first : first + size] for first in range(0, len(contexts), size)]


class CellMeshes(Meshes):
    """The same for the tables of `bandits.cells`.

    Weights are (2, E, X). Slopes and curvatures come as sums over the two orders of a pair: `pull` is (2, E, X), the slope along the
    difference of the pair's log-ratios and the sum of the sizes of its two parts, and `stiff` is (E, X).
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape = shape
        self.upper = np.triu_indices(shape[1], 1)
        self.n_slots = len(self.upper[0])
        self.seen: tuple = ()

    def fold(self, weight: Array) -> MeshFold:
        total = weight[0] + weight[1]
        return MeshFold(total, _at_nodes(total, self.shape[1], 1), _at_nodes(weight[0] - weight[1], self.shape[1], -1))

    def _apart(self, parts: Array) -> Array:
        return np.asarray(parts[0])

    def _together(self, parts: Array) -> Array:
        return parts

    def _efforts(self, pull: Array) -> Array:
        return np.asarray(pull[1])


class MeshFold:
    """Unordered pairs of many small contexts, for `bandits.logistic`.

    Args:
        total: (E, X) weights of the pairs, in the order of `numpy.triu_indices`.
        degree: (A, X) weight of each action's pairs.
        lead: (A, X) weight won minus weight lost.
    """

    def __init__(self, total: Array, degree: Array, lead: Array) -> None:
        self.total, self.degree, self.lead = total, degree, lead
        self.tanh, self.slope, self.third = (np.empty_like(total) for _ in range(3))

    settled = 1e-5  # the steps converge cubically

    def step(self, u: Array, goal: Array) -> Array:
        differences(u, self.tanh)
        np.tanh(self.tanh, out=self.tanh)
        np.multiply(self.total, self.tanh, out=self.slope)
        gradient = _at_nodes(self.slope, len(u), -1) - goal
        stiff = np.subtract(self.total, np.multiply(self.slope, self.tanh, out=self.slope), out=self.slope)
        np.multiply(self.tanh, stiff, out=self.third)
        mesh = _Mesh(stiff, len(u), self.tanh)
        move = mesh.solve(gradient)
        bent = differences(move, self.slope)
        bent *= bent
        bent *= self.third
        move -= mesh.solve(_at_nodes(bent, len(u), -1)) * (_spread(move) <= _NEAR)
        return move

    def coarse(self) -> MeshFold:
        """The same in single precision."""
        return MeshFold(*(part.astype(np.float32) for part in (self.total, self.degree, self.lead)))

    def keep(self, contexts: Array) -> MeshFold:
        return MeshFold(*(np.take(part, contexts, axis=1) for part in (self.total, self.degree, self.lead)))


def _spread(levels: Array) -> Array:
    return np.asarray(levels.max(axis=0) - levels.min(axis=0))


def differences(levels: Array, out: Array) -> Array:
    """(E, X) the differences of (A, X) levels, earlier action minus later, in the order of `numpy.triu_indices`."""
    for i, pairs in _stars(len(levels)):
        np.subtract(levels[i], levels[i + 1 :], out=out[pairs])
    return out


def _stars(n_actions: int) -> Iterator[tuple[int, slice]]:
    """Each action with the slots of its pairs with later actions."""
    first = 0
    for i in range(n_actions - 1):
        yield i, slice(first, first + n_actions - 1 - i)
        first += n_actions - 1 - i


def _at_nodes(parts: Array, n_actions: int, sign: int) -> Array:
    """(A, X) sums of (E, X) parts over the pairs of each action, those in which it comes second times `sign`."""
    found = np.zeros((n_actions, parts.shape[1]), dtype=parts.dtype)
    put = np.add if sign > 0 else np.subtract
    for i, pairs in _stars(n_actions):
        found[i] += parts[pairs].sum(axis=0)
        put(found[i + 1 :], parts[pairs], out=found[i + 1 :])
    return found


class _Mesh:
    """The eliminations of X Laplacians, (E, X) weights on the pairs of A nodes; the last node of a component stays at 0.

    Args:
        weights: (E, X), overwritten.
        n_actions: A.
        share: (E, X) room for the eliminations.
        whole: (A, X) degrees, to find what loses digits; None if that is not asked.
    """

    def __init__(self, weights: Array, n_actions: int, share: Array, whole: Array | None = None) -> None:
        rows = [weights[pairs] for _, pairs in _stars(n_actions)]
        self.share, self.degree = [share[pairs] for _, pairs in _stars(n_actions)], []
        self.loose = np.zeros(weights.shape[1], dtype=bool)
        spare = np.empty_like(weights[: n_actions - 1])
        for node, (row, part) in enumerate(zip(rows, self.share, strict=True)):
            degree = row.sum(axis=0)
            if whole is not None:
                self.loose |= (degree > 0) & (degree < _LOOSE * whole[node])
            degree[degree <= 0] = np.inf
            np.divide(row, degree, out=part)
            for other in range(1, len(row)):
                added = np.multiply(part[other - 1], row[other:], out=spare[: len(row) - other])
                rows[node + other] += added
            self.degree.append(degree)

    def solve(self, right: Array) -> Array:
        """(A, X) potentials for (A, X) right sides."""
        change = right.copy()
        for node, share in enumerate(self.share):
            change[node + 1 :] += share * change[node]
        change[-1] = 0.0
        for node in range(len(self.share) - 1, -1, -1):
            change[node] /= self.degree[node]
            change[node] += np.sum(self.share[node] * change[node + 1 :], axis=0)
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
