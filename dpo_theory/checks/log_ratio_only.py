"""The loss sees log pi/pi_ref only.

The same amount added to an answer's log-probability under the policy and under the reference changes nothing.
"""

from dpo_theory.checks.check import Check, not_applicable
from dpo_theory.checks.deciding import identity


def sides(loss, pairs):
    moved = pairs._replace(
        policy_chosen=pairs.policy_chosen - 3, ref_chosen=pairs.ref_chosen - 3,
        policy_rejected=pairs.policy_rejected - 7, ref_rejected=pairs.ref_rejected - 7,
    )  # fmt: skip
    return loss(moved), loss(pairs)


def run(subject, rng):
    if subject.style == "logps-no-reference":
        return not_applicable("the loss takes no reference")
    return identity(subject, sides, rng, "the loss depends on a log-probability beyond its ratio to the reference")


CHECK = Check(
    code="P03",
    name="log-ratio-only",
    statement=__doc__,
    kind="property",
    run=run,
    remedy="write the loss in policy minus reference",
)
