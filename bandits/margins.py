"""Newton steps for convex losses of margins: weighted graph Laplacians, solved in the coordinates that keep their digits.

Edge weights can span many decades. With up to 64 actions the unknowns are the differences along a spanning tree of largest
weights, and a cut's gradient adds the edges that cross it, no others: nothing cancels. Larger graphs are factorised sparsely.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bandits.derivatives import margin_derivatives
from bandits.door import Array
from bandits.newton import Point
from bandits.rows import Rows

__all__ = ["MarginModel"]

_TREE_LIMIT = 64
_DENSE_LIMIT = 3000
_CHUNK = 4_000_000  # floats of one batch of cut matrices
_EPS = np.finfo(np.float64).eps


class MarginModel:
    """The loss as a function of (X, A) log-ratios, known up to a constant per connected component."""

    def __init__(self, loss: Callable, rows: Rows) -> None:
        self.loss, self.rows = loss, rows
        self.shape = rows.bandit.reward.shape
        a = self.shape[1]
        left, right = rows.actions.min(axis=1), rows.actions.max(axis=1)
        key, self.edge = np.unique((rows.context * a + left) * a + right, return_inverse=True)
        self.context, self.left, self.right = key // a // a, key // a % a, key % a
        self.sign = np.where(rows.actions[:, 0] == left, 1.0, -1.0)
        self.ref = rows.ref
        self.n_edges = len(key)
        if a <= _TREE_LIMIT:
            self.upper = np.triu_indices(a, 1)
            number = np.zeros((a, a), dtype=np.int64)
            number[self.upper] = np.arange(len(self.upper[0]))
            self.slot = self.context * len(self.upper[0]) + number[self.left, self.right]

    def evaluate(self, logits: Array) -> Point:
        rows = self.rows
        margin = logits[rows.context, rows.actions[:, 0]] - logits[rows.context, rows.actions[:, 1]]
        policy = self.ref.copy()
        policy[:, 0] += margin
        value, slope, bend = margin_derivatives(self.loss, rows.see(policy))
        weight, count = rows.weight, self.shape[0]
        with np.errstate(invalid="ignore"):
            total = np.bincount(rows.context, weights=weight * value, minlength=count)
            magnitude = np.bincount(rows.context, weights=weight * np.abs(value), minlength=count)
            pull = np.bincount(self.edge, weights=weight * slope * self.sign, minlength=self.n_edges)
            effort = np.bincount(self.edge, weights=weight * np.abs(slope), minlength=self.n_edges)
            stiff = np.bincount(self.edge, weights=weight * np.maximum(bend, 0.0), minlength=self.n_edges)
        stiff = np.maximum(np.nan_to_num(stiff), 1e-12 * effort + 1e-290)
        total = np.where(np.isnan(total), np.inf, total)
        return Point(total, magnitude, (pull, stiff, effort))

    def step(self, point: Point) -> tuple[Array, Array]:
        move, decrement, _ = self._solve(point)
        return move, decrement

    def error_bound(self, point: Point) -> tuple[Array, Array]:
        """(X,) nats by which a log-ratio difference can be off: the last Newton step, doubled, and rounding; and the decrement."""
        move, decrement, rounding = self._solve(point, bound=True)
        return 2 * np.ptp(move, axis=1) + rounding, decrement

    def gradient(self, point: Point) -> Array:
        """(X, A) gradient in the logits."""
        a = self.shape[1]
        flat = np.bincount(self.context * a + self.left, weights=point.local[0], minlength=self.shape[0] * a)
        flat -= np.bincount(self.context * a + self.right, weights=point.local[0], minlength=self.shape[0] * a)
        return flat.reshape(self.shape)

    def _solve(self, point: Point, bound: bool = False) -> tuple[Array, Array, Array]:
        if self.shape[1] > _TREE_LIMIT:
            pull, stiff, effort = point.local
            return self._by_factors(pull, stiff, effort, bound)
        x, a = self.shape
        n_slots = len(self.upper[0])
        pull, stiff, effort = (np.bincount(self.slot, weights=part, minlength=x * n_slots).reshape(x, n_slots) for part in point.local)
        move, decrement, rounding = np.zeros((x, a)), np.zeros(x), np.zeros(x)
        chunk = max(1, _CHUNK // (n_slots * a))
        for start in range(0, x, chunk):
            part = slice(start, start + chunk)
            move[part], decrement[part], rounding[part] = self._by_trees(pull[part], stiff[part], effort[part], bound)
        return move, decrement, rounding

    def _by_trees(self, pull: Array, stiff: Array, effort: Array, bound: bool) -> tuple[Array, Array, Array]:
        paths = _widest_trees(stiff, self.upper, self.shape[1])
        cuts = paths[:, self.upper[0], :] - paths[:, self.upper[1], :]
        across = cuts.transpose(0, 2, 1)
        hessian = across @ (stiff[:, :, None] * cuts)
        gradient = np.einsum("xce,xe->xc", across, pull)
        diagonal = np.einsum("xcc->xc", hessian)
        used = diagonal > 0
        root = np.sqrt(np.where(used, diagonal, 1.0))
        scaled = hessian / (root[:, :, None] * root[:, None, :])
        each = np.arange(scaled.shape[1])
        scaled[:, each, each] = 1.0 + 1e-15
        solved = np.linalg.solve(scaled, (np.where(used, gradient, 0.0) / root)[:, :, None])[:, :, 0]
        change = solved / root
        decrement = np.sum(gradient * change, axis=1)
        rounding = np.zeros(len(pull))
        if bound:
            slack = 8 * _EPS * np.einsum("xce,xe->xc", np.abs(across), effort) / root
            spread = np.einsum("xcd,xd->xc", np.abs(np.linalg.inv(scaled)), slack) / root
            rounding = 2 * np.max(np.einsum("xac,xc->xa", paths, spread), axis=1, initial=0.0)
        return -np.einsum("xac,xc->xa", paths, change), decrement, rounding

    def _by_factors(self, pull: Array, stiff: Array, effort: Array, bound: bool) -> tuple[Array, Array, Array]:
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        x, a = self.shape
        left, right, n = self.context * a + self.left, self.context * a + self.right, x * a
        _, label = connected_components(coo_array((np.ones(len(left)), (left, right)), shape=(n, n)), directed=False)
        degree = np.bincount(left, weights=stiff, minlength=n) + np.bincount(right, weights=stiff, minlength=n)
        order = np.lexsort((-degree, label))
        ground = order[np.unique(label[order], return_index=True)[1]]
        free = np.ones(n, dtype=bool)
        free[ground] = False
        root = np.sqrt(np.where(degree > 0, degree, 1.0))
        scaled = stiff / (root[left] * root[right])
        inner = free[left] & free[right]
        number = np.cumsum(free) - 1
        size = int(free.sum())
        entries = np.concatenate([-scaled[inner], -scaled[inner], np.full(size, 1.0 + 1e-15)])
        i = np.concatenate([number[left[inner]], number[right[inner]], np.arange(size)])
        j = np.concatenate([number[right[inner]], number[left[inner]], np.arange(size)])
        solve = _factorised(entries, i, j, size)
        gradient = np.bincount(left, weights=pull, minlength=n) - np.bincount(right, weights=pull, minlength=n)
        change = np.zeros(n)
        change[free] = solve((gradient / root)[free]) / root[free]
        decrement = (gradient * change).reshape(x, a).sum(axis=1)
        rounding = np.zeros(x)
        if bound:
            total = np.bincount(left, weights=effort, minlength=n) + np.bincount(right, weights=effort, minlength=n)
            spread = np.zeros(n)
            spread[free] = np.abs(solve((8 * _EPS * total / root)[free])) / root[free]
            rounding = 2 * spread.reshape(x, a).max(axis=1)
        return -change.reshape(x, a), decrement, rounding


def _factorised(entries: Array, row: Array, column: Array, size: int) -> Callable[[Array], Array]:
    """Solve with a positive definite matrix: Cholesky when it is small and full, a sparse factorisation otherwise."""
    from scipy.linalg import cho_factor, cho_solve
    from scipy.sparse import csc_array
    from scipy.sparse.linalg import splu

    if size <= _DENSE_LIMIT and len(entries) > 0.05 * size**2:
        matrix = np.zeros((size, size))
        matrix[row, column] = entries
        try:
            factor = cho_factor(matrix, overwrite_a=True, check_finite=False)
        except np.linalg.LinAlgError:
            pass  # not positive definite after rounding: the sparse factorisation pivots
        else:
            return lambda right: cho_solve(factor, right, check_finite=False)
    sparse = csc_array((entries, (row, column)), shape=(size, size))
    symmetric = {"permc_spec": "MMD_AT_PLUS_A", "diag_pivot_thresh": 0.0, "options": {"SymmetricMode": True}}
    return splu(sparse, **symmetric).solve


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
