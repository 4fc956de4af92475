r"""Label noise turns Bradley-Terry preferences into something else.

Labels of a Bradley-Terry human with finite rewards are flipped with probability eps in (0, 1/2): p~ = (1 - eps) p + eps (1 - p).

Two answers: the DPO optimum is beta h = logit p~, and |beta h| < log((1 - eps)/eps) however far the rewards are apart.
Three answers: p~ is Bradley-Terry of some reward iff two of the three rewards are equal. So flipped labels over n answers are
Bradley-Terry iff the answers have at most two levels of reward; else the DPO optimum depends on which pairs are compared how
often, though the human is Bradley-Terry.

Why: with a = exp(r_1 - r_2), b = exp(r_2 - r_3), the cycle logit p~_12 + logit p~_23 - logit p~_13 vanishes iff
eps (1 - eps)(1 - 2 eps)(a - 1)(b - 1)(ab - 1) = 0, and p is Bradley-Terry iff every cycle of logits vanishes. Comparing along a
tree of pairs fits its pairs exactly; where the cycle does not vanish, the trees 12, 23 and 12, 13 give different optima.
"""

import numpy as np
import sympy as sp

from bandits.problem import TabularBandit
from bandits.solve import minimise_loss
from dpo_theory import preferences
from dpo_theory.claims.claim import Claim, Measured, Source, breaks
from dpo_theory.instances import T1
from dpo_theory.losses import dpo
from dpo_theory.proof import Step

RATE = 0.1


def flipped(win, rate):
    """P(the label says that the first wins)."""
    return (1 - rate) * win + rate * (1 - win)


def derive():
    a, b, odds = sp.symbols("a b w", positive=True)
    rate = 1 / (2 + odds)  # every rate in (0, 1/2)

    def noisy_odds(ratio):
        win = flipped(sp.exp(preferences.bradley_terry(sp.log(ratio), sp.S.Zero)), rate)
        return sp.cancel(win / (1 - win))

    top, bottom = (1 - rate) / rate, rate / (1 - rate)
    yield Step("two answers: the odds stay below (1 - eps)/eps", top - noisy_odds(a), 0, "", relation=">", sizes="n = 2")
    yield Step("and above eps/(1 - eps)", noisy_odds(a) - bottom, 0, "", relation=">", sizes="n = 2")
    below = (rate * a + 1 - rate) * (rate * b + 1 - rate) * ((1 - rate) * a * b + rate)
    factor = rate * (1 - rate) * (1 - 2 * rate)
    yield Step(
        "exp of the cycle, minus 1",
        noisy_odds(a) * noisy_odds(b) / noisy_odds(a * b) - 1,
        factor * (a - 1) * (b - 1) * (a * b - 1) / below,
        "a = 1, b = 1 or ab = 1: two of the three rewards are equal",
        sizes="n = 3",
    )
    yield Step("factor and denominator are positive", sp.factor(factor / below), 0, "0 < eps < 1/2", relation=">", sizes="n = 3")
    gap = sp.Symbol("Delta", real=True)
    win = flipped(sp.exp(preferences.bradley_terry(gap, sp.S.Zero)), rate)
    swapped = flipped(sp.exp(preferences.bradley_terry(-gap, sp.S.Zero)), rate)
    yield Step("flipped labels are still complementary", win + swapped, 1, "p + (1 - p)", sizes="")


def certify(bandit, rng):
    reward = np.where(np.isfinite(bandit.reward), bandit.reward, 0.0)[0][:3]
    reward = reward / max(1.0, np.ptp(reward) / 6)  # logit p~ loses digits where 1 - p~ - eps is far below eps
    rate = rng.uniform(0.01, 0.49)
    gaps = reward[:, None] - reward[None, :]
    noisy = flipped(np.exp(preferences.bradley_terry(gaps, np.zeros_like(gaps))), rate)
    logits = np.log(noisy) - np.log1p(-noisy)
    yield Measured("|logit p~|", np.abs(logits), np.log((1 - rate) / rate), relation="<")
    if len(reward) == 3:
        a, b = np.exp(gaps[0, 1]), np.exp(gaps[1, 2])
        up = [(1 - rate) * ratio + rate for ratio in (a, b, a * b)]
        down = [rate * ratio + 1 - rate for ratio in (a, b, a * b)]
        cycle = np.log1p(rate * (1 - rate) * (1 - 2 * rate) * (a - 1) * (b - 1) * (a * b - 1) / (down[0] * down[1] * up[2]))
        yield Measured("cycle of logits", logits[0, 1] + logits[1, 2] - logits[0, 2], cycle, 1 / rate)


def search(bandit, rng):
    """The noisy population loss under two designs: the optimum moves with three levels of reward, not with two."""
    ref = np.log(rng.dirichlet(np.full(3, 4.0)))
    three, two = np.arange(3) + rng.uniform(0.0, 0.5, 3), np.array([1.0, 0.0, 1.0])
    problem = TabularBandit(np.full(4, 0.25), [three, three, two, two], np.tile(ref, (4, 1)), bandit.beta)
    gaps = problem.reward[:, :, None] - problem.reward[:, None, :]
    even, skewed = np.ones((3, 3)) - np.eye(3), np.array([[0.0, 5, 1], [5, 0, 1], [1, 1, 0]])
    design = np.stack([even / even.sum(), skewed / skewed.sum()] * 2)
    found = minimise_loss(problem, dpo.DPO(bandit.beta), design=design, preferences=flipped(1 / (1 + np.exp(-gaps)), RATE))
    moved = bandit.beta * np.abs(found.log_policy[::2] - found.log_policy[1::2]).max(axis=-1)
    yield Measured("three levels: the optimum moves with the design, in reward", 1e-3, moved[0], relation="<")
    yield Measured("two levels: it stays", moved[1], 0.0, tolerance=1e-8)


def noisy_logits():
    """(r1 - r2, r2 - r3, r1 - r3) of T1 as the flipped labels, eps = 0.1, show them."""
    reward = T1().reward[0]
    gaps = np.array([reward[0] - reward[1], reward[1] - reward[2], reward[0] - reward[2]])
    noisy = flipped(np.exp(preferences.bradley_terry(gaps, np.zeros(3))), RATE)
    return np.log(noisy / (1 - noisy))


def no_noise():
    gaps = np.array([1.0, 1.0, 2.0])
    win = flipped(np.exp(preferences.bradley_terry(gaps, np.zeros(3))), 0.0)
    logits = np.log(win / (1 - win))
    return breaks(
        abs(logits[0] + logits[1] - logits[2]) < 1e-12,
        problem="r = (1, 0, -1), eps = 0",
        expected="a cycle of logits that does not vanish",
        got=f"{logits.round(6).tolist()}",
        because="without flips the labels are Bradley-Terry",
    )


def pure_noise():
    win = flipped(np.exp(preferences.bradley_terry(np.array([1.0, 1.0, 2.0]), np.zeros(3))), 0.5)
    return breaks(
        np.allclose(win, 0.5, atol=1e-15),
        problem="r = (1, 0, -1), eps = 1/2",
        expected="labels that are not Bradley-Terry",
        got="p~ = 1/2 for every pair: Bradley-Terry of a constant reward",
        because="fair coins carry no reward",
    )


def two_levels():
    gaps = np.array([2.0, -2.0, 0.0])
    win = flipped(np.exp(preferences.bradley_terry(gaps, np.zeros(3))), RATE)
    logits = np.log(win / (1 - win))
    return breaks(
        abs(logits[0] + logits[1] - logits[2]) < 1e-12,
        problem="r = (2, 0, 2), eps = 0.1",
        expected="a cycle of logits that does not vanish",
        got=f"{logits.round(6).tolist()}",
        because="with two levels of reward one gap is 0 and the others are opposite: any odd link is additive there",
    )


CLAIM = Claim(
    id="C9",
    aliases=("label-noise",),
    statement=__doc__,
    source=Source("derived here", "for the cross-entropy of flipped labels; no claim of arXiv:2305.18290"),
    assumes=("eps > 0", "eps < 1/2", "three distinct rewards, for the part that breaks"),
    derive=derive,
    certify=certify,
    search=search,
    edges={"eps > 0": no_noise, "eps < 1/2": pure_noise, "three distinct rewards, for the part that breaks": two_levels},
)
