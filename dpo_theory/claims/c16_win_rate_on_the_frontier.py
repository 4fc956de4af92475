r"""The win rate rises along the frontier, not with the sampling temperature.

For finitely many answers and a finite reward on the support, let w(y) = E_{y' ~ pi_ref} s(r(y) - r(y')) and let pi_lambda be the
optimum of eq. 4 for beta = 1/lambda. Then

    d/dlambda E_{pi_lambda}[w] = Cov_{pi_lambda}(w, r) >= 0,    strictly unless r is constant on the support,

with supremum w(answer of largest reward). The same holds for every judge whose w is an increasing function of r. Sampling from a
fixed policy at temperature T, pi^{1/T} normalised, is not monotone in T: see the edge.

Why: the derivative of an expectation under a tilted law is a covariance; the covariance of two increasing functions of one number
is half a mean of products of differences of equal sign (Chebyshev).
"""

import numpy as np
import sympy as sp

from dpo_theory import optimal, preferences
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import expectation, log_policy, log_ref, other_reward, reward, sums_to_one
from dpo_theory.proof import Row, Step


def derive():
    rate = sp.Symbol("lambda", positive=True)
    tilted = optimal.optimal_log_policy(reward, log_ref, 1 / rate)
    win = Row(lambda i: Row(lambda j: sp.exp(log_ref[j] + preferences.bradley_terry(reward[i], reward[j]))).sum())
    yield Step(
        "slope of the win rate",
        sp.diff(expectation(tilted, win), rate),
        expectation(tilted, win * reward) - expectation(tilted, win) * expectation(tilted, reward),
        "covariance of w and r",
    )
    w = other_reward  # any judge

    def product(i):
        return Row(lambda j: sp.exp(log_policy[i] + log_policy[j]) * (w[i] - w[j]) * (reward[i] - reward[j])).sum()

    yield Step(
        "a covariance is half a double sum of products of differences",
        expectation(log_policy, w * reward) - expectation(log_policy, w) * expectation(log_policy, reward),
        Row(product).sum() / 2,
        "Chebyshev",
        facts=(sums_to_one(log_policy),),
    )
    x, other = sp.symbols("x r'", real=True)
    rise = sp.diff(sp.exp(preferences.bradley_terry(x, other)), x)
    yield Step("w increases with r, so both differences have one sign", rise, 0, "s' > 0 in each term", relation=">", sizes="")


def _win(bandit):
    """(X, A) w(y), written with ratios of exponentials shifted by the larger reward."""
    reward = bandit.reward
    top = np.maximum(reward[:, :, None], reward[:, None, :])
    first, second = np.exp(reward[:, :, None] - top), np.exp(reward[:, None, :] - top)
    return (first / (first + second) * np.exp(bandit.log_ref)[:, None, :]).sum(axis=-1)


def certify(bandit, rng):
    if not np.isfinite(bandit.reward).all():
        return
    win, spread = _win(bandit), 1 + np.ptp(bandit.reward)

    def mean(rate):
        return (np.exp(optimal.optimal_log_policy(bandit.reward, bandit.log_ref, 1 / rate)) * win).sum(axis=-1)

    def covariance(rate):
        policy = np.exp(optimal.optimal_log_policy(bandit.reward, bandit.log_ref, 1 / rate))
        centre = (policy * win).sum(axis=-1, keepdims=True)
        return (policy * (win - centre) * bandit.reward).sum(axis=-1)

    nodes, weights = np.polynomial.legendre.leggauss(20)
    middle, reach = 1 / bandit.beta, min(0.5 / bandit.beta, 1 / spread)
    total = reach * sum(w * covariance(middle + reach * at) for at, w in zip(nodes, weights, strict=True))
    yield Measured("rise of the win rate", mean(middle + reach) - mean(middle - reach), total, spread)
    rates = np.geomspace(1e-2, 1e3, 24) / spread
    path = np.array([mean(rate) for rate in rates])
    yield Measured("win rates along the frontier", path[:-1], path[1:], relation="<=")
    best = np.where(bandit.support, bandit.reward, -np.inf).argmax(axis=-1)
    largest = np.take_along_axis(win, best[:, None], axis=-1)[:, 0]
    yield Measured("no more than w of the best answer", path[-1], largest, relation="<=")


def at_temperatures(temperatures):
    """Win rates of pi^{1/T} for ref = (.05, .9, .05), r = (2, 0, -2), beta = 2."""
    reward, log_ref = np.array([[2.0, 0.0, -2.0]]), np.log([[0.05, 0.9, 0.05]])
    trained = optimal.optimal_log_policy(reward, log_ref, 2.0)
    win = (1 / (1 + np.exp(reward.T - reward)) * np.exp(log_ref.T)).sum(axis=0)
    found = []
    for temperature in temperatures:
        score = trained[0] / temperature
        found.append(float(np.exp(score - np.logaddexp.reduce(score)) @ win))
    return np.array(found)


def temperature_instead():
    found = at_temperatures((0.05, 1.0, 2.0, 5.0))
    return breaks(
        found[0] < found[1] < found[2] and found[3] < found[2],
        problem="ref = (.05, .9, .05), r = (2, 0, -2), beta = 2, sampled at temperature T = .05, 1, 2, 5",
        expected="a win rate that is monotone in T",
        got=f"{found.round(3).tolist()}",
        because="low temperature finds the most likely answer, which need not be the best; high temperature forgets the reward",
    )


def another_judge():
    reward, log_ref, taste = np.array([[1.0, 0.0, -1.0]]), np.log([[0.2, 0.5, 0.3]]), np.array([0.2, 0.9, 0.1])
    path = [float(np.exp(optimal.optimal_log_policy(reward, log_ref, price))[0] @ taste) for price in (100.0, 1.0, 0.2)]
    return breaks(
        path[2] < path[0] - 0.1,
        problem="ref = (.2, .5, .3), r = (1, 0, -1), a judge with w = (.2, .9, .1), beta = 100, 1, .2",
        expected="a rising win rate",
        got=f"{np.round(path, 3).tolist()}",
        because="this judge does not prefer what the reward prefers: over-optimisation (claim C8)",
    )


CLAIM = Claim(
    id="C16",
    aliases=("win-rate",),
    statement=__doc__,
    source=Source(PAPER, "sec. 6, win rates over sampling temperatures; statement derived here"),
    assumes=("the judge's w increases with r", "the policy moves along the frontier"),
    derive=derive,
    certify=certify,
    edges={"the judge's w increases with r": another_judge, "the policy moves along the frontier": temperature_instead},
)
