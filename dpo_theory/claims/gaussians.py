"""What the claims about continuous answers share: symbols on the line and in the plane, random laws, sums over a line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from dpo_theory.gaussian import Gaussian

__all__ = ["integral", "line", "normal_grid", "plane", "random_gaussian", "scalar", "square", "y"]

y = sp.Symbol("y", real=True)


def scalar(value: Any) -> np.ndarray:
    """A vector of one entry."""
    return np.array([value], dtype=object)


def square(value: Any) -> np.ndarray:
    """A matrix of one entry."""
    return np.array([[value]], dtype=object)


def line(mean: Any, variance: Any) -> Gaussian:
    """The normal law of one real answer, in symbols."""
    return Gaussian(scalar(mean), square(variance))


def plane(letter: str) -> Gaussian:
    """A normal law of two coordinates with a free mean and a free positive definite precision L L'."""
    mean = np.array(sp.symbols(f"{letter}_1:3", real=True), dtype=object)
    first, last = sp.symbols(f"{letter}_11 {letter}_22", positive=True)
    root = sp.Matrix([[first, 0], [sp.Symbol(f"{letter}_21", real=True), last]])
    return Gaussian(mean, np.array((root * root.T).inv().applyfunc(sp.cancel).tolist(), dtype=object))


def random_gaussian(rng: np.random.Generator, d: int) -> Gaussian:
    """A law of d coordinates whose covariance has eigenvalues between 1/4 and 4."""
    turn = np.linalg.qr(rng.normal(size=(d, d)))[0]
    covariance = turn * np.exp(rng.uniform(-np.log(4), np.log(4), size=d)) @ turn.T
    return Gaussian(rng.normal(size=d), (covariance + covariance.T) / 2)


def integral(f: Callable[[np.ndarray], np.ndarray], centre: float, spread: float) -> float:
    """The integral of a smooth f that decays like a normal density: equidistant sum over centre +- 12 spreads.

    For such functions the equidistant sum converges faster than any power of the step.
    """
    at = centre + spread * np.linspace(-12.0, 12.0, 2401)
    return float(np.sum(f(at)) * spread * 0.01)


def normal_grid() -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of the standard normal law: 241 equidistant ones, exact to rounding for smooth functions."""
    nodes = np.linspace(-12.0, 12.0, 241)
    weights = np.exp(-(nodes**2) / 2)
    return nodes, weights / weights.sum()
