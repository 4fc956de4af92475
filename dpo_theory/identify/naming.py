"""Name a loss: fit every family of the library, test the fit on other rows, prove it where both can be read."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from bandits.data import PairLogProbs
from dpo_theory.evidence import Verdict
from dpo_theory.identify.box import Box, LossFailed, box
from dpo_theory.identify.conventions import AS_IT_IS, CONVENTIONS, Convention, moved
from dpo_theory.identify.family import Family, Number, families, signature
from dpo_theory.identify.fit import Fit, fitted, line, residuals, weights
from dpo_theory.identify.prove import proved
from dpo_theory.identify.record import Identification
from dpo_theory.identify.samples import sample
from dpo_theory.identify.short import shortened
from dpo_theory.identify.witness import nearest_witness

__all__ = ["identify"]

FITTED, TESTED = 60, 200
SHIFT, STRETCH = Number("shift", "any", 0.0), Number("stretch", "positive", 1.0)
NAMED = 10.0  # times the tolerance: a fit that is nearer than this is tested on other rows


@dataclass(frozen=True)
class Candidate:
    """A family, how its inputs are seen, and which affine changes of the margin were fitted with it."""

    family: Family
    convention: Convention
    extras: tuple[Number, ...]
    fit: Fit
    residual: float = float("inf")

    @property
    def numbers(self) -> tuple[Number, ...]:
        return (*self.family.numbers, *self.extras)

    @property
    def affine(self) -> tuple[float, float]:
        """shift, stretch."""
        found = dict(zip((n.name for n in self.extras), self.fit.numbers[len(self.family.numbers) :], strict=True))
        return found.get("shift", 0.0), found.get("stretch", 1.0)

    @property
    def loss(self) -> Any:
        return self.family.loss(self.fit.numbers[: len(self.family.numbers)])

    def distance(self) -> float:
        """The residual; a reversed sign and other inputs make a loss less near."""
        return self.fit.residual * (1 if self.fit.scale > 0 else 2) * (1 if self.convention is AS_IT_IS else 2)

    def simplicity(self) -> tuple[Any, ...]:
        """Fewest changes first, then the loss with the fewest options."""
        return CONVENTIONS.index(self.convention), len(self.extras), self.family.fields, self.family.name


def identify(
    loss: Any, *, style: str | None = None, name: str | None = None, on_fit: Callable[[str, int], None] | None = None
) -> Identification:
    """Which loss of the library a callable is, up to a scale, a constant, and an affine margin where the loss has a margin.

    Args:
        loss: a callable in any shape that `check_loss` takes, or of the record that its attribute `takes` names.
        style: how it is called, where that is unclear.
        name: how it is shown.
        on_fit: called with the family that was fitted, and how many were.

    Returns:
        An Identification: PROVED where the difference is 0 as an expression, HOLDS where it was measured on rows that were not
        fitted, and REFUTED with the nearest loss and the smallest witness where none is known.

    Raises:
        ValueError: not a loss, or it cannot be evaluated.

    >>> import numpy as np
    >>> identify(lambda pairs: 3 * np.logaddexp(0, -0.2 * pairs.margin) + 1).formula
    '3 * DPO(beta=0.2) + 1'
    """
    began = time.perf_counter()
    target = box(loss, style=style, name=name)
    y = _values(target, sample(target.takes, FITTED, 0))
    marks = signature(target.values, target.takes, target.tolerance)
    found, best, tried = [], None, 0
    for stage in ("as it is", "shift", "shift and stretch", "conventions"):
        for family in families():
            for convention, extras in _ways(family, target, marks, stage):
                tried += 1
                candidate = _fit(family, convention, extras, target, y)
                if best is None or candidate.distance() < best.distance():
                    best = candidate
                if on_fit is not None:
                    on_fit(candidate.family.name, tried)
                if candidate.fit.residual <= NAMED * 100 * target.tolerance:
                    stands = _tested(candidate, target) or _tested(_fit(family, convention, extras, target, y, unscaled=True), target)
                    found += [] if stands is None else [stands]
        if found:
            break
    if best is None:
        raise ValueError(f"{target.name}: the library has no loss that takes {target.takes.__name__}.")
    if not found:
        return _unknown(target, best, tried, began)
    found.sort(key=Candidate.simplicity)
    return _named(target, found[0], found[1:], tried, began)


def _values(target: Box, batch: Any) -> np.ndarray:
    try:
        with np.errstate(all="ignore"):
            y = target.values(batch)
    except LossFailed as error:
        raise ValueError(f"{target.name} cannot be evaluated: it {error}") from None
    if not np.isfinite(y).any():
        raise ValueError(f"{target.name} is finite on none of {len(y)} rows.")
    return y


def _ways(family: Family, target: Box, marks: dict[str, bool], stage: str) -> list[tuple[Convention, tuple[Number, ...]]]:
    """How the family may be the target, at one stage; what the target ignores, the family must ignore, and the other way round."""
    if family.takes is not target.takes:
        return []
    own = _marks(family, target.plain, target.coupled)
    if stage == "conventions":
        found: list[tuple[Convention, tuple[Number, ...]]] = []
        if target.takes is not PairLogProbs or not own:
            return found
        for convention in CONVENTIONS[1:]:
            seen = dict(own)
            if convention.lengths:
                seen |= {"ignores lengths": False, "shift-invariant": marks["shift-invariant"], "margin only": False}
                seen["log-ratio only"] = marks["log-ratio only"]
            if convention.no_reference:
                seen |= {"ignores the reference": True, "log-ratio only": False, "margin only": False}
                if own["ignores the reference"]:
                    continue
            if all(seen.get(k) == v for k, v in marks.items()):
                found.append((convention, ()))
                if own.get("margin only"):
                    found.append((convention, (SHIFT,)))
        return found
    if own != marks:
        return []
    if stage == "as it is":
        return [(AS_IT_IS, ())]
    if not own.get("margin only"):
        return []
    if stage == "shift":
        return [(AS_IT_IS, (SHIFT,))]
    return [] if family.scaled() else [(AS_IT_IS, (SHIFT, STRETCH))]


@lru_cache(maxsize=512)
def _marks(family: Family, plain: bool, coupled: bool) -> dict[str, bool]:
    made = Box(family.name, family.takes, family.loss(family.typical()), None, plain, coupled, "none")
    try:
        return signature(made.values, family.takes)
    except LossFailed:
        return {}


def _evaluator(family: Family, convention: Convention, extras: tuple[Number, ...], target: Box, batch: Any) -> Any:
    size = len(family.numbers)
    seen = target.seen(batch)
    seen = convention.of(seen) if convention is not AS_IT_IS else seen

    def evaluate(values: Any) -> np.ndarray:
        at = seen
        if extras:
            given = dict(zip((n.name for n in extras), values[size:], strict=True))
            at = moved(seen, given.get("shift", 0.0), given.get("stretch", 1.0))
        made = Box("", family.takes, family.loss(tuple(values[:size])), None, target.plain, target.coupled, "none")
        return made.values(at)

    return evaluate


def _fit(
    family: Family, convention: Convention, extras: tuple[Number, ...], target: Box, y: np.ndarray, *, unscaled: bool = False
) -> Candidate:
    rows = np.isfinite(y)
    batch = sample(target.takes, FITTED, 0)
    evaluate = _evaluator(family, convention, extras, target, batch)
    found = fitted(lambda v: evaluate(v)[rows], (*family.numbers, *extras), y[rows], unscaled=unscaled)
    return Candidate(family, convention, extras, found)


def _tested(candidate: Candidate, target: Box) -> Candidate | None:
    """The candidate with short numbers and its residual on other rows; None where it does not stand there, or is a limit."""
    batch = sample(target.takes, TESTED if not target.coupled else FITTED * 2, 1)
    y = _values(target, batch)
    rows = np.isfinite(y)
    y, w = y[rows], weights(y[rows])
    evaluate = _evaluator(candidate.family, candidate.convention, candidate.extras, target, batch)

    def values(numbers: tuple[float, ...]) -> np.ndarray:
        try:
            with np.errstate(all="ignore"):
                return np.asarray(evaluate(numbers)[rows])
        except (ValueError, LossFailed):
            return np.full(len(y), np.nan)

    def judged(numbers: tuple[float, ...], scale: float, constant: float) -> float:
        return residuals(values(numbers), y, w, scale, constant)

    def lined(numbers: tuple[float, ...]) -> Fit:
        c = values(numbers)
        scale, constant, _ = line(c, y, w)
        return Fit(numbers, scale, constant, residuals(c, y, w, scale, constant))

    fit = shortened(candidate.fit, lined, judged, target.tolerance)
    limits = any(n.limiting(v) for n, v in zip(candidate.numbers, fit.numbers, strict=True))
    if limits or fit.residual > target.tolerance or not 1e-6 < fit.scale < 1e6:
        return None
    return Candidate(candidate.family, candidate.convention, candidate.extras, fit, fit.residual)


def _named(target: Box, chosen: Candidate, others: list[Candidate], tried: int, began: float) -> Identification:
    fit = chosen.fit
    shift, stretch = chosen.affine
    shown = _code(chosen)
    verdict, how = proved(target, chosen.loss, chosen.convention, fit.scale, fit.constant, shift, stretch)
    also = dict.fromkeys(_code(c) + ("" if c.convention is chosen.convention else f", {c.convention.name}") for c in others)
    return Identification(
        target.name, chosen.family.name, shown, _options(chosen), chosen.convention.name, fit.scale, fit.constant, shift, stretch,
        verdict, fit.residual, TESTED if not target.coupled else FITTED * 2, how, tuple(c for c in also if c != shown), None, tried,
        time.perf_counter() - began,
    )  # fmt: skip


def _unknown(target: Box, nearest: Candidate, tried: int, began: float) -> Identification:
    fit = nearest.fit
    shift, stretch = nearest.affine
    evaluate = lambda batch: _evaluator(nearest.family, nearest.convention, nearest.extras, target, batch)(fit.numbers)  # noqa: E731
    stands = fit.scale < 0 and fit.residual <= NAMED * target.tolerance  # only its sign is wrong
    found = nearest_witness(target, evaluate, abs(fit.scale) if stands else fit.scale, fit.constant, _code(nearest))
    reversed_ = " with its sign reversed" if fit.scale < 0 else ""
    how = f"none of {tried} fits to {len({f.name for f in families()})} losses stands; the nearest{reversed_} is off by {fit.residual:.2g}"
    return Identification(
        target.name, "", _code(nearest), _options(nearest), nearest.convention.name, fit.scale, fit.constant, shift, stretch,
        Verdict.REFUTED, fit.residual, FITTED, how, (), found, tried, time.perf_counter() - began,
    )  # fmt: skip


def _options(candidate: Candidate) -> tuple[tuple[str, Any], ...]:
    numbers = zip((n.name for n in candidate.family.numbers), candidate.fit.numbers, strict=False)
    return (*((name, float(f"{value:.12g}")) for name, value in numbers), *candidate.family.chosen)


def _code(candidate: Candidate) -> str:
    return f"{candidate.family.name}({', '.join(f'{name}={value!r}' for name, value in _options(candidate))})"
