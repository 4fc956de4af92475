"""Proofs for every number of actions n and every ranking length K, from the formulas that run.

A `Row` stands for an array with a symbolic number of entries; the public formulas run on it unchanged. What they return is
brought to a normal form with rules that are valid for every finite n (`normal`), and every identity is replayed at n = 1 to 4
with random rationals by an evaluator of its own (`replay`). `Step` is one line of a derivation.
"""

from dpo_theory.proof.normal import is_zero, nf, nonnegative
from dpo_theory.proof.replay import evaluate
from dpo_theory.proof.row import Row, Total, row
from dpo_theory.proof.step import Outcome, Step

__all__ = ["Outcome", "Row", "Step", "Total", "evaluate", "is_zero", "nf", "nonnegative", "row"]
