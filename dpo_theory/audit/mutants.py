"""Faults made by machine in the losses that are shipped, each against a copy of the loss made before the fault."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterator
from functools import partial
from types import FunctionType
from typing import Any

from dpo_theory.losses.aot import AOT
from dpo_theory.losses.cdpo import CDPO
from dpo_theory.losses.dpo import DPO
from dpo_theory.losses.hinge import Hinge
from dpo_theory.losses.ipo import IPO
from dpo_theory.losses.nca import NCA
from dpo_theory.mutation import Mutant, mutants

__all__ = ["EQUIVALENT", "SHIPPED", "faults"]

SHIPPED = (AOT(beta=0.3), CDPO(beta=0.3, epsilon=0.2), DPO(beta=0.3), Hinge(beta=0.3), IPO(tau=0.3), NCA(beta=0.3))
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
    """(name, mutant, loss, the loss before): every mechanical fault of `__call__` in the shipped losses."""
    seen: Counter[str] = Counter()
    for loss in SHIPPED:
        module = inspect.getmodule(type(loss))
        assert module is not None
        for mutant in mutants(module):
            if mutant.target.endswith(f"{type(loss).__name__}.__call__"):
                name = f"{type(loss).__name__}: {mutant.change}"
                seen[name] += 1
                yield name + (f" ({seen[name]})" if seen[name] > 1 else ""), mutant, loss, _Before(loss)
