r"""Consistency of DPO on samples.

    N independent comparisons, fixed design w that connects the answers, Bradley-Terry in finite r:    pihat_N -> pi* as N -> inf.

P(no minimiser) <= sum_{ij} exp(-N w_ij p_ij) over the ordered compared pairs, and the estimate is asymptotically normal:
N beta^2 (hhat - h*)' L (hhat - h*) -> chi^2 with n - 1 degrees of freedom, L the Laplacian of the weights w_ij p_ij p_ji.

Why: every pair won both ways makes a connected win graph strongly connected, and (1-x)^N <= e^(-N x); at pi* the slope of a
comparison has mean 0 and its variance is the mean curvature. The rest is a law of large numbers for convex losses, cited from
the literature and measured here. The paper names consistency without its conditions.
"""

import numpy as np
import sympy as sp

from bandits.data import Comparisons, PairLogProbs
from bandits.problem import TabularBandit
from bandits.solve import minimise_loss
from dpo_theory import optimal, preferences
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, i, j, log_ref, reward, t
from dpo_theory.claims.pairs import compared, every_pair, pair
from dpo_theory.losses import dpo
from dpo_theory.proof import Step

REPLICATES = 200
BAND = 4.5


def derive():
    best = optimal.optimal_log_policy(reward, log_ref, beta)
    names = {optimal.log_partition(reward, log_ref, beta): r"\log Z"}
    p = [sp.exp(preferences.bradley_terry(reward[a], reward[b])) for a, b in ((i, j), (j, i))]
    win, lose = pair(best, i, j), pair(best, j, i)
    moved = (
        dpo.DPO(beta)(win._replace(policy_chosen=win.policy_chosen + t)),
        dpo.DPO(beta)(lose._replace(policy_chosen=lose.policy_chosen - t)),
    )
    slope = [sp.diff(loss, t).subs(t, 0) for loss in moved]
    curve = [sp.diff(loss, t, 2).subs(t, 0) for loss in moved]
    yield Step("the slope has mean 0 at pi*", p[0] * slope[0] + p[1] * slope[1], 0, "score identity", names=names)
    yield Step(
        "its variance is the mean curvature",
        p[0] * slope[0] ** 2 + p[1] * slope[1] ** 2,
        p[0] * curve[0] + p[1] * curve[1],
        "information identity",
        names=names,
    )
    yield Step(
        "which is beta^2 p_ij p_ji",
        p[0] * curve[0] + p[1] * curve[1],
        beta**2 * p[0] * p[1],
        "the weights of the Laplacian",
        names=names,
    )
    x = sp.Symbol("x", positive=True)
    gap = sp.exp(-x) - 1 + x
    yield Step("e^-x - (1 - x) touches 0 at 0", sp.Abs(gap.subs(x, 0)) + sp.Abs(gap.diff(x).subs(x, 0)), 0, sizes="")
    yield Step("and is convex", gap.diff(x, 2), 0, "so (1 - x)^N <= e^(-N x)", sizes="", relation=">")


def certify(bandit, rng):
    """The score and information identities, pair by pair, and the bound against the exact probability of no minimiser."""
    data = every_pair(bandit)
    back = data._replace(chosen=data.rejected, rejected=data.chosen)
    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    gap = bandit.reward[data.context, data.chosen] - bandit.reward[data.context, data.rejected]
    p, other = np.exp(-np.logaddexp(0, -gap)), np.exp(-np.logaddexp(0, gap))
    pull = [-dpo.DPO(bandit.beta).gradient(compared(best, bandit, part))[0] for part in (data, back)]
    size = bandit.beta * (1 + np.abs(gap))
    yield Measured("mean slope of a pair", p * pull[0] - other * pull[1], 0.0, size)
    information = bandit.beta**2 * p * other
    yield Measured("its variance", p * pull[0] ** 2 + other * pull[1] ** 2, information, size**2)
    for number in (1, 10, 100):
        bound = np.exp(-number * p) + np.exp(-number * other)
        yield Measured(f"P(one side wins all {number})", p**number + other**number, bound, relation="<=")


def search(bandit, rng):
    """Many samples of one design, fitted at once: the mean of the chi^2 statistic, in standard errors."""
    reward, n = bandit.reward[0], bandit.n_actions
    if not bandit.support[0].all() or not np.ptp(reward) < 7:  # a forbidden answer, or a sample of millions
        return
    gap = reward[:, None] - reward[None, :]
    first, second = np.triu_indices(n, 1)
    p = np.exp(-np.logaddexp(0, -gap[first, second]))
    share = rng.dirichlet(np.full(len(first), 5.0))
    number = int(200 / np.min(share * np.minimum(p, 1 - p)))
    games = rng.multinomial(number, share, size=REPLICATES)
    wins = rng.binomial(games, p)
    context = np.repeat(np.arange(REPLICATES), len(first))
    sample = [np.tile(column, REPLICATES) for column in (first, second)]
    data = Comparisons(
        np.concatenate([context, context]),
        np.concatenate([sample[0], sample[1]]),
        np.concatenate([sample[1], sample[0]]),
        np.concatenate([wins.ravel(), (games - wins).ravel()]).astype(float),
    )
    many = TabularBandit(
        np.full(REPLICATES, 1 / REPLICATES),
        np.tile(reward, (REPLICATES, 1)),
        np.tile(bandit.log_ref[0], (REPLICATES, 1)),
        bandit.beta,
    )
    found = minimise_loss(many, dpo.DPO(bandit.beta), data)
    best = optimal.optimal_log_policy(many.reward, many.log_ref, many.beta)
    error = bandit.beta * (found.log_policy - best)
    differences = error[:, first] - error[:, second]
    statistic = number * (differences**2 @ (share * p * (1 - p)))
    z = (statistic.mean() - (n - 1)) / np.sqrt(2 * (n - 1) / REPLICATES)
    yield Measured(f"mean of chi^2, {n - 1} degrees of freedom, in standard errors", abs(z), BAND, relation="<=")


def loss_on(policy, wins, ref=(1 / 3, 1 / 3, 1 / 3)):
    total = 0.0
    for (chosen, rejected), weight in wins.items():
        logs = (np.log(np.array([v[a]])) for v, a in ((policy, chosen), (policy, rejected), (ref, chosen), (ref, rejected)))
        total += weight * float(dpo.DPO(1.0)(PairLogProbs(*logs))[0])
    return total


def disconnected():
    wins = {(0, 1): 731_059, (1, 0): 268_941}
    fitted = [np.array([0.731059 * t, 0.268941 * t, 1 - t]) for t in (0.9, 0.1)]
    losses = [loss_on(policy, wins) / 1e6 for policy in fitted]
    return breaks(
        abs(losses[0] - losses[1]) < 1e-9,
        problem="a million comparisons of answers 1 and 2, none of answer 3, uniform reference, beta = 1",
        expected="one limit",
        got=f"loss {losses[0]:.9f} at {fitted[0].round(3).tolist()} and at {fitted[1].round(3).tolist()}",
        because="the sample never says how likely answer 3 is",
    )


def misspecified():
    def logit(p):
        return np.log(p / (1 - p))

    limits = []
    for scores in ((logit(0.9) + logit(0.8), logit(0.8), 0.0), (0.0, -logit(0.9), -logit(0.3))):
        policy = np.exp(scores)
        limits.append(policy / policy.sum())
    return breaks(
        limits[0][0] > 0.5 > limits[1][0],
        problem="P(1>2) = .9, P(2>3) = .8, P(1>3) = .3: no Bradley-Terry model; pairs 12, 23 or pairs 12, 13",
        expected="one limit, whichever design is sampled",
        got=f"{limits[0].round(4).tolist()} or {limits[1].round(4).tolist()}",
        because="the limit is a projection that depends on the design",
    )


def certain():
    losses = [loss_on(np.array([1 - 2 * e, e, e]), {(0, 1): 1.0}) for e in (1e-1, 1e-3, 1e-6)]
    return breaks(
        losses[0] > losses[1] > losses[2] > 0,
        problem="P(1>2) = 1: answer 1 wins all N comparisons, for every N; pi = (1 - 2e, e, e)",
        expected="P(no minimiser) -> 0",
        got=f"loss {losses[0]:.2g}, {losses[1]:.2g}, {losses[2]:.2g} at e = .1, 1e-3, 1e-6: P(no minimiser) = 1",
        because="a preference that is certain has no finite reward difference",
    )


def copied():
    rng = np.random.default_rng(0)
    first = rng.random() < 1 / (1 + np.exp(-1.0))
    rates = [float(np.mean(np.full(number, first))) for number in (10, 1000, 100_000)]
    return breaks(
        all(rate in (0.0, 1.0) for rate in rates),
        problem="P(1>2) = s(1), one label copied N times",
        expected="win rate -> .731",
        got=f"{rates} at N = 10, 1000, 100000",
        because="copies carry no news; the sample grows and the information does not",
    )


CLAIM = Claim(
    id="D08",
    aliases=("consistency",),
    statement=__doc__,
    source=Source(PAPER, "section 4, after eq. 7, which cites Bong and Rinaldo 2022; the conditions are spelled out here"),
    assumes=(
        "comparisons are Bradley-Terry",
        "the design connects the answers",
        "rewards are finite",
        "comparisons are independent",
    ),
    derive=derive,
    certify=certify,
    search=search,
    edges={
        "comparisons are Bradley-Terry": misspecified,
        "the design connects the answers": disconnected,
        "rewards are finite": certain,
        "comparisons are independent": copied,
    },
    unproved="convergence of the minimisers of convex losses that converge, and the central limit theorem, are cited",
)
