r"""A wrong reference, and what beta means.

Bradley-Terry labels of r at label temperature T, P(i beats j) = s((r_i - r_j)/T), a connected design, DPO with reference pi_ref'
and parameter beta: the population optimum is pi proportional to pi_ref' exp(r / (T beta)). Hence

(a) DPO replaces the reference of the RLHF problem by its own: with T = 1 it solves eq. 3 for pi_ref', and falls short of the
    optimum for pi_ref by beta KL(pi || pi*).
(b) Preferred fine-tuning as the reference (the paper's fallback) counts preferences twice: from pairs drawn iid from mu it is
    2 mu_i b_i, b the mean win rate with self-pairs, so pi is proportional to mu_i b_i exp(r_i/beta).
(c) Data identify beta T alone, never beta and T apart.

Why: each pair fixes log pi_i/pi_j - log pi_ref'_i/pi_ref'_j = (r_i - r_j)/(T beta), and eq. 4 is the only policy that does.
"""

import numpy as np
import sympy as sp

from bandits.data import PairLogProbs
from bandits.problem import TabularBandit
from bandits.solve import minimise_loss
from dpo_theory import optimal, preferences
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, i, j, k, log_policy, log_ref, reward, sums_to_one
from dpo_theory.instances import T1
from dpo_theory.losses import dpo
from dpo_theory.proof import Row, Step, row


def derive():
    temperature = sp.Symbol("T", positive=True)
    best = optimal.optimal_log_policy(reward / temperature, log_ref, beta)  # log_ref is the reference of the loss
    h, other, a, b = sp.symbols("h g a b", real=True)
    win = sp.exp(preferences.bradley_terry(reward[i] / temperature, reward[j] / temperature))
    loss = dpo.DPO(beta)
    cost = win * loss(PairLogProbs(h, other, a, b)) + (1 - win) * loss(PairLogProbs(other, h, b, a))
    there = {h: best[i], other: best[j], a: log_ref[i], b: log_ref[j]}
    yield Step("every pair is stationary at pi_ref' exp(r/(T beta))", sp.diff(cost, h).subs(there), 0, "s(z) = p")
    yield Step("and convex in its margin", sp.diff(cost, h, 2), 0, "so it is a minimum of each pair", relation=">", sizes="")
    together = optimal.optimal_log_policy(reward, log_ref, temperature * beta)
    yield Step("only beta T enters", best[k], together[k], "r/(T beta)")
    true = row("m")
    aim = optimal.optimal_log_policy(reward, true, beta)
    yield Step(
        "what any policy falls short of the optimum for the true reference",
        optimal.objective(aim, reward, true, beta) - optimal.objective(log_policy, reward, true, beta),
        beta * optimal.kl_divergence(log_policy, aim),
        "gap identity",
        facts=(sums_to_one(log_policy),),
    )
    yield from _preferred_fine_tuning()


def _preferred_fine_tuning():
    """Winners of pairs drawn iid from mu; for the first step p_ij = 1/2 + e_ij - e_ji is any p with p_ij + p_ji = 1."""
    mu, e = log_policy, sp.IndexedBase("e", real=True)
    any_win = Row(lambda a: Row(lambda b: sp.exp(mu[a] + mu[b]) * (sp.Rational(1, 2) + e[a, b] - e[b, a])).sum())
    facts = (sums_to_one(mu),)
    yield Step("(b) winners have the law 2 mu_i b_i", 2 * any_win.sum(), 1, "each pair has one winner", facts=facts)
    borda = Row(lambda a: sp.log(Row(lambda b: sp.exp(mu[b] + preferences.bradley_terry(reward[a], reward[b]))).sum()))
    tuned = sp.log(2) + mu + borda
    twice = mu + borda + reward / beta
    yield Step(
        "(b) from there DPO ends at mu b exp(r/beta), normalised",
        optimal.optimal_log_policy(reward, tuned, beta)[k],
        twice[k] - sp.log(twice.each(sp.exp).sum()),
        "the factor 2 cancels",
    )


def preferred_fine_tuning(reward, log_mu):
    """log of 2 mu_i b_i for one context: the law of winners of pairs drawn iid from mu, self-pairs counted half."""
    with np.errstate(invalid="ignore"):
        gaps = np.where(reward[:, None] == reward[None, :], 0.0, reward[:, None] - reward[None, :])
    return np.log(2.0) + log_mu + np.log(np.exp(-np.logaddexp(0.0, -gaps)) @ np.exp(log_mu))


def certify(bandit, rng):
    start, temperature = rng.normal(size=bandit.reward.shape), np.exp(rng.normal())
    start = start - np.logaddexp.reduce(start, axis=-1, keepdims=True)
    best = optimal.optimal_log_policy(bandit.reward / temperature, start, bandit.beta)
    together = optimal.optimal_log_policy(bandit.reward, start, bandit.beta * temperature)
    finite = np.where(np.isfinite(bandit.reward), bandit.reward, 0.0)
    scale = 1 + np.abs(finite).max() / (bandit.beta * temperature)
    yield Measured("beta and T, or beta T", np.exp(best), np.exp(together), scale)
    if not np.isfinite(bandit.reward).all() or not bandit.support.all():
        return
    ratio = best - start
    gaps = (bandit.reward[:, :, None] - bandit.reward[:, None, :]) / temperature
    yield Measured("scaled margins", bandit.beta * (ratio[:, :, None] - ratio[:, None, :]), gaps, scale * bandit.beta)
    aim = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    policy = optimal.optimal_log_policy(bandit.reward, start, bandit.beta)
    gap = bandit.values(aim) - bandit.values(policy)
    size = np.abs(bandit.reward).max() + bandit.beta * np.abs(bandit.log_ref).max() + 1
    yield Measured("shortfall under the true reference", gap, bandit.beta * optimal.kl_divergence(policy, aim), size)
    tuned = np.array([preferred_fine_tuning(*rows) for rows in zip(bandit.reward, bandit.log_ref, strict=True)])
    yield Measured("(b) sum of 2 mu_i b_i", np.exp(tuned).sum(axis=-1), 1.0)


def search(bandit, rng):
    if not np.isfinite(bandit.reward).all() or np.ptp(bandit.reward) > 20:
        return  # a forbidden action, or labels that are certain in floating point
    start, temperature = rng.normal(size=bandit.reward.shape), 0.5 + rng.random()
    start = start - np.logaddexp.reduce(start, axis=-1, keepdims=True)
    problem = TabularBandit(bandit.context_probs, bandit.reward / temperature, start, bandit.beta)
    found = minimise_loss(problem, dpo.DPO(bandit.beta))  # the labels are those of reward / temperature
    expected = optimal.optimal_log_policy(bandit.reward, start, bandit.beta * temperature)
    distance = np.abs(np.exp(found.log_policy) - np.exp(expected)).sum(axis=-1) / 2
    yield Measured("total variation between the search and pi_ref' exp(r/(T beta))", distance, 0.0, tolerance=1e-9)


def counted_twice():
    """The policy and its shortfall on T1 when preferred fine-tuning is the reference of DPO and mu = pi_ref."""
    bandit = T1()
    tuned = preferred_fine_tuning(bandit.reward[0], bandit.log_ref[0])[None]
    policy = optimal.optimal_log_policy(bandit.reward, tuned, bandit.beta)
    aim = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    return np.exp(policy)[0], bandit.value(aim) - bandit.value(policy)


def reference_differs():
    policy, gap = counted_twice()
    return breaks(
        gap > 1e-3,
        problem="T1, DPO starts from preferred fine-tuning on pairs drawn from pi_ref",
        expected="the RLHF optimum for pi_ref",
        got=f"pi = {policy.round(5).tolist()}, short of it by {gap:.6f}",
        because="preferences enter once through the reference and once through the loss",
    )


def one_pair_is_missing():
    bandit = T1()
    first, second = np.log([[0.6, 0.2, 0.2]]), np.log([[0.6 * 0.6, 0.2 * 0.6, 0.52]])
    pairs = [PairLogProbs(policy[:, 0], policy[:, 1], bandit.log_ref[:, 0], bandit.log_ref[:, 1]) for policy in (first, second)]
    losses = [float(dpo.DPO(0.5)(pair)[0]) for pair in pairs]
    return breaks(
        abs(losses[0] - losses[1]) < 1e-12,
        problem="T1, only answers 1 and 2 are ever compared",
        expected="one optimum",
        got=f"(.6, .2, .2) and (.36, .12, .52) have the same loss {losses[0]:.6f}",
        because="the third answer is never compared",
    )


CLAIM = Claim(
    id="C13",
    aliases=("wrong-reference",),
    statement=__doc__,
    source=Source(PAPER, "sec. 4, preferred fine-tuning when pi_SFT is not available; consequences derived here"),
    assumes=("the design is connected", "(a) for RLHF's own optimum: the reference is the true one"),
    derive=derive,
    certify=certify,
    search=search,
    edges={
        "the design is connected": one_pair_is_missing,
        "(a) for RLHF's own optimum: the reference is the true one": reference_differs,
    },
)
