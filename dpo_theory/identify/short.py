"""Short numbers: 0.1 where 0.09999999999 was fitted, kept only where the loss is still the same."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from dpo_theory.identify.fit import Fit

__all__ = ["short", "shortened"]

DIGITS = (2, 3, 4, 6, 8)


def short(value: float, digits: int) -> float:
    """The value with so many significant digits, or the fraction of small numbers that is as near.

    >>> short(0.3333333333334, 6), short(0.100000000007, 6)
    (0.3333333333333333, 0.1)
    """
    if abs(value) < 1e-12:
        return 0.0
    decimal = float(f"{value:.{digits}g}")
    fraction = Fraction(value).limit_denominator(99) if abs(value) < 1e6 else Fraction(decimal)
    near = float(fraction)
    better = abs(near - value) < abs(decimal - value) and abs(near - value) < 10.0**-digits * abs(value)
    return near if better else decimal


def shortened(
    fit: Fit, lined: Callable[[tuple[float, ...]], Fit], judged: Callable[[tuple[float, ...], float, float], float], tolerance: float
) -> Fit:
    """The fit with the shortest numbers that are as good.

    Args:
        fit: what was fitted.
        lined: numbers -> the fit with the best scale and constant for them.
        judged: numbers, scale, constant -> residual.
        tolerance: what is good.
    """
    best = lined(fit.numbers)
    for digits in DIGITS:
        tried = lined(tuple(short(v, digits) for v in fit.numbers))
        if tried.residual <= max(tolerance / 10, best.residual):
            best = tried
            break
    for digits in DIGITS:
        scale = short(best.scale, digits)
        constant = 0.0 if abs(best.constant) < 1e-8 * max(1.0, abs(best.scale)) else short(best.constant, digits)
        residual = judged(best.numbers, scale, constant)
        if residual <= max(tolerance / 10, best.residual):
            return Fit(best.numbers, scale, constant, residual)
    return best
