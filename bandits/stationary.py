"""Damped Newton in one vector of parameters, for losses that need not be convex."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from bandits.door import Array
from bandits.strengths import Curve

__all__ = ["Settled", "settle"]

_EPS = np.finfo(np.float64).eps


class Settled(NamedTuple):
    """Where a descent ended.

    Args:
        at: (P,) parameters.
        found: the loss there.
        curvature: (P,) eigenvalues of its Hessian, ascending.
        steps: Newton steps taken.
        done: whether it came to rest.
    """

    at: Array
    found: Curve
    curvature: Array
    steps: int
    done: bool

    @property
    def minimum(self) -> bool:
        """At rest, and no direction bends down."""
        return self.done and not _bends_down(self.curvature)


def settle(
    curve: Callable[[Array], Curve], start: Array, *, radius: float = 1.0, far: float = np.inf, tol: float = 1e-14, max_steps: int = 300
) -> Settled:
    """Newton with the absolute values of the curvatures and a step search: downhill everywhere, quadratic near a minimum.

    Args:
        curve: the loss; an infinite value is a place where it may not go.
        start: (P,), where the loss is finite.
        radius: Euclidean; the first step is no longer, later ones as far as that went well.
        far: Euclidean; beyond, the descent is given up, for it runs to infinity.
        tol: a step shorter than this, relative to 1 + |at|, ends the descent.
        max_steps: then it is not done.

    Returns:
        Settled. A point at rest is stationary; it is a minimum if the least curvature is positive.

    >>> well = lambda z: Curve(float((z @ z - 1) ** 2), 4 * (z @ z - 1) * z, 12 * np.outer(z, z) - 4 * np.eye(1), 1.0)
    >>> end = settle(well, np.ones(1) / 9)
    >>> end.at.round(12).tolist(), end.done
    ([1.0], True)
    """
    at, last, reach, done = np.array(start, dtype=np.float64), np.inf, max(radius, 1e-12), False
    found, steps = curve(at), 0
    while not done and steps < max_steps and np.linalg.norm(at) <= far:
        move, values = _move(found)
        size = float(np.linalg.norm(move)) / (1 + float(np.linalg.norm(at)))
        if size <= tol or (size < 1e-6 and size > last / 2 and not _bends_down(values)):
            done = True
            break
        steps, last = steps + 1, size
        length = float(np.linalg.norm(move))
        full = min(1.0, reach / length)
        at, found, taken = _search(curve, at, found, move, full)
        reach = 2 * reach if taken == full < 1 else max(2 * taken * length, 1e-12) if taken < full else reach
    return Settled(at, found, np.linalg.eigvalsh(found.hessian), steps, done)


def _move(found: Curve) -> tuple[Array, Array]:
    values, vectors = np.linalg.eigh(found.hessian)
    size = np.abs(values)
    along = vectors.T @ found.gradient / np.maximum(size, 1e-13 * size.max(initial=0.0) + 1e-300)
    return -vectors @ along, values


def _bends_down(curvature: Array) -> bool:
    return bool(curvature.min(initial=0.0) < -1e-9 * np.abs(curvature).max(initial=0.0))


def _search(curve: Callable[[Array], Curve], at: Array, found: Curve, move: Array, scale: float) -> tuple[Array, Curve, float]:
    promised, slack = -float(found.gradient @ move), 8 * _EPS * found.magnitude
    for _ in range(60):
        trial = curve(at + scale * move)
        if trial.value <= found.value - 1e-4 * scale * promised + slack:
            return at + scale * move, trial, scale
        scale /= 4
    return at, found, 0.0
