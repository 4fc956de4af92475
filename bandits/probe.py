"""What kind of function a loss is, asked of the loss itself at a few deterministic points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bandits.cells import Cells
from bandits.data import PairLogProbs
from bandits.derivatives import derivatives, loss_values, margin_derivatives
from bandits.door import Array
from bandits.rows import Rows

__all__ = ["LossShape", "falls_for_ever", "inspect_loss", "quickest_values", "reads_target"]

_AGREE = 1e-10
_REACHES = (1e3, 1e6, 1e9, 1e12)  # nats


@dataclass(frozen=True)
class LossShape:
    """What the probes found.

    Args:
        shift_invariant: adding a constant to the policy's log-probabilities of a row changes nothing: for a pair, the
            loss is a function of the margin.
        convex: no negative curvature was seen.
        kinked: the slope changes although the curvature is 0 wherever it was looked at.
        length: nats over which the slope changes by half; the first step is a few of these.
    """

    shift_invariant: bool
    convex: bool
    kinked: bool
    length: float


def reads_target(loss: Callable, has_tokens: bool) -> bool:
    """Whether the loss looks at `target`: then it gets soft labels itself, else each order is weighted by them."""
    columns = np.array([[-1.3, -0.4], [-2.1, -1.7], [-1.1, -0.9], [-1.6, -1.2]])
    tokens = (np.array([3.0, 5.0]), np.array([4.0, 2.0])) if has_tokens else (None, None)
    pairs = PairLogProbs(columns[0], columns[1], columns[2], columns[3], *tokens)

    def at(target: float) -> Array:
        return loss_values(loss, pairs._replace(target=np.full(2, target)))

    return not np.array_equal(at(0.3), at(0.8))


def inspect_loss(loss: Callable, rows: Rows | Cells) -> LossShape:
    """Refuse what cannot be solved row by row, and find the structure that can be used.

    Raises:
        ValueError: the loss is coupled over the batch, is not finite, or its gradient is not the derivative of its value.
    """
    probed, points = _probe_points(rows)
    found = derivatives(loss, probed.see(points))
    _require_finite(found.value, found.gradient, points)
    values = quickest_values(loss, probed.see(points), found.value)
    _require_per_row(loss, values, probed, points, found.value)
    _require_own_gradient(loss, values, probed, points, found.value)
    scale = 1 + np.abs(found.value).max()
    shifted = [values(probed.see(points - shift)) for shift in (0.3, 1.9)]
    size = np.abs(found.gradient).max() + 1e-300
    invariant = all(np.abs(other - found.value).max() <= 1e-12 * scale for other in shifted)
    invariant = invariant and bool(np.abs(found.gradient.sum(axis=1)).max() <= 1e-12 * size)
    if invariant and not rows.ranked:
        return _along_margins(loss, probed)
    least = np.linalg.eigvalsh(found.hessian)
    bend = np.abs(least).max()
    return LossShape(invariant, convex=bool(least.min() >= -1e-9 * bend), kinked=False, length=_length(size, bend))


def falls_for_ever(loss: Callable, rows: Rows, direction: Array, length: float) -> bool:
    """Whether no row's loss rises along `direction`, (X, A), and some row's falls without ever reaching its floor.

    The slope is followed from the reference over seven decades around the loss's length. A loss that stops falling (a hinge)
    ends with a jump of its slope to 0, one that never does (a logistic) lets it fade or stay.
    """
    move = direction[rows.context[:, None], rows.actions]
    touched = np.flatnonzero(np.ptp(move, axis=1) > 0)
    if len(touched) == 0:
        return False
    touched = touched[np.unique(np.linspace(0, len(touched) - 1, 256).astype(int))]
    few, move = rows.take(touched), move[touched]
    distances = np.concatenate([[0.0], length * np.geomspace(1e-2, 1e5, 71)])
    many = few.take(np.tile(np.arange(len(few)), len(distances)))
    moves = np.tile(move, (len(distances), 1))
    found = derivatives(loss, many.see(many.ref + np.repeat(distances, len(few))[:, None] * moves))
    slope = np.nan_to_num(np.sum(found.gradient * moves, axis=1)).reshape(len(distances), len(few))
    largest = np.abs(slope).max(axis=0)
    noise = largest * (1e-12 + 64 * np.finfo(np.float64).eps * distances[:, None])
    if (slope > noise).any():
        return False
    falling = np.where(slope < -noise, -slope, np.inf).min(axis=0)
    return bool(((slope[-1] < -noise[-1]) | (falling < 1e-6 * largest)).any())


def _probe_points(rows: Rows | Cells) -> tuple[Rows, Array]:
    index = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), 24)).astype(int))
    index = np.tile(index, -(-12 // len(index)))
    probed = rows.take(index)
    wave = np.abs(np.sin(1.7 * np.arange(probed.actions.size) + 0.5)).reshape(probed.actions.shape)
    return probed, probed.ref - 0.05 - 2.5 * wave


def _require_finite(value: Array, gradient: Array, points: Array) -> None:
    bad = ~(np.isfinite(value) & np.isfinite(gradient).all(axis=1))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(
            f"the loss is {value[row]} with gradient {gradient[row].tolist()} at policy log-probabilities "
            f"{points[row].round(3).tolist()}, expected finite numbers. Use stable primitives, such as logsigmoid."
        )


def quickest_values(loss: Callable, seen: Any, value: Array) -> Callable[[Any], Array]:
    """The loss's values on NumPy arrays if it takes these and they agree with `value`; else on the road of its derivatives."""

    def plainly(rows: Any) -> Any:
        with np.errstate(all="ignore"):
            return loss(rows)

    try:
        plain = plainly(seen)
    except (TypeError, AttributeError, NotImplementedError, ValueError, RuntimeError):
        plain = None
    alike = isinstance(plain, np.ndarray) and plain.shape == value.shape and plain.dtype == np.float64
    if alike and np.abs(plain - value).max() <= 1e-13 * (1 + np.abs(value).max()):
        return plainly
    return lambda rows: loss_values(loss, rows)


def _require_per_row(loss: Callable, values: Callable, probed: Rows, points: Array, value: Array) -> None:
    n = len(probed)
    order = np.roll(np.arange(n)[::-1], 3)
    batches = [*np.array_split(np.arange(n), 2), *(np.array([row]) for row in range(min(n, 6)))]
    for road, batch in [(lambda seen: loss_values(loss, seen), order), *((values, batch) for batch in batches)]:
        again = road(probed.take(batch).see(points[batch]))
        apart = np.abs(again - value[batch]) > _AGREE * (1 + np.abs(value[batch]))
        if apart.any():
            row = int(np.flatnonzero(apart)[0])
            raise ValueError(
                f"the loss is coupled over the batch: a comparison that costs {value[batch][row]:.6g} among {n} costs "
                f"{again[row]:.6g} in another batch of {len(batch)}. A population optimum needs a loss of one comparison at a time."
            )


def _require_own_gradient(loss: Callable, values: Callable, probed: Rows, points: Array, value: Array) -> None:
    """Fundamental theorem of calculus along a short segment: value difference against the integral of the slope."""
    nodes, weights = np.polynomial.legendre.leggauss(5)
    along = -0.02 * (1 + np.abs(np.cos(2.3 * np.arange(points.size)))).reshape(points.shape)
    change = values(probed.see(points + along)) - value
    on_the_way = points + ((nodes + 1) / 2)[:, None, None] * along
    many = probed.take(np.tile(np.arange(len(value)), len(nodes)))
    gradient = derivatives(loss, many.see(on_the_way.reshape(-1, points.shape[1]))).gradient.reshape(on_the_way.shape)
    integral = np.einsum("n,nrk->r", weights / 2, gradient * along)
    size = np.einsum("n,nrk->r", weights / 2, np.abs(gradient * along))
    wrong = np.abs(change - integral) > 1e-3 * (size + np.abs(change)) + 1e-13 * (1 + np.abs(value))
    if wrong.mean() > 0.5:
        row = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            f"the loss's gradient is not the derivative of its value: along a segment the value changes by {change[row]:.6g}, "
            f"its slope integrates to {integral[row]:.6g}. A part is detached or rounded; there is nothing to minimise."
        )


def _along_margins(loss: Callable, probed: Rows) -> LossShape:
    """Margins to 1e3 nats on both sides, and on to 1e12 while the slope stays what it is at the reference."""
    few = probed.take(np.unique(np.linspace(0, len(probed) - 1, 4).astype(int)))
    for reach in _REACHES:
        grid = np.concatenate([-np.geomspace(reach, 1e-3, 61), [0.0], np.geomspace(1e-3, reach, 61)])
        many = few.take(np.tile(np.arange(len(few)), len(grid)))
        points = many.ref.copy()
        points[:, 0] += np.repeat(grid, len(few))
        with np.errstate(over="ignore", invalid="ignore"):
            _, slope, bend = (np.nan_to_num(part).reshape(len(grid), -1) for part in margin_derivatives(loss, many.see(points)))
        size = np.abs(slope).max(axis=0)
        here = np.abs(slope[61])
        near = np.abs(slope - slope[61]) >= 0.5 * np.where(here > 0, here, size)
        near &= size > 0
        if near.any():
            break
    changes = np.diff(slope, axis=0)
    convex = bool((changes >= -1e-9 * size).all() and (bend >= -1e-9 * np.abs(bend).max(axis=0)).all())
    kinked = bool((bend == 0).all() and (np.abs(changes) > 1e-9 * size).any())
    length = float(np.abs(grid)[near.any(axis=1)].min(initial=reach)) if near.any() else _REACHES[0]
    return LossShape(True, convex=convex, kinked=kinked, length=length)


def _length(slope: float, bend: float) -> float:
    return float(np.clip(slope / bend, 1e-3, 1e3)) if bend > 0 else 1.0
