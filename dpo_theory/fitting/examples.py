"""Two classic tables of paired comparisons, small enough to type."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bandits.data import Comparisons
from dpo_theory.fitting.preferences import Preferences, no_ties

__all__ = ["EXAMPLES", "Example", "example"]


@dataclass(frozen=True)
class Example:
    """A win table, its source, and the item against which its strengths are published."""

    items: tuple[str, ...]
    wins: tuple[tuple[int, ...], ...]
    base: str
    source: str

    def preferences(self, name: str) -> Preferences:
        """The table as preferences in one context."""
        table = np.array(self.wins)
        chosen, rejected = np.nonzero(table)
        weight = table[chosen, rejected].astype(np.float64)
        data = Comparisons(np.zeros_like(chosen), chosen, rejected, weight, np.ones(len(weight)))
        return Preferences(name, (name,), self.items, data, no_ties(), rows=int(weight.sum()), notes=(self.source,))


EXAMPLES = {
    "baseball": Example(
        items=("Milwaukee", "Detroit", "Toronto", "New York", "Boston", "Cleveland", "Baltimore"),
        wins=(
            (0, 7, 9, 7, 7, 9, 11),
            (6, 0, 7, 5, 11, 9, 9),
            (4, 6, 0, 7, 7, 8, 12),
            (6, 8, 6, 0, 6, 7, 10),
            (6, 2, 6, 7, 0, 7, 12),
            (4, 4, 5, 6, 6, 0, 6),
            (2, 4, 1, 3, 1, 7, 0),
        ),
        base="Baltimore",
        source="Games between the seven teams of the American League East, 1987: Agresti, Categorical Data Analysis.",
    ),
    "journals": Example(
        items=("Biometrika", "Communications in Statistics", "JASA", "JRSS-B"),
        wins=((0, 730, 498, 221), (33, 0, 68, 17), (320, 813, 0, 142), (284, 276, 325, 0)),
        base="Biometrika",
        source="Citations between four journals of statistics, 1987 and 1988: Stigler, Statistical Science 9, 1994.",
    ),
}


def example(name: str) -> Example:
    """The example of that name.

    Raises:
        ValueError: there is none; the message lists them.

    >>> example("baseball").base
    'Baltimore'
    """
    if name not in EXAMPLES:
        raise ValueError(f"there is no example {name!r}; the examples are {', '.join(EXAMPLES)}.")
    return EXAMPLES[name]
