"""The margin at which the expected loss p l(m) + (1 - p) l(-m) is smallest: searched for, then enclosed in balls."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath as mp
import sympy as sp

from dpo_theory.fingerprint.link import Slopes, quietly, rational
from dpo_theory.rigor.balls import arithmetic

__all__ = ["DIGITS", "enclosed", "smallest"]

DIGITS = 40
RADIUS = Fraction(1, 10**24)
PER_DECADE = 6
DECADES = (-4, 5)


def smallest(loss: Any, s: Slopes, probability: Any) -> tuple[Any, bool]:
    """(margin, whether it is a kink): where the expected loss is smallest, infinite where it falls to the end.

    Args:
        loss: l(m), an expression.
        s: its slopes.
        probability: p, an exact rational.

    Returns:
        An mpmath number of about 40 digits; of several local minima the lowest.
    """
    with mp.workdps(DIGITS):
        p = mp.mpf(probability.p) / probability.q
        told = None if s.kinked else quietly(rational, s.up, s.m)  # in lowest terms far margins lose no digits
        up = sp.lambdify(s.m, s.up if told is None else told, ["mpmath"])
        value = sp.lambdify(s.m, loss.rewrite(sp.Piecewise) if s.kinked else loss, ["mpmath"])

        def slope(m: Any) -> Any:
            return mp.mpf(p * up(m) - (1 - p) * up(-m))

        def risk(m: Any) -> Any:
            return p * value(m) + (1 - p) * value(-m)

        points = _ladder()
        signs = _signs([slope(m) for m in points], [p * abs(up(m)) + (1 - p) * abs(up(-m)) for m in points])
        found = []
        for low, high, left, right in zip(points, points[1:], signs, signs[1:], strict=False):
            if left < 0 <= right:
                root = _bisected(slope, low, high)
                found.append((risk(root), abs(root), root))
        if signs[-1] < 0:
            found.append((risk(points[-1] * 100), mp.inf, mp.inf))
        if signs[0] > 0:
            found.append((risk(points[0] * 100), mp.inf, -mp.inf))
        if not found:
            return mp.nan, False
        best = min(found)[2]
        if not mp.isfinite(best):
            return best, False
        step = mp.mpf(10) ** (-DIGITS // 2) * max(1, abs(best))
        jump = abs(slope(best + step) - slope(best - step))
        return best, bool(jump > mp.mpf(10) ** -8 * (abs(up(best - step)) + abs(up(-best - step))))


def enclosed(s: Slopes, probability: Any, margin: Any) -> float | None:
    """The radius of an interval around `margin` in which balls prove a stationary point, or None."""
    numbers = arithmetic()
    with mp.workdps(2 * DIGITS):
        centre = Fraction(int(mp.floor(margin * mp.mpf(10) ** 34)), 10**34)
    radius = RADIUS * max(Fraction(1), abs(centre))
    slope = probability * s.up - (1 - probability) * s.down
    e = sp.Symbol("e")
    slope = slope.subs(sp.E, e) if slope.has(sp.E) else slope
    rationals = sorted((r for r in slope.atoms(sp.Rational) if not r.is_Integer), key=str)
    stand_ins = sp.symbols(f"q:{len(rationals)}", real=True)
    body = slope.xreplace(dict(zip(rationals, stand_ins, strict=True)))
    with numbers.digits(DIGITS + 20):
        one = numbers.exact(1)
        modules = [{"exp": lambda x: numbers.exp(x * one), "log": lambda x: numbers.log(x * one)}]
        compiled = sp.lambdify([s.m, e, *stand_ins], body, modules=modules, cse=True)
        constants = [numbers.exact(Fraction(int(r.p), int(r.q))) for r in rationals]
        below, above = (compiled(numbers.exact(centre + sign * radius), numbers.exp(one), *constants) * one for sign in (-1, 1))
        return float(radius) if bool(below < 0) and bool(above > 0) else None


def _ladder() -> list[Any]:
    """Margins of both signs, a few per decade; no round number, at which kinks lie."""
    first, last = DECADES
    sizes = [mp.mpf(10) ** (first + mp.mpf(k) / PER_DECADE) * mp.mpf("1.0173") for k in range((last - first) * PER_DECADE + 1)]
    return [-m for m in reversed(sizes)] + sizes


def _signs(slopes: list[Any], sizes: list[Any]) -> list[int]:
    """Signs from 0 outwards; where only rounding is left, the sign goes on."""
    known = [0 if abs(g) <= mp.mpf(10) ** (-DIGITS + 4) * size and size else int(mp.sign(g)) for g, size in zip(slopes, sizes, strict=True)]
    middle = len(known) // 2
    for k in [*range(middle, len(known)), *range(middle - 1, -1, -1)]:
        nearer = k - 1 if k >= middle else k + 1
        known[k] = known[k] if known[k] or not sizes[k] else known[nearer]
    return known


def _bisected(slope: Any, low: Any, high: Any) -> Any:
    """The place where the slope turns from negative to not negative: regula falsi where it is smooth, halves where it jumps."""
    left, right = slope(low), slope(high)
    for turn in range(150):
        if high - low <= mp.mpf(10) ** (-DIGITS + 3) * max(1, abs(low)):
            break
        if turn % 3 and right > 0:
            middle = low - left * (high - low) / (right - left)
            guard = (high - low) / mp.mpf(10) ** (6 if turn % 3 == 1 else 3)
            middle = min(max(middle, low + guard), high - guard)
        else:
            middle = (low + high) / 2
        here = slope(middle)
        if here == 0:
            return middle
        if here < 0:
            low, left = middle, here
        else:
            high, right = middle, here
    return (low + high) / 2
