"""Functions from logits to log-probabilities on trial: wrong ones that must be refuted, right ones that must pass."""

from dpo_theory.sequences.shelf.right import RIGHT
from dpo_theory.sequences.shelf.wrong import WRONG, Mistake

__all__ = ["RIGHT", "WRONG", "Mistake"]
