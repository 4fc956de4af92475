"""Saying everything twice changes nothing.

Every log-probability and every length doubled (each token repeated) leaves the loss as it is.
"""

from dpo_theory.checks.check import Check
from dpo_theory.checks.deciding import identity


def sides(loss, pairs):
    doubled = type(pairs)(*(None if column is None else 2 * column for column in pairs))
    return loss(doubled), loss(pairs)


def run(subject, rng):
    return identity(subject, sides, rng, "the loss is made of summed log-probabilities: longer answers weigh more")


CHECK = Check(
    code="P08",
    name="length-invariant",
    statement=__doc__,
    kind="property",
    run=run,
    remedy="divide log-probabilities by the number of tokens",
)
