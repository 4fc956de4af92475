"""The sign of a function of one margin on all of R: exact where it can be, enclosed otherwise, with both tails.

Three roads, the first that applies: a rational function of e^m is a polynomial question (Sturm's theorem, exact, equality
included); else balls on a box and a rigorous rule for the tails; else the box alone, which is said.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import sympy as sp
from sympy.polys.polyerrors import CoercionFailed

from dpo_theory.rigor.balls import Balls, Intervals, arithmetic
from dpo_theory.rigor.tail import tail_sign

__all__ = ["SignOnReals", "decimal", "sign_on_reals"]

BOXES = (12, 60, 300)
MAX_DEGREE = 60
MAX_BOXES = 40_000
DIGITS = 30


@dataclass(frozen=True)
class SignOnReals:
    """What is known about the sign of g on R.

    Args:
        sign: `+`, `-` strictly; `0+`, `0-` weakly, with isolated zeros; `0` identically; `mixed`; `?` not decided.
        everywhere: the statement is about all of R; False: about the box that `how` names.
        below, above: points where g is certainly negative and certainly positive, for `mixed`.
        how: the road that was taken, or why none arrived.
    """

    sign: str
    everywhere: bool
    below: Fraction | None = None
    above: Fraction | None = None
    how: str = ""

    @property
    def nonnegative(self) -> bool:
        """g >= 0 on all of R."""
        return self.everywhere and self.sign in ("+", "0+", "0")

    @property
    def positive(self) -> bool:
        """g > 0 on all of R."""
        return self.everywhere and self.sign == "+"


def sign_on_reals(g: Any, m: Any) -> SignOnReals:
    """Decide the sign of a smooth function of one variable on all of R.

    Args:
        g: SymPy expression in exponentials, logarithms and polynomials of `m`; doubles are read as their decimals,
            0.1 as one tenth: the statement is about the formula with the option that was written.
        m: the variable.

    Returns:
        SignOnReals.

    Source: Sturm's theorem; interval branch and bound with mean-value forms (Moore, Kearfott, Cloud 2009).

    >>> m = sp.Symbol("m", real=True)
    >>> sign_on_reals(sp.exp(m) - m, m).sign
    '+'
    >>> sign_on_reals(1 / (1 + sp.exp(m)) - sp.Rational(1, 10), m).sign
    'mixed'
    """
    g = decimal(sp.sympify(g))
    if not g.free_symbols <= {m}:
        return SignOnReals("?", False, how=f"the expression depends on {g.free_symbols - {m}}")
    rational = _in_exponential(g, m)
    if rational is not None:
        return _by_sturm(*rational, m)
    if g.has(sp.Max, sp.Min, sp.Abs, sp.Piecewise, sp.sign, sp.Heaviside, sp.DiracDelta):
        return SignOnReals("?", False, how="the function has kinks")
    return _by_boxes(g, m)


def decimal(expression: Any) -> Any:
    """Every double becomes the rational of its 15 decimals: 0.1 becomes one tenth."""
    return expression.replace(lambda e: e.is_Float, lambda e: sp.Rational(str(sp.Float(e, 15))))


def _in_exponential(g: Any, m: Any) -> tuple[Any, Any, Any] | None:
    """(numerator, denominator, unit) as polynomials in X = e^{m / unit} with rational coefficients, if g is that."""
    X = sp.Symbol("X", positive=True)
    rates = [e.exp.as_independent(m, as_Add=True)[1].coeff(m) for e in g.atoms(sp.exp) if e.has(m)]
    if not all(rate.is_Rational for rate in rates):
        return None
    unit = 1 / sp.gcd_list([rate for rate in rates if rate]) if any(rates) else sp.S.One
    if any(abs(rate * unit) > MAX_DEGREE for rate in rates):
        return None
    replaced = g.replace(
        lambda e: isinstance(e, sp.exp) and e.has(m),
        lambda e: sp.exp(e.exp.as_independent(m, as_Add=True)[0]) * X ** (e.exp.as_independent(m, as_Add=True)[1].coeff(m) * unit),
    )
    if replaced.has(m) or replaced.atoms(sp.exp) or replaced.atoms(sp.log):
        return None
    numerator, denominator = sp.fraction(sp.cancel(sp.together(replaced)))
    try:
        return sp.Poly(numerator, X, domain="QQ"), sp.Poly(denominator, X, domain="QQ"), unit
    except (sp.PolynomialError, CoercionFailed):
        return None


def _by_sturm(numerator: Any, denominator: Any, unit: Any, m: Any) -> SignOnReals:
    if numerator.is_zero:
        return SignOnReals("0", True, how="identically 0")
    if denominator.count_roots(0, None) - (denominator.eval(0) == 0) > 0:
        return SignOnReals("?", False, how="the function has a pole")
    odd = sp.Poly(1, *numerator.gens, domain="QQ")
    zeros = 0
    for factor, power in numerator.factor_list()[1]:
        roots = factor.count_roots(0, None) - (factor.eval(0) == 0)
        zeros += roots
        if power % 2:
            odd *= factor
    crossings = odd.count_roots(0, None) - (odd.eval(0) == 0)
    where = _between(odd) if crossings else [sp.Integer(1)]
    signs = {point: sp.sign(numerator.eval(point) / denominator.eval(point)) for point in where}
    how = "rational in e^m, decided by Sturm's theorem"
    if crossings:
        rational = {sign: _margin(point, unit) for point, sign in signs.items() if sign != 0}
        return SignOnReals("mixed", True, rational.get(-1), rational.get(1), how)
    if zeros:
        point = next(p for p in (sp.Rational(k, 7) for k in range(1, 200)) if numerator.eval(p) != 0)
        positive = numerator.eval(point) / denominator.eval(point) > 0
        return SignOnReals("0+" if positive else "0-", True, how=how)
    return SignOnReals("+" if signs[sp.Integer(1)] > 0 else "-", True, how=how)


def _between(poly: Any) -> list[Any]:
    """Rational points between and beyond the positive roots of a polynomial without multiple roots."""
    intervals = [(low, high) for (low, high), _ in poly.intervals(eps=sp.Rational(1, 1000)) if high > 0]
    points = [sp.Rational(1, 2) * max(intervals[0][0], 0)] if intervals[0][0] > 0 else []
    for (_, high), (low, _) in pairwise(intervals):
        points.append((high + low) / 2)
    points.append(intervals[-1][1] * 2 + 1)
    return [p for p in points if p > 0 and poly.eval(p) != 0] or [sp.Integer(1)]


def _margin(point: Any, unit: Any) -> Fraction:
    """A short rational near unit * log(point); only a place to look at, the sign there is computed by whoever prints it."""
    return Fraction(float(sp.log(point) * unit)).limit_denominator(1000)


def _by_boxes(g: Any, m: Any) -> SignOnReals:
    """Balls on growing boxes in units of the fastest exponential, until both tails are closed."""
    rates = [abs(e.exp.coeff(m)) for e in g.atoms(sp.exp) if e.has(m)]
    fastest = max((rate for rate in rates if rate.is_Rational and rate > 0), default=sp.S.One)
    scaled = g.subs(m, m / fastest)
    numbers = arithmetic()
    found = SignOnReals("?", False)
    with numbers.digits(DIGITS):
        value, gradient = (_function(e, m, numbers) for e in (scaled, sp.diff(scaled, m)))
        for bound in BOXES:
            found = _on_box_and_tails(scaled, value, gradient, m, bound, numbers)
            if found.everywhere or found.sign in ("mixed", "?"):
                break
    unit = Fraction(int(fastest.q), int(fastest.p))
    below, above = (None if point is None else point * unit for point in (found.below, found.above))
    return SignOnReals(found.sign, found.everywhere, below, above, found.how)


def _on_box_and_tails(g: Any, value: Any, gradient: Any, m: Any, bound: int, numbers: Balls | Intervals) -> SignOnReals:
    sign, below, above, how = _on_box(value, gradient, bound, numbers)
    if sign in ("mixed", "?"):
        return SignOnReals(sign, sign == "mixed", below, above, how)
    for tail in (tail_sign(g, m, bound, numbers), tail_sign(g.subs(m, -m), m, bound, numbers)):
        if tail.sign == "?":
            return SignOnReals(sign, False, how=f"balls on [-{bound}, {bound}]; the tail is open: {tail.why}")
        if tail.sign != sign:
            return _mixed_tail(sign, _far(value, bound, numbers, {"+": 1, "-": -1}[tail.sign]))
    return SignOnReals(sign, True, how=f"balls on [-{bound}, {bound}] and the tail rule on both sides")


def _mixed_tail(sign: str, point: Fraction | None) -> SignOnReals:
    inside = Fraction(0)
    if point is None:
        return SignOnReals("?", False, how="the tail has the other sign, but no point shows it")
    below, above = (point, inside) if sign == "+" else (inside, point)
    return SignOnReals("mixed", True, below, above, "the tail has the other sign")


def _far(value: Any, bound: int, numbers: Balls | Intervals, sign: int) -> Fraction | None:
    for size in (bound, 2 * bound, 4 * bound, 20 * bound, 100 * bound):
        for point in (Fraction(size), Fraction(-size)):
            ball = value(numbers.exact(point)) * sign
            if bool(ball > 0):
                return point
    return None


def _function(e: Any, m: Any, numbers: Balls | Intervals) -> Any:
    rationals = sorted((r for r in e.atoms(sp.Rational) if not r.is_Integer), key=str)
    stand_ins = sp.symbols(f"q:{len(rationals)}", real=True)
    body = e.xreplace(dict(zip(rationals, stand_ins, strict=True)))
    modules = [{"exp": lambda x: numbers.exp(x * numbers.exact(1)), "log": lambda x: numbers.log(x * numbers.exact(1))}]
    compiled = sp.lambdify([m, *stand_ins], body, modules=modules, cse=True)
    constants = [numbers.exact(Fraction(int(r.p), int(r.q))) for r in rationals]
    return lambda x: compiled(x, *constants) * numbers.exact(1)


def _on_box(value: Any, gradient: Any, bound: int, numbers: Balls | Intervals) -> tuple[str, Fraction | None, Fraction | None, str]:
    """Bisection, widest box first; plain evaluation, then the mean-value form."""
    heap: list[tuple[Fraction | int, Fraction, Fraction]] = [(-2 * bound, Fraction(-bound), Fraction(bound))]
    found: dict[str, Fraction] = {}
    used = 0
    while heap:
        _, low, high = heapq.heappop(heap)
        used += 1
        if used > MAX_BOXES:
            return "?", None, None, f"{MAX_BOXES} boxes were not enough: the function may touch 0 inside [-{bound}, {bound}]"
        middle, half = (low + high) / 2, (high - low) / 2
        centre = value(numbers.exact(middle))
        for sign, met in (("+", bool(centre > 0)), ("-", bool(centre < 0))):
            if met:
                found.setdefault(sign, middle)
        if len(found) == 2:
            return "mixed", found["-"], found["+"], "opposite signs at two points, in balls"
        box = numbers.exact(middle) + numbers.around(numbers.exact(half))
        whole = value(box)
        if bool(whole > 0) or bool(whole < 0):
            continue
        whole = centre + gradient(box) * numbers.around(numbers.exact(half))
        if bool(whole > 0) or bool(whole < 0):
            continue
        heapq.heappush(heap, (-(half), low, middle))
        heapq.heappush(heap, (-(half), middle, high))
    return next(iter(found)), None, None, f"{used} boxes"
