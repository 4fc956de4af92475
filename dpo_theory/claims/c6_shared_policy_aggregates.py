r"""A policy shared by prompts: RLHF averages rewards, DPO averages probabilities.

Two answers, one margin h = log(pi_1/pi_ref,1) - log(pi_2/pi_ref,2) for every prompt, one reference for every prompt, reward gaps
d_x = r(x, 1) - r(x, 2), prompt weights rho, labelled prompts with weights lambda (each summing to 1), Bradley-Terry labels:

    RLHF:  beta h = sum_x rho_x d_x,        DPO:  s(beta h) = sum_x lambda_x s(d_x),

for any number of prompts. The two can order the answers differently: d = (10, -2, -2), equal weights, gives +2 and -0.352.
Prompts without labels enter the first through rho and never the second.

Why: E[r] is linear in the reward, the label probability is not; both objectives have one stationary point.
"""

import numpy as np
import sympy as sp

from bandits.data import PairLogProbs
from bandits.problem import TabularBandit
from dpo_theory import optimal, preferences
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, expectation, log_policy, sums_to_one
from dpo_theory.losses import dpo
from dpo_theory.proof import Row, Step, row

GAPS = np.array([10.0, -2.0, -2.0])
log_rho, gaps = log_policy, row("d")  # prompt weights exp(q_x), which sum to 1


def derive():
    h, u = sp.symbols("h u", real=True)
    log_s = preferences.bradley_terry
    shared = np.array([log_s(u + h, sp.S.Zero), log_s(sp.S.Zero, u + h)], dtype=object)
    ref = np.array([log_s(u, sp.S.Zero), log_s(sp.S.Zero, u)], dtype=object)

    def value(x):
        rewards = np.array([gaps[x], sp.S.Zero], dtype=object)
        return sp.exp(log_rho[x]) * optimal.objective(shared, rewards, ref, beta)

    slope = sp.diff(Row(value).sum(), h)
    curve = sp.exp(log_s(u + h, sp.S.Zero)) * sp.exp(log_s(sp.S.Zero, u + h))
    yield Step(
        "slope of the RLHF objective",
        slope,
        curve * (expectation(log_rho, gaps) - beta * h),
        "positive below beta h = sum rho d, negative above",
        facts=(sums_to_one(log_rho),),
        sizes="every number of prompts",
    )
    win = gaps.each(lambda d: sp.exp(log_s(d, sp.S.Zero)))
    loss = dpo.DPO(beta)
    right, wrong = (loss(PairLogProbs(*pair, sp.S.Zero, sp.S.Zero)) for pair in ((h, sp.S.Zero), (sp.S.Zero, h)))
    population = Row(lambda x: sp.exp(log_rho[x]) * (win[x] * right + (1 - win[x]) * wrong)).sum()
    model = sp.exp(log_s(beta * h, sp.S.Zero))
    yield Step(
        "slope of the DPO loss",
        sp.diff(population, h),
        beta * (model - expectation(log_rho, win)),
        "s(beta h) rises, so there is one zero",
        facts=(sums_to_one(log_rho),),
        sizes="every number of prompts",
    )
    yield Step("s rises", sp.diff(model, h), 0, "beta s (1 - s)", relation=">", sizes="")
    one = row("d", sp.Integer(1))
    yield Step("with one prompt they agree", sp.exp(log_s(one[1], 0)), win[1], "s(beta h) = s(d)", sizes="")


def _problem(gaps, weights, beta, ref=0.0):
    reward = np.stack([gaps, np.zeros_like(gaps)], axis=-1)
    ref = np.broadcast_to(ref, np.shape(gaps))
    return TabularBandit(weights, reward, np.stack([-np.logaddexp(0, -ref), -np.logaddexp(0, ref)], axis=-1), beta)


def _shared(bandit, h):
    score = bandit.log_ref + np.array([h, 0.0])
    return score - np.logaddexp.reduce(score, axis=-1, keepdims=True)


def _best_margin(bandit):
    """The shared margin of largest value, by a search that sees only the value."""
    from scipy.optimize import minimize_scalar

    scale = np.abs(bandit.reward).max() / bandit.beta + 1
    found = minimize_scalar(lambda h: -bandit.value(_shared(bandit, h)), bounds=(-scale, scale), method="bounded", options={"xatol": 1e-11})
    return found.x


def _dpo_margin(gaps, weights, beta):
    """The shared margin of smallest population loss, by a search that sees only the loss."""
    from scipy.optimize import minimize_scalar

    win = np.exp(preferences.bradley_terry(gaps, np.zeros_like(gaps)))
    loss, zero = dpo.DPO(beta), np.zeros(1)

    def population(h):
        at = np.array([h])
        right, wrong = loss(PairLogProbs(at, zero, zero, zero)), loss(PairLogProbs(zero, at, zero, zero))
        return float(weights @ (win * right + (1 - win) * wrong))

    scale = np.abs(gaps).max() / beta + 1
    return minimize_scalar(population, bounds=(-scale, scale), method="bounded", options={"xatol": 1e-11}).x


def search(bandit, rng):
    size, beta = int(rng.integers(2, 6)), bandit.beta
    gaps, weights = rng.normal(scale=1.5, size=size), rng.dirichlet(np.ones(size))
    mean = weights @ (1 / (1 + np.exp(-gaps)))
    found = _best_margin(_problem(gaps, weights, beta, rng.normal()))
    # a value search resolves the argument to the square root of rounding
    yield Measured("beta h of RLHF", beta * found, weights @ gaps, 1 + np.abs(gaps).max(), tolerance=1e-5)
    yield Measured(
        "beta h of DPO",
        beta * _dpo_margin(gaps, weights, beta),
        np.log(mean / (1 - mean)),
        1 + np.abs(gaps).max(),
        tolerance=1e-5,
    )


def certify():
    weights = np.full(3, 1 / 3)
    mean = np.exp(preferences.bradley_terry(GAPS, np.zeros(3))).mean()
    dpo_margin = np.log(mean / (1 - mean))
    bandit = _problem(GAPS, weights, 1.0)
    yield Measured("RLHF prefers answer 1, DPO answer 2", -GAPS.mean(), dpo_margin, relation="<")
    yield Measured("0 against -beta h of DPO", 0.0, -dpo_margin, relation="<")
    gain = bandit.value(_shared(bandit, GAPS.mean())) - bandit.value(_shared(bandit, dpo_margin))
    yield Measured("value that RLHF gains over DPO", 0.0, gain, relation="<")
    steps = np.array([-0.1, 0.1])
    best = bandit.value(_shared(bandit, GAPS.mean()))
    yield Measured("values beside beta h = 2", [bandit.value(_shared(bandit, GAPS.mean() + step)) for step in steps], best, relation="<")


def own_margin_per_prompt():
    best = optimal.optimal_log_policy(_problem(GAPS, np.full(3, 1 / 3), 1.0).reward, np.log(np.full((3, 2), 0.5)), 1.0)
    margins = best[:, 0] - best[:, 1]
    return breaks(
        np.allclose(margins, GAPS) and abs(margins[0] - GAPS.mean()) > 1,
        problem="d = (10, -2, -2), uniform reference, beta = 1, one margin per prompt",
        expected="beta h = 2 on every prompt",
        got=f"beta h = {margins.round(6).tolist()}",
        because="a tabular policy aggregates nothing, and DPO then finds the same",
    )


def references_differ():
    bandit = _problem(np.array([4.0, 0.0]), np.array([0.5, 0.5]), 1.0, np.array([0.0, 4.6]))
    found = _best_margin(bandit)
    return breaks(
        found > 2.5,
        problem="d = (4, 0), references (1/2, 1/2) and (0.99, 0.01), beta = 1, one margin",
        expected="beta h = mean of d = 2",
        got=f"beta h = {found:.4f}",
        because="each prompt counts with rho_x pi_1 pi_2, which depends on its reference",
    )


def labels_of_another_kind():
    mean = (GAPS > 0).mean()
    return breaks(
        abs(np.log(mean / (1 - mean)) + 0.6931) < 1e-3,
        problem="d = (10, -2, -2), equal weights, labels say only which answer has the larger reward",
        expected="beta h of DPO = -0.352",
        got=f"beta h = logit(1/3) = {np.log(mean / (1 - mean)):.4f}",
        because="DPO averages whatever probabilities the labels have",
    )


CLAIM = Claim(
    id="C6",
    aliases=("aggregation-gap",),
    statement=__doc__,
    source=Source(PAPER, "Theorem 1 is tabular; restricted policies derived here"),
    assumes=("one margin for every prompt", "one reference for every prompt", "labels are Bradley-Terry"),
    derive=derive,
    certify=certify,
    search=search,
    edges={
        "one margin for every prompt": own_margin_per_prompt,
        "one reference for every prompt": references_differ,
        "labels are Bradley-Terry": labels_of_another_kind,
    },
)
