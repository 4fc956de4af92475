r"""Eq. 5 read at every answer: log-ratios where the reference is 0.

    r(x, y) = beta log pi*(y|x)/pi_ref(y|x) + beta log Z(x)    for all y, without pi_ref(y|x) > 0.

Where pi_ref is 0 so is pi*, for every finite reward, and the log-ratio is 0/0: it says nothing about r. On the support eq. 5 holds
(claim D05).
"""

import numpy as np

from dpo_theory import optimal
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source


def certify():
    reward, log_ref, beta = np.array([[0.0, 1.0]]), np.array([[0.0, -np.inf]]), 1.0
    best = optimal.optimal_log_policy(reward, log_ref, beta)
    with np.errstate(invalid="ignore"):
        implied = beta * (best - log_ref) + beta * optimal.log_partition(reward, log_ref, beta)[:, None]
    yield Measured("ref = (1, 0), r = (0, 1), beta = 1: reward by eq. 5 of each answer", implied, reward)


CLAIM = Claim(
    id="E3",
    aliases=("off-support",),
    statement=__doc__,
    source=Source(PAPER, "eq. 5 read without the support of the reference"),
    certify=certify,
    expects="refuted",
)
