"""The shape of a prediction about a study."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dpo_theory.claims.claim import Measured, Source

if TYPE_CHECKING:
    from bandits.experiments.engine.plan import Plan
    from bandits.experiments.engine.records import Records

__all__ = ["Estimated", "Prediction", "from_sample"]

Shelf = Callable[[], Mapping[str, Callable[..., Any]]]


@dataclass(frozen=True, eq=False)
class Estimated:
    """A number that was estimated from a sample, against what it should be.

    Args:
        what: what is estimated.
        got: the estimate.
        expected: what theory says.
        error: its standard error, > 0.
        count: how many independent problems or draws it is made of.
        relation: `=`, `<=` (the mean is at most `expected`), `>=`.
        detects: the deviation that the sample must be able to tell from chance; a sample too small for it leaves the prediction
            undecided.
    """

    what: str
    got: float
    expected: float
    error: float
    count: int
    detects: float
    relation: str = "="

    @property
    def z(self) -> float:
        """Standard errors by which the estimate is off, in the direction that speaks against the prediction; inf for NaN."""
        gap = self.got - self.expected
        if not np.isfinite(gap) or not self.error > 0:
            return 0.0 if gap == 0 else float("inf")
        return float({"=": abs(gap), "<=": gap, ">=": -gap}[self.relation] / self.error)


def from_sample(what: str, numbers: Any, expected: float, *, detects: float, relation: str = "=") -> Estimated:
    """The mean of independent numbers against `expected`.

    Args:
        what: what is estimated.
        numbers: (M,) independent draws, one for each problem.
        expected: their mean, as theory has it.
        detects: see `Estimated`.
        relation: see `Estimated`.

    >>> from_sample("a coin", [0.0, 1.0, 1.0, 0.0], 0.5, detects=2.0).z
    0.0
    """
    found = np.asarray(numbers, dtype=float)
    error = float(found.std(ddof=1) / np.sqrt(len(found))) if len(found) > 1 else float("nan")
    return Estimated(what, float(found.mean()), expected, error, len(found), detects, relation)


@dataclass(frozen=True, eq=False)
class Prediction:
    """What theory says about a study, and how the study is to be run so that it can be seen.

    Args:
        study: the study's name.
        statement: the module's docstring; its first line is the name.
        source: where it stands.
        claims: ids of the claims from which it follows.
        judge: records -> Measured (exact or to rounding) and Estimated (statistical) items, each one row of the report.
        wrong: records -> items that contradict the theory, planted: each must be refuted.
        methods: () -> the study's methods, by name.
        losses: () -> the study's losses, by name, as makers beta -> loss.
    """

    study: str
    statement: str
    source: Source
    claims: tuple[str, ...]
    judge: Callable[[Records], Iterable[Measured | Estimated]]
    wrong: Callable[[Records], Iterable[Measured | Estimated]]
    methods: Shelf | None = None
    losses: Shelf | None = None

    @property
    def name(self) -> str:
        """The first line of the statement."""
        return self.statement.strip().splitlines()[0].rstrip(".")

    def plan(self, **values: Any) -> Plan:
        """The study's plan with these methods and losses.

        Args:
            values: as `bandits.experiments.Study.plan`; `methods` and `losses` are added to those of the prediction.

        Raises:
            ValueError: as there.
        """
        from bandits.experiments.engine.registry import load

        for kind, shelf in (("methods", self.methods), ("losses", self.losses)):
            own = dict(shelf()) if shelf is not None else {}
            values[kind] = own | dict(values.get(kind) or {})
        return load(self.study).plan(**values)
