"""A loss read as an expression, with the replay that vouches for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from bandits.data import PairLogProbs
from dpo_theory.reading.numpy_trace import Traced, UnknownOperation
from dpo_theory.reading.torch_trace import Detached, trace

__all__ = ["FIELDS", "Detached", "Reading", "read"]

FIELDS = ("policy_chosen", "policy_rejected", "ref_chosen", "ref_rejected")
POINTS = 60
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Reading:
    """What a loss computes for one pair.

    Args:
        expression: in `symbols`; None where the loss is opaque.
        symbols: one for each field.
        fields: the fields of PairLogProbs that were supplied.
        route: `sympy`, `numpy` or `torch`.
        opaque: why there is no expression; empty where there is one.
        residual: worst relative difference of the replay.
        points: how many points were replayed.
    """

    expression: Any
    symbols: tuple[Any, ...]
    fields: tuple[str, ...]
    route: str = ""
    opaque: str = ""
    residual: float = 0.0
    points: int = 0


def read(loss: Callable[[PairLogProbs], Any], fields: Sequence[str] = FIELDS, *, seed: int = 0) -> Reading:
    """Read a loss as an expression and replay it.

    Args:
        loss: PairLogProbs -> (N,), or a scalar for one pair.
        fields: which fields of PairLogProbs to supply; token counts are positive, targets lie in (0, 1).
        seed: the seed of the points that are replayed.

    Returns:
        A Reading; opaque with the reason where no route gives an expression that the replay confirms.

    >>> from dpo_theory.losses.dpo import DPO
    >>> reading = read(DPO(beta=0.5))
    >>> reading.route, reading.expression
    ('sympy', log(exp(-0.5*a + 0.5*b + 0.5*c - 0.5*d) + 1))
    """
    fields = tuple(fields)
    symbols = tuple(_symbol(field) for field in fields)
    points = _points(fields, np.random.default_rng(seed))
    reasons = []
    for route, attempt in (("sympy", _on_sympy), ("numpy", _on_numpy), ("torch", _on_torch)):
        try:
            expression = attempt(loss, fields, symbols, points[0])
            residual = _replay(expression, loss, fields, symbols, points, route)
        except UnknownOperation as error:
            reasons.append(f"{route}: {error}")
        except Exception as error:  # a foreign callable may raise anything on symbols
            reasons.append(f"{route}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
        else:
            return Reading(expression, symbols, fields, route, "", residual, len(points))
    return Reading(None, symbols, fields, opaque="; ".join(reasons))


def _symbol(field: str) -> Any:
    letters = dict(zip(FIELDS, "abcd", strict=True))
    positive = field.endswith("tokens") or field == "target"
    return sp.Symbol(letters.get(field, field), real=True, positive=True if positive else None)


def _points(fields: Sequence[str], rng: np.random.Generator) -> list[list[float]]:
    """Log-probabilities with margins of both signs, small and large; a few near the reference."""
    points = []
    for number in range(POINTS):
        width = (0.05, 0.7, 3.0, 9.0, 40.0)[number % 5]
        base = -rng.exponential(4.0) - 1e-3
        drawn = {field: base - abs(rng.normal(scale=width)) for field in FIELDS}
        for field in fields:
            if field.endswith("tokens"):
                drawn[field] = float(rng.integers(1, 12))
            elif field == "target":
                drawn[field] = float(rng.uniform(0.05, 0.95))
            elif field not in drawn:
                drawn[field] = float(rng.normal())
        points.append([float(drawn[field]) for field in fields])
    return points


def _pairs(fields: Sequence[str], values: Sequence[Any]) -> PairLogProbs:
    given = dict(zip(fields, values, strict=True))
    return PairLogProbs(**{field: given.pop(field, None) for field in FIELDS}, **given)


def _scalar(value: Any) -> Any:
    if isinstance(value, tuple | list) and not isinstance(value, PairLogProbs):
        value = value[0]
    return value


def _on_sympy(loss: Any, fields: Any, symbols: Any, _: Any) -> Any:
    value = _scalar(loss(_pairs(fields, symbols)))
    if isinstance(value, np.ndarray):
        value = value.reshape(-1)[0] if value.size == 1 else value
    if not isinstance(value, sp.Expr):
        raise UnknownOperation(f"symbols give a {type(value).__name__}")
    return value


def _on_numpy(loss: Any, fields: Any, symbols: Any, _: Any) -> Any:
    value = _scalar(loss(_pairs(fields, [Traced(np.array([symbol], dtype=object)) for symbol in symbols])))
    if not isinstance(value, Traced) or value.entries.size != 1:
        raise UnknownOperation(f"one pair gives a {type(value).__name__}")
    return value.entries.reshape(-1)[0]


def _on_torch(loss: Any, fields: Any, symbols: Any, example: Any) -> Any:
    return trace(lambda *tensors: _scalar(loss(_pairs(fields, tensors))), symbols, example)


def _replay(expression: Any, loss: Any, fields: Any, symbols: Any, points: Any, route: str) -> float:
    stray = expression.free_symbols - set(symbols)
    if stray:
        raise UnknownOperation(f"the expression holds unknown symbols {stray}")
    import mpmath as mp

    plain = expression.replace(Detached, lambda x: x)
    slopes = [sp.diff(expression, symbol).replace(Detached, lambda x: x) for symbol in symbols[:2]]
    modules = ["mpmath"]
    value_of = sp.lambdify(symbols, plain, modules)
    slopes_of = sp.lambdify(symbols, slopes, modules)
    signs = [sp.lambdify(symbols, switch, modules) for switch in _switches(plain)]
    seen: list[set[bool]] = [set() for _ in signs]
    worst = 0.0
    with mp.workdps(40):
        for point in points:
            exact = [mp.mpf(v) for v in point]
            for where, sign in zip(seen, signs, strict=True):
                where.add(bool(sign(*exact) > 0))
            got, slope = _eager(loss, fields, point)
            expected = [float(value_of(*exact)), *(float(s) for s in slopes_of(*exact))]
            measured = [got, *slope] if slope else [got]
            for m, e in zip(measured, expected, strict=False):
                worst = max(worst, abs(m - e) / max(1.0, abs(e)))
            if not worst <= TOLERANCE:
                what = "value" if abs(measured[0] - expected[0]) > TOLERANCE * max(1.0, abs(expected[0])) else "gradient"
                raise UnknownOperation(f"the {what} of the trace differs from the eager function by {worst:.2g} at {point}")
    if any(len(where) < 2 for where in seen):
        raise UnknownOperation("a branch was never taken by the points that were replayed")
    return worst


def _switches(expression: Any) -> list[Any]:
    """Expressions whose sign chooses a branch."""
    found = [e.args[0] for e in expression.atoms(sp.Abs)]
    found += [e.args[0] - other for e in expression.atoms(sp.Max, sp.Min) for other in e.args[1:]]
    found += [e.lhs - e.rhs for e in expression.atoms(sp.core.relational.Relational)]
    return [e for e in found if e.free_symbols]


def _eager(loss: Any, fields: Any, point: Any) -> tuple[float, list[float]]:
    """Value and gradient in the policy's log-probabilities of the function as it is, in float64."""
    import sys

    error: Exception | None = None
    if "torch" in sys.modules:
        import torch

        tensors = [torch.tensor([v], dtype=torch.float64, requires_grad=i < 2) for i, v in enumerate(point)]
        try:
            value = _scalar(loss(_pairs(fields, tensors)))
            if isinstance(value, torch.Tensor):
                value = value.sum()
                if not value.requires_grad:
                    return float(value), [0.0, 0.0]
                slope = torch.autograd.grad(value, tensors[:2], allow_unused=True)
                return float(value.detach()), [0.0 if s is None else float(s) for s in slope]
        except Exception as raised:  # it may be a NumPy function
            error = raised
    try:
        return float(np.asarray(_scalar(loss(_pairs(fields, [np.array([v]) for v in point])))).reshape(-1)[0]), []
    except Exception:
        if error is not None:
            raise error from None
        raise
