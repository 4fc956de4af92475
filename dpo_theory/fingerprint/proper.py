"""Is a margin loss a proper score of the probability that it aims at?

A C^1 loss is strictly proper with link q where l'(m) + l'(-m) < 0 everywhere, q increases strictly wherever 0 < q < 1, and its
range contains (0, 1). It is Bradley-Terry proper where m(p) = logit(p) / beta.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath as mp
import sympy as sp

from dpo_theory.evidence import Verdict
from dpo_theory.fingerprint.aims import DIGITS, smallest
from dpo_theory.fingerprint.link import Slopes, X, in_powers, quietly
from dpo_theory.fingerprint.record import Statement
from dpo_theory.proof import is_zero
from dpo_theory.rigor.sign import SignOnReals, sign_on_reals

__all__ = ["statements"]

SECONDS = 0.8
CLOSE = mp.mpf(10) ** -15


def statements(loss: Any, s: Slopes, link: Any, margins: dict[Any, Any], beta: float | None) -> tuple[Statement, ...]:
    """Properness of a margin loss, four statements.

    Args:
        loss: l(m).
        s: its slopes.
        link: q(m) in closed form, or None.
        margins: p -> the margin aimed at, for p = 7/10 and 9/10.
        beta: the reward per nat that the loss was given; None where it has no such option.
    """
    symmetric = _noise_symmetric(s)
    strict = _strictly_proper(s, link, margins, symmetric)
    return _bt_proper(s, margins, beta), strict, _calibrated(loss, s, strict), symmetric


def _bt_proper(s: Slopes, margins: dict[Any, Any], beta: float | None) -> Statement:
    name = "bt-proper"
    (p, low), (q, high) = sorted(margins.items())
    if not (mp.isfinite(low) and mp.isfinite(high)) or low <= 0:
        return Statement(name, Verdict.REFUTED, f"the margins aimed at for p = {float(p):g} and {float(q):g} are {_n(low)} and {_n(high)}")
    with mp.workdps(DIGITS):
        rate, other = _logit(p) / low, _logit(q) / high
        if abs(rate - other) > CLOSE * rate:
            got = f"{_n(high / low)} times the margin of p = {float(p):g}, logit(p) has {_n(_logit(q) / _logit(p))}"
            return Statement(name, Verdict.REFUTED, f"at p = {float(q):g} it aims at {got}")
        exact = sp.Rational(str(Fraction(str(mp.nstr(rate, 25))).limit_denominator(10**9)))
        if abs(mp.mpf(exact.p) / exact.q - rate) > CLOSE * rate:
            exact = sp.Float(mp.nstr(rate, 25))
    if beta is not None and abs(float(rate) / beta - 1) > 1e-12:
        return Statement(
            name, Verdict.REFUTED, f"m(p) = logit(p) / {_n(rate)}: Bradley-Terry with {_n(rate / mp.mpf(beta))} times its beta"
        )
    told = f"l'(-m) = e^({exact} m) l'(m), l' < 0"
    if not s.kinked and quietly(lambda: is_zero(s.down - sp.exp(exact * s.m) * s.up), seconds=SECONDS):
        falling = _sign(s.up, s.m)
        if falling.everywhere and falling.sign in ("-", "0-"):
            return Statement(name, Verdict.PROVED, f"{told} on all of R: m(p) = logit(p) / {_n(rate)}")
    return Statement(name, Verdict.HOLDS, f"m(p) = logit(p) / {_n(rate)} at p = {float(p):g} and {float(q):g}")


def _noise_symmetric(s: Slopes) -> Statement:
    name = "noise-symmetric"
    one = sp.Rational(1, 3)
    gap = (s.up - s.down).subs(s.m, one).evalf(30)
    size = abs(s.up.subs(s.m, one).evalf(30)) + abs(s.down.subs(s.m, one).evalf(30))
    if abs(gap) > 1e-20 * size:
        told = "the best margins move when labels are flipped at random"
        return Statement(name, Verdict.REFUTED, f"l(m) + l(-m) is not constant: its slope at m = 1/3 is {float(gap):.6g}; {told}")
    if not s.kinked and quietly(lambda: is_zero(s.up - s.down) or sp.simplify(s.up - s.down) == 0, seconds=SECONDS):
        return Statement(name, Verdict.PROVED, "l(m) + l(-m) is constant: labels flipped at random do not move the best margins")
    points = [sp.Rational(k, 7) for k in (1, 5, 9, 20, 100)]
    if all(abs((s.up - s.down).subs(s.m, point).evalf(30)) <= 1e-20 * size for point in points):
        return Statement(name, Verdict.HOLDS, "l(m) + l(-m) has slope 0 at 6 margins")
    return Statement(name, Verdict.REFUTED, "l(m) + l(-m) is not constant")


def _strictly_proper(s: Slopes, link: Any, margins: dict[Any, Any], symmetric: Statement) -> Statement:
    name = "strictly-proper"
    (p, low), (q, high) = sorted(margins.items())
    if symmetric.verdict.holds:
        return Statement(name, Verdict.REFUTED, "q is 1/2 everywhere: the loss learns the order, not the probability")
    if not (mp.isfinite(low) and mp.isfinite(high)):
        inside = "" if link is None else _range(s, link)[1]
        which = ", ".join(f"{float(t):g}" for t, margin in sorted(margins.items()) if not mp.isfinite(margin))
        return Statement(name, Verdict.REFUTED, f"no finite margin is best for p = {which}" + (f"; {inside}" if inside else ""))
    if abs(low - high) <= CLOSE * abs(high):
        return Statement(name, Verdict.REFUTED, f"p = {float(p):g} and {float(q):g} have the same best margin {_n(low)}")
    if s.kinked:
        return _measured(s)
    total = _sign(s.up + s.down, s.m)
    if total.sign != "-":
        where = "" if total.above is None else f", at m = {total.above} it is not negative"
        verdict = Verdict.REFUTED if total.sign in ("+", "0+", "0", "mixed") else Verdict.UNDECIDED
        return Statement(name, verdict, f"l'(m) + l'(-m) < 0 fails{where}: q is not a link" if verdict is Verdict.REFUTED else total.how)
    rising = _sign(sp.diff(link, s.m) if link is not None else _turn(s), s.m)
    full, told = _range(s, link)
    if rising.sign in ("mixed", "-", "0-", "0"):
        return Statement(name, Verdict.REFUTED, f"q does not increase{'' if rising.below is None else f' at m = {rising.below}'}")
    if rising.sign not in ("+", "0+"):
        return Statement(name, Verdict.UNDECIDED, f"the sign of q' is open: {rising.how}")
    if full is False:
        return Statement(name, Verdict.REFUTED, told)
    proved = total.everywhere and rising.everywhere and full
    told = f"l'(m) + l'(-m) < 0, q increases, {told}" if full else "q increases; its range was not decided"
    return Statement(name, Verdict.PROVED if proved else Verdict.HOLDS, told)


def _turn(s: Slopes) -> Any:
    """The numerator of q': -l''(-m) l'(m) - l'(-m) l''(m), where l''(-m) = -d/dm l'(-m)."""
    return sp.diff(s.down, s.m) * s.up - s.down * sp.diff(s.up, s.m)


def _range(s: Slopes, link: Any) -> tuple[bool | None, str]:
    """Does the range of q contain (0, 1)? By the limit at infinity: q(-m) = 1 - q(m)."""
    if link is None:
        with mp.workdps(DIGITS):
            ratio = sp.lambdify(s.m, s.down / (s.up + s.down), ["mpmath"])
            try:
                far = ratio(mp.mpf(10) ** 6)
            except (ZeroDivisionError, ValueError):
                return None, ""
        return (True, f"q reaches {mp.nstr(far, 8)} at m = 1e6") if far > 1 - CLOSE else (None, "")
    in_x, _ = in_powers(link, s.m)
    top = quietly(lambda: sp.limit(in_x, X, sp.oo) if in_x.has(X) and not in_x.has(s.m) else sp.limit(link, s.m, sp.oo), seconds=SECONDS)
    if top is None or not top.is_extended_real:
        return None, ""
    return bool(top >= 1), f"q takes values from {1 - top} to {top}"


def _measured(s: Slopes) -> Statement:
    ratio = sp.lambdify(s.m, [s.up, s.down], ["mpmath"])
    with mp.workdps(DIGITS):
        size = [mp.mpf(10) ** (mp.mpf(k) / 8) for k in range(-24, 25)]
        before = None
        for m in [*(-x for x in reversed(size)), *size]:
            up, down = map(mp.mpf, ratio(m))
            if not up + down < 0:
                return Statement("strictly-proper", Verdict.REFUTED, f"l'(m) + l'(-m) < 0 fails at m = {_n(m)}")
            here = down / (up + down)
            if before is not None and (here < before - CLOSE or (here <= before and 0 < here < 1)):
                return Statement("strictly-proper", Verdict.REFUTED, f"q does not increase up to m = {_n(m)}")
            before = here
        enough = before is not None and before >= 1 - CLOSE
    return Statement("strictly-proper", Verdict.HOLDS if enough else Verdict.REFUTED, f"q rises to {_n(before)} on 98 margins")


def _calibrated(loss: Any, s: Slopes, strict: Statement) -> Statement:
    name = "calibrated"
    if strict.verdict.holds:
        return Statement(name, strict.verdict, "q(0) = 1/2 and q increases")
    if not s.kinked and s.up.subs(s.m, 0).evalf() < 0:
        convex = _sign(sp.diff(s.up, s.m), s.m)
        if convex.nonnegative:
            return Statement(name, Verdict.PROVED, "convex with l'(0) < 0")
    points = [sp.Rational(11, 20), sp.Rational(7, 10), sp.Rational(9, 10)]
    for p in points:
        margin, _ = smallest(loss, s, p)
        if mp.isnan(margin) or not margin > CLOSE:
            return Statement(name, Verdict.REFUTED, f"for p = {float(p):g} it aims at {_n(margin)}, which is not positive")
    return Statement(name, Verdict.HOLDS, "the best margin is positive for p = 0.55, 0.7, 0.9")


def _sign(g: Any, m: Any) -> SignOnReals:
    in_x, _ = in_powers(g, m)
    short = quietly(lambda: sp.fraction(sp.cancel(sp.together(in_x))))
    if short is not None and not any(part.has(m) for part in short) and all(part.is_polynomial(X) for part in short):
        signs = [{bool(c.evalf() > 0) for c in sp.Poly(part, X).coeffs()} for part in short]
        if all(len(one) == 1 for one in signs):
            return SignOnReals("+" if signs[0] == signs[1] else "-", True, how="all coefficients in e^m have one sign")
    found = quietly(sign_on_reals, g, m, seconds=SECONDS)
    return found or SignOnReals("?", False, how=f"not decided in {SECONDS:g} s")


def _logit(p: Any) -> Any:
    return mp.log(mp.mpf(p.p) / (p.q - p.p))


def _n(value: Any) -> str:
    return mp.nstr(value, 10)
