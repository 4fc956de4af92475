r"""A policy with the least DPO loss is as close to the reference as the RLHF optimum.

    L_DPO(pi) = L_DPO(pi*)    implies    KL(pi || pi_ref) = KL(pi* || pi_ref).

Eq. 7 has no KL term: it holds the log-ratios of compared answers together and says nothing about the mass of the others. Corrected: when
every answer of the context is compared, along a connected graph, the minimiser is pi* (claim D07b).
"""

import numpy as np

from bandits.data import PairLogProbs
from dpo_theory import optimal
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source
from dpo_theory.losses import dpo


def certify():
    reward, log_ref, beta = np.zeros((1, 3)), np.log([[0.25, 0.25, 0.5]]), 1.0
    best = optimal.optimal_log_policy(reward, log_ref, beta)
    other = np.log([[0.01, 0.01, 0.98]])
    kl_best, kl_other = (optimal.kl_divergence(policy, log_ref) for policy in (best, other))
    loss_best, loss_other = (_loss(policy, log_ref, beta) for policy in (best, other))
    yield Measured("only answers 1 and 2 are compared: loss of pi = (.01, .01, .98)", loss_other, loss_best)
    yield Measured("ref = (1/4, 1/4, 1/2), r = 0, beta = 1: its KL against that of pi*", kl_other, kl_best)


def _loss(log_policy, log_ref, beta):
    """Mean over both outcomes of comparing answers 1 and 2, which are equally good."""
    loss = dpo.DPO(beta)
    forth = PairLogProbs(log_policy[:, 0], log_policy[:, 1], log_ref[:, 0], log_ref[:, 1])
    back = PairLogProbs(log_policy[:, 1], log_policy[:, 0], log_ref[:, 1], log_ref[:, 0])
    return (loss(forth) + loss(back)) / 2


CLAIM = Claim(
    id="E10",
    aliases=("no-explicit-kl",),
    statement=__doc__,
    source=Source(PAPER, "sections 4 and 5 read for contexts in which not every answer is compared"),
    certify=certify,
    expects="refuted",
)
