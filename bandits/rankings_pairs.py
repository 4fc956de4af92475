"""The staged softmax as pulls and springs between pairs of actions, in logarithms: exact however far apart the strengths are.

A choice of i from a set S with probabilities p pulls i from every other j of S by p_j, and its curvature is a spring p_j p_k between
any two of S. So a step is the equilibrium of a network of springs, solved as for comparisons of pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from bandits.door import Array
from bandits.expanders import Expander
from bandits.factors import Factors
from bandits.forests import Forest, is_forest
from bandits.margins import Step
from bandits.meshes import Meshes
from bandits.newton import Point
from bandits.rankings_passes import Block

__all__ = ["MOST_PAIRS", "PairedStages", "pairs_of"]

MOST_PAIRS = 40_000_000
_SMALL = 64  # actions up to which contexts are solved together, densely
_DENSE = 3000  # actions of all contexts up to which elimination comes first


def pairs_of(blocks: Sequence[Block]) -> int:
    """How many pairs of actions stand in one ranking, over all rankings."""
    return sum(block.node.shape[0] * (block.node.shape[0] - 1) // 2 * block.node.shape[1] for block in blocks)


class PairedStages:
    """The mean loss as a function of (X, A) log-ratios, known up to a constant per connected component.

    Args:
        blocks: rankings; each weight includes the loss's own factor.
        shape: (X, A).
        beta: what the log-ratios are multiplied by.
    """

    def __init__(self, blocks: Sequence[Block], shape: tuple[int, int], beta: float) -> None:
        self.blocks, self.beta = blocks, beta
        self.shape = x, a = shape
        cells = [ahead * (x * a) + behind for block in blocks for ahead, behind in _pairs(block.node)]
        found, slot = _numbered(np.concatenate(cells), (x * a) ** 2)
        self.slots = np.split(slot, np.cumsum([len(cell) for cell in cells])[:-1])
        self.chosen, self.rejected = found // (x * a), found % (x * a)
        self.last: tuple[Any, ...] = ()
        self.bounded: tuple[Any, ...] = ()
        self.steps: Step
        if a <= _SMALL:
            actions = np.stack([self.chosen % a, self.rejected % a], axis=1)
            self.steps = Meshes(self.chosen // a, actions, self.shape)
        elif is_forest(self.chosen, self.rejected, x * a):
            self.steps = Forest(self.chosen, self.rejected, self.shape)
        elif x * a > _DENSE:
            self.steps = Expander(self.chosen, self.rejected, self.shape)
        else:
            self.steps = Factors(self.chosen, self.rejected, self.shape)

    def extent(self, log_ratios: Array) -> Array:
        """(X,) nats between the two actions farthest apart; along a forest, that were compared."""
        if not isinstance(self.steps, Forest):
            return np.ptp(log_ratios, axis=1)
        flat, widest = np.ascontiguousarray(log_ratios).reshape(-1), np.zeros(self.shape[0])
        np.maximum.at(widest, self.chosen // self.shape[1], np.abs(flat[self.chosen] - flat[self.rejected]))
        return widest

    def step(self, point: Point) -> tuple[Array, Array]:
        if not (self.last and self.last[0] is point):
            found = self.steps.solve(*point.local)
            if not self.steps.reliable:
                self.steps = Factors(self.chosen, self.rejected, self.shape)
                found = self.steps.solve(*point.local)
            self.last = point, found
        return self.last[1]

    def error_bound(self, point: Point) -> tuple[Array, Array]:
        """(X,) nats by which a log-ratio difference can be off, and the decrement."""
        if not (self.bounded and self.bounded[0] is point):
            bound = self.steps.bound(*point.local)
            if isinstance(self.steps, Expander) and not np.isfinite(bound).all():
                self.steps, self.last = Factors(self.chosen, self.rejected, self.shape), ()
                bound = self.steps.bound(*point.local)
            self.bounded = point, bound
        return self.bounded[1], self.step(point)[1]

    def gradient(self, point: Point) -> Array:
        """(X, A) gradient in the logits."""
        nodes = self.shape[0] * self.shape[1]
        flat = np.bincount(self.chosen, weights=point.local[0], minlength=nodes)
        return (flat - np.bincount(self.rejected, weights=point.local[0], minlength=nodes)).reshape(self.shape)

    def evaluate(self, logits: Array) -> Point:
        z = self.beta * np.ascontiguousarray(logits).reshape(-1)
        size = len(self.chosen)
        pull, stiff, value, slots = np.zeros(size), np.zeros(size), np.zeros(self.shape[0]), iter(self.slots)
        for block in self.blocks:
            level = z[block.node]
            left = np.logaddexp.accumulate(level[::-1], axis=0)[::-1]
            surprise = block.stage[:-1] @ np.logaddexp(0.0, left[1:] - level[:-1])
            value += np.bincount(block.node[0] // self.shape[1], block.weight * surprise, minlength=self.shape[0])
            with np.errstate(divide="ignore"):
                bends = np.logaddexp.accumulate(np.log(block.stage)[:, None] - 2 * left, axis=0)
            for place in range(len(level) - 1):
                slot, below = next(slots), level[place + 1 :]
                slope = -self.beta * block.stage[place] * block.weight * np.exp(below - left[place])
                bend = self.beta**2 * block.weight * np.exp(level[place] + below + bends[place])
                pull += np.bincount(slot, slope.reshape(-1), minlength=size)
                stiff += np.bincount(slot, bend.reshape(-1), minlength=size)
        np.maximum(stiff, 1e-12 * np.abs(pull) + 1e-290, out=stiff)
        return Point(value, value, (pull, stiff))


def _numbered(cell: Array, most: int) -> tuple[Array, Array]:
    """The different cells in order, and (M,) the place of each cell among them."""
    if most > 4 * len(cell) + 1024:
        found, slot = np.unique(cell, return_inverse=True)
        return found, slot.reshape(-1)
    seen = np.bincount(cell, minlength=most) > 0
    return np.flatnonzero(seen), (np.cumsum(seen) - 1)[cell]


def _pairs(node: Array) -> Iterator[tuple[Array, Array]]:
    """For every place but the last: (M,) actions there, repeated, and (M,) the actions behind."""
    for place in range(len(node) - 1):
        behind = node[place + 1 :]
        yield np.broadcast_to(node[place], behind.shape).reshape(-1), behind.reshape(-1)
