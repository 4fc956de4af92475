"""Damped Newton iterations, every context at its own pace in one batch."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from bandits.door import Array

__all__ = ["Descent", "Model", "Point", "descend"]

_ROUNDING = 8 * np.finfo(np.float64).eps


class Point(NamedTuple):
    """A loss at some logits: value (X,), the sum of absolute values that it is the sum of (X,), and what `Model.step` needs."""

    value: Array
    magnitude: Array
    local: tuple[Array, ...]


class Model(Protocol):
    """A loss in the logits, with its Newton step."""

    def evaluate(self, logits: Array) -> Point: ...

    def extent(self, logits: Array) -> Array:
        """(X,) nats: the size of logits, or of a move of them."""

    def step(self, point: Point) -> tuple[Array, Array]:
        """(X, A) a descent step of the logits and (X,) minus its slope, the decrement."""

    def error_bound(self, point: Point) -> tuple[Array, Array]:
        """(X,) nats by which a difference of logits can be off, rounding included, and the decrement."""


class Descent(NamedTuple):
    """Where the iterations ended: logits (X, A), their point, steps, which contexts (X,) came to rest, their last true move (X, A)."""

    logits: Array
    point: Point
    steps: int
    done: Array
    last_move: Array


def descend(model: Model, logits: Array, *, radius: float, tol: float, max_steps: int, far: Array, settled: Array | None = None) -> Descent:
    """Newton with a step search, until no logit moves by more than `tol` or rounding has the last word.

    Args:
        model: the loss.
        logits: (X, A) start.
        radius: nats; the first step changes no difference by more, later ones as far as that went well.
        tol: relative to 1 + the spread of the logits.
        max_steps: then the contexts still moving are not done.
        far: (X,) nats; a context whose logits spread beyond is given up, for it runs to infinity.
        settled: (X,) contexts whose start is the end of an iteration that converged: they are done at once if the bound of
            their error owes more to rounding than to the first step.
    """
    reach = np.full(len(logits), radius)
    point = model.evaluate(logits)
    done, lost = np.zeros(len(logits), dtype=bool), np.zeros(len(logits), dtype=bool)
    last, steps = np.full(len(logits), np.inf), 0
    move, trail = np.zeros_like(logits), np.zeros_like(logits)
    while steps < max_steps:
        move, promised = model.step(point)
        spread, length = model.extent(logits), model.extent(move)
        size = length / (1 + spread)
        done |= ~lost & ((size <= tol) | ((size < 1e-6) & (size > last / 2)))
        if steps == 0 and settled is not None and (settled & ~done).any():
            done |= settled & (size < 1e-6) & (4 * length <= model.error_bound(point)[0])
        lost |= ~done & (spread > far)
        active = ~(done | lost)
        if not active.any():
            break
        steps += 1
        last, trail = size, np.where(active[:, None], move, trail)
        full = np.minimum(1.0, reach / np.maximum(length, 1e-300))
        logits, point, taken = _search(model, logits, point, move, promised, np.where(active, full, 0.0))
        shrunk = np.where(active & (taken < full), 2 * taken * length, reach)
        reach = np.where(active & (taken == full) & (full < 1), 2 * reach, shrunk)
        reach = np.maximum(reach, 1e-12)
    return Descent(logits, point, steps, done, trail)


def _search(model: Model, logits: Array, point: Point, move: Array, promised: Array, scale: Array) -> tuple[Array, Point, Array]:
    slack = _ROUNDING * point.magnitude
    for _ in range(60):
        trial = logits + scale[:, None] * move
        found = model.evaluate(trial)
        enough = found.value <= point.value - 1e-4 * scale * promised + slack
        worse = (scale > 0) & (scale * promised > slack) & ~enough
        if not worse.any():
            break
        scale = np.where(worse, scale / 4, scale)
    return trial, found, scale
