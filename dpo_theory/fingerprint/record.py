"""The records of a fingerprint."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from dpo_theory.evidence import Verdict

__all__ = ["Aim", "Fingerprint", "Statement"]


@dataclass(frozen=True)
class Aim:
    """The margin at which a pair's expected loss is smallest.

    Args:
        probability: how often the chosen answer wins.
        margin: in the fingerprint's variable; infinite where the loss falls without end.
        radius: half the width of the enclosure; None where nothing encloses it.
        how: `closed form`, `certified root`, `kink`, `measured`, ...
        weight: w(p), the weight of the excess loss near this margin; None where the link has no slope.
    """

    probability: float
    margin: float
    radius: float | None
    how: str
    weight: float | None = None


@dataclass(frozen=True)
class Statement:
    """One yes-or-no about the loss.

    Args:
        name: `bt-proper`, `strictly-proper`, `calibrated`, `noise-symmetric`, `T1`, `T2`, `T3`, `divergence`.
        verdict: how it stands.
        how: how it was decided, with the numbers.
    """

    name: str
    verdict: Verdict
    how: str


@dataclass(frozen=True)
class Fingerprint:
    """What a loss aims at, whatever its name.

    Args:
        loss: how it is shown.
        kind: `margin` (a function of one margin), `reward` (of a difference of implicit rewards) or `none`.
        variable: what the letter m stands for.
        formula: l(m); empty where the loss was not read.
        link: q(m) = l'(-m) / (l'(m) + l'(-m)), the probability for which m is right; empty where no closed form was found.
        inverse: the margin for p, in closed form.
        pull: -l'(m), the weight of a pair in the gradient.
        weight: w(p) = -H''(p), H the smallest risk: how much an error at p costs.
        aims: the margins aimed at for some p.
        statements: properness, and the tests T1, T2, T3 for an implicit reward.
        reward: phi(x) of the log-ratio x, phi(0) = 0 and phi'(0) = 1; empty where there is none.
        derivative: f'(u) = phi(log u).
        divergence: f(u), f(1) = 0.
        notes: what is not said above, in sentences.
    """

    loss: str
    kind: str
    variable: str = ""
    formula: str = ""
    link: str = ""
    inverse: str = ""
    pull: str = ""
    weight: str = ""
    aims: tuple[Aim, ...] = ()
    statements: tuple[Statement, ...] = ()
    reward: str = ""
    derivative: str = ""
    divergence: str = ""
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Statement:
        """The statement with this name."""
        for statement in self.statements:
            if statement.name == name:
                return statement
        raise KeyError(f"no statement {name!r}; there are {', '.join(s.name for s in self.statements)}")

    def aim(self, probability: float) -> float:
        """The margin aimed at for one of the probabilities listed in `aims`."""
        for aim in self.aims:
            if aim.probability == probability:
                return aim.margin
        raise KeyError(f"no aim for p = {probability:g}; there are {', '.join(f'{a.probability:g}' for a in self.aims)}")

    def to_dict(self) -> dict[str, Any]:
        """As JSON values: non-finite floats become strings."""
        return _plain(dataclasses.asdict(self))

    def __str__(self) -> str:
        from dpo_theory.report.fingerprint import text

        return text(self).rstrip("\n")

    def _repr_html_(self) -> str:
        from dpo_theory.report.fingerprint import element
        from dpo_theory.report.html import styled

        return styled(element(self))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Verdict):
        return value.value
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
