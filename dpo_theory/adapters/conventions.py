"""What two losses of one name have in common: the same numbers, a factor, averages against sums, or none of these."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bandits.data import PairLogProbs
from dpo_theory.adapters.adapted import Adapted
from dpo_theory.checks.batches import small, wide
from dpo_theory.checks.subject import subject

__all__ = ["Relation", "namesakes", "relation"]

AGREE = 1e-9
FAMILIES = {
    "IPO": ("ipo",),
    "SimPO": ("simpo",),
    "hinge": ("hinge", "RSOLoss"),
    "DPO": ("sigmoid", "DPOLoss"),
    "APO-zero": ("apo_zero", "apo_zero_unpaired"),
}


@dataclass(frozen=True)
class Relation:
    """How one loss stands to another.

    Args:
        one, other: the losses.
        how: `the same`, `the same up to a factor`, `averages against sums`, `different`.
        witness: the first small pair on which they differ, with both values; empty where they do not.
    """

    one: str
    other: str
    how: str
    witness: str = ""

    def __str__(self) -> str:
        return f"{self.one} and {self.other}: {self.how}" + (f"; {self.witness}" if self.witness else "")


def namesakes(losses: list[Adapted]) -> list[tuple[Adapted, Adapted]]:
    """The losses of one name, two by two: in different libraries or trainers."""
    found = []
    for words in FAMILIES.values():
        members = [loss for loss in losses if _last(loss) in words or any(loss.options.get(word) is True for word in words)]
        members = [m for m in members if not any(v is True and k not in words for k, v in m.options.items())]
        found += [(members[0], other) for other in members[1:]]
    return found


def _last(loss: Adapted) -> str:
    return loss.target.rpartition(":")[2].rpartition(".")[2]


def relation(one: Adapted, other: Adapted) -> Relation:
    """How two losses stand to each other, on 81 small and 256 wide pairs with lengths, in float64.

    Args:
        one, other: losses of pairs.
    """
    sides = subject(one), subject(other)
    pairs = [sides[0].some(small()), sides[0].some(wide(np.random.default_rng(0)))]
    values = [np.concatenate([side.values(p) for p in pairs]) for side in sides]
    if _close(*values):
        return Relation(repr(one), repr(other), "the same")
    factor = float(np.median(values[0] / np.where(values[1] == 0, np.nan, values[1])))
    if np.isfinite(factor) and _close(values[0], factor * values[1]):
        return Relation(repr(one), repr(other), f"the same up to the factor {factor:.6g}", _witness(sides, values))
    for number, side in enumerate(sides):
        averaged = np.concatenate([side.values(_averaged(p)) for p in pairs])
        if _close(values[1 - number], averaged):
            mean, total = (one, other) if number == 1 else (other, one)
            how = f"averages against sums: {mean!r} divides each log-ratio by its number of tokens, {total!r} does not"
            return Relation(repr(one), repr(other), how, _witness(sides, values))
    return Relation(repr(one), repr(other), "different", _witness(sides, values))


def _averaged(pairs: PairLogProbs) -> PairLogProbs:
    return pairs._replace(
        policy_chosen=pairs.policy_chosen / pairs.chosen_tokens, ref_chosen=pairs.ref_chosen / pairs.chosen_tokens,
        policy_rejected=pairs.policy_rejected / pairs.rejected_tokens, ref_rejected=pairs.ref_rejected / pairs.rejected_tokens,
    )  # fmt: skip


def _close(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.allclose(one, other, rtol=AGREE, atol=AGREE))


def _witness(sides: tuple, values: list[np.ndarray]) -> str:
    from dpo_theory.checks.batches import take
    from dpo_theory.checks.witness import pair_text

    k = int(np.flatnonzero(~np.isclose(values[0], values[1], rtol=AGREE, atol=AGREE))[0])
    pairs = sides[0].some(small())
    if k >= len(pairs.policy_chosen):
        return f"{values[0][k]:.6g} against {values[1][k]:.6g}"
    return f"{values[0][k]:.6g} against {values[1][k]:.6g} on {pair_text(take(pairs, slice(k, k + 1)))}"
