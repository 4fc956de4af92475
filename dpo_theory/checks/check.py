"""The shape of a check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dpo_theory.evidence import Counterexample, Verdict

if TYPE_CHECKING:
    from dpo_theory.checks.subject import Subject

__all__ = ["Check", "Finding", "holds", "not_applicable", "proved", "refuted", "undecided"]


@dataclass(frozen=True)
class Finding:
    """What a check found on one loss.

    Args:
        verdict: how the statement stands for this loss.
        method: how it was decided.
        residual, tolerance: the worst measured residual and its bound.
        instances: how many pairs or problems were measured.
        counterexample: the smallest that refutes.
        reason: why it is not stronger, or not decided.
    """

    verdict: Verdict
    method: str = ""
    residual: float | None = None
    tolerance: float | None = None
    instances: int = 0
    counterexample: Counterexample | None = None
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Check:
    """A statement about a loss.

    Args:
        code: `C01` for the contract, `P01` for properties.
        name: `finite`, `bt-proper`, ...
        statement: the module's docstring.
        kind: `contract` (every loss owes it) or `property` (it tells losses apart).
        run: (subject, rng) -> Finding.
        remedy: what to do where it is refuted.
        slow: only with `deep=True`.
    """

    code: str
    name: str
    statement: str
    kind: str
    run: Callable[[Subject, np.random.Generator], Finding]
    remedy: str = ""
    slow: bool = False

    def __post_init__(self) -> None:
        if self.kind not in ("contract", "property"):
            raise ValueError(f"{self.name}: kind is {self.kind!r}, expected 'contract' or 'property'")


def holds(instances: int, residual: float, tolerance: float, *, method: str = "", reason: str = "") -> Finding:
    """Measured: true on so many instances."""
    return Finding(Verdict.HOLDS, method, residual, tolerance, instances, reason=reason)


def proved(method: str) -> Finding:
    """Shown symbolically, for every value of the symbols."""
    return Finding(Verdict.PROVED, method)


def refuted(counterexample: Counterexample, *, method: str = "", residual: float | None = None, instances: int = 0) -> Finding:
    """A counterexample was found."""
    return Finding(Verdict.REFUTED, method, residual, None, instances, counterexample)


def undecided(reason: str) -> Finding:
    """Neither; the reason is written."""
    return Finding(Verdict.UNDECIDED, reason=reason)


def not_applicable(reason: str) -> Finding:
    """The statement does not speak of this loss."""
    return Finding(Verdict.NOT_APPLICABLE, reason=reason)
