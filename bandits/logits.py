"""Newton steps for any loss of log-probabilities, in the logits of a softmax policy: dense, with modified curvature."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bandits.derivatives import derivatives
from bandits.door import Array
from bandits.newton import Point
from bandits.rows import Rows

__all__ = ["LogitModel"]

_EPS = np.finfo(np.float64).eps
_NULL = 1e-11  # curvature below this part of the largest is not told from 0


class LogitModel:
    """The loss as a function of (X, A) log-ratios of the logits to the reference.

    Args:
        loss: rows to losses.
        rows: the unique rows.
        components: (X, A) labels within which a shift of the logits changes nothing, when the loss has that symmetry;
            None when only the shift of a whole context is free.
    """

    def __init__(self, loss: Callable, rows: Rows, components: Array | None = None) -> None:
        self.loss, self.rows = loss, rows
        self.shape = x, a = rows.bandit.reward.shape
        self.support = rows.bandit.support
        self.node = rows.context[:, None] * a + rows.actions
        self.cell = (self.node[:, :, None] * a + rows.actions[:, None, :]).reshape(-1)
        self.log_ref = np.where(self.support, rows.bandit.log_ref, -np.inf)
        self.components = np.zeros((x, a), dtype=np.int64) if components is None else components
        same = (self.components[:, :, None] == self.components[:, None, :]) & (self.support[:, :, None] & self.support[:, None, :])
        count = same.sum(axis=2)
        self.gauge = same / np.maximum(count, 1)[:, :, None] + np.eye(a) * ~self.support[:, :, None]

    def log_policy(self, logits: Array) -> Array:
        """(X, A) log-probabilities."""
        raw = self.log_ref + logits
        top = raw.max(axis=1, keepdims=True)
        return raw - top - np.log(np.sum(np.exp(raw - top), axis=1, keepdims=True))

    def evaluate(self, logits: Array) -> Point:
        rows, (x, a) = self.rows, self.shape
        log_policy = self.log_policy(logits)
        found = derivatives(self.loss, rows.see(log_policy[rows.context[:, None], rows.actions]))
        weight = rows.weight
        broken = ~(np.isfinite(found.gradient).all(axis=1) & np.isfinite(found.hessian).all(axis=(1, 2)))
        found = type(found)(np.where(broken, np.inf, found.value), *(np.nan_to_num(part, posinf=0, neginf=0) for part in found[1:]))
        total = np.bincount(rows.context, weights=weight * found.value, minlength=x)
        magnitude = np.bincount(rows.context, weights=weight * np.abs(found.value), minlength=x)
        pull = self._nodes(weight[:, None] * found.gradient)
        effort = self._nodes(weight[:, None] * np.abs(found.gradient))
        cells = (weight[:, None, None] * found.hessian).reshape(-1)
        bend = np.bincount(self.cell, weights=cells, minlength=x * a * a).reshape(x, a, a)
        total = np.where(np.isnan(total), np.inf, total)
        return Point(total, magnitude, (np.exp(log_policy), pull, effort, bend))

    def extent(self, logits: Array) -> Array:
        """(X,) spread of the logits."""
        return np.ptp(logits, axis=1)

    def step(self, point: Point) -> tuple[Array, Array]:
        gradient, values, vectors, _ = self._spectrum(point)
        along = np.einsum("xab,xa->xb", vectors, gradient)
        largest = np.abs(values).max(axis=1, keepdims=True)
        noise = 64 * _EPS * point.local[2].sum(axis=1, keepdims=True)
        empty = (np.abs(values) <= _NULL * largest) & (np.abs(along) <= noise)
        along = np.where(empty, 0.0, along / np.maximum(np.abs(values), 1e-14 * largest + 1e-300))
        move = -np.einsum("xab,xb->xa", vectors, along) * self.support
        return move, -np.sum(gradient * move, axis=1)

    def gradient(self, point: Point) -> Array:
        """(X, A) gradient in the logits."""
        policy, pull, _, _ = point.local
        return (pull - policy * pull.sum(axis=1, keepdims=True)) * self.support

    def error_bound(self, point: Point) -> tuple[Array, Array]:
        """(X,) nats: the last Newton step, doubled, and rounding over the least curvature; and the decrement."""
        move, decrement = self.step(point)
        least = self.least_curvature(point)
        rounding = 16 * _EPS * point.local[2].sum(axis=1) / np.maximum(least, 1e-300)
        return 2 * np.ptp(move, axis=1) + rounding, decrement

    def least_curvature(self, point: Point, *, signed: bool = False) -> Array:
        """(X,) smallest eigenvalue on the identifiable subspace; unless signed, of those told from 0."""
        _, values, _, identified = self._spectrum(point)
        if signed:
            return np.where(identified, values, np.inf).min(axis=1)
        largest = np.abs(values).max(axis=1, keepdims=True)
        told = identified & (np.abs(values) > _NULL * largest)
        return np.where(told, np.abs(values), np.inf).min(axis=1)

    def flattest(self, point: Point) -> tuple[Array, Array]:
        """(X, A) the identifiable direction of least curvature, and (X,) how many have a curvature not told from 0."""
        _, values, vectors, identified = self._spectrum(point)
        size = np.where(identified, np.abs(values), np.inf)
        column = np.argmin(size, axis=1)
        level = np.take_along_axis(vectors, column[:, None, None], axis=2)[:, :, 0]
        return level, (size <= _NULL * np.abs(values).max(axis=1, keepdims=True)).sum(axis=1)

    def _spectrum(self, point: Point) -> tuple[Array, Array, Array, Array]:
        policy, pull, _, bend = point.local
        lean, total = bend.sum(axis=2), pull.sum(axis=1)[:, None, None]
        outer = lean[:, :, None] * policy[:, None, :]
        square = policy[:, :, None] * policy[:, None, :]
        hessian = bend - outer - np.swapaxes(outer, 1, 2) + lean.sum(axis=1)[:, None, None] * square
        each = np.arange(self.shape[1])
        hessian = hessian + total * square
        hessian[:, each, each] -= total[:, :, 0] * policy
        keep = np.eye(self.shape[1]) - self.gauge
        hessian = keep @ hessian @ keep
        scale = np.abs(hessian).max(axis=(1, 2)) * self.shape[1] * 2 + 1e-290
        values, vectors = np.linalg.eigh(hessian + scale[:, None, None] * self.gauge)
        gauge_part = np.sum(vectors * (self.gauge @ vectors), axis=1)
        values = np.where(gauge_part > 0.5, 0.0, values)
        return self.gradient(point), values, vectors, gauge_part <= 0.5

    def _nodes(self, parts: Array) -> Array:
        x, a = self.shape
        return np.bincount(self.node.reshape(-1), weights=parts.reshape(-1), minlength=x * a).reshape(x, a)
