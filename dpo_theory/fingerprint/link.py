"""The link of a margin loss in closed form, its inverse, and the weights that go with it.

q(m) = l'(-m) / (l'(m) + l'(-m)) is the probability p for which p l(m) + (1 - p) l(-m) is stationary at m.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy as sp

from dpo_theory.proof import is_zero
from dpo_theory.rigor.limit import TimeLimit, work_limit

__all__ = [
    "PATIENCE",
    "Slopes",
    "closed_inverse",
    "closed_link",
    "in_powers",
    "positive",
    "pull",
    "quietly",
    "rational",
    "shown",
    "slopes",
    "split_logs",
    "weight",
    "written",
]

PATIENCE = 0.6  # seconds of SymPy for one closed form
X = sp.Symbol("X", positive=True)
P = sp.Symbol("p", positive=True)


@dataclass(frozen=True)
class Slopes:
    """l'(m) and l'(-m) of a margin loss.

    Args:
        m: the variable.
        up, down: l'(m) and l'(-m), piecewise where the loss has kinks.
        kinked: it has kinks.
    """

    m: Any
    up: Any
    down: Any
    kinked: bool


def slopes(loss: Any, m: Any) -> Slopes:
    """The derivative of a margin loss on both sides of 0."""
    kinked = loss.has(sp.Max, sp.Min, sp.Abs, sp.Piecewise, sp.sign, sp.Heaviside)
    smooth = loss.rewrite(sp.Piecewise) if kinked else split_logs(loss, m)
    up = sp.diff(smooth, m)
    return Slopes(m, up, up.subs(m, -m) if kinked else split_logs(up.subs(m, -m), m), kinked)


def closed_link(s: Slopes) -> Any:
    """q(m) in a short closed form, or None.

    >>> m = sp.Symbol("m", real=True)
    >>> closed_link(slopes(sp.log(1 + sp.exp(-m)), m))
    exp(m)/(exp(m) + 1)
    """
    if s.kinked or is_zero(s.up + s.down):
        return None
    ratio = s.down / (s.up + s.down)
    return rational(ratio, s.m) or _linear(ratio, s.m) or _short(sp.cancel(sp.together(ratio)))


def closed_inverse(link: Any, m: Any, at: float) -> Any:
    """m(p) with q(m(p)) = p, or None.

    Args:
        link: q(m).
        m: its variable.
        at: the root for p = 7/10, found otherwise; it chooses among the branches.
    """
    in_x, unit = in_powers(link, m)
    top, bottom = sp.fraction(sp.cancel(sp.together(in_x)))
    if not in_x.has(m):
        candidates = [unit * sp.log(root) for root in _roots(top - P * bottom, X)]
    elif top.is_polynomial(m) and bottom.is_polynomial(m) and not in_x.has(X):
        candidates = _roots(top - P * bottom, m)
    else:
        return None
    for candidate in candidates:
        value = candidate.subs(P, sp.Rational(7, 10)).evalf(20)
        if value.is_real and abs(value - at) < 1e-9 * max(1.0, abs(at)):
            return candidate.replace(lambda e: isinstance(e, sp.log), lambda e: sp.log(positive(e.args[0])))
    return None


def pull(s: Slopes) -> Any:
    """-l'(m) in a short closed form, or None: the weight of a pair in the gradient."""
    if s.kinked:
        return sp.piecewise_fold(-s.up)
    return rational(-s.up, s.m) or _gathered(-s.up, s.m)


def weight(s: Slopes, link: Any, inverse: Any) -> Any:
    """w(p) = -(l'(m) + l'(-m)) / q'(m) at m = m(p), or None."""
    if s.kinked or link is None or inverse is None:
        return None
    other = sp.Symbol("Q", positive=True)
    inverse = inverse.subs(1 - P, other)
    in_x, unit = in_powers(-(s.up + s.down) / sp.diff(link, s.m), s.m)
    at = sp.cancel(sp.together(in_x)).subs(s.m, inverse).subs(X, sp.exp(inverse / unit))
    found = positive(sp.powsimp(sp.factor(sp.cancel(at.subs(P + other, 1)))).subs(other, 1 - P))
    return None if found.has(sp.exp) else _short(found)


def split_logs(expression: Any, m: Any) -> Any:
    """log(numerator) - log(denominator) of every logarithm of a rational function of e^m, powers of e^m taken out."""

    def split(log: Any) -> Any:
        in_x, unit = in_powers(log.args[0], m)
        if in_x.has(m):
            return log
        told = sp.S.Zero
        for sign, part in zip((1, -1), sp.fraction(sp.factor(sp.cancel(sp.together(in_x)))), strict=True):
            for factor in sp.Mul.make_args(part):
                base, power = factor.as_base_exp()
                if base.subs(X, 1).evalf() <= 0:
                    return log
                told += sign * power * (m / unit if base == X else sp.expand_log(sp.log(base.subs(X, sp.exp(m / unit))), force=True))
        return told

    return expression.replace(lambda e: isinstance(e, sp.log) and e.has(m), split)


def in_powers(g: Any, m: Any) -> tuple[Any, Any]:
    """(g with X for e^{m / unit}, unit): every exponential of a rational multiple of the margin becomes a power of X."""
    exponents = [e.exp.as_independent(m, as_Add=True) for e in g.atoms(sp.exp) if e.has(m)]
    rates = [part.coeff(m) for _, part in exponents]
    if not rates or not all(rate.is_Rational and rate != 0 for rate in rates):
        return g, sp.S.One
    unit = 1 / abs(sp.gcd_list(rates))

    def power(e: Any) -> Any:
        constant, part = e.exp.as_independent(m, as_Add=True)
        return sp.exp(constant) * X ** (part.coeff(m) * unit)

    return g.replace(lambda e: isinstance(e, sp.exp) and e.has(m), power), unit


def shown(expression: Any, m: Any) -> str:
    """A formula as text; exponentials of the margin as powers of X, which is said."""
    if expression is None:
        return ""
    in_x, unit = in_powers(expression, m)
    if not in_x.has(X):
        return written(expression)
    return f"{written(sp.factor(sp.cancel(sp.together(in_x))))}, X = {sp.exp(m / unit)}"


def written(expression: Any) -> str:
    """A formula as text; fractions of many digits as decimals."""
    short = expression.replace(lambda e: e.is_Rational and max(abs(e.p), e.q) > 10**9, lambda e: sp.Float(e, 10))
    return str(short).replace("**", "^")


def positive(fraction: Any) -> Any:
    """Lowest terms, with factors that are positive at p = 1/2.

    >>> positive(-P / (P - 1))
    p/(1 - p)
    """
    told = sp.S.One
    for sign, part in zip((1, -1), sp.fraction(sp.factor(sp.cancel(sp.together(fraction)))), strict=True):
        for factor in sp.Mul.make_args(part):
            base, power = factor.as_base_exp()
            if base.free_symbols == {P} and power.is_odd and base.subs(P, sp.Rational(1, 2)).evalf() < 0:
                told, base = -told, sp.expand(-base)
            told *= base ** (sign * power)
    return told


def quietly(make: Any, *args: Any, seconds: float = PATIENCE) -> Any:
    """What `make` returns, or None where SymPy does not get there in time or refuses."""
    try:
        with work_limit(seconds):
            return make(*args)
    except (TimeLimit, ArithmeticError, ValueError, TypeError, AttributeError, NotImplementedError, RecursionError):
        return None


def rational(g: Any, m: Any) -> Any:
    """Lowest terms of a rational function of e^m."""
    in_x, unit = in_powers(g, m)
    if in_x.has(m, sp.log):
        return None
    return _short(sp.cancel(sp.together(in_x)).subs(X, sp.exp(m / unit)))


def _gathered(g: Any, m: Any) -> Any:
    """One fraction, logarithms as they stand."""
    in_x, unit = in_powers(g, m)
    return _short(sp.factor(sp.cancel(sp.together(in_x))).subs(X, sp.exp(m / unit)))


def _linear(ratio: Any, m: Any) -> Any:
    """1/2 + k m where that is what the ratio is: shown by values, then by the rules."""
    at = [ratio.subs(m, point).evalf(25) for point in (sp.Rational(1, 3), sp.Rational(5, 3), sp.Rational(-7, 2))]
    slope = (at[1] - at[0]) * 3 / 4
    if abs(at[2] - at[0] + slope * sp.Rational(23, 6)) > 1e-18 * max(1, abs(slope)):
        return None
    top, bottom = (sp.expand(part) for part in sp.fraction(sp.together(ratio)))
    rate = sp.simplify(((top - bottom / 2) / bottom).subs(m, 1))
    found = sp.Rational(1, 2) + rate * m
    return found if is_zero(sp.expand(top - bottom * found)) or sp.simplify(top - bottom * found) == 0 else None


def _roots(polynomial: Any, variable: Any) -> list[Any]:
    equation = sp.Poly(sp.expand(polynomial), variable)
    return list(sp.roots(equation, multiple=True)) if 0 < equation.degree() <= 2 else []


def _short(expression: Any) -> Any:
    return expression if expression.count_ops() <= 60 else None
