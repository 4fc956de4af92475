"""target - (A loss + K) is 0, as an expression."""

from __future__ import annotations

import warnings
from typing import Any

import sympy as sp

from bandits.data import PairLogProbs
from dpo_theory.evidence import Verdict
from dpo_theory.fingerprint.known import expressed
from dpo_theory.fingerprint.link import quietly, split_logs
from dpo_theory.identify.box import Box
from dpo_theory.identify.conventions import AS_IT_IS, Convention, moved
from dpo_theory.proof import is_zero
from dpo_theory.reading import read
from dpo_theory.rigor.sign import decimal

__all__ = ["difference_is_zero", "proved"]

SECONDS = 1.5


def proved(
    target: Box, loss: Any, convention: Convention, scale: float, constant: float, shift: float, stretch: float
) -> tuple[Verdict, str]:
    """PROVED with the reason, or HOLDS with why it is not more."""
    if target.expression is None:
        why = "the target is opaque" if target.subject is not None and not target.coupled else "only losses of pairs are read"
        return Verdict.HOLDS, f"fitted, and measured on other rows; {why}"
    expression, symbols = target.expression

    def changed(pairs: PairLogProbs) -> Any:
        seen = convention.of(pairs) if convention is not AS_IT_IS else pairs
        return loss(moved(seen, _exact(shift), _exact(stretch)) if (shift, stretch) != (0.0, 1.0) else seen)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reading = read(changed, tuple(PairLogProbs._fields[: len(symbols)]))
        if reading.expression is None and len(symbols) == 4:
            reading = read(changed, tuple(PairLogProbs._fields[:6]))
    if reading.expression is None:
        return Verdict.HOLDS, "fitted, and measured on other rows; the library's loss is not read with these inputs"
    meant, _, opaque = expressed(reading, changed)
    if meant is None:
        return Verdict.HOLDS, f"fitted, and measured on other rows; {opaque}"
    if difference_is_zero(expression, _exact(scale) * meant + _exact(constant)):
        return Verdict.PROVED, "the difference of both expressions is identically 0"
    return Verdict.HOLDS, "fitted, and measured on other rows; read, but the rules do not close the difference"


def difference_is_zero(left: Any, right: Any) -> bool:
    """left - right is 0 for all values of its symbols, by rules, within a time limit."""
    gap = decimal(left - right)
    if gap == 0:
        return True
    symbols = sorted(gap.free_symbols, key=str)
    compiled = sp.lambdify(symbols, gap, "mpmath")
    import mpmath as mp

    with mp.workdps(40):
        points = [[mp.mpf(-1 - 7 * i - 3 * k) / (5 + k) for i in range(len(symbols))] for k in range(4)]
        points = [[abs(v) + 1 if s.is_positive else v for s, v in zip(symbols, point, strict=True)] for point in points]
        if any(abs(compiled(*point)) > mp.mpf(10) ** -25 for point in points):
            return False
    for rule in (is_zero, _on_margin, lambda e: sp.simplify(e) == 0, lambda e: is_zero(sp.expand_log(sp.factor(e), force=True))):
        if quietly(rule, gap, seconds=SECONDS):
            return True
    return False


def _on_margin(gap: Any) -> bool:
    """By the margin alone, where all symbols enter through it."""
    symbols = {str(s): s for s in gap.free_symbols}
    if not set(symbols) <= set("abcd") or "a" not in symbols:
        return False
    m = sp.Symbol("m", real=True)
    rest = {symbols[k]: 0 for k in symbols if k != "a"}
    signs = {"a": 1, "b": -1, "c": -1, "d": 1}
    slopes = [sp.diff(gap, symbols["a"]) * signs[k] - sp.diff(gap, symbols[k]) for k in symbols]
    if not all(is_zero(s) for s in slopes):
        return False
    at = split_logs(gap.subs(rest).subs(symbols["a"], m), m)
    return bool(is_zero(sp.expand(at)) or sp.simplify(at) == 0)


def _exact(value: float) -> Any:
    found = sp.Rational(repr(value))
    near = sp.Rational(found).limit_denominator(999)
    return near if abs(float(near) - value) <= 4e-16 * abs(value) else found
