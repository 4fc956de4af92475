r"""Over a class of rewards the raw variance is unbounded and the normalised one is constant.

For the single-sample policy gradient with signal A(y), A = r - beta log pi/pi_ref, in the logits of any policy pi,

    tr Cov[r + c] = tr Cov[r] + 2 c E[A |grad log pi|^2] + c^2 tr C(pi),    tr C(pi) = sum pi (1 - pi),

a quadratic in the shift c(x) with positive leading coefficient once two actions have positive probability, although all r + c
have one optimal policy. With f(r) in place of r the variance is the same for every member of the class.

Why: the shift adds c grad log pi, whose mean is 0 (claim D22a); f(r + c) = f(r) (claim D18c). This is the exact form of
"without it, the policy gradient of the objective could have high variance".
"""

import numpy as np
import sympy as sp

from dpo_theory import optimal
from dpo_theory.claims import reinforce
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, c, expectation, log_policy, log_ref, reward, sums_to_one
from dpo_theory.claims.pairs import random_log_policy
from dpo_theory.claims.rungs import full_support, score_terms
from dpo_theory.proof import Step


def derive():
    pi, price = log_policy.each(sp.exp), beta * (log_policy - log_ref)
    is_policy = (sums_to_one(log_policy),)
    signal = reward - price
    yield Step(
        "the variance is quadratic in the shift",
        reinforce.variance(pi, signal + c),
        reinforce.variance(pi, signal) + 2 * c * expectation(log_policy, signal * reinforce.score_norm(pi)) + c**2 * (pi * (1 - pi)).sum(),
        "the mean does not move, the second moment does",
        facts=is_policy,
    )
    yield Step(
        "the leading coefficient is E |grad log pi|^2",
        expectation(log_policy, reinforce.score_norm(pi)),
        (pi * (1 - pi)).sum(),
        "each term is >= 0, and > 0 where 0 < pi < 1",
        facts=is_policy,
    )
    yield Step(
        "the normalised variance does not depend on the shift",
        reinforce.variance(pi, optimal.project_reward(reward + c, log_ref, beta) - price),
        reinforce.variance(pi, optimal.project_reward(reward, log_ref, beta) - price),
        "f(r + c) = f(r)",
    )


def certify(bandit, rng):
    if not full_support(bandit):
        return
    log_pi = random_log_policy(bandit, rng)
    price = bandit.beta * (log_pi - bandit.log_ref)
    normal = optimal.project_reward(bandit.reward, bandit.log_ref, bandit.beta) - price
    terms = score_terms(bandit).max() + np.abs(price).max()
    for shift in (-10.0, 0.1, 1000.0):
        moved = optimal.project_reward(bandit.reward + shift, bandit.log_ref, bandit.beta) - price
        size = (terms + abs(shift)) ** 2
        for x, pi in enumerate(np.exp(log_pi)):
            signal = (bandit.reward - price)[x]
            norm = ((np.eye(len(pi)) - pi) ** 2).sum(axis=1)
            start = reinforce.variance_by_table(pi, signal)
            expected = start + 2 * shift * float(pi @ (signal * norm)) + shift**2 * float(pi @ norm)
            yield Measured("the formula against the table", reinforce.variance(pi, signal), start, terms**2)
            yield Measured("variance of r + c", reinforce.variance_by_table(pi, signal + shift), expected, size)
            same = reinforce.variance_by_table(pi, normal[x])
            yield Measured("variance of f(r + c)", reinforce.variance_by_table(pi, moved[x]), same, size)


def certain_policy():
    pi, signal = np.array([1.0, 0.0]), np.array([1.0, 0.0])
    spread = [float(reinforce.variance_by_table(pi, signal + shift)) for shift in (0.0, 10.0, 1000.0)]
    return breaks(
        max(spread) == 0.0,
        problem="pi = (1, 0), r = (1, 0), shifts 0, 10, 1000",
        expected="the variance grows without bound",
        got=f"{spread}",
        because="the score of the only action taken is 0, so no shift is seen",
    )


CLAIM = Claim(
    id="D22c",
    aliases=("variance-over-the-class",),
    statement=__doc__,
    source=Source(PAPER, "section 5.2, on eq. 10"),
    assumes=("two actions have positive probability",),
    derive=derive,
    certify=certify,
    edges={"two actions have positive probability": certain_policy},
)
