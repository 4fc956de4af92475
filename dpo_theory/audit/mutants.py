"""Faults made by machine in the losses that are shipped, each against a copy of the loss made before the fault."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import groupby
from types import FunctionType
from typing import Any

import numpy as np

from dpo_theory.checks.batches import small
from dpo_theory.losses.aot import AOT
from dpo_theory.losses.cdpo import CDPO
from dpo_theory.losses.dpo import DPO
from dpo_theory.losses.hinge import Hinge
from dpo_theory.losses.ipo import IPO
from dpo_theory.losses.nca import NCA
from dpo_theory.mutation import Mutant, mutants

__all__ = ["EQUIVALENT", "SHIPPED", "faults"]

SHIPPED = (
    *(AOT(beta=0.3), CDPO(beta=0.3, epsilon=0.2), DPO(beta=0.3), Hinge(beta=0.3)),
    *(IPO(tau=0.3), IPO(tau=0.3, token_logps="mean"), NCA(beta=0.3)),
)  # where an option chooses a branch, once for every branch
EQUIVALENT: dict[str, str] = {}


class _Before:
    """The loss as it was, with its declarations."""

    def __init__(self, loss: Any) -> None:
        call = type(loss).__call__
        self.has, self.lacks, self.takes, self.name = loss.has, loss.lacks, loss.takes, repr(loss)
        self.call = partial(FunctionType(call.__code__, call.__globals__, call.__name__, call.__defaults__, call.__closure__), loss)

    def __call__(self, pairs: Any) -> Any:
        return self.call(pairs)

    def __repr__(self) -> str:
        return self.name


def faults() -> Iterator[tuple[str, Mutant, Any, Any]]:
    """(name, mutant, loss, the loss before): every mechanical fault of `__call__` in the shipped losses.

    The loss is the first of its kind whose values the fault changes; where it changes none, the first.
    """
    seen: Counter[str] = Counter()
    for kind, group in groupby(SHIPPED, type):
        losses, module = tuple(group), inspect.getmodule(kind)
        assert module is not None
        for mutant in mutants(module):
            if mutant.target.endswith(f"{kind.__name__}.__call__"):
                name = f"{kind.__name__}: {mutant.change}"
                seen[name] += 1
                loss = next((loss for loss in losses if _changes(mutant, loss)), losses[0])
                yield name + (f" ({seen[name]})" if seen[name] > 1 else ""), mutant, loss, _Before(loss)


def _changes(mutant: Mutant, loss: Any) -> bool:
    """The fault changes a value, or the loss fails with it."""
    pairs = small()
    before = loss(pairs)
    with mutant.applied(), np.errstate(all="ignore"):
        try:
            return not np.array_equal(loss(pairs), before, equal_nan=True)
        except Exception:
            return True
