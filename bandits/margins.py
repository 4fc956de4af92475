"""Newton steps for convex losses of margins: weighted graph Laplacians, each solved in the way that suits its graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from bandits.cells import Cells
from bandits.conjugate import Parts
from bandits.data import PairLogProbs
from bandits.derivatives import quick_margin_derivatives
from bandits.door import Array
from bandits.expanders import Expander
from bandits.factors import Factors
from bandits.forests import Forest, is_forest
from bandits.logistic import approach, recognise
from bandits.meshes import Meshes
from bandits.newton import Point
from bandits.rows import Rows
from bandits.spreads import spread
from bandits.tables import Tables, fills_a_table

__all__ = ["MarginModel", "Step", "made_positive", "margin_road"]

_SMALL = 64  # actions up to which contexts are solved together, densely
_BLOCK = 65536  # rows of which the loss is evaluated at a time: what a processor's cache holds


class Step(Protocol):
    """Solves the Newton systems of one graph; every argument is (N,), one entry per row."""

    reliable: bool  # whether the last solution converged

    def solve(self, pull: Array, stiff: Array) -> tuple[Array, Array]:
        """(X, A) the Newton step of the log-ratios and (X,) its decrement."""

    def gradient(self, pull: Array, stiff: Array) -> Array:
        """(X, A) sums of the pulls at each action."""

    def bound(self, pull: Array, stiff: Array) -> Array:
        """(X,) nats by which a log-ratio difference can be off, from the gradient, the rounding in it, and the curvature."""


class MarginModel:
    """The loss as a function of (X, A) log-ratios, known up to a constant per connected component."""

    last: tuple = ()  # the point of the last step, and the step
    bounded: tuple = ()  # the point of the last bound, and the bound

    def __init__(self, loss: Callable, rows: Rows, component: Array | None = None) -> None:
        self.loss, self.rows, self.weight = loss, rows, rows.weight
        self.shape = rows.bandit.reward.shape
        self.chosen, self.rejected = rows.nodes
        self.firsts = np.concatenate([[0], np.flatnonzero(rows.context[1:] != rows.context[:-1]) + 1])
        self.derivatives, self.plain = margin_road(loss, rows)
        self.seen = None if self.plain else rows.see(rows.ref)
        self.nothing = np.zeros(min(len(rows), _BLOCK))
        self.steps = self._steps(component)

    def extent(self, log_ratios: Array) -> Array:
        """(X,) nats between the two actions farthest apart; along a forest, that were compared."""
        if isinstance(self.steps, Forest):
            margin = np.abs(self._margin(log_ratios))
            widest = np.zeros(self.shape[0])
            np.maximum.at(widest, self.rows.context, margin)
            return widest
        return spread(log_ratios)

    def approach(self, logits: Array, length: float) -> tuple[Array, Array, int]:
        """A start nearer the optimum, the contexts (X,) in which only rounding should be left, and the steps that it took."""
        nowhere = np.zeros(len(logits), dtype=bool)
        if not (self.plain and isinstance(self.steps, (Meshes, Tables, Expander))):
            return logits, nowhere, 0
        logistic = recognise(self.derivatives, self.loss, length)
        if logistic is None:
            return logits, nowhere, 0
        if isinstance(self.steps, Meshes):
            return approach(self.steps.fold(self.weight), logistic, logits)
        found, settled, steps = approach(self.steps.fold(self.weight), logistic, logits.reshape(1, -1))
        return found.reshape(self.shape), nowhere | settled[0], steps

    def evaluate(self, logits: Array) -> Point:
        rows, weight = self.rows, self.rows.weight
        flat = np.ascontiguousarray(logits).reshape(-1)
        if self.plain and not flat.any():
            return self._at_reference()
        value, slope, bend = (np.empty(len(rows)) for _ in range(3))
        for first in range(0, len(rows), _BLOCK):
            block = slice(first, min(first + _BLOCK, len(rows)))
            margin = flat.take(self.chosen[block]) - flat.take(self.rejected[block])
            height, pull, stiff = self.derivatives(self.loss, self._see(margin, block))
            with np.errstate(invalid="ignore"):
                for part, into in zip((height, pull, made_positive(stiff, pull)), (value, slope, bend), strict=True):
                    np.multiply(part, weight[block], out=into[block])
        total = self._per_context(value)
        magnitude = total if (value >= 0).all() else self._per_context(np.abs(value))
        return Point(np.where(np.isnan(total), np.inf, total), magnitude, (slope, bend))

    def _see(self, margin: Array, block: slice) -> PairLogProbs:
        """What the loss sees in a block of rows whose margins exceed those of the reference policy by `margin`."""
        if self.seen is None:
            return PairLogProbs(margin, *[self.nothing[: len(margin)]] * 3)
        seen = PairLogProbs(*(None if part is None else part[block] for part in self.seen))
        return seen._replace(policy_chosen=seen.policy_chosen + margin)

    def step(self, point: Point) -> tuple[Array, Array]:
        if not (self.last and self.last[0] is point):
            move, decrement = self.steps.solve(*point.local)
            if not self.steps.reliable:
                self.steps = Factors(self.chosen, self.rejected, self.shape)
                move, decrement = self.steps.solve(*point.local)
            self.last = point, move, decrement
        return self.last[1:]

    def error_bound(self, point: Point) -> tuple[Array, Array]:
        """(X,) nats by which a log-ratio difference can be off, and the decrement."""
        if not (self.bounded and self.bounded[0] is point):
            bound = self.steps.bound(*point.local)
            if isinstance(self.steps, (Expander, Tables)) and not np.isfinite(bound).all():
                self.steps, self.last = Factors(self.chosen, self.rejected, self.shape), ()
                bound = self.steps.bound(*point.local)
            self.bounded = point, bound
        return self.bounded[1], self.step(point)[1]

    def gradient(self, point: Point) -> Array:
        """(X, A) gradient in the logits."""
        return self.steps.gradient(*point.local)

    def _steps(self, component: Array | None = None) -> Step:
        """What suits the graph, whose components have (X, A) labels if they are known."""
        if self.shape[1] <= _SMALL:
            return Meshes(self.rows.context, self.rows.actions, self.shape)
        if is_forest(self.chosen, self.rejected, self.shape[0] * self.shape[1]):
            return Forest(self.chosen, self.rejected, self.shape)
        kind = Tables if fills_a_table(len(self.rows), self.shape[0] * self.shape[1]) else Expander
        return kind(self.chosen, self.rejected, self.shape, None if component is None else Parts.of(component))

    def _margin(self, log_ratios: Array) -> Array:
        flat = np.ascontiguousarray(log_ratios).reshape(-1)
        return flat.take(self.chosen) - flat.take(self.rejected)

    def _at_reference(self) -> Point:
        """Where every row sees the same, one row is enough."""
        value, slope, bend = (float(part[0]) for part in self.derivatives(self.loss, PairLogProbs(*np.zeros((4, 1)))))
        weight = self.rows.weight
        total = self._per_context(value * weight)
        stiff = float(made_positive(np.array([bend]), np.array([slope]))[0])
        return Point(total, np.abs(total), (slope * weight, stiff * weight))

    def _per_context(self, parts: Array) -> Array:
        """(X,) sums; the rows are in the order of their contexts."""
        if self.shape[0] == 1:
            return np.array([parts.sum()])
        total = np.zeros(self.shape[0])
        total[self.rows.context[self.firsts]] = np.add.reduceat(parts, self.firsts)
        return total


def margin_road(loss: Callable, rows: Rows | Cells) -> tuple[Callable, bool]:
    """Where the loss's derivatives along the margin come from, and whether they depend on the margin alone.

    Neither the reference nor lengths nor targets may matter beside the margin, in value and in derivatives.
    """
    few = rows.take(np.unique(np.linspace(0, len(rows) - 1, 64).astype(np.int64)))
    away = few.ref
    away[:, 0] += 3 * np.sin(np.arange(len(few)))
    seen = few.see(away)
    road = quick_margin_derivatives(loss, seen)
    if seen.target is not None or seen.chosen_tokens is not None:
        return road, False
    nothing = np.zeros(len(few))
    pairs = zip(road(loss, PairLogProbs(seen.margin, nothing, nothing, nothing)), road(loss, seen), strict=True)
    return road, all(np.allclose(one, other, rtol=1e-10, atol=1e-12 * np.abs(other).max(initial=0.0)) for one, other in pairs)


def made_positive(bend: Array, slope: Array) -> Array:
    """Curvatures; those of rounding size, or none, become small beside the slopes that they divide."""
    steepest = max(float(slope.max(initial=0.0)), -float(slope.min(initial=0.0)))
    if bend.min(initial=np.inf) > 1e-12 * steepest + 1e-290:
        return bend
    return np.maximum(np.nan_to_num(bend), 1e-12 * np.abs(slope) + 1e-290)
