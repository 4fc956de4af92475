r"""DPO finds the best policy of every parametric class.

    the minimiser of eq. 7 within a class of policies maximises eq. 3 within that class.

True when every policy is in the class (claim D07b). Two prompts with two answers each that share one logit theta, uniform reference,
beta = 1, reward gaps 1 and 0: RLHF averages the gaps, theta = 1/2; DPO averages the win rates, theta = logit((s(1) + s(0))/2) = .4705.
"""

import numpy as np
from scipy.optimize import minimize_scalar

from bandits.data import PairLogProbs
from bandits.problem import TabularBandit
from dpo_theory import preferences
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source
from dpo_theory.losses import dpo

GAPS = np.array([1.0, 0.0])


def search():
    half = np.full((2, 2), np.log(0.5))
    bandit = TabularBandit([0.5, 0.5], np.stack([GAPS, [0.0, 0.0]], axis=1), half, 1.0)
    wins = np.exp(preferences.bradley_terry(GAPS, np.zeros(2)))

    def cost(theta):
        log_policy = _shared(theta)
        forth = PairLogProbs(log_policy[:, 0], log_policy[:, 1], half[:, 0], half[:, 1])
        back = PairLogProbs(log_policy[:, 1], log_policy[:, 0], half[:, 1], half[:, 0])
        loss = dpo.DPO(bandit.beta)
        return float(np.mean(wins * loss(forth) + (1 - wins) * loss(back)))

    direct = minimize_scalar(cost, bounds=(-5.0, 5.0), method="bounded", options={"xatol": 1e-10}).x
    regularised = minimize_scalar(
        lambda theta: -bandit.value(_shared(theta)), bounds=(-5.0, 5.0), method="bounded", options={"xatol": 1e-10}
    ).x
    yield Measured("one logit for two prompts, reward gaps 1 and 0: theta by eq. 7 and by eq. 3", direct, regularised, tolerance=1e-3)


def _shared(theta):
    """(2, 2) the same two log-probabilities at both prompts."""
    return -np.logaddexp(0.0, np.array([[-theta, theta]] * 2))


CLAIM = Claim(
    id="E12",
    aliases=("parametric-classes",),
    statement=__doc__,
    source=Source(PAPER, "section 4 read for parametric policies"),
    search=search,
    expects="refuted",
)
