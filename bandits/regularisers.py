"""Convex prices for leaving the reference: sum_i ref_i f(pi_i / ref_i), each f by its value and derivatives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bandits.door import Array
from bandits.jets import Jet

__all__ = ["REGULARISERS", "Regulariser", "as_regulariser"]


@dataclass(frozen=True)
class Regulariser:
    """An f-divergence, read through the log-ratio t = log(pi / ref), which may be -inf.

    Args:
        name: for messages.
        value: t -> f(e^t).
        slope: t -> f'(e^t), increasing.
        curvature: t -> d slope / dt = e^t f''(e^t), > 0 for finite t.
        slope_at_zero: f'(0), -inf when no action ever loses all its probability.

    >>> REGULARISERS["chi-square"].slope(np.log(3.0)).round(3)
    np.float64(2.0)
    """

    name: str
    value: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    curvature: Callable[[Array], Array]
    slope_at_zero: float

    def divergence(self, log_policy: Array, log_ref: Array) -> Array:
        """(X,) sum over the reference's support of ref f(pi / ref)."""
        held = log_ref > -np.inf
        ratio = np.where(held, log_policy - np.where(held, log_ref, 0.0), 0.0)
        with np.errstate(over="ignore", invalid="ignore"):  # beyond e^-700 of the reference f has its value at 0
            priced = np.exp(log_ref) * self.value(np.maximum(ratio, -700.0))
        return np.sum(np.where(held, priced, 0.0), axis=-1)


def _kl_value(t: Array) -> Array:
    return np.exp(t) * t


def _js_value(t: Array) -> Array:
    return np.exp(t) * t - (1 + np.exp(t)) * (np.logaddexp(0.0, t) - np.log(2.0))


REGULARISERS = {
    "kl": Regulariser("kl", _kl_value, lambda t: t + 1.0, np.ones_like, -np.inf),
    "chi-square": Regulariser("chi-square", lambda t: np.expm1(t) ** 2 / 2, np.expm1, np.exp, -1.0),
    "forward-kl": Regulariser("forward-kl", lambda t: -t, lambda t: -np.exp(-t), lambda t: np.exp(-t), -np.inf),
    "jensen-shannon": Regulariser(
        "jensen-shannon", _js_value, lambda t: np.log(2.0) - np.logaddexp(0.0, -t), lambda t: 1 / (1 + np.exp(t)), -np.inf
    ),
    "chi-square+kl": Regulariser(
        "chi-square+kl", lambda t: np.expm1(t) ** 2 / 2 + _kl_value(t), lambda t: np.exp(t) + t, lambda t: np.exp(t) + 1, -np.inf
    ),
}


def as_regulariser(regulariser: Any) -> Regulariser:
    """A name in REGULARISERS, a Regulariser, or a callable f(u) on NumPy arrays, differentiated exactly.

    Raises:
        ValueError: the name is unknown, or the callable leaves NumPy's ufuncs or is not convex on a grid of ratios.
    """
    if isinstance(regulariser, Regulariser):
        return regulariser
    if isinstance(regulariser, str):
        if regulariser not in REGULARISERS:
            raise ValueError(f"regulariser is {regulariser!r}, expected one of {', '.join(REGULARISERS)}, or a callable f(u).")
        return REGULARISERS[regulariser]
    if not callable(regulariser):
        raise ValueError(f"regulariser is {regulariser!r}, expected a name, a Regulariser or a callable f(u).")
    return _from_callable(regulariser)


def _from_callable(f: Callable) -> Regulariser:
    name = getattr(f, "__name__", repr(f))

    def jet(t: Array) -> Jet:
        u = np.exp(np.asarray(t, dtype=np.float64))
        flat = u.reshape(-1, 1)
        try:
            found = f(Jet.variables(flat)[:, 0])
        except (TypeError, AttributeError) as error:
            raise ValueError(f"regulariser {name} cannot be differentiated exactly: {error}. Use NumPy ufuncs.") from None
        return found

    def value(t: Array) -> Array:
        return np.asarray(f(np.exp(np.asarray(t, dtype=np.float64))), dtype=np.float64)

    def slope(t: Array) -> Array:
        return jet(t).gradient[:, 0].reshape(np.shape(t))

    def curvature(t: Array) -> Array:
        return np.exp(t) * jet(t).hessian[:, 0, 0].reshape(np.shape(t))

    grid = np.linspace(-30.0, 5.0, 141)
    with np.errstate(all="ignore"):
        if not (curvature(grid) > 0).all():
            where = grid[np.flatnonzero(~(curvature(grid) > 0))[0]]
            raise ValueError(f"regulariser {name} is not strictly convex at pi/ref = {np.exp(where):.3g}, so the optimum need not be one.")
        near_zero = slope(np.array([-600.0, -300.0]))
    bounded = np.isfinite(near_zero).all() and abs(near_zero[0] - near_zero[1]) <= 1e-9 * (1 + abs(near_zero[0]))
    return Regulariser(name, value, slope, curvature, float(near_zero[0]) if bounded else -np.inf)
