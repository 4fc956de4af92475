r"""DPO does not depend on how answers are written down; losses without a reference do.

(a) A bijection y -> phi(y) of the answers (smooth in R^d, with Jacobian J) adds -log|det J(y)| to log pi(y) and to log pi_ref(y)
    alike. Margin, DPO loss, KL divergence and J do not change.
(b) Splitting every answer into M parts, each in the same proportions under pi and pi_ref, changes no log-ratio, no KL divergence and no
    expected reward that parts inherit, and the marginal of the optimum is the old optimum.
(c) log pi_w - log pi_l changes by the difference of the two log-Jacobians (of the logs of the two proportions): every loss that
    depends on it alone and is strictly monotone, such as SimPO's or CPO's preference term, changes whenever they differ.

Why: both log-densities move by the same amount, and a log-ratio is their difference.
"""

import numpy as np
import sympy as sp

from bandits.data import PairLogProbs
from dpo_theory import gaussian, optimal
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.gaussians import line, random_gaussian, scalar
from dpo_theory.claims.letters import beta, k, log_policy, log_ref, reward, sums_to_one
from dpo_theory.claims.pairs import N, batch, random_log_policy
from dpo_theory.claims.table import table
from dpo_theory.gaussian import Gaussian
from dpo_theory.losses import dpo
from dpo_theory.proof import Step, row


def derive():
    pairs = batch()
    chosen, rejected = row("jw", N), row("jl", N)  # log-Jacobians, or minus the logs of proportions
    moved = PairLogProbs(
        pairs.policy_chosen - chosen, pairs.policy_rejected - rejected, pairs.ref_chosen - chosen, pairs.ref_rejected - rejected
    )
    loss = dpo.DPO(beta)
    yield Step("(a, b) the DPO loss of each comparison stays", loss(moved)[k], loss(pairs)[k], "in the margin", sizes="every N")
    before, after = (p.policy_chosen - p.policy_rejected for p in (pairs, moved))
    yield Step("(c) the difference of log-probabilities does not", after[k] - before[k], rejected[k] - chosen[k], "", sizes="every N")
    yield from _affine()
    yield from _split()


def _affine():
    m, mu, shift, y = sp.symbols("m mu b y", real=True)
    s, v, a = sp.symbols("s v a", positive=True)
    for sign in (1, -1):
        policy, ref = line(mu, v**2), line(m, s**2)
        there = [line(sign * a * law.mean[0] + shift, (a * a) * law.covariance[0, 0]) for law in (policy, ref)]
        where = scalar(sign * a * y + shift)
        name = f"(a) y -> {'-' * (sign < 0)}a y + b, two Gaussians"
        left = gaussian.log_density(there[0], where)
        yield Step(f"{name}: log-density", left, gaussian.log_density(policy, scalar(y)) - sp.log(a), "Jacobian a", sizes="d = 1")
        yield Step(f"{name}: KL", gaussian.kl_divergence(*there), gaussian.kl_divergence(policy, ref), "", sizes="d = 1")


def _split():
    parts = table("l")
    share = parts - parts.each(sp.exp).within().each(sp.log)  # log-proportions: they sum to 1 in each answer
    policy, ref = share + log_policy, share + log_ref
    sizes = "every n and M"
    yield Step("(b) the shares of an answer sum to 1", share.each(sp.exp).within()[k], 1, "", sizes=sizes)
    kl = optimal.kl_divergence(log_policy, log_ref)
    yield Step("(b) KL stays", optimal.kl_divergence(policy, ref), kl, "each log-ratio stays", sizes=sizes)
    inherited = share * 0 + reward
    yield Step(
        "(b) J stays",
        optimal.objective(policy, inherited, ref, beta),
        optimal.objective(log_policy, reward, log_ref, beta),
        "so does the mean reward",
        sizes=sizes,
    )
    best = optimal.optimal_log_policy(inherited, ref, beta).each(sp.exp).within()
    old = optimal.optimal_log_policy(reward, log_ref, beta)
    facts = (sums_to_one(log_ref),)
    yield Step("(b) the marginal of the optimum is the old optimum", best[k], sp.exp(old[k]), "Z stays", facts=facts, sizes=sizes)


def certify(bandit, rng):
    parts = int(rng.integers(2, 4))
    share = np.log(rng.dirichlet(np.ones(parts), size=bandit.reward.shape))
    shape = (bandit.n_contexts, -1)
    policy, ref = random_log_policy(bandit, rng), bandit.log_ref
    finer = [(law[..., None] + share).reshape(shape) for law in (policy, ref)]
    size = 1 + np.abs(np.where(np.isfinite(ref), ref, 0)).max() + np.abs(share).max()
    yield Measured("KL after a split", optimal.kl_divergence(*finer), optimal.kl_divergence(policy, ref), size)
    inherited = np.repeat(bandit.reward, parts, axis=-1)
    best = np.exp(optimal.optimal_log_policy(inherited, finer[1], bandit.beta)).reshape(*bandit.reward.shape, parts).sum(axis=-1)
    size += np.abs(np.where(np.isfinite(bandit.reward), bandit.reward, 0)).max() / bandit.beta
    yield Measured("marginal of the optimum", best, np.exp(optimal.optimal_log_policy(bandit.reward, ref, bandit.beta)), size)
    d = int(rng.integers(1, 4))
    first, second = random_gaussian(rng, d), random_gaussian(rng, d)
    turn = np.eye(d) + 0.3 * rng.normal(size=(d, d))
    there = [Gaussian(turn @ law.mean, turn @ law.covariance @ turn.T) for law in (first, second)]
    cond = np.linalg.cond(turn) ** 2 * 256
    yield Measured("KL after a linear map", gaussian.kl_divergence(*there), gaussian.kl_divergence(first, second), cond)


def split_of_the_winner():
    """T1's reference, pi = (.6, .25, .15), beta = 1, answer 1 split into two equal halves: margins of answers 1 and 2
    before and after, with the reference and without it, (2,) each.
    """
    half = np.log(0.5) * np.array([0.0, 1.0])
    policy, ref = np.log([0.6, 0.25]), np.log([0.5, 0.3])
    pairs = PairLogProbs(policy[0] + half, np.full(2, policy[1]), ref[0] + half, np.full(2, ref[1]))
    return pairs.margin, pairs.policy_chosen - pairs.policy_rejected


def reference_free():
    with_ref, without = split_of_the_winner()
    return breaks(
        abs(with_ref[0] - with_ref[1]) < 1e-12 and abs(without[0] - without[1]) > 0.1,
        problem="pi = (.6, .25, .15), ref = (.5, .3, .2); answer 1 splits into two equal halves",
        expected="the same margin of answers 1 and 2",
        got=f"with the reference {with_ref.round(5).tolist()}, without it {without.round(5).tolist()}",
        because="log pi_1 is spread over two ways to write the answer, and nothing takes that out",
    )


def other_proportions():
    policy, ref = np.log([[0.6 * 0.9, 0.6 * 0.1, 0.4]]), np.log([[0.5 * 0.5, 0.5 * 0.5, 0.5]])
    finer, before = optimal.kl_divergence(policy, ref)[0], optimal.kl_divergence(np.log([[0.6, 0.4]]), np.log([[0.5, 0.5]]))[0]
    return breaks(
        finer > before + 0.1,
        problem="pi = (.6, .4), ref = (1/2, 1/2); answer 1 splits 9 to 1 under pi and 1 to 1 under ref",
        expected=f"KL = {before:.4f}",
        got=f"KL = {finer:.4f}",
        because="the parts are now told apart; KL can only rise (claim C19)",
    )


def not_injective():
    policy, ref = np.log([[0.5, 0.3, 0.2]]), np.log([[0.2, 0.3, 0.5]])
    merged = [np.log([[np.exp(law[0, 0]) + np.exp(law[0, 2]), np.exp(law[0, 1])]]) for law in (policy, ref)]
    before, after = optimal.kl_divergence(policy, ref)[0], optimal.kl_divergence(*merged)[0]
    return breaks(
        before > after + 0.1,
        problem="pi = (.5, .3, .2), ref = (.2, .3, .5); a map that sends answers 1 and 3 to one",
        expected=f"KL = {before:.4f}",
        got=f"KL = {after:.4f}",
        because="a map that merges answers forgets how they differ",
    )


CLAIM = Claim(
    id="C18",
    aliases=("bijections",),
    statement=__doc__,
    source=Source(PAPER, "sec. 7, other modalities; answer derived here"),
    assumes=("the loss sees log-ratios to the reference", "(a) the map is a bijection", "(b) pi and pi_ref split alike"),
    derive=derive,
    certify=certify,
    edges={
        "the loss sees log-ratios to the reference": reference_free,
        "(a) the map is a bijection": not_injective,
        "(b) pi and pi_ref split alike": other_proportions,
    },
)
