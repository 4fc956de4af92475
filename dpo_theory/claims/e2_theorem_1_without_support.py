r"""Theorem 1 as printed in the main text: no support asked of the reference.

    Under "mild assumptions" every class of rewards contains beta log pi(y|x)/pi_ref(y|x) for some policy pi.

False where pi_ref(y|x) = 0: for ref = (1/2, 1/2, 0) and r = (0, 0, 1) no policy represents the difference r_3 - r_1 = 1. The
log-ratio of the third action is +inf for a policy that takes it and 0/0 for one that does not. The corrected statement is claim
D17, which asks for pi_ref(y|x) > 0 everywhere, as App. A.6 does.
"""

import numpy as np

from dpo_theory import optimal
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source


def certify():
    reward = np.array([0.0, 0.0, 1.0])
    with np.errstate(divide="ignore", invalid="ignore"):
        log_ref = np.log([0.5, 0.5, 0.0])
        best = optimal.optimal_log_policy(reward[None], log_ref[None], 1.0)[0]
        policies = np.array([best, *np.log([[0.4, 0.4, 0.2], [0.1, 0.1, 0.8], [0.5, 0.5 - 1e-12, 1e-12]])])
        represented = 1.0 * (policies - log_ref)
        difference = represented[:, 2] - represented[:, 0]
    yield Measured(
        "beta log pi/ref, third action minus first: for the optimal policy and three that take the third action",
        difference,
        reward[2] - reward[0],
    )


CLAIM = Claim(
    id="E2",
    aliases=("theorem1-printed",),
    statement=__doc__,
    source=Source(PAPER, "section 5.1, Theorem 1 as printed in the main text"),
    certify=certify,
    expects="refuted",
)
