"""Newton steps for convex losses of margins: weighted graph Laplacians, each solved in the way that suits its graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np

from bandits.data import PairLogProbs
from bandits.derivatives import margin_derivatives, quick_margin_derivatives
from bandits.door import Array
from bandits.expanders import FAILURE, Expander
from bandits.factors import Factors
from bandits.forests import Forest, is_forest
from bandits.meshes import Meshes
from bandits.newton import Point
from bandits.rows import Rows

__all__ = ["MarginModel", "Step"]

_SMALL = 64  # actions up to which contexts are solved together, densely
_BLOCK = 65536  # rows of which the loss is evaluated at a time: what a processor's cache holds


class Step(Protocol):
    """Solves the Newton systems of one graph; every argument is (N,), one entry per row."""

    def solve(self, pull: Array, stiff: Array) -> tuple[Array, Array]:
        """(X, A) the Newton step of the log-ratios and (X,) its decrement."""

    def bound(self, pull: Array, stiff: Array) -> Array:
        """(X,) nats by which a log-ratio difference can be off, from the gradient, the rounding in it, and the curvature."""


class MarginModel:
    """The loss as a function of (X, A) log-ratios, known up to a constant per connected component."""

    def __init__(self, loss: Callable, rows: Rows) -> None:
        self.loss, self.rows = loss, rows
        self.shape = rows.bandit.reward.shape
        self.start = rows.context * self.shape[1]
        self.chosen, self.rejected = self.start + rows.actions[:, 0], self.start + rows.actions[:, 1]
        few = rows.take(np.unique(np.linspace(0, len(rows) - 1, 64).astype(np.int64)))
        away = few.ref
        away[:, 0] += 3 * np.sin(np.arange(len(few)))
        self.derivatives = quick_margin_derivatives(loss, few.see(away))
        self.plain = self._sees_margins_alone(few.see(away))
        self.seen = PairLogProbs(*np.zeros((4, min(len(rows), _BLOCK)))) if self.plain else rows.see(rows.ref)
        self.steps = self._steps()

    def extent(self, log_ratios: Array) -> Array:
        """(X,) nats between the two actions farthest apart; along a forest, that were compared."""
        if isinstance(self.steps, Forest):
            margin = np.abs(self._margin(log_ratios))
            widest = np.zeros(self.shape[0])
            np.maximum.at(widest, self.rows.context, margin)
            return widest
        return np.ptp(log_ratios, axis=1)

    def evaluate(self, logits: Array) -> Point:
        rows, weight = self.rows, self.rows.weight
        flat = np.ascontiguousarray(logits).reshape(-1)
        if self.plain and not flat.any():
            return self._at_reference()
        slope, bend = np.empty(len(rows)), np.empty(len(rows))

        def work(block: slice) -> tuple[Array, Array]:
            margin = flat.take(self.chosen[block]) - flat.take(self.rejected[block])
            window = slice(0, len(margin)) if self.plain else block
            seen = PairLogProbs(*(None if part is None else part[window] for part in self.seen))
            found = self.derivatives(self.loss, seen._replace(policy_chosen=seen.policy_chosen + margin))
            with np.errstate(invalid="ignore"):
                value = found[0] * weight[block]
                np.multiply(found[1], weight[block], out=slope[block])
                np.multiply(found[2], weight[block], out=bend[block])
                _make_positive(bend[block], slope[block])
                return self._per_context(value, block), self._per_context(np.abs(value), block)

        total, magnitude = np.zeros(self.shape[0]), np.zeros(self.shape[0])
        for part, size in self._each_block(work):
            total += part
            magnitude += size
        return Point(np.where(np.isnan(total), np.inf, total), magnitude, (slope, bend))

    def _each_block(self, work: Callable[[slice], tuple[Array, Array]]) -> Iterator[tuple[Array, Array]]:
        """Results in the order of the blocks; NumPy losses of many blocks run on two threads, for NumPy lets go of the lock."""
        blocks = [slice(first, first + _BLOCK) for first in range(0, len(self.rows), _BLOCK)]
        if len(blocks) < 4 or self.derivatives is margin_derivatives:
            yield from map(work, blocks)
            return
        with ThreadPoolExecutor(2) as threads:
            yield from threads.map(work, blocks)

    def step(self, point: Point) -> tuple[Array, Array]:
        move, decrement = self.steps.solve(*point.local)
        if isinstance(self.steps, Expander) and not self.steps.reliable:
            self.steps = Factors(self.chosen, self.rejected, self.shape)
            return self.steps.solve(*point.local)
        return move, decrement

    def error_bound(self, point: Point) -> tuple[Array, Array]:
        """(X,) nats by which a log-ratio difference can be off, and the decrement."""
        if isinstance(self.steps, Expander):
            bound = self.steps.bound(*point.local)
            if np.isfinite(bound).all():
                return bound, self.steps.solve(*point.local)[1]
            self.steps = Factors(self.chosen, self.rejected, self.shape)
        return self.steps.bound(*point.local), self.steps.solve(*point.local)[1]

    @property
    def caveat(self) -> str:
        """What the bound rests on beyond the arithmetic."""
        if not isinstance(self.steps, Expander):
            return ""
        return f"; the curvature is estimated from a random start and is too large with probability at most {FAILURE:g}"

    def gradient(self, point: Point) -> Array:
        """(X, A) gradient in the logits."""
        x, a = self.shape
        flat = np.bincount(self.chosen, weights=point.local[0], minlength=x * a)
        flat -= np.bincount(self.rejected, weights=point.local[0], minlength=x * a)
        return flat.reshape(self.shape)

    def _sees_margins_alone(self, few: PairLogProbs) -> bool:
        """Whether neither the reference nor lengths nor targets matter beside the margin, in value and in derivatives."""
        if few.target is not None or few.chosen_tokens is not None:
            return False
        nothing = np.zeros(len(few.policy_chosen))
        margins = PairLogProbs(few.margin, nothing, nothing, nothing)
        pairs = zip(self.derivatives(self.loss, margins), self.derivatives(self.loss, few), strict=True)
        return all(np.allclose(one, other, rtol=1e-10, atol=1e-12 * np.abs(other).max(initial=0.0)) for one, other in pairs)

    def _steps(self) -> Step:
        if self.shape[1] <= _SMALL:
            return Meshes(self.rows.context, self.rows.actions, self.shape)
        if is_forest(self.chosen, self.rejected, self.shape[0] * self.shape[1]):
            return Forest(self.chosen, self.rejected, self.shape)
        return Expander(self.chosen, self.rejected, self.shape)

    def _margin(self, log_ratios: Array) -> Array:
        flat = np.ascontiguousarray(log_ratios).reshape(-1)
        return flat.take(self.chosen) - flat.take(self.rejected)

    def _at_reference(self) -> Point:
        """Where every row sees the same, one row is enough."""
        value, slope, bend = (float(part[0]) for part in self.derivatives(self.loss, PairLogProbs(*np.zeros((4, 1)))))
        weight = self.rows.weight
        total = self._per_context(value * weight, slice(None))
        pull, stiff = slope * weight, bend * weight
        _make_positive(stiff, pull)
        return Point(total, np.abs(total), (pull, stiff))

    def _per_context(self, parts: Array, block: slice) -> Array:
        if self.shape[0] == 1:
            return np.array([parts.sum()])
        return np.bincount(self.rows.context[block], weights=parts, minlength=self.shape[0])


def _make_positive(bend: Array, slope: Array) -> None:
    """Curvatures of rounding size, or none, become small beside the slopes that they divide."""
    floor = 1e-12 * np.abs(slope) + 1e-290
    if not np.isfinite(bend.sum()):
        np.nan_to_num(bend, copy=False)
    np.maximum(bend, floor, out=bend)
