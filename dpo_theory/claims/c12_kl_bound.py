r"""How far RLHF moves: at most the squared spread of the reward over 8 beta^2 nats.

For finitely many answers, beta > 0 and a reward finite on the support of pi_ref, the optimal policy pi* of eq. 4 satisfies

    KL(pi* || pi_ref) <= osc(r)^2 / (8 beta^2),

osc over the support. The constant is the best possible: pi_ref = (1/2, 1/2), osc(r)/beta -> 0. DPO has no such bound (the edge).

Why: pi* is pi_ref tilted by r/beta, KL is the integral of t times a variance, and the variance is at most osc(r)^2 / (4 beta^2).
"""

import numpy as np
import sympy as sp

from bandits.data import PairLogProbs
from dpo_theory import optimal
from dpo_theory.claims.claim import Claim, Measured, Source, breaks
from dpo_theory.claims.hoeffding import adversary, cumulant_steps, osc, psi, tight_steps, variance_steps
from dpo_theory.claims.letters import beta, k, log_policy, log_ref, reward, sums_to_one, t
from dpo_theory.losses import dpo
from dpo_theory.proof import Step


def derive():
    best = optimal.optimal_log_policy(reward, log_ref, beta)
    tilted = optimal.optimal_log_policy(reward / beta, log_ref, sp.S.One)
    yield Step("pi* is pi_ref tilted by r/beta", best[k], tilted[k], "delta = r/beta, p_0 = pi_ref, p_1 = pi* in what follows")
    yield from cumulant_steps()
    yield from variance_steps()
    yield Step("psi(0) = 0", psi(t).subs(t, 0), 0, "p_0 is normalised", facts=(sums_to_one(log_policy),))
    x = sp.Symbol("x", real=True)
    half = np.array([-sp.log(2), -sp.log(2)], dtype=object)
    moved = optimal.optimal_log_policy(np.array([x / 2, -x / 2], dtype=object), half, sp.S.One)
    yield from tight_steps(optimal.kl_divergence(moved, half), x)


def certify(bandit, rng):
    if not np.isfinite(bandit.reward).all():
        return
    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    kl = optimal.kl_divergence(best, bandit.log_ref)
    bound = osc(bandit.reward, bandit.support) ** 2 / (8 * bandit.beta**2)
    yield Measured("KL(pi* || pi_ref)", kl, bound, 1 + np.abs(bandit.reward).max() / bandit.beta, relation="<=")


def ratio(logits, tilt):
    """KL(pi* || pi_ref) over osc^2/8, for pi_ref = softmax(logits) and tilt = r/beta."""
    ref = np.exp(logits - np.logaddexp.reduce(logits))
    centred = tilt - ref @ tilt
    excess = ref @ (np.expm1(centred) - centred)  # Z - 1
    mean = ref @ (np.expm1(centred) * centred) / (1 + excess)
    return 8 * (mean - np.log1p(excess)) / np.ptp(tilt) ** 2


def search(bandit, rng):
    """An adversary maximises the ratio over reference and reward."""
    found = adversary(ratio, int(rng.integers(2, 6)), rng)
    yield Measured("largest ratio that an adversary finds", found, 1.0, relation="<=", tolerance=1e-9)
    yield Measured("the constant is needed", 0.99999, ratio(np.zeros(2), np.array([1e-3, 0.0])), relation="<")


def another_policy():
    margin = np.array([30.0])
    loss = dpo.DPO(1.0)(PairLogProbs(margin, np.zeros(1), np.zeros(1), np.zeros(1)))[0]
    policy = np.array([[0.0, -30.0]])
    policy = policy - np.logaddexp.reduce(policy, axis=-1, keepdims=True)
    kl = optimal.kl_divergence(policy, np.log([[0.5, 0.5]]))[0]
    return breaks(
        loss < 1e-12 and kl > 0.69,
        problem="pi_ref = (1/2, 1/2), r = (0.1, 0), beta = 1; DPO on one certain label, stopped at a margin of 30 nats",
        expected="KL <= 0.1^2 / 8 = 0.00125",
        got=f"KL = {kl:.4f} at a loss of {loss:.1e}",
        because="DPO fits the labels; without an optimum of eq. 3 nothing holds the policy back",
    )


def other_beta():
    reward, ref = np.array([[1.0, -1.0]]), np.log([[0.5, 0.5]])
    kl = optimal.kl_divergence(optimal.optimal_log_policy(reward, ref, 0.5), ref)[0]
    return breaks(
        kl > 0.5 / 4,
        problem="pi_ref = (1/2, 1/2), r = (1, -1), beta = 2, but the policy is optimal for beta = 1/2",
        expected="KL <= 4 / (8 * 4) = 0.125",
        got=f"KL = {kl:.4f}",
        because="the bound is about the price that was paid",
    )


CLAIM = Claim(
    id="C12",
    aliases=("kl-bound",),
    statement=__doc__,
    source=Source("derived here", "from eq. 4 of arXiv:2305.18290 and Hoeffding's lemma"),
    assumes=("the policy maximises eq. 3", "at this beta"),
    derive=derive,
    certify=certify,
    search=search,
    edges={"the policy maximises eq. 3": another_policy, "at this beta": other_beta},
)
