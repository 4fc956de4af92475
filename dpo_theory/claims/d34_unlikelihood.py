r"""Unlikelihood has a maximum only for small alpha.

    U(pi) = E[log pi(y_w|x) - alpha log pi(y_l|x)] = sum_i c_i log pi_i,    c_i = W_i - alpha L_i,    0 <= alpha < 1,

with W and L the laws of the chosen and the rejected answer. It is bounded exactly if every c_i >= 0, that is alpha <= min_i W_i/L_i;
then pi = c / (1 - alpha) is its only maximiser, on the boundary where some c_i = 0. At alpha = 1 the c_i sum to 0: U is 0 for all pi
if W = L, and unbounded otherwise. For pairs drawn independently from mu, equal draws included, W_i/L_i = b_i/(1 - b_i).

Why: for c >= 0, U(c / (1 - alpha)) - U(pi) = (1 - alpha) KL(c / (1 - alpha) || pi). If c_k < 0, log pi_k -> -inf raises U for ever.
"""

import numpy as np
import sympy as sp
from scipy.optimize import minimize

from bandits import policies
from dpo_theory import optimal
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import j, log_policy, t
from dpo_theory.claims.pairs import random_log_policy
from dpo_theory.claims.ranked import Ranked, mass
from dpo_theory.claims.rungs import full_support
from dpo_theory.instances import T1
from dpo_theory.proof import Row, Step, row


def derive():
    alpha = sp.Symbol("alpha", positive=True)
    best = row("log_best")
    pull = best.each(sp.exp) * (1 - alpha)
    yield Step(
        "what a policy lacks is (1 - alpha) KL, which is >= 0 (claim D03b)",
        (pull * best).sum() - (pull * log_policy).sum(),
        (1 - alpha) * optimal.kl_divergence(best, log_policy),
        "c = (1 - alpha) exp(log_best)",
    )
    first, pull_first, others, logits = sp.Symbol("x", real=True), sp.Symbol("c_k", real=True), row("c"), row("u")
    total = mass(Ranked(first - t, logits))
    along = pull_first * (first - t - sp.log(total)) + (others * (logits - sp.log(total))).sum()
    yield Step(
        "the slope of U as the logit of answer k falls",
        sp.diff(along, t),
        -pull_first + (1 - alpha) * sp.exp(first - t) / total,
        "at least -c_k: if c_k < 0, U rises for ever",
        facts=((others.sum(), 1 - alpha - pull_first),),
        values=lambda size, rng: _pulls(size, rng, alpha, pull_first),
    )
    mu, wins = row("mu"), sp.IndexedBase("P", real=True)
    borda = (mu * Row(lambda h: wins[j, h])).sum()
    yield Step(
        "two draws from mu: the loser law is 2 mu (1 - b)",
        2 * mu[j] * (mu * Row(lambda h: 1 - wins[j, h])).sum(),
        2 * mu[j] * (1 - borda),
        "P(h beats j) = 1 - P(j beats h), and mu sums to 1",
        facts=((mu.sum(), sp.S.One),),
        values=_drawing,
    )


def _pulls(size, rng, alpha, pull_first):
    import mpmath as mp

    free = [mp.mpf(int(v)) / 7 for v in rng.integers(-5, 6, size=size)]
    return {sp.IndexedBase("c", real=True): free, alpha: mp.mpf(1) / 4, pull_first: mp.mpf(3) / 4 - mp.fsum(free)}


def _drawing(size, rng):
    import mpmath as mp

    shares = [mp.mpf(int(v)) for v in rng.integers(1, 9, size=size)]
    return {sp.IndexedBase("mu", real=True): [v / mp.fsum(shares) for v in shares]}


def _threshold(bandit, distinct):
    win, loss = policies.win_and_loss_law(bandit, distinct=distinct)
    return float(np.min(win / loss))


def certify(bandit, rng):
    if not full_support(bandit) or np.ptp(bandit.reward, axis=-1).max() > 20:
        return
    win, loss = policies.win_and_loss_law(bandit, distinct=False)
    borda = win / (2 * np.exp(bandit.log_ref))
    yield Measured("wins per loss against b / (1 - b)", win / loss, borda / (1 - borda), win / loss / (1 - borda))
    alpha = rng.uniform(0.0, min(_threshold(bandit, False), 0.99))
    best = policies.unlikelihood(bandit, alpha, distinct=False)
    other = random_log_policy(bandit, rng)
    pull = win - alpha * loss
    lost = (1 - alpha) * optimal.kl_divergence(best, other)
    scale = np.sum(np.abs(win * other) + np.abs(loss * other) + np.abs(pull * best), axis=-1)
    yield Measured("U at the maximiser minus U elsewhere", np.sum(pull * (best - other), axis=-1), lost, scale)


def search(bandit, rng):
    if not full_support(bandit) or np.ptp(bandit.reward, axis=-1).max() > 20 or np.exp(bandit.log_ref).min() < 1e-4:
        return
    alpha = 0.5 * min(_threshold(bandit, True), 1.0)
    win, loss = policies.win_and_loss_law(bandit)
    best = np.exp(policies.unlikelihood(bandit, alpha))
    for x in range(bandit.n_contexts):

        def cost(u, win=win[x], loss=loss[x]):
            log_probs = u - np.logaddexp.reduce(u)
            pull = win - alpha * loss
            return -win @ log_probs + alpha * (loss @ log_probs), np.exp(log_probs) * pull.sum() - pull

        found = minimize(cost, bandit.log_ref[x], jac=True, method="BFGS", options={"gtol": 1e-9}).x
        found = np.exp(found - np.logaddexp.reduce(found))
        yield Measured("policy that maximises U, by search", found, best[x], tolerance=1e-6)


def _along_a_ray(bandit, alpha, distinct):
    """U where the answer with the least wins per loss falls to e^-10, e^-100, e^-1000 of its probability."""
    win, loss = policies.win_and_loss_law(bandit, distinct=distinct)
    worst = int(np.argmin(win / loss))
    values = []
    for fall in (10.0, 100.0, 1000.0):
        score = bandit.log_ref[0] - fall * (np.arange(bandit.n_actions) == worst)
        values.append(float((win - alpha * loss)[0] @ (score - np.logaddexp.reduce(score))))
    return values


def alpha_too_large():
    bandit, alpha = T1(), 0.25
    bounded, unbounded = _threshold(bandit, False), _threshold(bandit, True)
    values = _along_a_ray(bandit, alpha, True)
    return breaks(
        unbounded < alpha < bounded and values[0] < values[1] < values[2],
        problem="T1, two distinct answers drawn from ref, alpha = 1/4",
        expected="a maximum",
        got=f"min W/L = {unbounded:.5f}; U = {[round(v, 3) for v in values]} as pi_3 falls by e^-10, e^-100, e^-1000",
        because=f"answer 3 loses more than 4 times as often as it wins; with equal draws allowed min W/L = {bounded:.5f}",
    )


def alpha_one():
    values = _along_a_ray(T1(), 1.0, False)
    return breaks(
        values[0] < values[1] < values[2],
        problem="T1, alpha = 1",
        expected="a maximum",
        got=f"U = {[round(v, 3) for v in values]} as pi_3 falls by e^-10, e^-100, e^-1000",
        because="the pulls W - L sum to 0 and are not all 0 (claim D11)",
    )


def true_unlikelihood():
    win, loss = policies.win_and_loss_law(T1(), distinct=True)

    def cost(u):
        log_probs = u - np.logaddexp.reduce(u)
        return -win[0] @ log_probs - 0.25 * (loss[0] @ np.log1p(-np.exp(log_probs)))

    found = minimize(cost, np.zeros(3), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 4000}).x
    policy = np.exp(found - np.logaddexp.reduce(found))
    return breaks(
        policy.min() > 0.01,
        problem="T1, distinct answers, alpha = 1/4, with -log(1 - pi(y_l|x)) in place of log pi(y_l|x)",
        expected="no maximum",
        got=f"maximum at pi = {policy.round(4).tolist()}",
        because="log(1 - pi) is bounded where pi falls to 0: Welleck et al. 2019 is another objective",
    )


CLAIM = Claim(
    id="D34",
    aliases=("unlikelihood",),
    statement=__doc__,
    source=Source(PAPER, "App. C.3: the unlikelihood baseline"),
    assumes=("alpha <= min W/L", "alpha < 1", "log pi(y_l|x) is penalised"),
    derive=derive,
    certify=certify,
    search=search,
    edges={"alpha <= min W/L": alpha_too_large, "alpha < 1": alpha_one, "log pi(y_l|x) is penalised": true_unlikelihood},
)
