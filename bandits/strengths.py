"""Newton's method for a convex loss of strengths that are known up to a constant per component."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from bandits.door import Array

__all__ = ["Curve", "Rest", "component_constants", "descend_strengths"]

_EPS = np.finfo(np.float64).eps


class Curve(NamedTuple):
    """A loss at some parameters: value, gradient (P,), hessian (P, P), and the sum of absolute values it is made of."""

    value: float
    gradient: Array
    hessian: Array
    magnitude: float


class Rest(NamedTuple):
    """Where the descent came to rest.

    Args:
        at: (P,) parameters.
        covariance: (P, P) inverse of the Hessian on the identified subspace.
        gradient_norm: Euclidean.
        distance_bound: how far, in the Euclidean norm on the identified subspace, the minimiser can be.
        steps: Newton steps taken.
    """

    at: Array
    covariance: Array
    gradient_norm: float
    distance_bound: float
    steps: int


def component_constants(component: Array, n_parameters: int) -> Array:
    """(C, P) orthonormal rows, constant on each component, 0 on parameters beyond the strengths.

    >>> component_constants(np.array([0, 0, 2]), 3).round(3).tolist()
    [[0.707, 0.707, 0.0], [0.0, 0.0, 1.0]]
    """
    _, label, size = np.unique(component, return_inverse=True, return_counts=True)
    rows = np.zeros((len(size), n_parameters))
    rows[label, np.arange(len(component))] = 1 / np.sqrt(size[label])
    return rows


def descend_strengths(
    curve: Callable[[Array], Curve],
    start: Array,
    constants: Array,
    *,
    concordance: float,
    max_steps: int = 200,
    tol: float = 1e-14,
) -> Rest:
    r"""The minimiser of a convex loss, orthogonal to `constants`, with a bound on its distance.

    A loss whose third derivative obeys |D^3 f[u, u, u]| <= R |u| D^2 f[u, u] has D^2 f(z + u) >= exp(-R |u|) D^2 f(z), so
    a gradient g over least curvature c leaves a distance of at most -log(1 - R g / c) / R.

    Args:
        curve: the loss.
        start: (P,).
        constants: (C, P) orthonormal rows along which the loss is constant.
        concordance: R; sqrt(2) for softmax choices between strengths, times beta in log-ratios.
        max_steps: then the descent has failed.
        tol: relative to 1 + the spread of the parameters.

    Returns:
        Rest.

    Raises:
        ValueError: the descent did not come to rest; the loss may have no minimiser.

    Source: the lower bound on the Hessian: Bach 2010, Electronic Journal of Statistics 4, Proposition 1.

    >>> quadratic = lambda z: Curve(float(z @ z / 2), z, np.eye(2), 1.0)
    >>> descend_strengths(quadratic, np.ones(2), np.zeros((0, 2)), concordance=1.0).at.tolist()
    [0.0, 0.0]
    """
    at, last = np.array(start, dtype=np.float64), np.inf
    found = curve(at)
    for steps in range(max_steps):
        move = -np.linalg.solve(_filled(found.hessian, constants), found.gradient)
        move -= constants.T @ (constants @ move)
        size = float(np.max(np.abs(move), initial=0.0) / (1 + np.ptp(at, axis=None)))
        if size <= tol or (size < 1e-6 and size > last / 2):
            return _rest(at, found, constants, concordance, steps)
        last = size
        at, found = _search(curve, at, found, move)
    raise ValueError(
        f"the strengths did not come to rest in {max_steps} Newton steps (last step {last:.1e}): "
        "the loss may have no minimiser. Look at comparison_graph first."
    )


def _search(curve: Callable[[Array], Curve], at: Array, found: Curve, move: Array) -> tuple[Array, Curve]:
    promised, slack = -float(found.gradient @ move), 8 * _EPS * found.magnitude
    scale = 1.0
    for _ in range(60):
        trial = curve(at + scale * move)
        if trial.value <= found.value - 1e-4 * scale * promised + slack:
            break
        scale /= 4
    return at + scale * move, trial


def _filled(hessian: Array, constants: Array) -> Array:
    return hessian + max(float(np.trace(hessian)) / len(hessian), 1e-300) * constants.T @ constants


def _rest(at: Array, found: Curve, constants: Array, concordance: float, steps: int) -> Rest:
    fill = max(float(np.trace(found.hessian)) / len(at), 1e-300)
    covariance = np.linalg.inv(_filled(found.hessian, constants)) - constants.T @ constants / fill
    least = float(np.linalg.eigvalsh(_filled(found.hessian, constants))[0])
    norm = float(np.linalg.norm(found.gradient))
    ratio = concordance * (norm + 8 * _EPS * found.magnitude) / least if least > 0 else np.inf
    bound = float(-np.log1p(-ratio) / concordance) if ratio < 1 else np.inf
    return Rest(at, covariance, norm, bound, steps)
