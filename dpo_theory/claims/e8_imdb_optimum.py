r"""On labels that a classifier decides, the DPO optimum is the RLHF optimum.

    pi* of eq. 4 minimises eq. 7 when the answer with the larger reward is always chosen.

Moving on from pi* to larger margins lowers the loss, and no policy is a minimiser (claim D31). The theorem needs labels that are drawn
from the Bradley-Terry model of r (claim D07b).
"""

import numpy as np

from bandits.data import PairLogProbs
from dpo_theory import optimal
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source
from dpo_theory.losses import dpo


def certify():
    reward, log_ref, beta = np.array([[1.0, 0.0]]), np.log([[0.5, 0.5]]), 1.0
    at_best, beyond = (_loss(optimal.optimal_log_policy(scale * reward, log_ref, beta), log_ref, beta) for scale in (1.0, 2.0))
    yield Measured("ref = (1/2, 1/2), r = (1, 0), beta = 1: loss at pi* and at pi* of 2 r", at_best, beyond, relation="<=")


def _loss(log_policy, log_ref, beta):
    return dpo.DPO(beta)(PairLogProbs(log_policy[:, 0], log_policy[:, 1], log_ref[:, 0], log_ref[:, 1]))


CLAIM = Claim(
    id="E8",
    aliases=("imdb-optimum",),
    statement=__doc__,
    source=Source(PAPER, "section 6.1 read with the theory of section 4"),
    certify=certify,
    expects="refuted",
)
