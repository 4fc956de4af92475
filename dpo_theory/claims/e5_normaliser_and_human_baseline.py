r"""Section 5.2 read without conditions: the normaliser reduces variance, the human baseline estimates it.

    (a) subtracting beta log Z from the reward does not raise the variance of the policy gradient;
    (b) the reward of one completion drawn from pi_ref is a Monte-Carlo estimate of beta log Z, without bias.

Both are false for ref = (1/2, 1/2), r = (1, -1), beta = 1 at pi = pi_ref: the variance rises from 0 to (log cosh 1)^2/2, and the
mean of the baseline is 0 while beta log Z = log cosh 1. What holds instead are claims D22b and D22d for (a), D23 for (b).
"""

import numpy as np

from dpo_theory import optimal
from dpo_theory.claims import reinforce
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source
from dpo_theory.claims.letters import beta, expectation, log_ref, reward, sums_to_one
from dpo_theory.proof import Step


def derive():
    yield Step(
        "(b) the human-completion baseline has the mean beta log Z",
        expectation(log_ref, reward),
        beta * optimal.log_partition(reward, log_ref, beta),
        "section 5.2: a single-sample Monte-Carlo estimate of the normalising term",
        facts=(sums_to_one(log_ref),),
    )


def certify():
    pi, raw = np.array([0.5, 0.5]), np.array([1.0, -1.0])
    normal = optimal.project_reward(raw, np.log(pi), 1.0)
    yield Measured(
        "(a) variance at pi = pi_ref = (1/2, 1/2), r = (1, -1), beta = 1, with the normalised reward against raw",
        reinforce.variance_by_table(pi, normal),
        reinforce.variance_by_table(pi, raw),
        relation="<=",
    )


CLAIM = Claim(
    id="E5",
    aliases=("human-baseline-printed",),
    statement=__doc__,
    source=Source(PAPER, "section 5.2, on eq. 10"),
    derive=derive,
    certify=certify,
    expects="refuted",
)
