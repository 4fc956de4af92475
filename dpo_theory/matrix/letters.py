"""A loss of the library called on symbols, with its real options as letters."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from bandits.data import PairLogProbs
from dpo_theory.checks.signature import adapt
from dpo_theory.checks.subject import Subject
from dpo_theory.rigor.sign import decimal

__all__ = ["in_letters"]

NUMBERS = ("ceiling",)  # keeps numbers finite; no part of the formula


def in_letters(subject: Subject, use: Callable[[Callable[[PairLogProbs], Any]], Any]) -> tuple[Any, dict[Any, float]] | None:
    """What `use` makes of the loss with its positive real options as letters, and what the letters are.

    Args:
        subject: the loss.
        use: (loss on symbols) -> an expression.

    Returns:
        (expression, letter -> number), options that are compared with a bound left as numbers; None where symbols do not pass.
    """
    loss = subject.loss
    if not dataclasses.is_dataclass(loss) or isinstance(loss, type):
        return None
    inner = getattr(loss, "loss", None) if dataclasses.is_dataclass(getattr(loss, "loss", None)) else None
    host = inner if inner is not None else loss
    given = {f.name: getattr(host, f.name) for f in dataclasses.fields(host) if f.init}
    numbers = {name: value for name, value in given.items() if type(value) is float and 0 < value < np.inf and name not in NUMBERS}
    letters = {name: sp.Symbol(name, positive=True) for name in numbers}
    while True:
        try:
            made = dataclasses.replace(host, **letters)
            made = made if inner is None else dataclasses.replace(loss, loss=made)
            expression = decimal(sp.sympify(use(adapt(made, subject.style)[1])))
            return expression, {letter: numbers[name] for name, letter in letters.items()}
        except Exception:  # symbols do not pass a test of a number, whichever it raises
            if not letters:
                return None
            letters.popitem()
