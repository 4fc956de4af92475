"""What is known about a loss before its fingerprint is taken: its expression where it has one, and how to evaluate it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from bandits.data import PairLogProbs
from dpo_theory.reading import Detached, Reading, read
from dpo_theory.rigor.sign import decimal

__all__ = ["LENGTHS", "Known", "known_of", "margin_form"]

LENGTHS = ("chosen_tokens", "rejected_tokens")
FIELDS = PairLogProbs._fields[:4]


@dataclass(frozen=True, eq=False)
class Known:
    """A loss as the fingerprint sees it.

    Args:
        name: how it is shown.
        expression: for one pair, in `symbols` = (a, b, c, d) and perhaps two lengths; None where it is opaque.
        symbols: log pi_w, log pi_l, log ref_w, log ref_l, then the lengths.
        opaque: why there is no expression.
        values: PairLogProbs -> (N,).
        gradients: PairLogProbs -> (N, 2), in policy_chosen and policy_rejected.
        margin: (l, m) where the loss is known to be a function of one margin; found from the expression by default.
        batch_coupled: pairs of a batch see each other.
    """

    name: str
    expression: Any
    symbols: tuple[Any, ...]
    opaque: str
    values: Callable[[PairLogProbs], np.ndarray]
    gradients: Callable[[PairLogProbs], np.ndarray]
    margin: tuple[Any, Any] | None = None
    batch_coupled: bool = False


def known_of(loss: Callable[[PairLogProbs], Any], name: str | None = None) -> Known:
    """What can be known about a callable of PairLogProbs.

    Raises:
        ValueError: it is not callable, or cannot be evaluated on pairs.
    """
    if not callable(loss):
        raise ValueError(f"{loss!r} is not callable. Pass a function of PairLogProbs.")
    takes = getattr(loss, "takes", PairLogProbs)
    if takes is not PairLogProbs:
        raise ValueError(f"{loss!r} takes {takes.__name__}; a fingerprint is taken of pair losses.")
    try:
        _values(loss, PROBE)
    except Exception as error:
        said = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        raise ValueError(
            f"{loss!r} cannot be evaluated on PairLogProbs ({said}). "
            "Of a function of four log-probabilities take check_loss(loss).fingerprint, or pass lambda pairs: loss(*pairs[:4])."
        ) from None
    expression, symbols, opaque = expressed(read(loss), loss)
    shown = name or getattr(loss, "__name__", None) or repr(loss).partition("\n")[0]
    return Known(
        shown, expression, symbols, opaque, lambda pairs: _values(loss, pairs), lambda pairs: _gradients(loss, pairs),
        batch_coupled="batch-coupled" in getattr(loss, "has", ()),
    )  # fmt: skip


def expressed(reading: Reading, call: Callable[[PairLogProbs], Any]) -> tuple[Any, tuple[Any, ...], str]:
    """(expression, symbols, why opaque): the reading, or one with lengths; doubles are read as decimals.

    A value that autograd does not see makes a loss opaque: its gradient is not the derivative of its value.
    """
    if reading.expression is None:
        reading = read(call, (*FIELDS, *LENGTHS))
    if reading.expression is None:
        return None, reading.symbols, reading.opaque
    if reading.expression.has(Detached):
        plain = reading.expression.replace(Detached, lambda x: x)
        slopes = [sp.diff(reading.expression, s) - sp.diff(plain, s) for s in reading.symbols[:2]]
        if any(sp.simplify(slope.replace(Detached, lambda x: x)) != 0 for slope in slopes):
            return None, reading.symbols, "it detaches a value: its gradient is not the derivative of its value"
        return _named(decimal(plain)), reading.symbols, ""
    return _named(decimal(reading.expression)), reading.symbols, ""


def _named(expression: Any) -> Any:
    """A double that is the exponential or logarithm of a short number becomes that: 2.71828182845905 becomes e."""

    def name(number: Any) -> Any:
        power = sp.Rational(str(sp.exp(number).evalf(16))).limit_denominator(1000)
        if abs(number) < 20 and power > 0 and abs(float((sp.log(power) - number).evalf(30))) < 2e-14 * abs(number):
            return sp.log(power)
        if number < 0:
            return number
        exponent = sp.Rational(str(sp.log(number).evalf(13)))
        return sp.exp(exponent) if exponent.q <= 10**6 and abs(float((sp.exp(exponent) / number).evalf(30) - 1)) < 1e-14 else number

    return expression.replace(lambda e: e.is_Rational and e.q > 10**9, name)


def margin_form(known: Known) -> tuple[Any, Any, str] | None:
    """(l, m, what m is) where the loss is a function of one margin, by its expression; lengths are taken equal."""
    m = sp.Symbol("m", real=True)
    told = "m = log-ratio of chosen - log-ratio of rejected, nats"
    if known.margin is not None:
        return known.margin[0], known.margin[1], told
    expression = known.expression
    if expression is None or not _moves_with_the_margin(expression, known.symbols):
        return None
    a, b, c, d, *lengths = known.symbols
    if lengths and expression.has(*lengths):
        n = sp.Symbol("n", positive=True)
        expression = expression.subs(dict.fromkeys(lengths, n), simultaneous=True)
        if expression.has(n):
            expression = expression.subs({s: n * s for s in (a, b, c, d)}, simultaneous=True)
            expression = sp.expand(expression, log=False, power_base=False, power_exp=False, mul=True, multinomial=False)
            expression = expression.replace(lambda e: e.is_Mul and e.has(n), sp.cancel)
            if expression.has(n):
                return None
            told = "m = log-ratio per token of chosen - of rejected, nats, answers of equal length"
        else:
            told += ", answers of equal length"
    if not expression.has(c, d):
        told = told.replace("log-ratio", "log-probability")
    at = expression.subs({b: 0, c: 0, d: 0}, simultaneous=True).subs(a, m)
    over = a - b - c + d if expression.has(c, d) else a - b
    moved = at.subs(m, over)
    return (at, m, told) if _same(expression, moved, (a, b, c, d)) else None


def _moves_with_the_margin(expression: Any, symbols: tuple[Any, ...]) -> bool:
    """Adding one number to both log-probabilities of the policy changes nothing, in numbers: the quick way to say no."""
    compiled = sp.lambdify(symbols, expression, "numpy")
    points = np.random.default_rng(3).uniform(-3.0, -0.5, size=(16, 4)).T
    lengths = np.ones((len(symbols) - 4, 16))
    with np.errstate(all="ignore"):
        before, after = (
            np.asarray(compiled(*moved, *lengths), dtype=float) for moved in (points, points - np.array([[0.3], [0.3], [0], [0]]))
        )
    error = np.abs(before - after) / np.maximum(1.0, np.abs(before))
    return not bool((error[np.isfinite(error)] > 1e-8).any()) if error.ndim else bool(error <= 1e-8)


def _same(left: Any, right: Any, symbols: tuple[Any, ...]) -> bool:
    """Equal as expressions; numbers refute first, because they are quick."""
    if left == right:
        return True
    rng = np.random.default_rng(3)
    difference = left - right
    for _ in range(3):
        point = {s: sp.Rational(int(rng.integers(-30, -1)), 8) for s in symbols}
        gap = difference.subs(point).evalf(30)
        if gap.is_finite and abs(gap) > 1e-20:
            return False
    return bool(sp.expand(difference) == 0 or sp.simplify(difference) == 0)


PROBE = PairLogProbs(*np.array([[-1.0, -2.5], [-2.0, -1.5], [-1.5, -2.0], [-1.25, -2.75], [3.0, 2.0], [4.0, 2.0]]))


def _values(loss: Callable[..., Any], pairs: PairLogProbs) -> np.ndarray:
    try:
        value = loss(pairs)
    except Exception:
        value = loss(_tensors(pairs))
    value = value[0] if isinstance(value, tuple) else value
    array = np.asarray(value.detach() if hasattr(value, "detach") else value, dtype=float)
    if array.shape != np.shape(pairs.policy_chosen):
        raise ValueError(f"returned shape {array.shape} for {np.shape(pairs.policy_chosen)} pairs, expected one loss per pair")
    return array


def _gradients(loss: Callable[..., Any], pairs: PairLogProbs) -> np.ndarray:
    import torch

    seen = _tensors(pairs)
    columns = [seen[0].requires_grad_(True), seen[1].requires_grad_(True)]
    try:
        value = loss(seen)
        value = value[0] if isinstance(value, tuple) else value
        slopes = torch.autograd.grad(value.sum(), columns, allow_unused=True)
        return np.stack([np.zeros(len(seen[0])) if s is None else s.numpy() for s in slopes], axis=-1)
    except Exception:
        return np.stack([_quotient(loss, pairs, name) for name in FIELDS[:2]], axis=-1)


def _quotient(loss: Callable[..., Any], pairs: PairLogProbs, name: str) -> np.ndarray:
    """Central differences, extrapolated to the sixth order."""
    at = np.asarray(getattr(pairs, name), dtype=float)
    coarse, middle, fine = (
        (_values(loss, pairs._replace(**{name: at + h})) - _values(loss, pairs._replace(**{name: at - h}))) / (2 * h)
        for h in (2e-2, 1e-2, 5e-3)
    )
    rough, fine = (4 * middle - coarse) / 3, (4 * fine - middle) / 3
    return np.asarray((16 * fine - rough) / 15)


def _tensors(pairs: PairLogProbs) -> PairLogProbs:
    import torch

    return PairLogProbs(*(None if c is None else torch.tensor(np.asarray(c, dtype=float)) for c in pairs))
