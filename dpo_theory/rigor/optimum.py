"""The optimum of a loss, enclosed: existence, uniqueness and digits are guaranteed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from bandits.data import Comparisons, Rankings
from bandits.door import Array
from bandits.problem import TabularBandit
from dpo_theory.evidence import Verdict
from dpo_theory.rigor.balls import arithmetic as choose_arithmetic
from dpo_theory.rigor.reading import Derivatives, pair_derivatives, ranked_derivatives

__all__ = ["CertifiedOptimum", "certify_optimum"]

GUARD = 25
MAX_STEPS = 60


@dataclass(frozen=True, eq=False)
class CertifiedOptimum:
    """An enclosure of the optimal policy.

    Args:
        verdict: CERTIFIED, or UNDECIDED with a reason.
        lower, upper: (X, A) doubles that bracket log pi(y|x); -inf off the reference's support.
        probabilities: per context and action, the probability in decimals, every printed digit but the last guaranteed.
        digits: relative digits guaranteed in every probability.
        unique: `global` (convex loss: the only minimiser), `local` (the only stationary point nearby, a strict minimum).
        arithmetic: `arb` or `iv`.
        reason: why UNDECIDED.
        seconds: wall time.
    """

    verdict: Verdict
    lower: Array
    upper: Array
    probabilities: tuple[tuple[str, ...], ...]
    digits: int
    unique: str
    arithmetic: str
    reason: str = ""
    seconds: float = 0.0

    def distance(self, log_policy: Any) -> float:
        """Largest possible |log_policy - optimum| in nats over the support, up to one rounding of the ends."""
        given = np.asarray(log_policy, dtype=float)
        inside = np.isfinite(self.lower)
        if not np.array_equal(inside, np.isfinite(given)):
            return float("inf")
        ends = np.stack([self.lower[inside], self.upper[inside]])
        return float(np.abs(given[inside] - ends).max(initial=0.0))


def certify_optimum(
    bandit: TabularBandit,
    loss: Callable[[Any], Any],
    solution: Any,
    data: Comparisons | Rankings | None = None,
    *,
    design: Any = None,
    preferences: Any = None,
    digits: int = 30,
    arithmetic: str | None = None,
) -> CertifiedOptimum:
    """Enclose the optimum of a smooth loss near an approximate solution.

    Args:
        bandit: the problem; its doubles are taken as the exact numbers that they are.
        loss: PairLogProbs -> (N,), or RankedLogProbs -> (N,) with Rankings; it must be readable on SymPy symbols.
        solution: what `bandits.solve.minimise_loss` returned, or an (X, A) log-policy near the optimum.
        data: Comparisons or Rankings; None is the exact population.
        design: (X, A, A) symmetric weights of compared pairs; default uniform over distinct supported pairs.
        preferences: (X, A, A) P(i beats j); default Bradley-Terry of the reward, itself enclosed.
        digits: relative digits wanted in every probability, >= 1.
        arithmetic: `arb` (python-flint) or `iv` (mpmath); default the first that is installed.

    Returns:
        CertifiedOptimum; UNDECIDED with a reason where the box could not be closed.

    Raises:
        ValueError: the loss cannot be read or is not smooth, the solution has no finite optimum, or `digits` < 1.

    Source: Krawczyk's test on the gradient in the gauge log pi(last) fixed; Rump 2010, Acta Numerica 19, section 13.

    >>> bandit = TabularBandit([1.0], [[1.0, 0.0]], np.log([[0.5, 0.5]]), 1.0)
    >>> from dpo_theory.losses.dpo import DPO
    >>> certify_optimum(bandit, DPO(1.0), np.log([[0.7, 0.3]]), digits=12).probabilities[0][0]
    '0.7310585786300'
    """
    if isinstance(digits, bool) or not isinstance(digits, int) or digits < 1:
        raise ValueError(f"digits is {digits!r}, expected a whole number >= 1.")
    start = np.asarray(getattr(solution, "log_policy", solution), dtype=float)
    if start.shape != bandit.reward.shape or np.isnan(start).any():
        status = getattr(solution, "status", "no finite log_policy")
        raise ValueError(f"the solution has no finite optimum to enclose (status: {status}, shape {start.shape}).")
    began = time.perf_counter()
    numbers = choose_arithmetic(arithmetic)
    if isinstance(data, Rankings):
        derivatives = ranked_derivatives(loss, np.asarray(data.order).shape[-1])
    else:
        derivatives = pair_derivatives(loss)
    lower, upper = np.full(start.shape, -np.inf), np.full(start.shape, -np.inf)
    printed: list[tuple[str, ...]] = []
    with numbers.digits(digits + GUARD):
        for x in range(bandit.n_contexts):
            support = np.flatnonzero(bandit.support[x])
            terms = _terms(bandit, x, support, data, design, preferences, numbers)
            box, reason = _enclose(terms, derivatives, start[x, support], bandit.log_ref[x, support], digits, numbers)
            if box is None:
                nan = np.full(start.shape, np.nan)
                spent = time.perf_counter() - began
                return CertifiedOptimum(
                    Verdict.UNDECIDED, nan, nan, (), 0, "", numbers.name, f"context {x}: {reason}", spent
                )  # fmt: skip
            row = ["0"] * bandit.n_actions
            for action, ball in zip(support, box, strict=True):
                low, high = numbers.bounds(ball)
                lower[x, action], upper[x, action] = _down(low), _up(high)
                row[action] = _decimal(numbers.bounds(numbers.exp(ball)), digits + 1)
            printed.append(tuple(row))
    unique = "global" if derivatives.convex else "local"
    return CertifiedOptimum(Verdict.CERTIFIED, lower, upper, tuple(printed), digits, unique, numbers.name, "", time.perf_counter() - began)


def _terms(bandit, x, support, data, design, preferences, numbers) -> list[tuple[tuple[int, ...], Any]]:
    """(places in `support`, weight as a ball) for every comparison of context x."""
    place = {int(action): position for position, action in enumerate(support)}
    if data is None:
        return _population(bandit, x, support, design, preferences, numbers)
    terms: list[tuple[tuple[int, ...], Any]] = []
    rows = np.flatnonzero(np.asarray(data.context) == x)
    if isinstance(data, Rankings):
        order = np.asarray(data.order)
        weight = np.ones(len(order)) if data.weight is None else np.asarray(data.weight, dtype=float)
        return [(tuple(place[int(a)] for a in order[n]), numbers.exact(float(weight[n]))) for n in rows]
    merged = Comparisons(*(None if column is None else np.asarray(column)[rows] for column in data)).aggregate()
    for chosen, rejected, weight, target in zip(*merged[1:], strict=True):
        i, j = place[int(chosen)], place[int(rejected)]
        share, target = numbers.exact(float(weight)), float(target)
        terms += [((i, j), share * numbers.exact(target))] if target > 0 else []
        terms += [((j, i), share * numbers.exact(Fraction(1) - Fraction(target)))] if target < 1 else []
    return terms


def _population(bandit, x, support, design, preferences, numbers) -> list[tuple[tuple[int, ...], Any]]:
    terms: list[tuple[tuple[int, ...], Any]] = []
    for p, i in enumerate(support):
        for q in range(p + 1, len(support)):
            j = support[q]
            weight = 1.0 if design is None else float(np.asarray(design)[x, i, j])
            if weight == 0.0:
                continue
            if preferences is None:
                gap = numbers.exact(Fraction(float(bandit.reward[x, j])) - Fraction(float(bandit.reward[x, i])))
                win, lose = 1 / (1 + numbers.exp(gap)), 1 / (1 + numbers.exp(-gap))
            else:
                win, lose = (numbers.exact(float(np.asarray(preferences)[x, a, b])) for a, b in ((i, j), (j, i)))
            terms += [((p, q), numbers.exact(weight) * win), ((q, p), numbers.exact(weight) * lose)]
    return terms


def _enclose(terms, derivatives: Derivatives, start, log_ref, digits, numbers) -> tuple[list[Any] | None, str]:
    """Balls around log pi on the support of one context, or the reason why there are none."""
    refs = [numbers.exact(float(v)) for v in log_ref]
    n = len(refs)
    if n == 1:
        return [numbers.exact(0)], ""
    logits = [numbers.exact(float(v) - float(start[-1])) for v in start]
    scale = Fraction(1, 10 ** (digits + 8))
    inverse = None
    for _ in range(MAX_STEPS):
        gradient, hessian = _gradient_hessian(terms, derivatives, logits, refs, numbers)
        reduced = np.array([[_float(numbers, h) for h in row[:-1]] for row in hessian[:-1]])
        try:
            inverse = np.linalg.inv(reduced)
        except np.linalg.LinAlgError:
            return None, "the Hessian is singular: the compared pairs do not determine the policy, or there is no minimiser"
        step = _times(inverse, [numbers.middle(g) for g in gradient[:-1]], numbers)
        logits = [numbers.middle(v - s) for v, s in zip(logits, [*step, numbers.exact(0)], strict=True)]
        if not np.isfinite(inverse).all():
            return None, "the Hessian is singular to working precision"
        if all(numbers.bounds(numbers.magnitude(s))[1] < scale for s in step):
            break
    else:
        return None, "Newton's method did not settle: start nearer to a minimiser"
    radius = numbers.exact(Fraction(1, 10 ** (digits + 4)))
    box = [v + numbers.around(radius) for v in logits[:-1]] + [logits[-1]]
    gradient, _ = _gradient_hessian(terms, derivatives, logits, refs, numbers)
    _, hessian = _gradient_hessian(terms, derivatives, box, refs, numbers)
    moved = _times(inverse, gradient[:-1], numbers)
    columns = [_times(inverse, [row[m] for row in hessian[:-1]], numbers) for m in range(n - 1)]
    contracted = [sum((((k == m) - columns[m][k]) * numbers.around(radius) for m in range(n - 1)), -moved[k]) for k in range(n - 1)]
    if not all(bool(numbers.magnitude(part) < radius) for part in contracted):
        return None, "Krawczyk's test did not contract: the minimiser is too flat for these digits"
    if not _positive_definite([row[:-1] for row in hessian[:-1]]):
        return None, "a stationary point is enclosed, but it is not a strict minimum"
    tight = [v + part for v, part in zip(logits[:-1], contracted, strict=True)] + [logits[-1]]
    return _log_softmax(tight, numbers), ""


def _gradient_hessian(terms, derivatives, logits, refs, numbers) -> tuple[list[Any], list[list[Any]]]:
    """Derivatives in the logits of sum weight * loss(log softmax(logits)), in balls."""
    n = len(logits)
    zero = numbers.exact(0)
    log_policy = _log_softmax(logits, numbers)
    policy = [numbers.exp(v) for v in log_policy]
    slope = [zero] * n
    curve = [[zero] * n for _ in range(n)]
    for places, weight in terms:
        first, second = derivatives.evaluate([log_policy[p] for p in places], [refs[p] for p in places], numbers)
        for i, p in enumerate(places):
            slope[p] += weight * first[i]
            for offset, value in enumerate(second[i]):
                q = places[i + offset]
                curve[p][q] += weight * value
                if offset:
                    curve[q][p] += weight * value
    mass = sum(slope, zero)
    gradient = [slope[k] - mass * policy[k] for k in range(n)]
    sums = [sum(curve[k], zero) for k in range(n)]
    whole = sum(sums, zero)
    hessian = [
        [
            curve[k][m] - sums[k] * policy[m] - policy[k] * sums[m] + (whole + mass) * policy[k] * policy[m]
            for m in range(n)
        ]
        for k in range(n)
    ]  # fmt: skip
    for k in range(n):
        hessian[k][k] -= mass * policy[k]
    return gradient, hessian


def _log_softmax(logits, numbers) -> list[Any]:
    top = numbers.exact(max(numbers.bounds(numbers.middle(v))[0] for v in logits))
    log_z = numbers.log(sum((numbers.exp(v - top) for v in logits), numbers.exact(0))) + top
    return [v - log_z for v in logits]


def _times(matrix: Array, vector: list[Any], numbers: Any) -> list[Any]:
    """A matrix of doubles, taken as exact, times a vector of balls."""
    exact = [[numbers.exact(float(v)) for v in row] for row in matrix]
    return [sum((a * b for a, b in zip(row, vector, strict=True)), numbers.exact(0)) for row in exact]


def _positive_definite(rows: list[list[Any]]) -> bool:
    """Every pivot of the interval Cholesky factorisation is certainly positive."""
    rows = [list(row) for row in rows]
    for k in range(len(rows)):
        if not bool(rows[k][k] > 0):
            return False
        for i in range(k + 1, len(rows)):
            factor = rows[i][k] / rows[k][k]
            for j in range(k, len(rows)):
                rows[i][j] = rows[i][j] - factor * rows[k][j]
    return True


def _float(numbers, x) -> float:
    low, high = numbers.bounds(numbers.middle(x))
    return float((low + high) / 2)


def _down(value: Fraction) -> float:
    near = float(value)
    return near if Fraction(near) <= value else float(np.nextafter(near, -np.inf))


def _up(value: Fraction) -> float:
    near = float(value)
    return near if Fraction(near) >= value else float(np.nextafter(near, np.inf))


def _decimal(bounds: tuple[Fraction, Fraction], digits: int) -> str:
    """The midpoint with so many significant digits."""
    from decimal import Context, Decimal

    middle = (bounds[0] + bounds[1]) / 2
    return str(Context(prec=digits).divide(Decimal(middle.numerator), Decimal(middle.denominator)))
