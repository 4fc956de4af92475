"""Conjugate gradients on the Laplacian of a weighted graph, D - W, scaled to I - D^(-1/2) W D^(-1/2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bandits.door import Array

__all__ = ["Parts", "bound_potentials", "parts_of", "solve_laplacian"]

_MOST = 80  # products with the weights, after which a factorisation is the better way


@dataclass(frozen=True, eq=False)
class Parts:
    """The connected components of a graph: (n,) labels in [0, count)."""

    label: Array
    count: int

    @classmethod
    def of(cls, component: Array) -> Parts:
        """The same, from (X, A) labels that name an action of the component."""
        if len(component) == 1 and not component.any():
            return cls(component[0], 1)
        start = np.arange(len(component))[:, None] * component.shape[1]
        named, label = np.unique(component + start, return_inverse=True)
        return cls(label.reshape(-1), len(named))

    def off_null(self, vector: Array, root: Array) -> Array:
        """`vector` without its part along `root` on each component, which the scaled Laplacian maps to 0."""
        level = np.where(np.isfinite(root), root, 0.0)
        if self.count == 1:
            return vector - level * (float(level @ vector) / float(level @ level))
        mass = np.bincount(self.label, weights=level**2, minlength=self.count)
        part = np.bincount(self.label, weights=level * vector, minlength=self.count) / np.where(mass > 0, mass, 1.0)
        return vector - level * part[self.label]


def parts_of(chosen: Array, rejected: Array, n_nodes: int) -> Parts:
    """The components of the graph with an edge from chosen[k] to rejected[k].

    >>> parts_of(np.array([0, 2]), np.array([1, 3]), 4).count
    2
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(chosen), dtype=np.int8), (chosen, rejected)), shape=(n_nodes, n_nodes))
    count, label = connected_components(graph, directed=True, connection="weak")
    return Parts(label.astype(np.int64), count)


def solve_laplacian(
    times: Callable[[Array], Array],
    degree: Array,
    gradient: Array,
    parts: Parts,
    *,
    effort: float = 0.0,
    order: int = 1,
    tolerance: float = 0.0,
) -> tuple[Array, bool]:
    """(n,) potentials, up to a constant per component.

    Args:
        times: products with the symmetric weights W.
        degree: (n,) their sums, the diagonal of D.
        gradient: (n,) right side.
        parts: the graph's components.
        effort: sum of the absolute values that the gradient is the sum of; their ratio tells how near the optimum is, and so how
            exact a Newton step is worth being.
        order: how many more digits the step is worth, 2 if a correction follows that makes the iteration cubic.
        tolerance: of the residual, relative to the gradient, instead.

    Returns:
        the potentials, and whether the iteration converged.

    >>> weights = np.array([[0.0, 1.0], [1.0, 0.0]])
    >>> found = solve_laplacian(weights.__matmul__, np.ones(2), np.array([1.0, -1.0]), Parts(np.zeros(2, dtype=int), 1), effort=4.0)
    >>> found[0].tolist(), found[1]
    ([0.5, -0.5], True)
    """
    root = np.sqrt(np.where(degree > 0, degree, np.inf))
    right = parts.off_null(gradient / root, root)
    size = float(right @ right)
    if not tolerance:
        scale = effort / max(float(np.linalg.norm(root[np.isfinite(root)])), 1e-300)
        roughness = max(np.sqrt(size) / max(scale, 1e-300), 1e-15)
        tolerance = min(0.03, max(roughness**order, 1e-15 / roughness))
    limit = tolerance**2 * size
    found, residual, along = np.zeros(len(right)), right, right
    for _ in range(_MOST):
        if not size > limit:
            break
        image = along - times(along / root) / root
        length = size / float(along @ image)
        found, residual = found + length * along, residual - length * image
        size, before = float(residual @ residual), size
        along = residual + (size / before) * along
    return found / root, size <= limit


def bound_potentials(times: Callable[[Array], Array], degree: Array, off: Array, parts: Parts) -> Array:
    """(n,) bounds of |u_i - u_r|, r the node of largest degree in i's component, for all u with |D u - W u| <= off; infinite if unproved.

    A Laplacian without its row and column r has an inverse without negative entries. So whoever finds v with v_r = 0 and
    D v - W v >= off elsewhere has |u_i - u_r| <= v_i, however v was found.

    Args:
        times, degree, parts: as in `solve_laplacian`.
        off: (n,) not negative.

    >>> weights = np.array([[0.0, 1.0], [1.0, 0.0]])
    >>> bound_potentials(weights.__matmul__, np.ones(2), np.array([0.5, 0.5]), Parts(np.zeros(2, dtype=int), 1)).round(3).tolist()
    [0.0, 0.5]
    """
    used = degree > 0
    order = np.lexsort((-degree, parts.label)) if parts.count > 1 else np.array([np.argmax(degree)])
    root = order[np.unique(parts.label[order], return_index=True)[1]]
    free = used.copy()
    free[root] = False
    least = np.maximum(off, 1e-300)
    load = np.where(free, least, 0.0)
    load[root] = -np.bincount(parts.label, weights=load, minlength=parts.count)[parts.label[root]]
    for tolerance in (1 / max(len(off), 10), 0.01 / len(off)):
        found, converged = solve_laplacian(times, degree, load, parts, tolerance=tolerance)
        level = np.zeros(parts.count)
        level[parts.label[root]] = found[root]
        found = np.where(used, found - level[parts.label], 0.0)
        reached = (degree * found - times(found))[free] / least[free]
        share = float(reached.min(initial=1.0))
        if converged and share > 0.1:
            return np.maximum(found, 0.0) / min(share, 1.0)
        if not converged:
            break
    return np.full(len(off), np.inf)
