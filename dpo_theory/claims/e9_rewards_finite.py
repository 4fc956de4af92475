r"""Theorem 1 for every reward, infinite ones included.

    every class of rewards contains beta log pi/pi_ref of a policy pi, which is the pi_r of eq. 4 and has pi(y|x) > 0.

A reward of -inf gives pi_r(y|x) = 0 and a log-ratio of -inf; a preference that is certain has no finite reward difference
at all. Corrected: finite rewards and full support (claim D17).
"""

import numpy as np

from dpo_theory import optimal
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source


def certify():
    reward, log_ref = np.array([[0.0, -np.inf]]), np.log([[0.5, 0.5]])
    best = np.exp(optimal.optimal_log_policy(reward, log_ref, 1.0))
    yield Measured("ref = (1/2, 1/2), r = (0, -inf), beta = 1: pi* > 0", 0.0, best, relation="<")


CLAIM = Claim(
    id="E9",
    aliases=("infinite-rewards",),
    statement=__doc__,
    source=Source(PAPER, "Theorem 1 and App. A.6 read for all rewards"),
    certify=certify,
    expects="refuted",
)
