r"""A baseline does not move the policy gradient.

    E_{y ~ pi}[ c(x) grad log pi(y|x) ] = 0    for every differentiable family of policies and every c(x),

so subtracting any function of the context from the reward leaves the expected policy gradient of eq. 3 and eq. 10 as it is.

Why: pi grad log pi = grad pi, and sum_y pi(y|x) = 1 for all parameters. Every positive family is the softmax of its own logits
g_y(theta); taken along one direction of theta, the sum vanishes for arbitrary functions g_y.
"""

import numpy as np
import sympy as sp

from dpo_theory import optimal
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, c, expectation, log_ref, reward, t
from dpo_theory.proof import Row, Step


def derive():
    g = sp.Function("g", real=True)
    family = optimal.optimal_log_policy(Row(lambda y: g(y, t)), log_ref, beta)
    score = family.each(lambda log_pi: sp.diff(log_pi, t))
    yield Step(
        "the mean of the score is 0",
        expectation(family, c * score),
        0,
        "it is the derivative of sum pi = 1",
    )
    yield Step(
        "the gradient with a baseline is the gradient",
        expectation(family, (reward - c) * score),
        sp.diff(expectation(family, reward), t),
        "d/dt of the mean reward",
    )


def certify(bandit, rng):
    features = rng.normal(size=(*bandit.reward.shape, 3))
    baseline = rng.normal(scale=3.0, size=bandit.n_contexts)
    logits = bandit.reward + features @ rng.normal(size=3)
    pi = np.exp(optimal.optimal_log_policy(logits, bandit.log_ref, bandit.beta))
    score = (features - np.einsum("xa,xad->xd", pi, features)[:, None, :]) / bandit.beta
    mean = np.einsum("x,xa,xad->xd", baseline, pi, score)
    size = np.abs(baseline).max() * np.abs(features).max() / bandit.beta
    yield Measured("E_pi[c(x) grad log pi] for logits linear in three features", mean, 0.0, size)


def baseline_by_action():
    pi = np.array([0.5, 0.5])
    mean = (pi * np.array([1.0, 0.0])) @ (np.eye(2) - pi)
    return breaks(
        np.abs(mean).max() > 0.1,
        problem="pi = (1/2, 1/2), softmax logits, baseline c = (1, 0)",
        expected="E_pi[c grad log pi] = 0",
        got=f"{mean.tolist()}",
        because="the baseline depends on the action: it is a reward",
    )


def other_sampler():
    pi, sampler = np.array([0.5, 0.5]), np.array([0.75, 0.25])
    mean = sampler @ (np.eye(2) - pi)
    return breaks(
        np.abs(mean).max() > 0.1,
        problem="pi = (1/2, 1/2), answers drawn from (3/4, 1/4), c = 1",
        expected="E[c grad log pi] = 0",
        got=f"{mean.tolist()}",
        because="the mean of the score vanishes under pi only; on stale samples a baseline biases the gradient",
    )


CLAIM = Claim(
    id="D22a",
    aliases=("baseline-invariance",),
    statement=__doc__,
    source=Source(PAPER, "section 5.2, on eq. 10"),
    assumes=("the baseline depends on the context alone", "answers are drawn from pi"),
    derive=derive,
    certify=certify,
    edges={"the baseline depends on the context alone": baseline_by_action, "answers are drawn from pi": other_sampler},
)
