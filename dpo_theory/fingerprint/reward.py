"""Does a pair loss compare implicit rewards? Three tests on its first derivatives, and the reward and divergence where it does.

A loss l(phi(P) - phi(Q)) of the chosen answer P = (log pi_w, log ref_w) and the rejected Q = (log pi_l, log ref_l) satisfies

    T1  R(P, Q) R(P', Q') = R(P, Q') R(P', Q)  for R = L_a / L_b: each answer has its own factor,
    T2  L_a + L_b = 0 where both answers have the same log-probabilities: both factors come from one phi,
    T3  L_a + L_c = 0 and L_b + L_d = 0: phi sees the log-ratio alone (or L_c = L_d = 0: it ignores the reference).

Then phi'(x) = -L_a / L_b, and phi = f'(e^x) for the divergence f whose regularised optimum the loss aims at, provided that l is not a
straight line, phi increases, and f'(0+) = -inf keeps the optimum inside the simplex.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import sympy as sp

from dpo_theory.evidence import Verdict
from dpo_theory.fingerprint.link import quietly, rational, written
from dpo_theory.fingerprint.record import Statement

__all__ = ["LOG_RATIO", "Implied", "implied", "tests"]

SECONDS = 0.4
TOLERANCE = 1e-8
GRID = (-1.0, -0.5, -2.0, -3.25, -0.25, -5.5)
LOG_RATIO = ("phi(x) = x", "f'(u) = log u", "f(u) = u log u - u + 1")
x, u = sp.Symbol("x", real=True), sp.Symbol("u", positive=True)


@dataclass(frozen=True)
class Implied:
    """What the three tests gave.

    Args:
        statements: T1, T2, T3 and `divergence`.
        reward, derivative, divergence: phi, f' and f as text; empty where there is none.
        phi: phi(x) as an expression, or None.
        notes: sentences.
    """

    statements: tuple[Statement, ...]
    reward: str = ""
    derivative: str = ""
    divergence: str = ""
    phi: Any = None
    notes: tuple[str, ...] = field(default=())


def of_margin(reference: bool, straight: bool) -> Implied:
    """The three tests for a function of the margin: they hold by its form.

    Args:
        reference: the margin sees the reference.
        straight: l is a straight line.
    """
    form = "the loss is a function of the margin"
    passed = tuple(Statement(name, Verdict.PROVED, form) for name in ("T1", "T2"))
    if not reference:
        third = Statement("T3", Verdict.PROVED, "the reference is ignored: phi is the log-probability, and f an entropy, not a divergence")
        return Implied((*passed, third), "phi = log pi", phi=x)
    third = Statement("T3", Verdict.PROVED, form)
    if straight:
        return Implied(
            (*passed, third, Statement("divergence", Verdict.REFUTED, "l is a straight line: nothing is compared")), LOG_RATIO[0]
        )
    told = Statement("divergence", Verdict.PROVED, "reverse KL: f'(0+) = -inf, f' increases")
    return Implied((*passed, third, told), *LOG_RATIO, phi=x)


def tests(slopes: Any, numbers: np.ndarray) -> tuple[float, float, tuple[float, ...], int]:
    """Residuals of T1 and T2, the worst point of T2, and how many quadruples could be used.

    Args:
        slopes: (N, 4) log-probabilities -> (N, 2), L_a and L_b.
        numbers: (N, 4) log-probabilities a, b, c, d.
    """
    half = len(numbers) // 2
    one, two = numbers[:half], numbers[half : 2 * half]
    crossed = [np.stack([p[:, 0], q[:, 1], p[:, 2], q[:, 3]], axis=-1) for p, q in product((one, two), repeat=2)]
    (a11, b11), (a12, b12), (a21, b21), (a22, b22) = (slopes(points).T for points in crossed)
    left, right = a11 * a22 * b12 * b21, a12 * a21 * b11 * b22
    size = np.maximum(np.abs(left), np.abs(right))
    usable = np.isfinite(size) & (size > 1e-200)
    first = float(np.max(np.abs(left - right)[usable] / size[usable])) if usable.any() else np.nan
    grid = np.array([(a, a, c, c) for a, c in product(GRID, repeat=2)])
    same = np.concatenate([grid, np.stack([one[:, 0], one[:, 0], one[:, 2], one[:, 2]], axis=-1)])
    up, down = slopes(same).T
    scale = np.maximum(np.abs(up), np.abs(down))
    error = np.where(scale > 0, np.abs(up + down) / np.where(scale > 0, scale, 1.0), 0.0)
    worst = int(np.flatnonzero(error > TOLERANCE)[0]) if error.max() > TOLERANCE else int(np.argmax(error))
    return first, float(error[worst]), tuple(float(v) for v in same[worst]), int(usable.sum())


def implied(expression: Any, symbols: tuple[Any, ...]) -> Implied:
    """The tests on an expression in (a, b, c, d), numbers first: they refute in milliseconds.

    Args:
        expression: L.
        symbols: (a, b, c, d).
    """
    a, b, c, d = symbols
    smooth = expression.rewrite(sp.Piecewise) if expression.has(sp.Max, sp.Min, sp.Abs) else expression
    grad = [sp.diff(smooth, s) for s in symbols]
    compiled = sp.lambdify(symbols, grad, "numpy", cse=True)

    def slopes(points: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return np.stack(np.broadcast_arrays(*(np.asarray(g, dtype=float) for g in compiled(*points.T)))[:4], axis=-1) + np.zeros(
                (len(points), 4)
            )

    points = drawn(2000)
    everywhere = slopes(points)
    everywhere = everywhere[np.isfinite(everywhere).all(axis=-1)]
    size = np.abs(everywhere).max(axis=0)
    if size[1] == 0 or size[0] == 0:
        told = "chosen" if size[1] == 0 else "rejected"
        return Implied((Statement("T1", Verdict.NOT_APPLICABLE, f"L_{'b' if size[1] == 0 else 'a'} = 0: only the {told} answer counts"),))
    first, second, at, usable = tests(lambda p: slopes(p)[:, :2], points)
    ignored = size[2] == 0 and size[3] == 0
    gap = (
        0.0
        if ignored
        else float(np.max(np.abs(everywhere[:, :2] + everywhere[:, 2:]) / np.maximum(np.abs(everywhere).max(axis=-1), 1e-300)[:, None]))
    )
    statements = verdicts(first, second, gap, ignored, at, slopes(np.array([at]))[0], usable)
    if not all(s.verdict.holds for s in statements):
        return Implied(statements)
    ratio = -grad[0] / grad[1]
    proved = _proved(expression, grad, symbols, ignored)
    statements = tuple(Statement(s.name, Verdict.PROVED, "identically, by its expression") if s.name in proved else s for s in statements)
    zero = {b: 0, d: 0} if not ignored else {b: -1}
    along = ratio.subs({**zero, c: 0}).subs(a, x)
    rate = quietly(rational, along, x, seconds=SECONDS) or quietly(sp.simplify, along, seconds=SECONDS)
    return _divergence(statements, rate, ignored, slopes)


def verdicts(
    first: float, second: float, third: float, ignored: bool, at: tuple[float, ...], slopes: Any, usable: int, tolerance: float = TOLERANCE
) -> tuple[Statement, ...]:
    """The statements T1, T2, T3 from residuals."""

    def stated(name: str, residual: float, broken: str) -> Statement:
        verdict = Verdict.HOLDS if residual <= tolerance else Verdict.REFUTED
        return Statement(name, verdict, f"residual {residual:.1e}" + ("" if verdict is Verdict.HOLDS else f": {broken}"))

    where = f"at log pi = {at[0]:g}, log ref = {at[2]:g} of both answers L_a = {slopes[0]:.6g}, L_b = {slopes[1]:.6g}"
    one = stated("T1", first, "the pull on one answer depends on the other in no separable way")
    one = Statement(one.name, one.verdict, f"{one.how}; {usable} quadruples")
    two = stated("T2", second, f"chosen and rejected have different rewards: {where}")
    three = stated("T3", third, "the reward sees more than the log-ratio")
    if ignored:
        three = Statement("T3", Verdict.HOLDS, "the reference is ignored: f is an entropy, not a divergence")
    return one, two, three


def drawn(n: int, seed: int = 11) -> np.ndarray:
    """(n, 4) log-probabilities; log-ratios of both signs."""
    rng = np.random.default_rng(seed)
    policy = -rng.exponential(2.0, size=(n, 2)) - 0.01
    return np.concatenate([policy, np.minimum(policy + rng.normal(scale=1.0, size=(n, 2)), -0.01)], axis=-1)


def _proved(expression: Any, grad: list[Any], symbols: tuple[Any, ...], ignored: bool) -> set[str]:
    a, b, c, d = symbols
    found = set()
    same = (grad[0] + grad[1]).subs({b: a, d: c}, simultaneous=True)
    if same == 0 or quietly(lambda: sp.simplify(same) == 0, seconds=SECONDS):
        found.add("T2")
    sums = [grad[2], grad[3]] if ignored else [grad[0] + grad[2], grad[1] + grad[3]]
    if quietly(lambda: all(e == 0 or sp.simplify(e) == 0 for e in sums), seconds=SECONDS):
        found.add("T3")
    ratio = quietly(lambda: sp.simplify(grad[0] / grad[1]), seconds=SECONDS)
    if ratio is not None:
        mixed = [ratio * sp.diff(ratio, v, w) - sp.diff(ratio, v) * sp.diff(ratio, w) for v, w in product((a, c), (b, d))]
        if quietly(lambda: all(sp.simplify(e) == 0 for e in mixed), seconds=SECONDS):
            found.add("T1")
    return found


def _divergence(statements: tuple[Statement, ...], rate: Any, ignored: bool, slopes: Any) -> Implied:
    spread = drawn(200, 12)
    moved = np.array(spread)
    moved[:, 1] -= 0.7
    before, after = slopes(spread)[:, 0], slopes(moved)[:, 0]
    straight = bool(np.max(np.abs(before - after)) <= TOLERANCE * np.max(np.abs(before)))
    if straight:
        why = "l is a straight line: each answer is scored by itself, nothing is compared"
        statements = (*statements, Statement("divergence", Verdict.REFUTED, why))
    if rate is None or not rate.free_symbols <= {x}:
        if straight:
            return Implied(statements)
        return Implied((*statements, Statement("divergence", Verdict.UNDECIDED, "phi' was not found in closed form")))
    start = rate.subs(x, 0)
    if not ignored and start.is_finite and start.is_nonzero:
        rate = rate / start
    phi = quietly(lambda: sp.integrate(sp.expand(rate), x), seconds=3 * SECONDS)
    if phi is None or phi.has(sp.Integral):
        return Implied((*statements, Statement("divergence", Verdict.UNDECIDED, f"phi'(x) = {rate} was not integrated")))
    if ignored:
        return Implied(statements, f"phi(log pi) = {written(phi)}", phi=phi, notes=("no reference: phi is the slope of an entropy",))
    phi = sp.expand(phi - phi.subs(x, 0))
    slope = quietly(lambda: sp.simplify(phi.subs(x, sp.log(u))), seconds=SECONDS)
    told: dict[str, Any] = {"reward": f"phi(x) = {written(phi)}", "phi": phi}
    if slope is None:
        return Implied((*statements, Statement("divergence", Verdict.UNDECIDED, "f' was not simplified")), **told)
    f = quietly(lambda: sp.integrate(slope, u), seconds=3 * SECONDS)
    told["derivative"] = f"f'(u) = {written(slope)}"
    edge = quietly(lambda: sp.limit(slope, u, 0, "+"), seconds=SECONDS)
    if straight:
        return Implied(statements, **told)
    fails = []
    if edge is not None and edge != -sp.oo:
        fails.append(f"f'(0+) = {edge}, not -inf: the optimum may leave an answer out")
    points = [float(rate.subs(x, sp.Rational(k, 2))) for k in range(-16, 17)]
    if min(points) <= 0:
        fails.append("phi does not increase everywhere")
    if f is not None and not f.has(sp.Integral):
        told["divergence"] = f"f(u) = {written(sp.expand(f - f.subs(u, 1)))}"
    verdict = Verdict.REFUTED if fails else Verdict.HOLDS
    how = "; ".join(fails) or "f'(0+) = -inf, f' increases at 33 points"
    return Implied((*statements, Statement("divergence", verdict, how)), **told)
