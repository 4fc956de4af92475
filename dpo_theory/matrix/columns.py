"""The sixteen questions, and how each is decided."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from dpo_theory.evidence import Verdict
from dpo_theory.matrix.at_reference import at_the_reference
from dpo_theory.matrix.case import SURROGATE, Case
from dpo_theory.matrix.convexity import convex_where
from dpo_theory.matrix.implied import compares_rewards, recovers_rewards
from dpo_theory.matrix.noise import stays_under_noise
from dpo_theory.matrix.optimum import rests
from dpo_theory.matrix.record import Cell, Column
from dpo_theory.matrix.together import shifts

__all__ = ["COLUMNS", "decide"]

QUESTIONS = {
    "Ref": "the value at pi = pi_ref, in the letters of the options; an expression in log-probabilities where it has no one value",
    "Sh": "are rewards of single answers seen by their difference alone, so that the loss lives on reward classes?",
    "Rf": "does it depend on the reference?",
    "Tr": "is it unchanged when the same number is added to both log-probabilities of the policy, at equal and unequal lengths?",
    "Cvx": "is it convex in logits? `in log pi`: not there, but in (log pi_w, log pi_l)",
    "BT": "do Bradley-Terry preferences bring out the reward differences: in the margin, else in the reward that the loss itself compares?",
    "=RLHF": "is the optimum that of KL-regularised RLHF? `own f`: that of the loss's own divergence instead",
    "Det": "where a pair that is always won comes to rest: F at a finite margin m or log-ratios h, in nats; inf",
    "Flip": "does symmetric label noise leave the best margin, or policy, where it is?",
    "Mon": "does more probability never cost the chosen answer, and less never cost the rejected one?",
    "Van": "does the pull vanish as the margin grows?",
    "Gb": "is the gradient in log-probabilities bounded?",
    "Lb": "is the loss bounded below?",
    "Dis": "can a step lower the probability of the chosen answer when parameters are shared?",
    "Len": "L summed log-probabilities, so that longer answers weigh more; N unchanged when every token is doubled",
    "Intr": "does the optimum under a uniform design rank answers by their average win rate (Borda), whatever the preferences?",
}
COLUMNS = tuple(Column(name, question) for name, question in QUESTIONS.items())


def decide(column: str, case: Case) -> Cell:
    """The cell of a loss in a column.

    Args:
        column: its name.
        case: the loss.
    """
    return DECIDED[column](case)


def _rlhf(case: Case) -> Cell:
    found = case.cell("=RLHF", "recovers-kl-optimum")
    if found.verdict is Verdict.UNDECIDED and found.reason.startswith("pi* is stationary"):
        return dataclasses.replace(found, shown="stationary")
    if found.verdict is Verdict.REFUTED and _has_a_divergence(case):
        told = case.fingerprint.divergence
        return dataclasses.replace(found, shown="own f", value=told, reason=f"its own divergence is {told}" if told else "measured")
    return found


def _has_a_divergence(case: Case) -> bool:
    """It sees its reward, a function of the log-ratio that is not the log-ratio itself, by the difference alone, and brings it out."""
    found = case.fingerprint
    if found is None or found.kind == "margin" or not case.evidence("log-ratio-only").verdict.holds:
        return False
    return compares_rewards(case).verdict.holds and recovers_rewards(case).verdict.holds


def _intransitive(case: Case) -> Cell:
    if case.surrogate:
        return Cell("Intr", "-", Verdict.NOT_APPLICABLE, "borda-order", reason=SURROGATE)
    return case.cell("Intr", "borda-order", yes="Borda", no="not Borda")


def _checked(column: str, check: str, yes: str = "y", no: str = "n") -> Callable[[Case], Cell]:
    return lambda case: case.cell(column, check, yes=yes, no=no)


DECIDED: dict[str, Callable[[Case], Cell]] = {
    "Ref": lambda case: at_the_reference(case.subject, np.random.default_rng([case.seed, 1])),
    "Sh": compares_rewards,
    "Rf": _checked("Rf", "uses-reference"),
    "Tr": shifts,
    "Cvx": convex_where,
    "BT": recovers_rewards,
    "=RLHF": _rlhf,
    "Det": rests,
    "Flip": stays_under_noise,
    "Mon": _checked("Mon", "monotone"),
    "Van": _checked("Van", "vanishing-weight"),
    "Gb": _checked("Gb", "bounded-gradient"),
    "Lb": _checked("Lb", "bounded-below"),
    "Dis": _checked("Dis", "displacement-free", yes="n", no="y"),
    "Len": _checked("Len", "length-invariant", yes="N", no="L"),
    "Intr": _intransitive,
}
