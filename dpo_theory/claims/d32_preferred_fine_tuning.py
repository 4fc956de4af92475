r"""Preferred-FT lies below the reward-KL frontier.

Fine-tuning on the chosen answers of pairs drawn twice from pi_ref (equal draws included) gives, for any preferences,

    pi(y|x) = 2 pi_ref(y|x) b(y),    b(y_i) = sum_j pi_ref(y_j|x) P(i beats j),    P(i beats i) = 1/2.

A policy with the support of pi_ref lies on the frontier of claim D29 at 0 < beta < inf exactly if log pi/pi_ref is affine in r with
positive slope 1/beta. So Preferred-FT lies strictly below it unless log b is affine in r, as it is when r takes two values.

Why: log pi_beta/pi_ref = r/beta - log Z, and normalised affine log-ratios are of this form; all other policies lose beta KL(pi || pi_beta).
"""

import numpy as np
import sympy as sp

from bandits import policies
from dpo_theory import optimal, preferences
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.frontier import shortfall, slope
from dpo_theory.claims.letters import beta, c, k, log_ref, reward
from dpo_theory.claims.rungs import full_support
from dpo_theory.instances import T1
from dpo_theory.proof import Step


def derive():
    tilt = sp.Symbol("lambda", positive=True)
    log_z = optimal.log_partition(reward, log_ref, beta)
    yield Step(
        "log pi_beta/pi_ref is affine in r",
        (optimal.optimal_log_policy(reward, log_ref, beta) - log_ref)[k],
        reward[k] / beta - log_z,
        "claim D04",
        names={log_z: r"\log Z"},
    )
    yield Step(
        "a normalised policy pi_ref e^{lambda r + c} is pi_beta with beta = 1/lambda",
        (log_ref + tilt * reward + c)[k],
        optimal.optimal_log_policy(reward, log_ref, 1 / tilt)[k],
        "the sum fixes c = -log Z",
        facts=(((log_ref + tilt * reward).each(sp.exp).sum(), sp.exp(-c)),),
        values=_normalised,
    )


def _normalised(size, rng):
    import mpmath as mp

    rewards, ref = ([mp.mpf(int(v)) / 4 for v in rng.integers(-9, 10, size=size)] for _ in range(2))
    total = mp.fsum(mp.exp(a + r / 3) for a, r in zip(ref, rewards, strict=True))
    bases = {reward[1].base: rewards, log_ref[1].base: ref}
    return {**bases, sp.Symbol("lambda", positive=True): mp.mpf(1) / 3, c: -mp.log(total)}


def certify(bandit, rng):
    if not full_support(bandit):
        return
    found = policies.preferred_fine_tuning(bandit, draw="reference", distinct=False)
    borda = _borda(bandit)
    yield Measured("Preferred-FT against 2 pi_ref b", np.exp(found), 2 * np.exp(bandit.log_ref) * borda)
    for x in range(bandit.n_contexts):
        rewards, log_ref, log_policy = bandit.reward[x], bandit.log_ref[x], found[x]
        if np.ptp(rewards) > 20:
            continue
        ratio = log_policy - log_ref
        tilt, bend = slope(rewards, ratio)
        if len(set(rewards)) == 2:
            on = optimal.optimal_log_policy(rewards, log_ref, 1 / tilt)
            yield Measured("two rewards: Preferred-FT is a pi_beta", log_policy, on, 1 + np.abs(log_ref) + np.abs(ratio).max())
        elif np.exp(log_ref).min() > 1e-6 and bend > 1e-3:
            yield Measured("how far it lies below the frontier", 0.0, shortfall(rewards, log_ref, log_policy), relation="<")


def _borda(bandit):
    gaps = bandit.reward[:, :, None] - bandit.reward[:, None, :]
    wins = np.exp(preferences.bradley_terry(gaps, np.zeros_like(gaps)))
    return np.einsum("xij,xj->xi", wins, np.exp(bandit.log_ref))


def two_rewards():
    bandit = T1().replace(reward=[[1.0, 0.0, 0.0]])
    found = policies.preferred_fine_tuning(bandit, distinct=False)[0]
    short = shortfall(bandit.reward[0], bandit.log_ref[0], found)
    return breaks(
        abs(short) < 1e-12,
        problem="ref = (.5, .3, .2), r = (1, 0, 0)",
        expected="Preferred-FT strictly below the frontier",
        got=f"shortfall {short:.1e} at pi = {np.exp(found).round(4).tolist()}",
        because="two points always lie on a line: log b is affine in r",
    )


def distinct_answers():
    bandit = T1()
    found = np.exp(policies.preferred_fine_tuning(bandit, distinct=True))[0]
    formula = (2 * np.exp(bandit.log_ref) * _borda(bandit))[0]
    return breaks(
        np.abs(found - formula).max() > 0.01,
        problem="T1, the two answers of a pair always distinct",
        expected=f"pi = 2 pi_ref b = {formula.round(4).tolist()}",
        got=f"pi = {found.round(4).tolist()}",
        because="leaving out equal draws compares the likely answers less often",
    )


CLAIM = Claim(
    id="D32",
    aliases=("preferred-ft",),
    statement=__doc__,
    source=Source(PAPER, "section 6: Preferred-FT"),
    assumes=("log b not affine in r", "pairs drawn twice from pi_ref"),
    derive=derive,
    certify=certify,
    edges={"log b not affine in r": two_rewards, "pairs drawn twice from pi_ref": distinct_answers},
)
