"""The sign of g(m) for every m >= B: a limit does not prove a sign, an enclosed leading term does."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import sympy as sp

from dpo_theory.rigor.balls import Balls, Intervals

__all__ = ["Tail", "tail_sign"]


@dataclass(frozen=True)
class Tail:
    """`+`, `-`, or `?` with the reason."""

    sign: str
    why: str = ""


class _Open(ValueError):
    """The rule does not reach this expression."""


def tail_sign(g: Any, m: Any, bound: int, numbers: Balls | Intervals) -> Tail:
    """The sign of g on [bound, oo).

    With t = e^{-m/d}, e^{km} is a power of t, and log(c t^k (1 + x)) = log c - k m / d + x L with L in [1 - x/2, 1] for x >= 0.
    The numerator becomes a polynomial in t, m and the L's. Divided by its leading t^i m^j, every other monomial is enclosed on
    the tail, and the sum of enclosures keeps away from 0.

    >>> from dpo_theory.rigor.balls import arithmetic
    >>> m = sp.Symbol("m", real=True)
    >>> tail_sign(m - sp.log(1 + sp.exp(m)), m, 12, arithmetic()).sign
    '-'
    """
    try:
        return Tail(_sign(g, m, bound, numbers))
    except _Open as why:
        return Tail("?", str(why))


def _sign(g: Any, m: Any, bound: int, numbers: Balls | Intervals) -> str:
    t = sp.Symbol("t", positive=True)
    rates = [_split(e.exp, m)[1] for e in g.atoms(sp.exp) if e.has(m)]
    if not all(rate.is_Rational for rate in rates):
        raise _Open("an exponent is not linear in m with a rational rate")
    d = int(sp.ilcm(1, 1, *(rate.q for rate in rates)))
    lambdas: dict[Any, Any] = {}

    def rewrite(e: Any) -> Any:
        if not e.has(m):
            return e
        if isinstance(e, sp.exp):
            constant, rate = _split(e.exp, m)
            return sp.exp(constant) * t ** (-rate * d)
        if isinstance(e, sp.log):
            return _log(rewrite(e.args[0]), m, t, d, bound, lambdas, numbers)
        return e.func(*(rewrite(arg) for arg in e.args)) if e.args else e

    numerator, denominator = sp.fraction(sp.together(rewrite(g)))
    if not _positive_in(denominator, m, t, numbers):
        raise _Open("the denominator is not positive by its form")
    terms = _terms(sp.expand(numerator), m, t, lambdas, numbers)
    lead = min(terms, key=lambda key: (key[0], -key[1]))
    total = terms.pop(lead)
    for (i, j), coefficient in terms.items():
        total = total + coefficient * _ratio(i - lead[0], j - lead[1], bound, d, numbers)
    if bool(total > 0):
        return "+"
    if bool(total < 0):
        return "-"
    raise _Open("the leading term does not dominate on the tail")


def _split(exponent: Any, m: Any) -> tuple[Any, Any]:
    constant, moving = sp.expand(exponent).as_independent(m, as_Add=True)
    rate = moving.coeff(m)
    return constant, rate if sp.expand(moving - rate * m) == 0 else sp.nan


def _log(argument: Any, m: Any, t: Any, d: int, bound: int, lambdas: dict[Any, Any], numbers: Any) -> Any:
    top, bottom = sp.fraction(sp.together(sp.expand(argument)))
    if bottom != 1:
        split = _log(top, m, t, d, bound, lambdas, numbers) - _log(bottom, m, t, d, bound, lambdas, numbers)
        return split
    powers = _powers(sp.expand(argument), m, t)
    first = min(powers)
    lead = powers[first]
    if not _certainly_positive(lead, numbers):
        raise _Open("a logarithm of something that is not positive by its form")
    rest = sp.Add(*(coefficient / lead * t ** (power - first) for power, coefficient in powers.items() if power != first))
    if any(not _certainly_positive(coefficient, numbers) for coefficient in powers.values()):
        raise _Open("a logarithm of a sum with a negative term")
    value = sp.log(lead) - first * m / d
    if rest == 0:
        return value
    largest = _number(rest.subs(t, sp.exp(-sp.Rational(bound, d))), numbers)
    symbol = sp.Symbol(f"L{len(lambdas)}", positive=True)
    one = numbers.exact(1)
    low = one - largest / 2
    lambdas[symbol] = (low + one) / 2 + numbers.around((one - low) / 2)
    return value + rest * symbol


def _powers(e: Any, m: Any, t: Any) -> dict[Any, Any]:
    if e.has(m):
        raise _Open("a logarithm of something polynomial in m")
    found: dict[Any, Any] = {}
    for term in sp.Add.make_args(e):
        coefficient, power = term.as_independent(t, as_Add=False)
        exponent = power.as_base_exp()[1] if power != 1 else sp.S.Zero
        if power != 1 and power.as_base_exp()[0] != t:
            raise _Open("a logarithm inside a logarithm")
        found[exponent] = found.get(exponent, 0) + coefficient
    return found


def _positive_in(e: Any, m: Any, t: Any, numbers: Any) -> bool:
    if not e.has(m) and not e.has(t):
        return _certainly_positive(e, numbers)
    if e.is_Add or e.is_Mul:
        return all(_positive_in(arg, m, t, numbers) for arg in e.args)
    if e.is_Pow:
        return _positive_in(e.base, m, t, numbers)
    return bool(e in (t, m))


def _certainly_positive(constant: Any, numbers: Any) -> bool:
    return bool(_number(constant, numbers) > 0)


def _number(constant: Any, numbers: Any) -> Any:
    """A constant expression as a ball."""
    if constant.is_Rational:
        return numbers.exact(Fraction(int(constant.p), int(constant.q)))
    if isinstance(constant, sp.exp):
        return numbers.exp(_number(constant.exp, numbers))
    if constant is sp.E:
        return numbers.exp(numbers.exact(1))
    if isinstance(constant, sp.log):
        return numbers.log(_number(constant.args[0], numbers))
    if constant.is_Add or constant.is_Mul:
        parts = [_number(arg, numbers) for arg in constant.args]
        total = parts[0]
        for part in parts[1:]:
            total = total + part if constant.is_Add else total * part
        return total
    if constant.is_Pow and constant.exp.is_Integer:
        base = _number(constant.base, numbers)
        power = int(constant.exp)
        return base**power if power >= 0 else 1 / base**-power
    if constant.is_Pow and constant.base.is_positive:
        return numbers.exp(_number(constant.exp, numbers) * numbers.log(_number(constant.base, numbers)))
    raise _Open(f"the constant {constant} is not understood")


def _terms(e: Any, m: Any, t: Any, lambdas: dict[Any, Any], numbers: Any) -> dict[tuple[int, int], Any]:
    """(power of t, power of m) -> enclosed coefficient."""
    found: dict[tuple[int, int], Any] = {}
    for term in sp.Add.make_args(e):
        if term == 0:
            continue
        powers = {t: 0, m: 0}
        ball = numbers.exact(1)
        for factor in sp.Mul.make_args(term):
            base, exponent = factor.as_base_exp() if not isinstance(factor, sp.exp) else (factor, sp.S.One)
            if base in powers and exponent.is_Integer:
                powers[base] += int(exponent)
            elif base in lambdas and exponent.is_Integer and exponent > 0:
                ball = ball * lambdas[base] ** int(exponent)
            else:
                ball = ball * _number(factor, numbers)
        key = (powers[t], powers[m])
        found[key] = found.get(key, numbers.exact(0)) + ball
    if not found:
        raise _Open("the function is 0 on the tail")
    return found


def _ratio(a: int, b: int, bound: int, d: int, numbers: Any) -> Any:
    """Enclosure of t^a m^b on [bound, oo), where a > 0, or a = 0 and b < 0."""
    if a == 0 and b >= 0:
        raise _Open("two leading terms")
    if a > 0 and b > 0 and bound * a < b * d:
        raise _Open("the bound is too small for the tail rule")
    largest = numbers.exp(numbers.exact(Fraction(-bound * a, d))) * numbers.exact(Fraction(bound) ** b)
    half = largest / 2
    return half + numbers.around(numbers.magnitude(half))
