r"""The population minimiser of the DPO loss is the RLHF policy.

    argmin { L_DPO(pi) : pi > 0 } = { pi* },    pi*(y|x) = pi_ref(y|x) exp(r(x, y) / beta) / Z(x),

for comparisons that are Bradley-Terry in r, weights that connect the answers of every context, a reference of full support, one
beta in loss and objective, and the population of comparisons.

Why: with p = s(r_i - r_j) and q = s(z_ij), the excess loss of a pair is p g(log q/p) + (1-p) g(log (1-q)/(1-p)) with
g(u) = e^u - 1 - u >= 0, and g = 0 only at u = 0: the minimisers have z_ij = r_i - r_j on every compared pair. Margins add along
a path, so a connected design fixes all of them, and the one constant that is left is 0 because policies sum to 1.
"""

import numpy as np
import sympy as sp

from bandits.data import PairLogProbs
from bandits.problem import TabularBandit
from bandits.sample import pairs
from bandits.solve import minimise_loss
from dpo_theory import optimal, preferences
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, c, i, j, k, log_policy, log_ref, reward
from dpo_theory.claims.pairs import compared, every_pair, pair, random_log_policy
from dpo_theory.losses import dpo
from dpo_theory.proof import Step


def derive():
    best = optimal.optimal_log_policy(reward, log_ref, beta)
    names = {optimal.log_partition(reward, log_ref, beta): r"\log Z"}
    loss = dpo.DPO(beta)
    wins, loses = (preferences.bradley_terry(reward[a], reward[b]) for a, b in ((i, j), (j, i)))
    mine = -loss(pair(log_policy, i, j)), -loss(pair(log_policy, j, i))
    p = sp.exp(wins), sp.exp(loses)
    excess = sum(p[s] * (-mine[s] - loss(pair(best, *ab))) for s, ab in enumerate(((i, j), (j, i))))
    bregman = [sp.exp(mine[s] - log) - 1 - (mine[s] - log) for s, log in enumerate((wins, loses))]
    yield Step(
        "excess loss of a pair",
        excess,
        p[0] * bregman[0] + p[1] * bregman[1],
        "both models of the pair sum to 1",
        names=names,
    )
    u = sp.Symbol("u", real=True)
    g = sp.exp(u) - 1 - u
    yield Step("g touches 0 at 0", sp.Abs(g.subs(u, 0)) + sp.Abs(g.diff(u).subs(u, 0)), 0, "value and slope", sizes="")
    yield Step("g is strictly convex", g.diff(u, 2), 0, "so g > 0 elsewhere", sizes="", relation=">")
    yield Step(
        "margins add along a path",
        pair(log_policy, i, j).margin + pair(log_policy, j, k).margin,
        pair(log_policy, i, k).margin,
        "a connected design fixes every margin",
    )
    yield Step(
        "a policy with the margins of pi* is pi* times a constant, and the constant is 1",
        (best + c).each(sp.exp).sum(),
        sp.exp(c),
        "it sums to 1, so c = 0",
        names=names,
    )
    yield Step(
        "the margins of pi* are the reward differences",
        beta * pair(best, i, j).margin,
        reward[i] - reward[j],
        "s(z) = p is met on every pair at once",
        names=names,
    )


def certify(bandit, rng):
    """Excess loss of a random policy over pi* against the Bernoulli KL divergences, each computed on its own."""
    data = every_pair(bandit)
    x, first, second = data[:3]
    gap = bandit.reward[x, first] - bandit.reward[x, second]
    policy = random_log_policy(bandit, rng)
    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    mine = compared(policy, bandit, data)
    z = bandit.beta * (mine.policy_chosen - mine.ref_chosen - mine.policy_rejected + mine.ref_rejected)
    log_p, log_1p = -np.logaddexp(0, -gap), -np.logaddexp(0, gap)
    log_q, log_1q = -np.logaddexp(0, -z), -np.logaddexp(0, z)
    kl = np.exp(log_p) * (log_p - log_q) + np.exp(log_1p) * (log_1p - log_1q)
    loss = dpo.DPO(bandit.beta)
    swapped = compared(policy, bandit, data._replace(chosen=second, rejected=first))
    best_swapped = compared(best, bandit, data._replace(chosen=second, rejected=first))
    excess = np.exp(log_p) * (loss(mine) - loss(compared(best, bandit, data)))
    excess = excess + np.exp(log_1p) * (loss(swapped) - loss(best_swapped))
    yield Measured("excess loss of each pair against its KL", excess, kl, 1 + np.abs(z) + np.abs(gap))
    yield Measured("pi* is no worse on any pair", -excess, 0.0, 1 + np.abs(z) + np.abs(gap), relation="<=")
    _, slope = loss.gradient(compared(best, bandit, data))
    _, back = loss.gradient(best_swapped)
    flat = np.exp(log_p) * slope - np.exp(log_1p) * back
    size = bandit.beta * (1 + np.abs(gap))
    yield Measured("slope of each pair at pi*", flat, 0.0, size)


def search(bandit, rng):
    """The exact population under a skewed design, minimised by a search that knows the loss and no formula."""
    if not (bandit.support & np.isfinite(bandit.reward)).all() or np.ptp(bandit.reward) > 30:
        return
    design = rng.uniform(0.1, 1.0, size=(bandit.n_contexts, bandit.n_actions, bandit.n_actions))
    design = (design + design.swapaxes(1, 2)) * (1 - np.eye(bandit.n_actions))
    design = design / design.sum(axis=(1, 2), keepdims=True)
    found = minimise_loss(bandit, dpo.DPO(bandit.beta), design=design)
    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    distance = 0.5 * np.abs(np.exp(found.log_policy) - np.exp(best)).sum(axis=-1)
    yield Measured("total variation between the minimiser and pi*", distance, 0.0, tolerance=1e-9)


def expected_loss(policy, ref, preferences_ij, beta=1.0):
    """sum of p_ij loss(i beats j) over the pairs listed, one context."""
    total = 0.0
    for (a, b), p in preferences_ij.items():
        for chosen, rejected, weight in ((a, b, p), (b, a, 1 - p)):
            one = PairLogProbs(*(np.log(np.array([v])) for v in (policy[chosen], policy[rejected], ref[chosen], ref[rejected])))
            total += weight * float(dpo.DPO(beta)(one)[0])
    return total


def s(x):
    return 1 / (1 + np.exp(-x))


def disconnected():
    ref = np.full(3, 1 / 3)
    data = {(0, 1): s(1.0)}
    best = np.exp(optimal.optimal_log_policy([[1.0, 0.0, 0.0]], np.log([ref]), 1.0))[0]
    other = np.array([*best[:2] * 0.1 / best[:2].sum(), 0.9])
    losses = [expected_loss(policy, ref, data) for policy in (best, other)]
    return breaks(
        abs(losses[0] - losses[1]) < 1e-12 and np.abs(best - other).max() > 0.1,
        problem="three answers, only 1 and 2 are compared, r = (1, 0, 0), uniform reference, beta = 1",
        expected=f"only pi* = {best.round(4).tolist()} has loss {losses[0]:.10f}",
        got=f"{other.round(4).tolist()} has loss {losses[1]:.10f}",
        because="no margin to the third answer is ever seen",
    )


def not_bradley_terry():
    p12, p23, p13 = 0.9, 0.8, 0.3

    def fitted(*scores):
        return np.exp(np.array(scores)) / np.exp(np.array(scores)).sum()

    def logit(p):
        return np.log(p / (1 - p))

    chain = fitted(logit(p12) + logit(p23), logit(p23), 0.0)
    star = fitted(0.0, -logit(p12), -logit(p13))
    return breaks(
        np.abs(chain - star).max() > 0.1,
        problem="P(1>2) = .9, P(2>3) = .8, P(1>3) = .3, uniform reference, beta = 1; pairs {12, 23} or {12, 13}",
        expected="one minimiser whichever pairs are compared",
        got=f"{chain.round(4).tolist()} from 12 and 23, {star.round(4).tolist()} from 12 and 13",
        because="each tree is fitted exactly, and no reward explains the three preferences together",
    )


def unsupported():
    ref, data = np.array([0.5, 0.5, 0.0]), {(0, 1): s(1.0)}
    losses = [expected_loss(np.array([t * s(1.0), t * s(-1.0), 1 - t]), ref, data) for t in (1.0, 0.5, 0.01)]
    return breaks(
        np.ptp(losses) < 1e-12,
        problem="ref = (1/2, 1/2, 0), r_1 - r_2 = 1, beta = 1; pi = (t s(1), t s(-1), 1 - t)",
        expected="only t = 1 is optimal",
        got=f"loss {losses[0]:.10f} at t = 1, 1/2 and 1/100",
        because="mass on an answer outside the support of the reference is never compared",
    )


def unseen_context():
    bandit = TabularBandit([1.0, 0.0], [[1.0, 0.0], [1.0, 0.0]], np.log([[0.5, 0.5], [0.5, 0.5]]), 1.0)
    data = pairs(bandit, 1000, np.random.default_rng(0))
    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    other = np.array([best[0], np.log([0.1, 0.9])])
    losses = [float(dpo.DPO(1.0)(compared(policy, bandit, data)).mean()) for policy in (best, other)]
    return breaks(
        losses[0] == losses[1],
        problem="two contexts with r = (1, 0), rho = (1, 0), uniform reference, beta = 1",
        expected="pi* in both contexts",
        got=f"loss {losses[0]:.10f} whether the second context plays pi* or (.1, .9)",
        because="a context of weight 0 has no comparisons",
    )


def one_sample():
    ref, sample = np.array([0.5, 0.5]), {(0, 1): 0.7}
    best = np.array([s(1.0), s(-1.0)])
    fitted = np.array([0.7, 0.3])
    better, worse = expected_loss(fitted, ref, sample), expected_loss(best, ref, sample)
    return breaks(
        better < worse,
        problem="7 wins of 10 where P(1>2) = s(1) = .731, uniform reference, beta = 1",
        expected=f"pi* = {best.round(4).tolist()} minimises the loss",
        got=f"loss {worse:.6f} at pi*, {better:.6f} at (.7, .3)",
        because="a sample has its own frequencies; pi* is reached in the limit (claim D08)",
    )


def two_betas():
    ref, data = np.array([0.9, 0.1]), {(0, 1): s(1.0)}
    trained = np.exp(optimal.optimal_log_policy([[1.0, 0.0]], np.log([ref]), 2.0))[0]
    best = np.exp(optimal.optimal_log_policy([[1.0, 0.0]], np.log([ref]), 1.0))[0]
    at_trained, at_best = (expected_loss(policy, ref, data, beta=2.0) for policy in (trained, best))
    return breaks(
        at_trained < at_best,
        problem="ref = (.9, .1), r = (1, 0), DPO with beta = 2, objective with beta = 1",
        expected=f"the minimiser is {best.round(4).tolist()}",
        got=f"loss {at_best:.6f} there, {at_trained:.6f} at {trained.round(4).tolist()}",
        because="DPO with beta' finds pi_ref (pi*/pi_ref)^(beta/beta'), normalised",
    )


CLAIM = Claim(
    id="D07b",
    aliases=("dpo-equals-rlhf",),
    statement=__doc__,
    source=Source(PAPER, "section 4, eq. 7; the hypotheses are spelled out here"),
    assumes=(
        "comparisons are Bradley-Terry",
        "the design connects the answers of every context",
        "rho(x) > 0",
        "pi_ref(y|x) > 0",
        "one beta",
        "population of comparisons",
    ),
    derive=derive,
    certify=certify,
    search=search,
    edges={
        "comparisons are Bradley-Terry": not_bradley_terry,
        "the design connects the answers of every context": disconnected,
        "rho(x) > 0": unseen_context,
        "pi_ref(y|x) > 0": unsupported,
        "one beta": two_betas,
        "population of comparisons": one_sample,
    },
)
