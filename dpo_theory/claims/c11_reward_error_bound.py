r"""What a wrong reward costs: regret is at most the squared spread of the error over 8 beta.

For finitely many answers, beta > 0, rewards r and rhat finite on the support of pi_ref, pi_rhat the optimal policy of rhat:

    J_r* - J_r(pi_rhat) = beta KL(pi_rhat || pi_r) <= osc(r - rhat)^2 / (8 beta),

osc(v) = max v - min v over the support. The constant is the best possible: with pi_rhat = (1/2, 1/2) and a small error the ratio
of the two sides tends to 1.

Why: the gap identity of claim D04; pi_r is pi_rhat tilted by (r - rhat)/beta; and Hoeffding's lemma: KL is the integral of
(1 - t) times a variance, which is at most osc^2 / (4 beta^2).
"""

import numpy as np
import sympy as sp

from dpo_theory import optimal
from dpo_theory.claims.claim import Claim, Measured, Source, breaks
from dpo_theory.claims.hoeffding import adversary, cumulant_steps, osc, tight_steps, variance_steps
from dpo_theory.claims.letters import beta, k, log_ref, other_reward, reward
from dpo_theory.proof import Step


def derive():
    best = optimal.optimal_log_policy(reward, log_ref, beta)
    guess = optimal.optimal_log_policy(other_reward, log_ref, beta)
    yield Step(
        "regret is a KL divergence",
        optimal.objective(best, reward, log_ref, beta) - optimal.objective(guess, reward, log_ref, beta),
        beta * optimal.kl_divergence(guess, best),
        "gap identity",
    )
    yield Step(
        "pi_r is pi_rhat tilted by the error",
        best[k],
        optimal.optimal_log_policy(reward - other_reward, guess, beta)[k],
        "delta = (r - rhat)/beta in what follows, p_0 = pi_rhat, p_1 = pi_r",
    )
    yield from cumulant_steps()
    yield from variance_steps()
    x = sp.Symbol("x", real=True)
    half = np.array([-sp.log(2), -sp.log(2)], dtype=object)
    tilted = optimal.optimal_log_policy(np.array([x / 2, -x / 2], dtype=object), half, sp.S.One)
    yield from tight_steps(optimal.kl_divergence(half, tilted), x)


def certify(bandit, rng):
    allowed = bandit.support & np.isfinite(bandit.reward)
    error = rng.normal(scale=bandit.beta * rng.choice([0.1, 1.0, 10.0]), size=bandit.reward.shape)
    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    guess = optimal.optimal_log_policy(bandit.reward - error, bandit.log_ref, bandit.beta)
    size = np.abs(np.where(np.isfinite(bandit.reward), bandit.reward, 0.0)).max() + np.abs(error).max()
    scale = 1 + size + bandit.beta * np.abs(np.where(allowed, bandit.log_ref, 0.0)).max()
    regret = bandit.values(best) - bandit.values(guess)
    yield Measured("regret", regret, bandit.beta * optimal.kl_divergence(guess, best), scale)
    yield Measured("regret against the bound", regret, osc(error, allowed) ** 2 / (8 * bandit.beta), scale, relation="<=")


def ratio(logits, error):
    """KL(pi_rhat || pi_r) over osc^2/8, for pi_rhat = softmax(logits) and error = (r - rhat)/beta."""
    guess = logits - np.logaddexp.reduce(logits)
    weight = np.exp(guess)
    centred = error - weight @ error
    kl = np.log1p(weight @ (np.expm1(centred) - centred))  # psi(1) - psi'(0), without cancellation
    return 8 * kl / np.ptp(error) ** 2


def search(bandit, rng):
    """An adversary maximises the ratio over policy and error."""
    found = adversary(ratio, int(rng.integers(2, 6)), rng)
    yield Measured("largest ratio that an adversary finds", found, 1.0, relation="<=", tolerance=1e-9)
    yield Measured("the constant is needed", 0.99999, ratio(np.zeros(2), np.array([1e-2, 0.0])), relation="<")


def other_beta():
    reward, ref = np.array([[1.0, 0.0, -1.0]]), np.log([[0.5, 0.3, 0.2]])
    best, guess = (optimal.optimal_log_policy(reward, ref, price) for price in (0.5, 1.0))
    regret = 0.5 * optimal.kl_divergence(guess, best)[0]
    return breaks(
        regret > 0.01,
        problem="ref = (.5, .3, .2), r = rhat = (1, 0, -1), beta = 1/2, but pi_rhat is optimal for beta = 1",
        expected="regret <= 0",
        got=f"{regret:.5f}",
        because="the reward is right and the price is wrong",
    )


def other_reference():
    reward, ref = np.array([[1.0, 0.0, -1.0]]), np.log([[0.5, 0.3, 0.2]])
    best, guess = (optimal.optimal_log_policy(reward, start, 0.5) for start in (ref, ref[:, ::-1]))
    regret = 0.5 * optimal.kl_divergence(guess, best)[0]
    return breaks(
        regret > 0.01,
        problem="r = rhat = (1, 0, -1), beta = 1/2, ref = (.5, .3, .2), but pi_rhat was tilted from (.2, .3, .5)",
        expected="regret <= 0",
        got=f"{regret:.5f}",
        because="the reward is right and the reference is wrong (claim C13)",
    )


CLAIM = Claim(
    id="C11",
    aliases=("reward-error",),
    statement=__doc__,
    source=Source("derived here", "from eq. 4 of arXiv:2305.18290 and Hoeffding's lemma"),
    assumes=("pi_rhat uses the same beta", "pi_rhat uses the same reference"),
    derive=derive,
    certify=certify,
    search=search,
    edges={"pi_rhat uses the same beta": other_beta, "pi_rhat uses the same reference": other_reference},
)
