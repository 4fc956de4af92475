r"""Preferred fine-tuning learns the law of the winner.

    argmax_pi E[log pi(y_w|x)] = W,    W_i = P(y_w = i | x),

for any design; with the two answers drawn independently from mu, equal draws included, W_i = 2 mu_i b_i, where
b_i = sum_j mu_j P(i beats j) is the Borda score with P(i beats i) = 1/2. This is the reference that the paper falls back on; it
is mu itself only where every b_i = 1/2.

Why: E log W(y_w) - E log pi(y_w) = KL(W || pi) >= 0 (claim D03b), and i wins as the first or as the second answer.
"""

import numpy as np
import sympy as sp

from bandits.solve import minimise_loss
from dpo_theory import optimal, preferences
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import expectation, i, j, log_policy, reward, sums_to_one
from dpo_theory.claims.pairs import random_log_policy
from dpo_theory.proof import Row, Step, row

log_win = row("w")
mu, kappa = sp.IndexedBase("mu", real=True), sp.IndexedBase("kappa", real=True)


def derive():
    surplus = (log_policy - log_win).each(lambda u: sp.exp(u) - 1 - u)
    yield Step(
        "the gap is a KL divergence",
        expectation(log_win, log_win) - expectation(log_win, log_policy),
        optimal.kl_divergence(log_win, log_policy),
        "by definition",
    )
    yield Step(
        "which is a sum of g(u) = e^u - 1 - u >= 0",
        optimal.kl_divergence(log_win, log_policy),
        expectation(log_win, surplus),
        "0 only at pi = W",
        facts=(sums_to_one(log_win), sums_to_one(log_policy)),
    )
    weight = Row(lambda a: sp.exp(mu[a]))
    normalised = ((weight.sum(), sp.S.One),)

    def beats(a, b):
        return sp.Rational(1, 2) + kappa[a, b] - kappa[b, a]

    first = Row(lambda a: Row(lambda b: weight[a] * weight[b] * beats(a, b)).sum())
    second = Row(lambda a: Row(lambda b: weight[b] * weight[a] * (1 - beats(b, a))).sum())
    borda = Row(lambda a: Row(lambda b: weight[b] * beats(a, b)).sum())
    yield Step("i wins as first or second answer", (first + second)[i], 2 * weight[i] * borda[i], "P(i>j) + P(j>i) = 1")
    yield Step("W sums to 1", (2 * weight * borda).sum(), 1, "P = 1/2 + an antisymmetric part", facts=normalised)
    yield Step(
        "Bradley-Terry preferences are of this kind",
        sp.exp(preferences.bradley_terry(reward[i], reward[j])) + sp.exp(preferences.bradley_terry(reward[j], reward[i])),
        1,
        "one of the two wins",
    )


def beats(bandit):
    """(X, A, A) P(i beats j), 1/2 against itself; forbidden answers lose."""
    reward = np.where(np.isfinite(bandit.reward), bandit.reward, -1e6)
    gap = reward[:, :, None] - reward[:, None, :]
    return np.exp(-np.logaddexp(0, -gap))


def certify(bandit, rng):
    """Every ordered draw of two answers, the winner's mass added up, against the closed form."""
    ref, p = np.exp(bandit.log_ref), beats(bandit)
    won = np.zeros_like(ref)
    for first in range(bandit.n_actions):
        for second in range(bandit.n_actions):
            drawn = ref[:, first] * ref[:, second]
            won[:, first] += drawn * p[:, first, second]
            won[:, second] += drawn * (1 - p[:, first, second])
    closed = 2 * ref * np.einsum("xj,xij->xi", ref, p)
    yield Measured("law of the winner against 2 mu b", closed, won)
    yield Measured("it sums to 1", closed.sum(axis=-1), 1.0)
    policy = random_log_policy(bandit, rng)
    if not np.isfinite(policy).all() or (closed <= 0).any():
        return
    gap = np.sum(won * (np.log(closed) - policy), axis=-1)
    scale = 1 + np.sum(won * (np.abs(np.log(closed)) + np.abs(policy)), axis=-1)
    yield Measured("gap against KL(W || pi)", gap, optimal.kl_divergence(np.log(closed), policy), scale)


def search(bandit, rng):
    """Preferred fine-tuning by search: two different answers, uniform pairs, loss -log pi(y_w|x)."""
    if not (bandit.support & np.isfinite(bandit.reward)).all() or np.ptp(bandit.reward) > 30:
        return
    p = beats(bandit)
    wins = p.sum(axis=2) - 0.5
    found = minimise_loss(bandit, lambda pairs: -pairs.policy_chosen)
    law = wins / wins.sum(axis=-1, keepdims=True)
    yield Measured("total variation", 0.5 * np.abs(np.exp(found.log_policy) - law).sum(axis=-1), 0.0, tolerance=1e-9)


def distinct_answers():
    ref, gap = np.array([0.5, 0.3, 0.2]), np.subtract.outer([1.0, 0.0, -1.0], [1.0, 0.0, -1.0])
    p = np.exp(-np.logaddexp(0, -gap))
    closed = 2 * ref * (p @ ref)
    drawn = np.outer(ref, ref) * (1 - np.eye(3))
    law = 2 * (drawn * p).sum(axis=1) / drawn.sum()
    return breaks(
        np.abs(closed - law).max() > 0.01,
        problem="ref = (.5, .3, .2), r = (1, 0, -1), pairs of two different answers",
        expected=f"2 mu b = {closed.round(4).tolist()}",
        got=f"{law.round(4).tolist()}",
        because="equal draws, which change nothing in a preference loss, are winners too",
    )


def one_parameter():
    law = np.array([0.5, 0.3, 0.2])
    feature = np.array([1.0, 0.0, -1.0])
    grid = np.linspace(-3, 3, 6001)[:, None] * feature
    policies = grid - np.logaddexp.reduce(grid, axis=1, keepdims=True)
    best = np.exp(policies[np.argmax(policies @ law)])
    return breaks(
        np.abs(best - law).max() > 0.01,
        problem="W = (.5, .3, .2), policies softmax(theta (1, 0, -1))",
        expected="argmax = W",
        got=f"{best.round(3).tolist()}",
        because="W is not among the policies; only its mean feature is matched",
    )


CLAIM = Claim(
    id="D12",
    aliases=("preferred-fine-tuning",),
    statement=__doc__,
    source=Source(PAPER, "section 4, the outline of DPO; Appendix D"),
    assumes=("tabular policy", "the two answers are independent draws, equal ones included, for 2 mu b"),
    derive=derive,
    certify=certify,
    search=search,
    edges={
        "tabular policy": one_parameter,
        "the two answers are independent draws, equal ones included, for 2 mu b": distinct_answers,
    },
)
