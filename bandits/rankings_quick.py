"""Newton steps for the staged softmax by conjugate gradients: products with the Hessian are sweeps over the rankings, no matrix is made.

Where rankings mix the actions well, the Hessian scaled to a unit diagonal has its eigenvalues near 1, so that a few products solve it.
The bound rests on the Hessian of as many rankings as are needed: a part of them bends the loss less than all of them do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from bandits.door import Array
from bandits.newton import Point
from bandits.rankings_passes import Block, Passes, Swept

__all__ = ["QuickStages", "Stalled"]

_EPS = np.finfo(np.float64).eps
_WIDEST = 300.0  # spread of the strengths, whose exponentials are squared
_MOST = 60  # products for one step, after which an elimination is the better way
_EVEN = 1.2  # times what a spring would be if it depended on its two ends alone
_COVER = 0.7  # times the number of entries of the Hessian: pairs of actions whose curvature is looked at first
_SHARP = 1e-9  # a bound below it needs no better curvature
_DENSE = 2000  # actions of all contexts up to which a full matrix bounds the curvature
_REST = 8 * _EPS  # gradient over what it is the difference of, at which rounding has the last word
_MOST_PAIRS = 20_000_000  # whose curvature is added up one by one


class Stalled(Exception):
    """The strengths are too far apart, or the curvature too uneven, for this way."""


class QuickStages:
    """The mean loss as a function of (X, A) log-ratios, known up to a constant per component.

    Args:
        blocks: rankings; each weight includes the loss's own factor.
        shape: (X, A).
        component: (X, A) labels of the actions that rankings connect.
        beta: what the log-ratios are multiplied by.
        slow: directions in which the scaled Hessian is far from 1, to help the conjugate gradients; they change no result.
    """

    def __init__(
        self, blocks: Sequence[Block], shape: tuple[int, int], component: Array, beta: float, slow: tuple[Array, Array] | None = None
    ) -> None:
        self.slow = slow
        self.blocks, self.shape, self.beta = blocks, shape, beta
        self.passes = Passes(blocks, shape)
        self.label = (component + np.arange(shape[0])[:, None] * shape[1]).reshape(-1)
        self.whole = shape[0] == 1 and not component.any()
        self.scaled_at: tuple[Array, Array] | None = None
        self.bounded: tuple[Swept, Array, Array] | None = None

    def extent(self, log_ratios: Array) -> Array:
        """(X,) spread of the log-ratios."""
        return np.ptp(log_ratios, axis=1)

    def evaluate(self, log_ratios: Array) -> Point:
        if not self.beta * np.ptp(log_ratios, axis=1).max() <= _WIDEST:
            raise Stalled
        swept = self.passes.sweep(self.beta * log_ratios.reshape(-1))
        return Point(swept.value, swept.magnitude, (swept,))  # type: ignore[arg-type]

    def gradient(self, point: Point) -> Array:
        """(X, A) gradient in the logits."""
        swept = _swept(point)
        return (self.beta * (swept.loss - swept.gain)).reshape(self.shape)

    def step(self, point: Point) -> tuple[Array, Array]:
        swept = _swept(point)
        slope = swept.loss - swept.gain
        root = self._root(swept)
        right = self._off_null(slope / root, root)
        effort = float(np.linalg.norm((swept.loss + swept.gain) / root))
        roughness = float(np.linalg.norm(right)) / max(effort, 1e-300)
        if roughness <= _REST:
            return np.zeros(self.shape), np.zeros(self.shape[0])
        change = self._conjugate_gradients(swept, right, root, min(0.1, max(roughness, 1e-15 / roughness))) / root
        return -change.reshape(self.shape) / self.beta, (slope * change).reshape(self.shape).sum(axis=1)

    def error_bound(self, point: Point) -> tuple[Array, Array]:
        """(X,) nats by which a log-ratio difference can be off, and by which the loss can be."""
        if self.bounded is None or self.bounded[0] is not _swept(point):
            self.bounded = _swept(point), *self._bound(_swept(point))
        return self.bounded[1:]

    def _bound(self, swept: Swept) -> tuple[Array, Array]:
        r"""Gradient over strong convexity.

        If D^(-1/2) H D^(-1/2) >= c off the null space, then |D^(1/2) u| (1 - e^(-r)) / r <= |D^(-1/2) g| / c for the way u to the
        minimiser, whose spread is r: the curvature of a softmax falls no faster than e^(-spread) along it.
        """
        slope, effort = np.abs(swept.loss - swept.gain), swept.loss + swept.gain
        slope = slope + _EPS * (4 * self.passes.longest + 8 + self.passes.additions()) * effort
        level = 2 - np.log(swept.table.reshape(self.shape).min(axis=1))  # nats that rounding is relative to
        best, gap = np.full(self.shape[0], np.inf), np.full(self.shape[0], np.inf)
        for curvature, degree in self._curvatures(swept):
            seen = degree > 0
            if curvature <= 0 or (~seen & (effort > 0)).any():
                continue
            scaled = np.where(seen, slope**2 / np.where(seen, degree, 1.0), 0.0).reshape(self.shape)
            size = np.sqrt(scaled.sum(axis=1))
            flattest = np.sort(np.where(seen, 1 / np.where(seen, degree, 1.0), 0.0).reshape(self.shape), axis=1)[:, -2:]
            reach = np.sqrt(flattest.sum(axis=1))
            ratio = np.minimum(reach * size / curvature, 1.0)
            with np.errstate(divide="ignore"):
                spread = -np.log1p(-ratio)
            found = (spread + 4 * _EPS * level) / self.beta
            gap = np.where(found < best, size * spread / np.where(reach > 0, reach, 1.0), gap)
            best = np.minimum(best, found)
            if best.max() <= _SHARP / self.beta:
                break
        return best, gap

    def _curvatures(self, swept: Swept) -> Iterator[tuple[float, Array]]:
        """(c, (n,) degrees) of ever more rankings: D^(-1/2) H D^(-1/2) is at least c off the null space."""
        if self.passes.n > _DENSE:
            return
        pairs = sum(block.node.shape[1] * len(block.node) * (len(block.node) - 1) // 2 for block in self.blocks)
        every = max(int(pairs / (_COVER * self.passes.n**2)), 1)
        yield self._by_squares(self.passes.couplings(swept, every))
        if pairs > _MOST_PAIRS:
            return
        couplings = self.passes.couplings(swept, 1)
        yield self._by_squares(couplings)
        yield self._by_spectrum(couplings)

    def _by_squares(self, couplings: Array) -> tuple[float, Array]:
        """I - N has C eigenvalues 0, for C of N's are 1; N's squared entries sum to the squares of all of them.

        Springs between two actions only stiffen: where a few are much stronger than their neighbours, they are taken for weaker.
        """
        degree = couplings.sum(axis=0)
        mass = np.bincount(self.label, weights=degree, minlength=len(degree))[self.label]
        even = np.outer(degree * (_EVEN / np.where(mass > 0, mass, 1.0)), degree)
        np.minimum(couplings, even, out=even)
        degree = even.sum(axis=0)
        inverse = 1 / np.where(degree > 0, degree, np.inf)
        even *= even
        even *= inverse
        rest = float((even.sum(axis=1) * inverse).sum()) - len(np.unique(self.label[degree > 0])) + 1e-9
        return 1 - float(np.sqrt(rest)) if 0 <= rest < 1 else 0.0, degree

    def _by_spectrum(self, couplings: Array) -> tuple[float, Array]:
        degree = couplings.sum(axis=0)
        seen = np.flatnonzero(degree > 0)
        root = np.sqrt(degree[seen])
        normal = -couplings[np.ix_(seen, seen)] / (root * root[:, None])
        normal[np.arange(len(seen)), np.arange(len(seen))] += 1.0
        for name in np.unique(self.label[seen]):
            level = np.where(self.label[seen] == name, root, 0.0)
            normal += np.outer(level, level) / (level @ level)
        return float(np.linalg.eigvalsh(normal)[0]) - 8 * len(seen) * _EPS, degree

    def _root(self, swept: Swept) -> Array:
        """(n,) roots of the Hessian's diagonal, here or nearby; infinite for actions that no ranking has."""
        if self.scaled_at is None or np.abs(np.log(swept.table / self.scaled_at[0])).max() > 0.1:
            diagonal = self.passes.diagonal(swept)
            effort = swept.loss + swept.gain
            if (diagonal < 1e-13 * effort).any():
                raise Stalled
            self.scaled_at = swept.table, np.sqrt(np.where(effort > 0, diagonal, np.inf))
        return self.scaled_at[1]

    def slow_directions(self, point: Point) -> tuple[Array, Array]:
        """(n, 2) linear and quadratic in the strengths, and the scaled Hessian's (2, 2) block there.

        Choices among the strong are rarer to be lost by the weak, so that the rankings mix along the strengths more slowly than
        across: an equal change of all that are equally strong is what a unit diagonal describes worst.
        """
        swept = _swept(point)
        level, root = np.log(swept.table), self._root(swept)
        basis = np.stack([level, (level - level.mean()) ** 2], axis=1)
        across = self._across(basis, root)
        images = np.stack([self.passes.times(swept, column / root) / root for column in across.T], axis=1)
        return basis, across.T @ images

    def _across(self, basis: Array, root: Array) -> Array:
        scaled = np.where(np.isfinite(root), root, 0.0)[:, None] * basis
        return _orthonormal(np.stack([self._off_null(column, root) for column in scaled.T], axis=1))

    def _conjugate_gradients(self, swept: Swept, right: Array, root: Array, tolerance: float) -> Array:
        across = excess = None
        if self.slow is not None:
            across = self._across(self.slow[0], root)
            excess = np.linalg.inv(self.slow[1]) - np.eye(across.shape[1])

        def ahead(residual: Array) -> Array:
            return residual if across is None else residual + across @ (excess @ (across.T @ residual))

        found, residual = np.zeros(len(right)), right
        along = ahead(residual)
        size = float(residual @ along)
        limit = tolerance**2 * size
        for _ in range(_MOST):
            image = self._off_null(self.passes.times(swept, along / root) / root, root)
            bend = float(along @ image)
            if not bend > 0:
                raise Stalled
            length = size / bend
            found, residual = found + length * along, residual - length * image
            better = ahead(residual)
            size, before = float(residual @ better), size
            if size <= limit:
                return found
            along = better + (size / before) * along
        raise Stalled

    def _off_null(self, vector: Array, root: Array) -> Array:
        """Without its part along root on each component, which the scaled Hessian maps to 0."""
        level = np.where(np.isfinite(root), root, 0.0)
        if self.whole:
            return vector - level * (float(level @ vector) / float(level @ level))
        mass = np.bincount(self.label, weights=level**2, minlength=len(root))
        part = np.bincount(self.label, weights=level * vector, minlength=len(root)) / np.where(mass > 0, mass, 1.0)
        return vector - level * part[self.label]


def _orthonormal(columns: Array) -> Array:
    """(n, m) the same span, by Householder's method, each column on the side of the one it came from."""
    found, upper = np.linalg.qr(columns)
    return found * np.where(np.diag(upper) < 0, -1.0, 1.0)


def _swept(point: Point) -> Swept:
    return point.local[0]  # type: ignore[return-value]
