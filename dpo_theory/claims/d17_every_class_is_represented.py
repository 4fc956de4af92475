r"""Theorem 1: every class of rewards is represented by a policy.

    If beta > 0 and pi_ref(y|x) > 0 for all (x, y), the class of every finite reward r contains
    beta log pi(y|x)/pi_ref(y|x)    for a policy pi that is positive everywhere, namely pi = pi_r.

The main text says "under mild assumptions"; the support of pi_ref is stated in App. A.6 only (erratum E2). With infinitely many
actions Z(x) has to be finite, too.

Why: beta log pi_r/pi_ref = r - beta log Z(x), which differs from r by a function of the context.
"""

import numpy as np
import sympy as sp

from dpo_theory import optimal, rewards
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, k, log_ref, reward
from dpo_theory.claims.rungs import full_support, score_terms
from dpo_theory.proof import Step


def derive():
    best = optimal.optimal_log_policy(reward, log_ref, beta)
    represented = optimal.implicit_reward(best, log_ref, beta)
    log_z = optimal.log_partition(reward, log_ref, beta)
    names = {log_z: r"\log Z"}
    yield Step("pi_r is a policy", best.each(sp.exp).sum(), 1, "Z is the sum of its own summands", names=names)
    yield Step(
        "its implicit reward is in the class of r",
        (reward - represented)[k],
        beta * log_z,
        "the difference does not depend on the action",
        names=names,
    )
    yield Step(
        "its implicit reward has the same optimal policy",
        optimal.optimal_log_policy(represented, log_ref, beta)[k],
        best[k],
        "Lemma 2 (claim D16)",
        names=names,
    )


def certify(bandit, rng):
    if not full_support(bandit):
        return
    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    represented = optimal.implicit_reward(best, bandit.log_ref, bandit.beta)
    terms = score_terms(bandit)
    yield Measured("sum of pi_r", np.exp(best).sum(axis=-1), 1.0)
    yield Measured(
        "reward differences that the policy represents",
        represented - represented[:, :1],
        bandit.reward - bandit.reward[:, :1],
        terms + terms[:, :1],
    )
    back = optimal.optimal_log_policy(represented, bandit.log_ref, bandit.beta)
    yield Measured("log pi of the represented reward", back, best, 1.0 + terms / bandit.beta)


def unsupported():
    with np.errstate(divide="ignore", invalid="ignore"):
        log_ref = np.log(np.array([[0.5, 0.5, 0.0]]))
        best = optimal.optimal_log_policy([[0.0, 0.0, 1.0]], log_ref, 1.0)
        represented = (best - log_ref)[0]
    return breaks(
        not np.isfinite(represented[2]) and np.isfinite(represented[:2]).all(),
        problem="ref = (1/2, 1/2, 0), r = (0, 0, 1), beta = 1",
        expected="beta log pi/ref is a reward in the class of r",
        got=f"beta log pi_r/ref = {represented.tolist()}",
        because="off the support the log-ratio is 0/0, and +inf for a policy that goes there; the optimum never sees r_3",
    )


def no_price():
    reward = np.array([[1.0, 0.0]])
    policies = np.log([[[0.5, 0.5]], [[0.9, 0.1]], [[1e-9, 1 - 1e-9]]])
    represented = 0.0 * (policies - np.log(0.5))
    return breaks(
        not any(rewards.same_class(reward, r) for r in represented),
        problem="ref = (1/2, 1/2), r = (1, 0), beta = 0",
        expected="beta log pi/ref is in the class of r for some pi",
        got="beta log pi/ref = 0 for every positive pi",
        because="at beta = 0 only the class of constants is represented",
    )


def infinite_reward():
    best = optimal.optimal_log_policy([[0.0, -np.inf]], np.log([[0.5, 0.5]]), 1.0)
    represented = optimal.implicit_reward(best, np.log([[0.5, 0.5]]), 1.0)
    return breaks(
        np.exp(best)[0, 1] == 0.0 and not np.isfinite(represented).all(),
        problem="ref = (1/2, 1/2), r = (0, -inf), beta = 1",
        expected="a finite reward beta log pi/ref of a policy that is positive everywhere",
        got=f"pi_r = {np.exp(best)[0].tolist()}, beta log pi_r/ref = {represented[0].tolist()}",
        because="a reward of -inf forbids the action",
    )


def infinite_partition():
    sizes = (50, 100, 200)
    log_z = []
    for size in sizes:
        y = np.arange(1, size + 1)
        log_ref = -y * np.log(2.0) - np.log1p(-(0.5**size))
        log_z.append(float(optimal.log_partition(y[None, :] * 1.0, log_ref[None, :], 1.0)[0]))
    steps = np.diff(log_z) / np.diff(sizes)
    return breaks(
        np.allclose(steps, 1 - np.log(2.0), atol=1e-6),
        problem="ref(y) = 2^-y on y = 1, 2, 3, ..., r(y) = y, beta = 1",
        expected="r - beta log Z is finite",
        got=f"log Z over the first {sizes} actions = {[round(v, 3) for v in log_z]}: {steps[-1]:.4f} more per action",
        because="Z = sum (e/2)^y diverges, so there is no normalised pi_r",
    )


CLAIM = Claim(
    id="D17",
    aliases=("theorem1", "every-class-is-represented"),
    statement=__doc__,
    source=Source(PAPER, "section 5.1, Theorem 1, with the hypotheses of App. A.6"),
    assumes=("pi_ref(y|x) > 0", "beta > 0", "rewards are finite", "Z(x) is finite"),
    derive=derive,
    certify=certify,
    edges={
        "pi_ref(y|x) > 0": unsupported,
        "beta > 0": no_price,
        "rewards are finite": infinite_reward,
        "Z(x) is finite": infinite_partition,
    },
)
