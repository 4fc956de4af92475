r"""Best-of-N lies below the frontier, but close to it.

The best of N answers from pi_ref, among equals the one drawn first, has the law

    pi_N(y|x) = pi_ref(y|x) / m (F^N - (F - m)^N),    m the reference's mass of y's reward, F that of rewards up to it.

(a) KL(pi_N || pi_ref) <= log N - (N - 1)/N; equality needs a reward without atoms, so it never holds here for N > 1.
(b) pi_N is a pi_beta of claim D29 exactly if log pi_N/pi_ref is affine in r; it is when r takes two values, and else lies strictly below.
(c) With m the mass of the best reward: 1 - pi_N(best) = (1 - m)^N, so R(N) -> max r and KL -> -log m geometrically (the plateau).
(d) Unlike pi_beta, pi_N depends on r through its order alone.

Why: the law by induction on N; (b) by claim D32. (a) Merging the answers of one atom into one event lowers
KL (log-sum), and without atoms the density of F is N u^(N-1).
"""

from itertools import product

import numpy as np
import sympy as sp

from bandits import policies
from dpo_theory import optimal
from dpo_theory._xp import logsumexp
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.frontier import shortfall, slope
from dpo_theory.claims.rungs import full_support
from dpo_theory.instances import T1
from dpo_theory.proof import Step


def derive():
    kept, below = sp.symbols("log_F log_G", real=True)
    count = sp.Symbol("N", positive=True)
    yield Step(
        "the law, one draw more: the best stays in its reward, or was below and the new answer has it",
        sp.exp(kept) * (sp.exp(count * kept) - sp.exp(count * below)) + sp.exp(count * below) * (sp.exp(kept) - sp.exp(below)),
        sp.exp((count + 1) * kept) - sp.exp((count + 1) * below),
        "F^N - G^N at N gives it at N + 1, G = F - m; at N = 1 it is m; within a reward the first draw follows pi_ref",
        sizes="every N",
    )
    N, f, m = sp.symbols("N f m", positive=True)
    v = sp.Symbol("v", real=True)
    share = sp.exp(N * v) * (sp.log(N) + (N - 1) * v - (N - 1) / N)
    yield Step(
        "(a) without atoms: the KL of the part F <= e^v, differentiated, is f log f dF with f = N F^(N-1)",
        sp.diff(share, v),
        N * sp.exp((N - 1) * v) * (sp.log(N) + (N - 1) * v) * sp.exp(v),
        "dF = e^v dv",
        sizes="",
    )
    yield Step("(a) the whole, F <= 1", share.subs(v, 0), sp.log(N) - (N - 1) / N, "and 0 at F = 0", sizes="")
    bend = m / f - 1 - sp.log(m / f)
    yield Step(
        "(a) on an atom with mean density m: f log f - f log m = f g(log m/f) + f - m",
        f * sp.log(f) - f * sp.log(m),
        f * bend + f - m,
        "f - m has mean 0 on the atom and g(u) = e^u - 1 - u >= 0 (claim D03b)",
        sizes="",
    )
    gap = sp.Symbol("d", positive=True)
    low, x, y, a, b = sp.symbols("r_2 x y a_1 a_2", real=True)
    law = _log_softmax(x, y)
    ref = _log_softmax(a, b)
    tilt = (law[0] - ref[0] - law[1] + ref[1]) / gap
    best = optimal.optimal_log_policy(np.array([low + gap, low], dtype=object), ref, 1 / tilt)
    yield Step(
        "(b) two rewards: every policy is a pi_beta, beta > 0 if it favours the better one",
        sp.exp(best[0] - best[1]),
        sp.exp(law[0] - law[1]),
        "one log-odds, one beta; within a reward both follow the reference",
        sizes="",
    )


def _log_softmax(*logits):
    row = np.array(logits, dtype=object)
    return row - logsumexp(row)


def _by_enumeration(rewards, ref, count):
    """The law of the best of `count` draws, summing over all of them."""
    law = np.zeros(len(ref))
    for draws in product(range(len(ref)), repeat=count):
        best = max(range(count), key=lambda place: (rewards[draws[place]], -place))
        law[draws[best]] += np.prod(ref[list(draws)])
    return law


def certify(bandit, rng):
    ref = np.exp(bandit.log_ref)
    small = policies.best_of_n(bandit, 3)
    listed = [_by_enumeration(*rows, 3) for rows in zip(bandit.reward, ref, strict=True)]
    yield Measured("the law of the best of 3, by enumeration", np.exp(small), listed)
    count = int(rng.integers(2, 60))
    law = policies.best_of_n(bandit, count)
    kl = optimal.kl_divergence(law, bandit.log_ref)
    yield Measured(f"(a) KL at N = {count}", kl, np.log(count) - (count - 1) / count, relation="<")
    rewards = np.where(bandit.support, bandit.reward, -np.inf)
    best = rewards == rewards.max(axis=-1, keepdims=True)
    mass = (ref * best).sum(axis=-1)
    missed = (np.exp(law) * ~best).sum(axis=-1)
    yield Measured("(c) mass that misses the best reward", missed, (1 - mass) ** count, tolerance=1e-12)
    bent = bandit.replace(reward=np.where(np.isfinite(bandit.reward), np.arctan(bandit.reward / 1000) * 7, -np.inf))
    yield Measured("(d) the law after an increasing change of reward", np.exp(policies.best_of_n(bent, count)), np.exp(law))
    if full_support(bandit):
        for rows in zip(bandit.reward, bandit.log_ref, small, strict=True):
            yield from _against_the_frontier(*rows)


def _against_the_frontier(rewards, log_ref, law):
    """(b): on the frontier at two rewards, below it where log pi_N/pi_ref bends."""
    if np.ptp(rewards) > 20 or np.exp(log_ref).min() < 1e-3:
        return  # too close to the end of the frontier for float64 to tell
    tilt, bend = slope(rewards, law - log_ref)
    if len(set(rewards)) == 2:
        straight = optimal.optimal_log_policy(rewards, log_ref, 1 / tilt)
        yield Measured("(b) two rewards: pi_N is a pi_beta", law, straight, 1 + np.abs(law) + np.abs(log_ref))
    elif bend > 1e-3:
        yield Measured("(b) how far it lies below the frontier", 0.0, shortfall(rewards, log_ref, law), relation="<")


def two_rewards():
    bandit = T1().replace(reward=[[1.0, 0.0]], log_ref=np.log([[0.3, 0.7]]))
    law = policies.best_of_n(bandit, 4)
    ratio = (law - bandit.log_ref)[0]
    tilted = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, 1 / (ratio[0] - ratio[1]))
    return breaks(
        np.allclose(law, tilted, rtol=0, atol=1e-14),
        problem="ref = (.3, .7), r = (1, 0), N = 4",
        expected="strictly below the frontier",
        got=f"pi_N = {np.exp(law)[0].round(4).tolist()} is pi_beta at beta = {1 / (ratio[0] - ratio[1]):.4f}",
        because="two points always lie on a line",
    )


def ties_by_index():
    bandit = T1().replace(reward=[[1.0, 1.0, 0.0]])
    law = np.exp(policies.best_of_n(bandit, 2, ties="first"))[0]
    listed = _by_enumeration(bandit.reward[0], np.exp(bandit.log_ref)[0], 2)
    return breaks(
        np.abs(law - listed).max() > 0.05,
        problem="ref = (.5, .3, .2), r = (1, 1, 0), N = 2, the smaller index kept among equals",
        expected=f"pi_N = {listed.round(4).tolist()}",
        got=f"pi_N = {law.round(4).tolist()}",
        because="within a reward the law is no longer the reference's, and two rewards no longer put it on the frontier",
    )


CLAIM = Claim(
    id="D35",
    aliases=("best-of-n",),
    statement=__doc__,
    source=Source(PAPER, "section 6 and App. D.1; (a) Beirami et al. 2024, arXiv:2401.01879"),
    assumes=("three or more rewards, for the strict part of (b)", "among equals the one drawn first"),
    derive=derive,
    certify=certify,
    edges={
        "three or more rewards, for the strict part of (b)": two_rewards,
        "among equals the one drawn first": ties_by_index,
    },
)
