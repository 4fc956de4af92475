"""How two losses differ: not at all, by a scale, by a convention that has a name, or on the smallest pair that shows it."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bandits.data import PairLogProbs
from dpo_theory.checks.witness import pair_text
from dpo_theory.evidence import Counterexample, Verdict
from dpo_theory.identify import explain
from dpo_theory.identify.box import GROUP, Box, LossFailed, box
from dpo_theory.identify.conventions import AS_IT_IS, CONVENTIONS, Convention, moved, moved_per_token
from dpo_theory.identify.family import Number
from dpo_theory.identify.fit import fitted, line, weights
from dpo_theory.identify.prove import proved
from dpo_theory.identify.record import Comparison, affine
from dpo_theory.identify.samples import PLAIN, ladder, sample, take
from dpo_theory.identify.short import short
from dpo_theory.identify.witness import smallest

__all__ = ["compare"]

FITTED, TESTED = 60, 200
SHIFT, STRETCH = Number("shift", "any", 0.0), Number("stretch", "positive", 1.0)


@dataclass(frozen=True)
class Way:
    """a(pairs) = scale * b(changed pairs) + constant."""

    convention: Convention
    shift: float = 0.0
    stretch: float = 1.0
    per_token: bool = False
    scale: float = 1.0
    constant: float = 0.0
    residual: float = float("inf")

    @property
    def changes(self) -> int:
        """How many things differ."""
        affine_margin = (self.shift != 0) + (self.stretch != 1)
        return (self.convention is not AS_IT_IS) + affine_margin + (self.scale != 1) + (self.constant != 0)

    def of(self, pairs: Any) -> Any:
        """Pairs as b is to see them."""
        seen = self.convention.of(pairs)
        if (self.shift, self.stretch) == (0.0, 1.0):
            return seen
        return (moved_per_token if self.per_token else moved)(seen, self.shift, self.stretch)


def compare(a: Any, b: Any, *, style: str | None = None) -> Comparison:
    """How two losses differ, in values and gradients.

    Args:
        a, b: callables in any shape that `check_loss` takes, or boxes that were made of them.
        style: how they are called, where that is unclear.

    Returns:
        A Comparison: `identical`, `equal up to scale`, `a different convention` that is named, or `different` with the smallest
        witness. PROVED where both are read and the difference is 0 as an expression, else HOLDS with the worst residual.

    Raises:
        ValueError: one is no loss, or they take different records.

    >>> from dpo_theory.losses.dpo import DPO
    >>> compare(DPO(beta=0.1), DPO(beta=0.5)).formula
    'B at 0.2 * margin'
    """
    began = time.perf_counter()
    left, right = (side if hasattr(side, "reduction") else box(side, style=style) for side in (a, b))
    if left.takes is not right.takes:
        raise ValueError(f"A takes {left.takes.__name__}, B takes {right.takes.__name__}: no batch can be given to both.")
    if left.coupled != right.coupled:
        left, right = (_grouped(side) for side in (left, right))
    whole = _finite_batch(left, right)
    tolerance = max(left.tolerance, right.tolerance)
    found = smallest(left.values, right.values, left.takes, tolerance, _group(left))
    if found is None and _distance(left.values(whole), right.values(whole)) <= tolerance:
        return _same_value(left, right, whole, tolerance, began)
    way = _way(left, right, tolerance)
    if way is None and (back := _way(right, left, tolerance, conventions_only=True)) is not None:
        return _related(right, left, back, _witness(left, right, found or _worst(left, right, whole)), began, turned=True)
    witness = _witness(left, right, found or _worst(left, right, whole))
    if way is None:
        off = _distance(left.values(whole), right.values(whole))
        return Comparison(
            left.name, right.name, "different", "", "", Verdict.REFUTED, off, len(whole[0]),
            "no scale, constant, or convention that is known makes them equal", witness, time.perf_counter() - began,
        )  # fmt: skip
    return _related(left, right, way, witness, began)


def _same_value(left: Any, right: Any, whole: Any, tolerance: float, began: float) -> Comparison:
    residual = _distance(left.values(whole), right.values(whole))
    if left.gradients is not None and right.gradients is not None and not left.coupled:
        try:
            slopes = [side.gradients(whole) for side in (left, right)]
        except LossFailed as error:
            slopes = []
            how = f"equal values; a gradient is missing: {error}"
        if slopes and _distance(*slopes) > max(1e-6, 100 * tolerance):
            for batch in (ladder(left.takes), whole):
                slopes = [side.gradients(batch) for side in (left, right)]
                apart = np.abs(slopes[0] - slopes[1]).max(axis=-1) > max(1e-6, 100 * tolerance)
                if apart.any():
                    break
            k = int(np.flatnonzero(apart)[0])
            rows = take(batch, slice(k, k + 1))
            said = [f"gradient {np.array2string(s[k], precision=8)}" for s in slopes]
            shown = Counterexample(_shown(left, rows), said[1], said[0], "the values are equal, the gradients are not: look for a detach")
            how = "the values are equal, the gradients are not"
            seconds = time.perf_counter() - began
            return Comparison(left.name, right.name, "different", "", "", Verdict.REFUTED, residual, len(whole[0]), how, shown, seconds)
        if slopes:
            how = f"equal values and gradients on {len(whole[0])} rows"
    else:
        how = f"equal values on {len(whole[0])} rows"
    verdict = Verdict.HOLDS
    if left.expression is not None and right.expression is not None:
        verdict, why = proved(left, right.call, AS_IT_IS, 1.0, 0.0, 0.0, 1.0)
        how = why if verdict is Verdict.PROVED else how
    note = "" if left.reduction == right.reduction else f"A returns {_returns(left)}, B {_returns(right)}; per pair they are equal"
    seconds = time.perf_counter() - began
    return Comparison(left.name, right.name, "identical", note, "B", verdict, residual, len(whole[0]), how, None, seconds)


def _related(left: Any, right: Any, way: Way, witness: Counterexample | None, began: float, *, turned: bool = False) -> Comparison:
    """The report of left = scale * right(changed pairs) + constant; `turned`: left is B and right is A."""
    names = {"a": "B", "b": "A"} if turned else {"a": "A", "b": "B"}
    plain = way.convention is AS_IT_IS and (way.shift, way.stretch) == (0.0, 1.0)
    words = [way.convention.said.format(**names)] if way.convention is not AS_IT_IS else []
    words += explain.affine_margin(left.options, right.options, way.shift, way.stretch, way.per_token)
    if way.scale != 1:
        words.append(f"a scale {way.scale:.12g}")
    if way.constant:
        words.append(f"an additive constant {way.constant:.12g}, which no gradient sees")
    relation = "equal up to scale" if plain and way.scale != 1 else "a different convention"
    verdict, how = Verdict.HOLDS, f"measured on {TESTED} rows that were not fitted"
    if left.expression is not None and not way.per_token and right.takes is PairLogProbs and right.call is not None:
        verdict, said = proved(left, right.call, way.convention, way.scale, way.constant, way.shift, way.stretch)
        how = said if verdict is Verdict.PROVED else how
    of = names["b"] if (way.shift, way.stretch) == (0.0, 1.0) else f"{names['b']} at {affine(way.stretch, 'margin', way.shift)}"
    of += "" if way.convention is AS_IT_IS else f" ({way.convention.name})"
    formula = ("B = " if turned else "") + affine(way.scale, of, way.constant)
    a, b = (right, left) if turned else (left, right)
    return Comparison(
        a.name, b.name, relation, "; ".join(words), formula, verdict, way.residual, TESTED, how,
        witness, time.perf_counter() - began,
    )  # fmt: skip


def _way(left: Any, right: Any, tolerance: float, *, conventions_only: bool = False) -> Way | None:
    """The simplest way that stands on rows that were not fitted: the fewest changes, of those the first in this order."""
    pairs = left.takes is PairLogProbs and not left.coupled
    conventions = (CONVENTIONS[1:] if conventions_only else CONVENTIONS) if pairs else () if conventions_only else (AS_IT_IS,)
    extras: list[tuple[tuple[Number, ...], bool]] = [((), False)]
    if pairs:
        extras += [((STRETCH,), False), ((SHIFT,), False), ((SHIFT,), True), ((SHIFT, STRETCH), False), ((SHIFT, STRETCH), True)]
    stands: list[Way] = []
    for (numbers, per_token), convention in itertools.product(extras, conventions):
        if stands and len(numbers) + (convention is not AS_IT_IS) >= min(way.changes for way in stands):
            continue
        way = _stands(left, right, convention, numbers, per_token, tolerance)
        stands += [] if way is None else [way]
    return min(stands, key=lambda way: way.changes, default=None)


def _stands(left: Any, right: Any, convention: Convention, numbers: tuple[Number, ...], per_token: bool, tolerance: float) -> Way | None:
    """The way with its numbers fitted, where it stands on other rows."""

    def way(values: Any) -> Way:
        given = dict(zip((n.name for n in numbers), map(float, values), strict=True))
        return Way(convention, given.get("shift", 0.0), given.get("stretch", 1.0), per_token)

    def on(n: int, seed: int) -> tuple[np.ndarray, Callable[[Any], np.ndarray]]:
        batch = sample(left.takes, n, seed)
        with np.errstate(all="ignore"):
            y = np.asarray(left.values(batch))
        rows = np.isfinite(y)
        return y[rows], lambda values: right.values(way(values).of(batch))[rows]

    y, evaluate = on(FITTED, 0)
    try:
        found = fitted(evaluate, numbers, y)
    except LossFailed:
        return None
    if found.residual > 1e3 * tolerance:
        return None
    kept, evaluate = on(TESTED, 1)
    return _tested(way, found.numbers, evaluate, kept, tolerance)


def _tested(way: Callable[[Any], Way], numbers: Any, evaluate: Callable[[Any], np.ndarray], y: np.ndarray, tolerance: float) -> Way | None:
    w = weights(y)
    for digits in (3, 6, 9, 17):
        values = tuple(short(v, digits) for v in numbers)
        try:
            c = evaluate(values)
        except (ValueError, LossFailed):
            continue
        scale, constant, _ = line(c, y, w)
        for fine, coarse in itertools.product((3, 6, 9, 17), repeat=2):
            s, k = short(scale, fine), short(constant, coarse) if abs(constant) > 1e-8 * max(1.0, abs(scale)) else 0.0
            residual = float(np.max(w * np.abs(s * c + k - y)))
            if residual <= tolerance and 1e-6 < abs(s) < 1e6:
                return dataclasses.replace(way(values), scale=s, constant=k, residual=residual)
    return None


def _finite_batch(left: Any, right: Any) -> Any:
    batch = sample(left.takes, TESTED, 1)
    if left.coupled:
        return batch
    with np.errstate(all="ignore"):
        good = np.isfinite(left.values(batch)) & np.isfinite(right.values(batch))
    if not good.any():
        raise ValueError(f"{left.name} and {right.name} are finite on none of {TESTED} rows together.")
    return take(batch, good)


def _distance(left: np.ndarray, right: np.ndarray) -> float:
    error = np.abs(left - right) / np.maximum(1.0, np.maximum(np.abs(left), np.abs(right)))
    return float(np.max(np.where(left == right, 0.0, np.where(np.isnan(error), np.inf, error))))


def _worst(left: Any, right: Any, batch: Any) -> tuple[Any, float, float] | None:
    if left.coupled:
        return None
    a, b = left.values(batch), right.values(batch)
    k = int(np.argmax(np.abs(a - b) / np.maximum(1.0, np.abs(b))))
    return take(batch, slice(k, k + 1)), float(a[k]), float(b[k])


def _witness(left: Any, right: Any, found: tuple[Any, float, float] | None) -> Counterexample | None:
    if found is None:
        return None
    rows, a, b = found
    shown = _shown(left, rows)
    lines = ["import numpy as np", f"from bandits.data import {left.takes.__name__}"]
    lines += [*_rebuilt(left, "A"), *_rebuilt(right, "B")]
    text = _columns(rows if not left.plain or not right.plain else _plain(rows))
    tensors = any(getattr(side.subject, "backend", "numpy") == "torch" for side in (left, right))
    lines += [f"pairs = {left.takes.__name__}({text})"]
    if tensors:
        lines[0] += ", torch"
        lines += ["pairs = type(pairs)(*(None if c is None else torch.tensor(c) for c in pairs))"]
    lines += [f"print({_called(left, 'A')}, {_called(right, 'B')})"]
    return Counterexample(
        shown, f"B = {b:.12g}", f"A = {a:.12g}", "the simplest rows that were tried on which they differ", "\n".join(dict.fromkeys(lines))
    )


def _shown(side: Any, rows: Any) -> str:
    return pair_text(_plain(rows) if side.plain else rows) if isinstance(rows, PairLogProbs) else repr(rows)


def _plain(rows: Any) -> Any:
    return rows._replace(**dict.fromkeys(rows._fields[len(PLAIN) :])) if isinstance(rows, PairLogProbs) else rows


def _columns(rows: Any) -> str:
    return ", ".join(f"{name}=np.array({np.asarray(column).tolist()})" for name, column in rows._asdict().items() if column is not None)


def _rebuilt(side: Any, letter: str) -> list[str]:
    loss = getattr(side.subject, "loss", side.call)
    if dataclasses.is_dataclass(loss) and type(loss).__module__.startswith("dpo_theory.losses"):
        return [f"from {type(loss).__module__} import {type(loss).__name__}", f"{letter} = {loss!r}"]
    module, name = getattr(loss, "__module__", None), getattr(loss, "__qualname__", None)
    if module and name and "<" not in name and module not in ("__main__", "builtins"):
        return [f"from {module} import {name.split('.')[0]} as {letter}"]
    return [f"{letter} = ...  # {side.name}"]


def _called(side: Any, letter: str) -> str:
    style = getattr(side.subject, "style", "pairs")
    return f"{letter}({ {'pairs': 'pairs', 'logps': '*pairs[:4]', 'logps-no-reference': '*pairs[:2]'}[style] })".replace("( ", "(").replace(
        " )", ")"
    )


def _returns(side: Any) -> str:
    return {"none": "one loss per pair", "mean": "the mean", "sum": "the sum"}[side.reduction]


def _group(side: Any) -> int:
    return GROUP if side.coupled else 1


def _grouped(side: Box) -> Box:
    return dataclasses.replace(side, coupled=True)
