r"""Normalising the reward to mean zero.

Subtracting from r(x, y) its mean m(x) under any law of the answers, so that E[r(x, y)] = 0 for every prompt, changes neither
the likelihood of eq. 2, nor the optimum of eq. 3 (values fall by m(x)), nor the mean of the score-function gradient. It does
change that estimator's second moment, by -2 m E[r u^2] + m^2 E[u^2] along a direction with score u: up or down.

Why: preferences see differences within a prompt; the optimum forgets a constant per prompt; a score has mean zero.
"""

import numpy as np

from bandits.problem import TabularBandit
from dpo_theory import optimal, preferences
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, expectation, i, j, k, log_policy, log_ref, reward, sums_to_one
from dpo_theory.proof import Step, row


def derive():
    mean = expectation(row("m"), reward)
    centred = reward - mean
    direction = row("v")
    score = direction - expectation(log_policy, direction)
    names = {mean: "m"}
    yield Step(
        "eq. 2 does not change",
        preferences.bradley_terry(centred[i], centred[j]),
        preferences.bradley_terry(reward[i], reward[j]),
        "m cancels in the difference",
        names=names,
    )
    yield Step(
        "the optimum does not change",
        optimal.optimal_log_policy(centred, log_ref, beta)[k],
        optimal.optimal_log_policy(reward, log_ref, beta)[k],
        "Z takes up e^{-m/beta}",
        names=names,
    )
    yield Step(
        "every value falls by m",
        optimal.objective(log_policy, centred, log_ref, beta),
        optimal.objective(log_policy, reward, log_ref, beta) - mean,
        "E[m] = m",
        facts=(sums_to_one(log_policy),),
        names=names,
    )
    yield Step(
        "the mean gradient does not change",
        expectation(log_policy, centred * score),
        expectation(log_policy, reward * score),
        "a score has mean zero",
        facts=(sums_to_one(log_policy),),
        names=names,
    )
    yield Step(
        "the second moment of the gradient does",
        expectation(log_policy, centred**2 * score**2) - expectation(log_policy, reward**2 * score**2),
        mean**2 * expectation(log_policy, score**2) - 2 * mean * expectation(log_policy, reward * score**2),
        "expand the square",
        names=names,
    )


def certify(bandit, rng):
    if not np.isfinite(bandit.reward).all():
        return
    law = rng.dirichlet(np.ones(bandit.n_actions), size=bandit.n_contexts)
    centred = bandit.reward - np.sum(law * bandit.reward, axis=-1, keepdims=True)
    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    again = optimal.optimal_log_policy(centred, bandit.log_ref, bandit.beta)
    taken = bandit.support
    size = 1 + np.abs(bandit.reward).max() / bandit.beta
    yield Measured("mean of the centred reward", np.sum(law * centred, axis=-1), 0.0, 1 + np.abs(bandit.reward).max())
    yield Measured("log pi* with and without the mean", again[taken] - best[taken], 0.0, size)


def whitening():
    bandit = TabularBandit([1.0], [[2.0, 0.0, -2.0]], np.log([[0.5, 0.3, 0.2]]), 1.0)
    whitened = (bandit.reward - bandit.reward.mean()) / bandit.reward.std()
    before, after = (np.exp(optimal.optimal_log_policy(r, bandit.log_ref, bandit.beta))[0] for r in (bandit.reward, whitened))
    return breaks(
        0.5 * np.abs(before - after).sum() > 0.05,
        problem="ref = (.5, .3, .2), r = (2, 0, -2), beta = 1, r divided by its standard deviation",
        expected=f"pi* = {before.round(4).tolist()}",
        got=f"pi* = {after.round(4).tolist()}",
        because="a rescaled reward is another beta",
    )


def mean_per_answer():
    bandit = TabularBandit([0.5, 0.5], [[1.0, 0.0], [3.0, 0.0]], np.log([[0.5, 0.5]] * 2), 1.0)
    before, after = (
        np.exp(optimal.optimal_log_policy(r, bandit.log_ref, bandit.beta))[0]
        for r in (bandit.reward, bandit.reward - bandit.reward.mean(axis=0))
    )
    return breaks(
        0.5 * np.abs(before - after).sum() > 0.05,
        problem="r = (1, 0) and (3, 0) at two prompts, each answer's mean over prompts subtracted",
        expected=f"pi*(.|x_1) = {before.round(4).tolist()}",
        got=f"pi*(.|x_1) = {after.round(4).tolist()}",
        because="the subtracted mean depends on the answer",
    )


CLAIM = Claim(
    id="D02b",
    aliases=("normalised-reward",),
    statement=__doc__,
    source=Source(PAPER, "section 3, after eq. 2; Lemmas 1 and 2"),
    assumes=("only a mean is subtracted", "the mean depends on the prompt alone"),
    derive=derive,
    certify=certify,
    edges={"only a mean is subtracted": whitening, "the mean depends on the prompt alone": mean_per_answer},
)
