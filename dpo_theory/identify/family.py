"""The library's losses as families: which numbers may be fitted, in which range, and which conventions there are.

Everything is read from the dataclass: annotations and defaults say what a field is, the constructor says what it refuses.
"""

from __future__ import annotations

import dataclasses
import itertools
import typing
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from dpo_theory.identify.samples import PLAIN, sample

__all__ = ["Family", "Number", "families", "signature"]

PROBES = (-1.0, 0.0, 0.3, 0.7, 2.0)


@dataclass(frozen=True)
class Number:
    """A field that holds a number.

    Args:
        name: the field's.
        kind: `any`, `positive` (or >= 0), `unit` for (0, 1), `half` for (0, 1/2).
        default: the field's default.
    """

    name: str
    kind: str
    default: float

    def starts(self) -> tuple[float, ...]:
        """Where a search begins."""
        grid = {"positive": (0.02, 0.1, 0.5, 2.0, 8.0), "unit": (0.15, 0.5, 0.85), "half": (0.05, 0.2, 0.4), "any": (-1.0, 0.0, 0.5, 2.0)}
        return tuple(dict.fromkeys((*grid[self.kind], self.default)))

    def inside(self, free: float) -> float:
        """The value for an unbounded coordinate."""
        if self.kind == "positive":
            return float(np.exp(np.clip(free, -30, 30)))
        top = {"unit": 1.0, "half": 0.5}.get(self.kind)
        return float(free) if top is None else float(top / (1 + np.exp(-np.clip(free, -35, 35))))

    def free(self, value: float) -> float:
        """The unbounded coordinate of a value."""
        if self.kind == "positive":
            return float(np.log(max(value, 1e-12)))
        top = {"unit": 1.0, "half": 0.5}.get(self.kind)
        if top is None:
            return float(value)
        return float(np.log(max(value, 1e-12) / max(top - value, 1e-12)))

    def limiting(self, value: float) -> bool:
        """At the edge of its range, where a family turns into another: not a name."""
        if self.kind == "positive":
            return not 1e-4 < value < 1e4
        top = {"unit": 1.0, "half": 0.5}.get(self.kind)
        return abs(value) > 1e4 if top is None else not 1e-4 < value < top - 1e-4


@dataclass(frozen=True, eq=False)
class Family:
    """One loss of the library with its conventions chosen.

    Args:
        name: the class.
        make: options -> loss.
        takes: its record.
        numbers: the fields that are fitted.
        chosen: the conventions, each a field and its value.
        fields: how many fields the class has.
    """

    name: str
    make: Callable[..., Any]
    takes: type
    numbers: tuple[Number, ...]
    chosen: tuple[tuple[str, Any], ...]
    fields: int

    def loss(self, values: tuple[float, ...]) -> Any:
        """The loss with these numbers."""
        return self.make(**dict(self.chosen), **{n.name: v for n, v in zip(self.numbers, values, strict=True)})

    def typical(self) -> tuple[float, ...]:
        """Numbers inside every range, none of them 0, none at an edge."""
        middle = {"positive": 0.37, "unit": 0.37, "half": 0.21, "any": 0.41}
        return tuple(middle[n.kind] for n in self.numbers)

    def scaled(self) -> bool:
        """It has a number that can absorb a scale of the log-ratios."""
        return any(n.name in ("beta", "tau") for n in self.numbers)


@lru_cache(maxsize=1)
def families() -> tuple[Family, ...]:
    """Every family of the registry, in its order."""
    from dpo_theory import losses

    found: list[Family] = []
    for name in losses.__all__:
        found += of_class(getattr(losses, name))
    return tuple(found)


def of_class(kind: Any) -> list[Family]:
    """The families of one loss class, or none for what is no loss."""
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind) and hasattr(kind, "takes")):
        return []
    hints = typing.get_type_hints(kind)
    fields = [f for f in dataclasses.fields(kind) if f.init]
    numbers, choices = [], []
    for f in fields:
        default = _default(f)
        literal = _literals(hints.get(f.name))
        if literal:
            choices.append([(f.name, value) for value in literal])
        elif isinstance(default, float) or (isinstance(default, int) and not isinstance(default, bool) and hints.get(f.name) is float):
            numbers.append((f.name, float(default)))
        elif hints.get(f.name) is bool or isinstance(default, bool):
            choices.append([(f.name, False), (f.name, True)])
        elif default is None or isinstance(default, int):
            choices.append([(f.name, value) for value in _accepted(kind, f.name, (default, 1, 2, 3))])
    made = []
    for chosen in itertools.product(*choices):
        kinds = [Number(n, _kind(kind, dict(chosen), n), default) for n, default in numbers]
        family = Family(kind.__name__, kind, kind.takes, tuple(kinds), chosen, len(fields))
        if _constructs(family):
            made.append(dataclasses.replace(family, numbers=tuple(n for n in kinds if not _inert(family, n))))
    return made


def signature(values: Callable[[Any], np.ndarray], takes: type, tolerance: float = 1e-9) -> dict[str, bool]:
    """What a loss is unmoved by, in numbers: each is kept by scales, constants and affine margins.

    Args:
        values: record -> losses.
        takes: the record.
        tolerance: relative.
    """
    batch = sample(takes, 24, 3)
    before = values(batch)
    names = batch._fields
    moves: dict[str, dict[str, Any]] = {}
    if "policy_chosen" in names:
        a, b, c, d = batch[:4]
        moves = {
            "ignores the reference": {"ref_chosen": c - 0.5, "ref_rejected": d - 0.25},
            "ignores lengths": {"chosen_tokens": batch.chosen_tokens + 2, "rejected_tokens": batch.rejected_tokens + 1},
            "shift-invariant": {"policy_chosen": a - 0.5, "policy_rejected": b - 0.5},
            "log-ratio only": {"policy_chosen": a - 0.5, "ref_chosen": c - 0.5, "policy_rejected": b - 0.25, "ref_rejected": d - 0.25},
        }
        moves["margin only"] = {
            "policy_chosen": a - c + d - b - 200.0,
            "policy_rejected": 0 * b - 200.0,
            "ref_chosen": 0 * c,
            "ref_rejected": 0 * d,
        }
        moves["margin only"] |= {name: _moved(getattr(batch, name)) for name in names[len(PLAIN) :] if getattr(batch, name) is not None}
        moves |= {
            f"ignores {name}": {name: _moved(getattr(batch, name))} for name in names[len(PLAIN) :] if getattr(batch, name) is not None
        }
    else:
        moves = {f"ignores {name}": {name: _moved(getattr(batch, name))} for name in names}
    found = {}
    for name, moved in moves.items():
        try:
            after = values(batch._replace(**moved))
        except Exception:
            found[name] = False
            continue
        error = np.abs(after - before) / (1 + np.abs(before))
        found[name] = bool(np.isfinite(after).all() and error.max() <= 1e3 * tolerance)
    return found


def _moved(column: np.ndarray) -> np.ndarray:
    return ~column if column.dtype == bool else column * 0.5


def _inert(family: Family, number: Number) -> bool:
    """A guard that does nothing near its default, such as a ceiling, or a factor of the whole loss: it keeps its default."""
    from dpo_theory.identify.box import Box, LossFailed

    at = {n.name: n.default for n in family.numbers}
    moved = at | {number.name: number.default * 0.9 + (number.default == 0)}
    batch = sample(family.takes, 20, 4)
    tried = []
    for plain in (True, False):
        try:
            losses = (family.loss(tuple(v.values())) for v in (at, moved))
            before, after = (Box("", family.takes, loss, None, plain, False, "none").values(batch) for loss in losses)
        except LossFailed:
            continue
        tried.append(np.array_equal(before, after) or _proportional(before, after))
    return bool(tried) and all(tried)


def _proportional(before: np.ndarray, after: np.ndarray) -> bool:
    """It scales the whole loss, which is fitted anyway."""
    usable = np.abs(before) > 1e-12
    ratio = after[usable] / before[usable]
    return bool(
        len(ratio) > 1 and np.isfinite(ratio).all() and np.ptp(ratio) < 1e-12 * np.abs(ratio).max() and np.allclose(after[~usable], 0)
    )


def _default(f: Any) -> Any:
    if f.default is not dataclasses.MISSING:
        return f.default
    return f.default_factory() if f.default_factory is not dataclasses.MISSING else 1.0


def _literals(hint: Any) -> tuple[Any, ...]:
    if typing.get_origin(hint) is typing.Literal:
        return typing.get_args(hint)
    return ()


def _accepted(kind: Any, name: str, values: tuple[Any, ...]) -> list[Any]:
    found = []
    for value in dict.fromkeys(values):
        try:
            kind(**{name: value})
        except (ValueError, TypeError):
            continue
        found.append(value)
    return found


def _kind(kind: Any, chosen: dict[str, Any], name: str) -> str:
    def takes(value: float) -> bool:
        try:
            kind(**chosen, **{name: value})
        except (ValueError, TypeError):
            return False
        return True

    negative, _, low, high, large = map(takes, PROBES)
    if negative and large:
        return "any"
    if large:
        return "positive"
    return "unit" if high else "half" if low else "positive"


def _constructs(family: Family) -> bool:
    try:
        family.loss(family.typical())
    except (ValueError, TypeError):
        return False
    return True
