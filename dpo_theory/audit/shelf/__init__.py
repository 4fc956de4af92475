"""The shelf of wrong losses, by family."""

from dpo_theory.audit.record import Sabotage, collected
from dpo_theory.audit.shelf import batches, formulas, gradients, numerics, others, twins

__all__ = ["SHELF"]

SHELF: tuple[Sabotage, ...] = tuple(
    sabotage for family in (formulas, twins, numerics, gradients, batches, others) for sabotage in collected(family, Sabotage)
)
