"""The shape of a statement about a language model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module

from dpo_theory.claims.claim import Measured
from dpo_theory.lm.setting import Setting

__all__ = ["NAMES", "Statement", "load"]

NAMES = (
    "total_mass",
    "prefix_tree",
    "sequence_kl",
    "closed_form",
    "reward_class",
    "token_level",
    "dpo_gradient",
    "policy_gradient",
    "plackett_luce",
    "normaliser",
)


@dataclass(frozen=True)
class Statement:
    """One statement.

    Args:
        id: `L01`, ...
        statement: the module's docstring; its first line is the name.
        source: where it stands.
        measure: Setting -> Measured, each with the residual that float64 must meet.
    """

    id: str
    statement: str
    source: str
    measure: Callable[[Setting], Iterator[Measured]]

    @property
    def name(self) -> str:
        """The first line of the statement."""
        return self.statement.strip().splitlines()[0].rstrip(".")


def load(name: str) -> Statement:
    """The statement of a module of this package."""
    return import_module(f"dpo_theory.lm.statements.{name}").STATEMENT
