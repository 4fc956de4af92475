r"""The DPO loss is the reward loss of the implicit reward.

    L_DPO(pi; D) = -sum_k m_k log s(z_k) = L_R(r; D),    r = beta log(pi/pi_ref) + f(x),    z = r(x, y_w) - r(x, y_l),

for every data set D of N weighted comparisons, every policy that takes the compared answers and every function f of the
context. At pi = pi_ref every comparison costs log 2, and at the optimal policy of eq. 4 the loss is the reward's own.

Why: the loss sees the policy only through beta log(pi/pi_ref), and a comparison only through a difference of two of them.
"""

import numpy as np
import sympy as sp

from bandits.data import PairLogProbs
from dpo_theory import optimal, preferences
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, i, j, k, log_ref, reward
from dpo_theory.claims.pairs import N, batch, compared, every_pair, pair, random_log_policy, weights
from dpo_theory.losses import dpo
from dpo_theory.proof import Step, row


def derive():
    pairs, f = batch(), row("f", N)
    chosen = optimal.implicit_reward(pairs.policy_chosen, pairs.ref_chosen, beta) + f
    rejected = optimal.implicit_reward(pairs.policy_rejected, pairs.ref_rejected, beta) + f
    yield Step(
        "eq. 7 is eq. 2 at r = beta log pi/pi_ref + f",
        (weights * dpo.DPO(beta)(pairs)).sum(),
        -(weights * preferences.bradley_terry(chosen, rejected)).sum(),
        "f(x) cancels in each comparison",
        sizes="every N",
    )
    at_reference = PairLogProbs(pairs.ref_chosen, pairs.ref_rejected, pairs.ref_chosen, pairs.ref_rejected)
    yield Step("log 2 at the reference", dpo.DPO(beta)(at_reference)[k], sp.log(2), "the margin is 0", sizes="every N")
    best = optimal.optimal_log_policy(reward, log_ref, beta)
    yield Step(
        "at pi* the loss is the reward's own",
        dpo.DPO(beta)(pair(best, i, j)),
        -preferences.bradley_terry(reward[i], reward[j]),
        "log Z cancels in each comparison",
        names={optimal.log_partition(reward, log_ref, beta): r"\log Z"},
    )


def certify(bandit, rng):
    data = every_pair(bandit)
    pairs = compared(random_log_policy(bandit, rng), bandit, data)
    shift = rng.normal(size=bandit.n_contexts)[data.context]
    chosen = bandit.beta * (pairs.policy_chosen - pairs.ref_chosen) + shift
    rejected = bandit.beta * (pairs.policy_rejected - pairs.ref_rejected) + shift
    scale = 1 + np.abs(chosen) + np.abs(rejected) + np.abs(shift)
    loss = dpo.DPO(bandit.beta)
    yield Measured("loss of a random policy", loss(pairs), np.logaddexp(chosen, rejected) - chosen, scale)
    yield Measured("loss of the reference", loss(compared(bandit.log_ref, bandit, data)), np.log(2.0))


def across_contexts():
    f = np.array([0.0, 1.0])
    pairs = PairLogProbs(*np.log([[0.6], [0.3], [0.5], [0.5]]))
    chosen, rejected = np.log([1.2]) + f[0], np.log([0.6]) + f[1]
    paired, alone = float(dpo.DPO(1.0)(pairs)[0]), float(-preferences.bradley_terry(chosen, rejected)[0])
    return breaks(
        abs(paired - alone) > 0.1,
        problem="y_w answers one prompt and y_l another, f(x) = 0 and 1, beta = 1",
        expected=f"L_R = L_DPO = {paired:.6f}",
        got=f"L_R = {alone:.6f}",
        because="f(x) cancels only between two answers to one prompt",
    )


def off_the_support():
    with np.errstate(invalid="ignore", divide="ignore"):
        pairs = PairLogProbs(*(np.log(np.array([p])) for p in (1.0, 0.0, 0.5, 0.0)))
        loss = float(dpo.DPO(1.0)(pairs)[0])
    return breaks(
        not np.isfinite(loss),
        problem="pi(y_l|x) = pi_ref(y_l|x) = 0",
        expected="a loss",
        got=f"{loss}",
        because="log(pi/pi_ref) is 0/0 where both vanish",
    )


def without_a_price():
    try:
        dpo.DPO(0.0)
    except ValueError as error:
        refused = str(error)
    else:
        return None
    flat = np.log1p(np.exp(-0.0 * np.array([-3.0, 0.0, 3.0])))
    return breaks(
        np.ptp(flat) == 0.0,
        problem="beta = 0",
        expected="a loss that tells policies apart",
        got=f"log 2 for every policy; refused: {refused}",
        because="the implicit reward is 0 for every policy",
    )


CLAIM = Claim(
    id="D07",
    aliases=("eq7", "dpo-loss"),
    statement=__doc__,
    source=Source(PAPER, "eq. 7"),
    assumes=("beta > 0", "pi and pi_ref > 0 on the compared answers", "both answers have one context"),
    derive=derive,
    certify=certify,
    edges={
        "beta > 0": without_a_price,
        "pi and pi_ref > 0 on the compared answers": off_the_support,
        "both answers have one context": across_contexts,
    },
)
