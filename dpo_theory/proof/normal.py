"""A normal form for expressions in sums of symbolic length, exponentials and logarithms.

Only rules that hold for every finite n:

1. products are expanded; the exponentials of a monomial are gathered into one; an integer multiple of log S inside it becomes S^k;
2. a sum is linear: what does not depend on its index is pulled out, also from inside an exponent; a constant summand counts;
3. hypotheses such as sum exp(q_i) = 1 are explicit rewrite rules, given by the caller, never built in;
4. log of a product splits only over factors that are positive by construction; a sum of exponentials gives up its leading one;
5. bound indices are named by their depth, so that alpha-equivalent sums are equal; a double sum takes the smaller of its two orders.

`nf(lhs - rhs) == 0` proves lhs = rhs. A non-zero normal form proves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import sympy as sp

from dpo_theory.proof.row import Total

__all__ = ["Facts", "is_zero", "nf", "nonnegative", "positive"]

Facts = tuple[tuple[Any, Any], ...]


def nf(expression: Any, facts: Mapping[Any, Any] | Facts = ()) -> Any:
    """The normal form of an expression.

    Args:
        expression: SymPy expression with `Total` sums.
        facts: hypotheses {sum: value}, such as {Total(exp(q_i)): 1}.

    Returns:
        An expression equal to it under the facts; 0 if the rules find it to be 0.

    >>> from dpo_theory.proof.row import row
    >>> c = sp.Symbol("c", real=True)
    >>> nf((row("r") + c).each(sp.exp).sum() / row("r").each(sp.exp).sum())
    exp(c)
    """
    pairs = tuple(facts.items()) if isinstance(facts, Mapping) else tuple(facts)
    rules = tuple((_nf(left, ()), _nf(right, ())) for left, right in pairs)
    for left, _ in rules:
        if not isinstance(left, Total):
            raise ValueError(f"the hypothesis {left} is not about one sum; state it as sum = value")
    return _nf(sp.sympify(expression), rules)


def is_zero(expression: Any, facts: Mapping[Any, Any] | Facts = ()) -> bool:
    """True if the rules find the expression to be 0, over a common denominator if need be."""
    reduced = nf(expression, facts)
    if reduced == 0:
        return True
    numerator = sp.fraction(sp.together(reduced))[0]
    return nf(numerator, facts) == 0


@lru_cache(maxsize=50_000)
def _nf(e: Any, rules: Facts) -> Any:
    if isinstance(e, Total):
        return _sum(e, rules)
    if e.is_Atom or isinstance(e, sp.Indexed):
        return e
    args = [_nf(arg, rules) for arg in e.args]
    if e.is_Add:
        return sp.Add(*args)
    if e.is_Mul:
        return _product(args)
    if e.is_Pow and e.exp.is_Integer:
        return _power(args[0], int(e.exp))
    if isinstance(e, sp.exp):
        return _exp(args[0])
    if isinstance(e, sp.log):
        return _log(args[0])
    return e.func(*args)


def _expand(e: Any) -> Any:
    return sp.expand(e, deep=False, mul=True, multinomial=True, power_base=False, power_exp=False, log=False, basic=False)


def _product(factors: list[Any]) -> Any:
    result = sp.S.One
    for factor in factors:
        result = sp.Add(*(_monomial(a, b) for a in sp.Add.make_args(result) for b in sp.Add.make_args(factor)))
    return result


def _monomial(a: Any, b: Any) -> Any:
    """Product of two monomials: one exponential, whose exponent is again a sum of monomials."""
    exponent = sp.S.Zero
    rest = []
    for factor in (*sp.Mul.make_args(a), *sp.Mul.make_args(b)):
        if isinstance(factor, sp.exp):
            exponent += factor.exp
        else:
            rest.append(factor)
    plain = sp.Mul(*rest)
    return plain * sp.exp(exponent) if exponent != 0 else plain


def _power(base: Any, power: int) -> Any:
    if power >= 0:
        return _product([base] * power)
    if not base.is_Add:
        return sp.Mul(*(_invert(factor, power) for factor in sp.Mul.make_args(base)))
    lead, rest = _leading(base)
    if lead is not None:
        return _monomial(sp.exp(sp.expand(power * lead)), rest**power)
    return base**power


def _invert(factor: Any, power: int) -> Any:
    if isinstance(factor, sp.exp):
        return sp.exp(sp.expand(power * factor.exp))
    return factor**power


def _exp(exponent: Any) -> Any:
    """exp of a sum of monomials: integer multiples of logs leave the exponent."""
    outside: list[Any] = []
    inside = []
    for term in sp.Add.make_args(_expand(exponent)):
        count, rest = term.as_coeff_Mul()
        if isinstance(rest, sp.log) and count.is_Integer:
            outside.append(_power(rest.args[0], int(count)))
        else:
            inside.append(term)
    result = sp.exp(sp.Add(*inside)) if inside else sp.S.One
    return _product([*outside, result]) if outside else result


def _log(argument: Any) -> Any:
    """log of a monomial splits over its positive factors; log of a sum of exponentials gives up the leading one."""
    if argument.is_Add:
        lead, rest = _leading(argument)
        return sp.log(argument) if lead is None or lead == 0 else lead + sp.log(rest)
    split = sp.S.Zero
    kept = []
    for factor in sp.Mul.make_args(argument):
        base, power = factor.as_base_exp() if factor.is_Pow and not isinstance(factor, sp.exp) else (factor, sp.S.One)
        if isinstance(factor, sp.exp):
            split += factor.exp
        elif positive(base) and base != 1:
            split += power * (_log(base) if base.is_Add else sp.log(base))
        elif base != 1:
            kept.append(factor)
    return _expand(split) + (sp.log(sp.Mul(*kept)) if kept else 0)


def _leading(e: Any) -> tuple[Any, Any]:
    """(E, rest) with e = exp(E) * rest, E the largest exponent in a translation-invariant order; (None, e) if there is no order."""
    exponents = [_exponent(term) for term in e.args]
    lead = exponents[0]
    for other in exponents[1:]:
        sign = _order(sp.expand(other - lead))
        if sign is None:
            return None, e
        if sign > 0:
            lead = other
    if lead == 0:
        return sp.S.Zero, e
    shift = sp.exp(sp.expand(-lead))
    return lead, sp.Add(*(_monomial(term, shift) for term in e.args))


def _exponent(term: Any) -> Any:
    return sp.Add(*(f.exp for f in sp.Mul.make_args(term) if isinstance(f, sp.exp)))


def _order(difference: Any) -> int | None:
    """Sign of the first coefficient in sorted order: an order on exponents that adding a constant does not change."""
    if difference == 0:
        return 0
    first = min(sp.Add.make_args(difference), key=lambda term: sp.default_sort_key(term.as_coeff_Mul()[1]))
    coefficient = first.as_coeff_Mul()[0]
    return (1 if coefficient > 0 else -1) if coefficient.is_Rational else None


def _sum(e: Any, rules: Facts) -> Any:
    body, index, low, high = e.args
    fresh = sp.Dummy("i", integer=True, positive=True)
    body = _nf(body.xreplace({index: fresh}), rules)
    low, high = _nf(low, rules), _nf(high, rules)
    return sp.Add(*(_sum_monomial(term, fresh, low, high, rules) for term in sp.Add.make_args(body)))


def _sum_monomial(term: Any, index: Any, low: Any, high: Any, rules: Facts) -> Any:
    outside: list[Any] = []
    inside: list[Any] = []
    for factor in sp.Mul.make_args(term):
        if isinstance(factor, sp.exp):
            moving = [part for part in sp.Add.make_args(factor.exp) if part.has(index)]
            still = sp.Add(*(part for part in sp.Add.make_args(factor.exp) if not part.has(index)))
            if still != 0:
                outside.append(sp.exp(still))
            if moving:
                inside.append(sp.exp(sp.Add(*moving)))
        else:
            (inside if factor.has(index) else outside).append(factor)
    if not inside:
        return _product([*outside, _expand(high - low + 1)])
    total = _named(sp.Mul(*inside), index, low, high, rules)
    return _product([*outside, total])


def _named(body: Any, index: Any, low: Any, high: Any, rules: Facts) -> Any:
    candidates = [_canonical(body, index, low, high)]
    inner = [t for t in sp.Mul.make_args(body) if isinstance(t, Total)]
    if len(inner) == 1 and not (inner[0].args[2].has(index) or inner[0].args[3].has(index) or low.free_symbols & {index}):
        rest = sp.Mul(*(f for f in sp.Mul.make_args(body) if f is not inner[0]))
        swapped = _swap(rest, inner[0], index, low, high, rules)
        if swapped is not None:
            candidates.append(swapped)
    best = min(candidates, key=lambda c: sp.default_sort_key(c))
    for left, right in rules:
        if best == left:
            return right
    return best


def _swap(rest: Any, inner: Any, index: Any, low: Any, high: Any, rules: Facts) -> Any:
    """sum_i f(i) sum_j g(i, j) = sum_j sum_i f(i) g(i, j), where neither range depends on the other index."""
    body, bound, inner_low, inner_high = inner.args
    other = sp.Dummy("j", integer=True, positive=True)
    summand = _product([rest, body.xreplace({bound: other})])
    if summand.is_Add:
        return None
    moving, still = [], []
    for factor in sp.Mul.make_args(summand):
        if isinstance(factor, sp.exp):
            parts = sp.Add.make_args(factor.exp)
            within = [p for p in parts if p.has(index)]
            without = [p for p in parts if not p.has(index)]
            if within:
                moving.append(sp.exp(sp.Add(*within)))
            if without:
                still.append(sp.exp(sp.Add(*without)))
        else:
            (moving if factor.has(index) else still).append(factor)
    if not any(factor.has(other) for factor in moving):
        return None
    first = _canonical(sp.Mul(*moving), index, low, high)
    return _canonical(sp.Mul(*still, first), other, inner_low, inner_high)


def _canonical(body: Any, index: Any, low: Any, high: Any) -> Any:
    depth = 1 + max((_depth(t) for t in body.atoms(Total)), default=0)
    return Total(body.xreplace({index: _BOUND[depth]}), _BOUND[depth], low, high)


def _depth(e: Any) -> int:
    return _DEPTH.get(e.args[1], 0)


_BOUND = tuple(sp.Dummy(f"i_{depth}", integer=True, positive=True) for depth in range(32))  # no symbol of a caller equals one
_DEPTH = {name: depth for depth, name in enumerate(_BOUND)}


def positive(e: Any) -> bool:
    """True if the expression is positive by its form: exponentials, positive symbols, and sums and products of them."""
    if isinstance(e, sp.exp):
        return bool(e.exp.is_real is not False)
    if isinstance(e, Total):
        _, _, low, high = e.args
        has_terms = low.is_Symbol or bool((high - low + 1).is_positive)  # an index that begins a tail sum lies in its range
        return has_terms and positive(e.args[0])
    if e.is_Add or e.is_Mul:
        return all(positive(arg) for arg in e.args)
    if e.is_Pow:
        return positive(e.base)
    return bool(e.is_positive)


def nonnegative(e: Any) -> bool:
    """True if the expression is >= 0 by its form: as `positive`, with even powers of reals and non-negative symbols."""
    if positive(e) or e.is_nonnegative:
        return True
    if isinstance(e, Total):
        return nonnegative(e.args[0])
    if e.is_Add or e.is_Mul:
        return all(nonnegative(arg) for arg in e.args)
    if e.is_Pow and e.exp.is_Integer:
        return nonnegative(e.base) or (int(e.exp) % 2 == 0 and e.base.is_real is not False)
    return False
