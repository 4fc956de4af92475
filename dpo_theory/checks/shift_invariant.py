"""The loss does not see a constant added to both log-probabilities of the policy.

So log Z cancels, and the loss lives on the reward classes of Definition 1; at equal and at unequal lengths.
"""

from dpo_theory.checks.check import Check
from dpo_theory.checks.deciding import identity


def sides(loss, pairs):
    return loss(pairs._replace(policy_chosen=pairs.policy_chosen - 2, policy_rejected=pairs.policy_rejected - 2)), loss(pairs)


def run(subject, rng):
    return identity(subject, sides, rng, "a constant added to both log-probabilities changes the loss: log Z does not cancel")


CHECK = Check(
    code="P04",
    name="shift-invariant",
    statement=__doc__,
    kind="property",
    run=run,
    remedy="use differences of log-probabilities within a prompt; do not divide them by different lengths",
)
