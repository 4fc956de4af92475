"""The loss is a function of the margin alone.

Constants added to both log-probabilities of the policy, of the reference, or to one answer under both, and the lengths of the
answers, change nothing.
"""

from dpo_theory.checks.check import Check, proved
from dpo_theory.checks.deciding import identity


def sides(loss, pairs):
    moved = pairs._replace(
        policy_chosen=pairs.policy_chosen - 2 - 5, policy_rejected=pairs.policy_rejected - 2,
        ref_chosen=pairs.ref_chosen - 3 - 5, ref_rejected=pairs.ref_rejected - 3,
        chosen_tokens=_longer(pairs.chosen_tokens), rejected_tokens=pairs.rejected_tokens,
    )  # fmt: skip
    return loss(moved), loss(pairs)


def _longer(tokens):
    return None if tokens is None else tokens + 40


def run(subject, rng):
    measured = identity(subject, sides, rng, "two pairs of one margin have different losses")
    if measured.verdict.holds and subject.margin_expression is not None:
        return proved(f"the expression is {subject.margin_expression[0]}")
    return measured


CHECK = Check(
    code="P05",
    name="margin-only",
    statement=__doc__,
    kind="property",
    run=run,
    remedy="write the loss in pairs.margin",
)
