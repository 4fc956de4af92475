"""Fit target = A family(numbers, margin moved) + K: A and K by linear least squares, the rest by a search from a grid."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from dpo_theory.identify.family import Number

__all__ = ["Fit", "fitted", "line", "residuals", "weights"]

REFINED = 3  # starts that are refined
GRID = 40
ROUGH, STEPS = 12, 60  # evaluations for each number: to see whether it is worth it, and to the end
HOPEFUL = 0.3  # a residual from which the end is worth it

Evaluate = Callable[[Sequence[float]], np.ndarray]


@dataclass(frozen=True)
class Fit:
    """What was fitted.

    Args:
        numbers: the values, one for each number.
        scale, constant: A and K.
        residual: the worst weighted residual.
    """

    numbers: tuple[float, ...]
    scale: float
    constant: float
    residual: float


def weights(y: np.ndarray) -> np.ndarray:
    """(N,) what makes residuals relative: to each value's distance from the middle, and to the usual distance."""
    middle = float(np.median(y))
    size = np.abs(y - middle)
    usual = float(np.median(size)) or float(size.max()) or 1.0
    return 1 / np.maximum(size, usual)


def line(c: np.ndarray, y: np.ndarray, w: np.ndarray) -> tuple[float, float, np.ndarray]:
    """(A, K, weighted residuals) of the best y = A c + K."""
    if not np.isfinite(c).all():
        return 0.0, 0.0, np.full(len(y), 1e3)
    w2 = w * w
    total = w2.sum()
    cm, ym = (w2 * c).sum() / total, (w2 * y).sum() / total
    dc, dy = c - cm, y - ym
    spread = float((w2 * dc * dc).sum())
    scale = float((w2 * dc * dy).sum() / spread) if spread > 0 else 0.0
    return scale, float(ym - scale * cm), w * (scale * dc - dy)


def residuals(c: np.ndarray, y: np.ndarray, w: np.ndarray, scale: float, constant: float) -> float:
    """The worst weighted residual of y = A c + K, relative to the terms where they cancel."""
    error = w * np.abs(scale * c + constant - y)
    return float(np.max(error)) if np.isfinite(error).all() else float("inf")


def fitted(evaluate: Evaluate, numbers: Sequence[Number], y: np.ndarray, *, unscaled: bool = False) -> Fit:
    """The best fit from a grid of starts.

    Args:
        evaluate: values of the numbers -> (N,) losses; whatever it raises counts as no fit.
        numbers: what is searched for.
        y: (N,) the target.
        unscaled: A is held at 1.
    """
    w = weights(y)

    def straight(c: np.ndarray) -> tuple[float, float, np.ndarray]:
        if not unscaled or not np.isfinite(c).all():
            return line(c, y, w)
        constant = float(np.average(y - c, weights=w * w))
        return 1.0, constant, w * (c + constant - y)

    def at(values: Sequence[float]) -> np.ndarray:
        try:
            with np.errstate(all="ignore"):
                return evaluate(values)
        except (ValueError, OverflowError):
            return np.full(len(y), np.nan)

    def fit(values: Sequence[float]) -> Fit:
        scale, constant, off = straight(at(values))
        return Fit(tuple(map(float, values)), scale, constant, float(np.abs(off).max()))

    if not numbers:
        return fit(())
    grid = list(itertools.product(*(n.starts() for n in numbers)))
    grid = grid[:: max(1, len(grid) // (GRID * len(numbers)))]
    coarse = sorted(grid, key=lambda values: float((straight(at(values))[2] ** 2).sum()))
    best = fit(coarse[0])
    for start in coarse[:REFINED]:
        found = _refined(lambda values: straight(at(values)), numbers, start)
        best = min(best, found, key=lambda f: f.residual)
        if best.residual < 1e-10:
            break
    return best


def _refined(
    straight: Callable[[Sequence[float]], tuple[float, float, np.ndarray]], numbers: Sequence[Number], start: Sequence[float]
) -> Fit:
    def inside(x: np.ndarray) -> tuple[float, ...]:
        return tuple(n.inside(v) for n, v in zip(numbers, x, strict=True))

    def searched(x: np.ndarray, precision: float, steps: int) -> np.ndarray:
        budget = steps * (1 + len(numbers))
        found = least_squares(
            lambda x: straight(inside(x))[2], x, method="lm", xtol=precision, ftol=precision, gtol=precision, max_nfev=budget
        )
        return np.asarray(found.x)

    at = searched(np.array([n.free(v) for n, v in zip(numbers, start, strict=True)]), 1e-3, ROUGH)
    if float(np.abs(straight(inside(at))[2]).max()) < HOPEFUL:
        at = searched(at, 1e-15, STEPS)
    scale, constant, off = straight(inside(at))
    return Fit(inside(at), scale, constant, float(np.abs(off).max()))
