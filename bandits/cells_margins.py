"""Convex losses of margins on many small contexts, evaluated on a table of all ordered pairs: nothing is gathered or scattered."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bandits.cells import Cells
from bandits.data import PairLogProbs
from bandits.door import Array
from bandits.margins import MarginModel, made_positive, margin_road
from bandits.meshes import CellMeshes, differences
from bandits.newton import Point

__all__ = ["CellModel", "cell_model"]

_BLOCK = 65536  # pairs of which the loss is evaluated at a time: what a processor's cache holds


def cell_model(loss: Callable, cells: Cells) -> CellModel | None:
    """The model of a loss that sees margins alone; None for other losses."""
    road, plain = margin_road(loss, cells)
    return CellModel(loss, cells, road) if plain else None


class CellModel(MarginModel):
    """The loss as a function of (X, A) log-ratios; what has an entry per row elsewhere has one per unordered pair, (E, X), here."""

    plain = True

    def __init__(self, loss: Callable, cells: Cells, derivatives: Callable) -> None:
        self.loss, self.weight, self.derivatives = loss, cells.weight, derivatives
        self.shape = cells.bandit.reward.shape
        self.steps = CellMeshes(self.shape)
        self.several = max(1, _BLOCK // (2 * self.shape[0]))
        self.nothing = np.zeros(2 * self.several * self.shape[0])

    def evaluate(self, logits: Array) -> Point:
        weight = self.weight
        _, n_pairs, x = weight.shape
        margin = differences(np.ascontiguousarray(logits.T), np.empty((n_pairs, x)))
        total, magnitude = np.zeros(x), np.zeros(x)
        pull, stiff = np.empty((2, n_pairs, x)), np.empty((n_pairs, x))
        for start in range(0, n_pairs, self.several):
            pairs = slice(start, min(start + self.several, n_pairs))
            value, slope, bend = self._weighted(margin[pairs], weight[:, pairs])
            part = value.sum(axis=(0, 1))
            total += part
            magnitude += part if value.min() >= 0 else np.abs(value).sum(axis=(0, 1))
            np.subtract(slope[0], slope[1], out=pull[0, pairs])
            np.abs(slope, out=slope)
            np.add(slope[0], slope[1], out=pull[1, pairs])
            np.add(bend[0], bend[1], out=stiff[pairs])
        return Point(np.where(np.isnan(total), np.inf, total), magnitude, (pull, stiff))

    def _weighted(self, margin: Array, weight: Array) -> tuple[Array, Array, Array]:
        """Value, slope and curvature of (2, K, X) comparisons whose pairs have margins (K, X), times their weights."""
        both = np.empty(weight.shape)
        both[0] = margin
        np.negative(margin, out=both[1])
        found = self._at(both, weight)
        if not all(np.isfinite(part.sum()) for part in found):
            found = self._at(np.where(weight > 0, both, 0.0), weight)
        return found

    def _at(self, margin: Array, weight: Array) -> tuple[Array, Array, Array]:
        zeros = self.nothing[: margin.size]
        value, slope, bend = self.derivatives(self.loss, PairLogProbs(margin.reshape(-1), zeros, zeros, zeros))
        with np.errstate(invalid="ignore"):
            parts = [part.reshape(weight.shape) * weight for part in (value, slope, made_positive(bend, slope))]
        return parts[0], parts[1], parts[2]
