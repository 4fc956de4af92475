"""The shape of a claim."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from dpo_theory.evidence import Counterexample

if TYPE_CHECKING:
    from dpo_theory.proof import Step

__all__ = ["PAPER", "Claim", "Measured", "Source", "breaks"]

PAPER = "Rafailov et al. 2023, arXiv:2305.18290"


@dataclass(frozen=True)
class Source:
    """Where a statement stands."""

    paper: str
    where: str = ""

    def __str__(self) -> str:
        return f"{self.paper}, {self.where}" if self.where else self.paper


@dataclass(frozen=True, eq=False)
class Measured:
    """One number, or array of numbers, against what it should be.

    Args:
        what: what is measured.
        got, expected: scalars or arrays of one shape; an infinity equals itself.
        scale: the size of the terms that make up `got`, so that rounding is judged against what was added.
        tolerance: bound on the residual, |got - expected| / max(scale, tiny).
        relation: `=`, `<=` (got <= expected), or `<` (strictly).
        exact: the numbers are exact or enclosed (Fraction, SymPy Rational, balls): the comparison is a certificate.
    """

    what: str
    got: Any
    expected: Any
    scale: Any = 1.0
    tolerance: float = 1e-12
    relation: str = "="
    exact: bool = False

    @property
    def residual(self) -> float:
        """Worst violation relative to `scale`; inf for NaN; 0 where an inequality is met."""
        if self.exact:
            return 0.0 if self._exactly() else float("inf")
        got, expected = np.broadcast_arrays(np.asarray(self.got, dtype=float), np.asarray(self.expected, dtype=float))
        with np.errstate(invalid="ignore"):
            gap = np.where(got == expected, 0.0, got - expected)
        if self.relation == "<" and np.any(~(got < expected)):
            return float("inf")
        wrong = np.abs(gap) if self.relation == "=" else np.maximum(gap, 0.0)
        relative = wrong / np.maximum(np.asarray(self.scale, dtype=float), np.finfo(float).tiny)
        worst = float(np.max(relative, initial=0.0))
        return float("inf") if np.isnan(relative).any() else worst

    @property
    def met(self) -> bool:
        """The residual is within the tolerance."""
        return self.residual <= (0.0 if self.exact else self.tolerance)

    def _exactly(self) -> bool:
        got, expected = self.got, self.expected
        return bool({"=": lambda: got == expected, "<=": lambda: got <= expected, "<": lambda: got < expected}[self.relation]())


@dataclass(frozen=True, eq=False)
class Claim:
    """A statement of the theory and everything that speaks for or against it.

    Args:
        id: `D04`; the file name begins with it.
        aliases: other names, such as `eq4`.
        statement: the module's docstring; its first line is the name.
        source: where it stands.
        assumes: every hypothesis that the statement needs.
        derive: () -> Steps; every step calls the public formulas on symbols.
        certify: (bandit, rng) -> Measured on every rung, or () -> Measured for a statement about one instance. Yields nothing
            where the rung does not meet the assumptions.
        search: (bandit, rng) -> Measured: an independent optimiser reaches what the formula says.
        edges: assumption -> () -> Counterexample that breaks the statement without it; None if it does not break.
        expects: `holds`, or `refuted` for a statement that is printed with a slip.
        unproved: the part of the statement that the derivation does not reach; the verdict is then what was measured.
    """

    id: str
    statement: str
    source: Source
    aliases: tuple[str, ...] = ()
    assumes: tuple[str, ...] = ()
    derive: Callable[[], Iterable[Step]] | None = None
    certify: Callable[..., Iterable[Measured]] | None = None
    search: Callable[..., Iterable[Measured]] | None = None
    edges: Mapping[str, Callable[[], Counterexample | None]] = field(default_factory=dict)
    expects: str = "holds"
    unproved: str = ""

    def __post_init__(self) -> None:
        if self.expects not in ("holds", "refuted"):
            raise ValueError(f"{self.id} expects {self.expects!r}; a claim holds or is refuted")
        if set(self.edges) != set(self.assumes):
            raise ValueError(f"{self.id}: assumptions {set(self.edges) ^ set(self.assumes)} lack an edge, or edges an assumption")
        if self.derive is None and self.certify is None and self.search is None:
            raise ValueError(f"{self.id} has neither derivation, certificate nor search")

    @property
    def name(self) -> str:
        """The first line of the statement."""
        return self.statement.strip().splitlines()[0].rstrip(".")


def breaks(condition: Any, *, problem: str, expected: str, got: str, because: str, reproduce: str = "") -> Counterexample | None:
    """A Counterexample if the condition, computed by the caller, shows that the statement breaks; else None."""
    return Counterexample(problem, expected, got, because, reproduce) if bool(condition) else None
