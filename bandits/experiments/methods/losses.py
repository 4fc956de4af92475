"""A method out of any loss: the policy that minimises it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bandits.data import Comparisons
from bandits.minimise import minimise_loss
from bandits.problem import TabularBandit
from bandits.solution import Solution

__all__ = ["Minimises"]


@dataclass(frozen=True)
class Minimises:
    """The exact minimiser of a preference loss, on the data or, without data, on the population.

    Args:
        make_loss: beta -> loss, such as a loss class whose first argument is beta; the problem's beta is passed.
        packs: contexts are treated apart, so many problems may be solved as one.

    >>> import numpy as np
    >>> logistic = lambda beta: lambda pairs: np.logaddexp(0.0, -beta * pairs.margin)
    >>> bandit = TabularBandit([1.0], [[1.0, 0.0]], np.log([[0.5, 0.5]]), beta=1.0)
    >>> Minimises(logistic)(bandit, None, None).policy.round(4)
    array([[0.7311, 0.2689]])
    """

    make_loss: Callable[[float], Callable[..., Any]]
    packs: bool = True

    def __call__(self, problem: TabularBandit, data: Comparisons | None, rng: Any) -> Solution:
        """The Solution: its status says whether there is a minimiser."""
        return minimise_loss(problem, self.make_loss(problem.beta), data)
