"""Bradley-Terry and Plackett-Luce scores written out in NumPy: how far an answer is from the optimum, whoever proposes it."""

from __future__ import annotations

import numpy as np

from bandits import Comparisons, Rankings

__all__ = ["pair_error", "pair_gradient", "ranking_error", "relative_gradient"]


def pair_gradient(data: Comparisons, strength: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean negative log-likelihood and its (A,) gradient."""
    margin = strength[data.chosen] - strength[data.rejected]
    tail = np.exp(-np.abs(margin))
    value = float(np.mean(np.maximum(-margin, 0) + np.log1p(tail)))
    slope = -np.where(margin >= 0, tail, 1.0) / (1 + tail) / len(margin)
    size = len(strength)
    return value, np.bincount(data.chosen, slope, size) - np.bincount(data.rejected, slope, size)


def relative_gradient(data: Comparisons, strength: np.ndarray) -> float:
    """Largest entry of the gradient, over the largest at strengths of 0."""
    start = np.abs(pair_gradient(data, np.zeros_like(strength))[1]).max()
    return float(np.abs(pair_gradient(data, strength)[1]).max() / start)


def pair_error(data: Comparisons, strength: np.ndarray) -> float:
    """Nats: the largest entry of one more Newton step, by conjugate gradients in NumPy."""
    margin = strength[data.chosen] - strength[data.rejected]
    tail = np.exp(-np.abs(margin))
    bend = tail / (1 + tail) ** 2 / len(margin)
    size = len(strength)
    degree = np.bincount(data.chosen, bend, size) + np.bincount(data.rejected, bend, size)

    def times(v: np.ndarray) -> np.ndarray:
        flow = bend * (v[data.chosen] - v[data.rejected])
        return np.bincount(data.chosen, flow, size) - np.bincount(data.rejected, flow, size)

    return _newton_step(times, degree, pair_gradient(data, strength)[1])


def ranking_error(data: Rankings, strength: np.ndarray) -> float:
    """Nats: the largest entry of one more Newton step on the Plackett-Luce likelihood."""
    order, size = np.asarray(data.order), len(strength)
    weight = np.exp(strength[order])
    tail = np.cumsum(weight[:, ::-1], axis=1)[:, ::-1]
    stages = order.shape[1] - 1
    inverse = np.cumsum(np.pad(1 / tail[:, :stages], ((0, 0), (0, 1))), axis=1)
    expected = weight * inverse
    expected[:, :stages] -= 1.0
    gradient = np.bincount(order.reshape(-1), expected.reshape(-1), size) / len(order)
    expected[:, :stages] += 1.0
    degree = np.bincount(order.reshape(-1), expected.reshape(-1), size) / len(order)

    def times(v: np.ndarray) -> np.ndarray:
        level = v[order]
        mean = np.cumsum((weight * level)[:, ::-1], axis=1)[:, ::-1] / tail
        pulled = np.cumsum(np.pad((mean / tail)[:, :stages], ((0, 0), (0, 1))), axis=1)
        parts = weight * (inverse * level - pulled)
        return np.bincount(order.reshape(-1), parts.reshape(-1), size) / len(order)

    return _newton_step(times, degree, gradient)


def _newton_step(times, degree: np.ndarray, gradient: np.ndarray) -> float:
    residual = gradient - gradient.mean()
    step, along = np.zeros_like(residual), residual / degree
    size = residual @ along
    first = size
    for _ in range(200):
        if size <= 1e-12 * first or size == 0:
            break
        image = times(along)
        length = size / (along @ image)
        step, residual = step + length * along, residual - length * image
        ahead = residual / degree
        before, size = size, residual @ ahead
        along = ahead + size / before * along
    return float(np.ptp(step))
