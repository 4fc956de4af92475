"""The search against the ball: two roads to one optimum, on a thousand problems and on losses known only as functions."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from bandits.problem import TabularBandit
from bandits.sample import pairs as sample_pairs
from bandits.solve import minimise_loss
from dpo_theory.evidence import Verdict
from dpo_theory.instances import random_bandit
from dpo_theory.losses.dpo import DPO
from dpo_theory.rigor import certify_optimum


def problems():
    """1,000 contexts in 125 bandits: populations, soft data, sampled data; four to six actions, skewed references."""
    for number in range(125):
        rng = np.random.default_rng([7, number])
        bandit = random_bandit(rng, contexts=8, actions=3 + number % 4)
        if number % 3 == 0:
            yield bandit, None
        else:
            yield bandit, sample_pairs(bandit, 4000, rng, soft=number % 3 == 1)


def test_the_enclosure_and_the_search_agree_on_a_thousand_problems():
    enclosed = unsolved = 0
    for bandit, data in problems():
        statuses = np.array([str(status) for status in minimise_loss(bandit, DPO(bandit.beta), data).certificate.statuses])
        kept = np.flatnonzero(statuses == "optimal")
        unsolved += int((statuses != "optimal").sum())
        if len(kept) == 0:
            continue
        part, some = _only(bandit, data, kept)
        found = minimise_loss(part, DPO(bandit.beta), some)
        ball = certify_optimum(part, DPO(bandit.beta), found, some, digits=20)
        assert ball.verdict == Verdict.CERTIFIED, ball.reason
        assert ball.unique == "global"
        assert ball.distance(found.log_policy) <= found.certificate.distance_bound + 4 * np.spacing(np.abs(ball.lower).max())
        assert ball.distance(found.log_policy) <= 1e-8 * (1 + np.abs(ball.lower).max())
        enclosed += len(kept)
    assert enclosed + unsolved == 1000
    assert enclosed >= 800


def _only(bandit, data, contexts):
    weights = bandit.context_probs[contexts]
    part = TabularBandit(weights / weights.sum(), bandit.reward[contexts], bandit.log_ref[contexts], bandit.beta)
    if data is None:
        return part, None
    place = {int(x): k for k, x in enumerate(contexts)}
    rows = np.isin(data.context, contexts)
    columns = [None if column is None else np.asarray(column)[rows] for column in data]
    columns[0] = np.array([place[int(x)] for x in columns[0]])
    return part, type(data)(*columns)


def odds(pairs):
    chosen, rejected = (p - torch.log1p(-torch.exp(p)) for p in (pairs.policy_chosen, pairs.policy_rejected))
    return -pairs.policy_chosen - 0.5 * F.logsigmoid(chosen - rejected)


def nca(pairs):
    a, b = pairs.chosen_log_ratio, pairs.rejected_log_ratio
    return -F.logsigmoid(a) - 0.5 * F.logsigmoid(-a) - 0.5 * F.logsigmoid(-b)


def exo(pairs):
    z = pairs.margin
    return torch.sigmoid(z) * (F.logsigmoid(z) - np.log(0.9)) + torch.sigmoid(-z) * (F.logsigmoid(-z) - np.log(0.1))


#  losses given only as torch functions: convex, non-convex, and not functions of the margin
TORCH_LOSSES = {
    "logistic": lambda pairs: -F.logsigmoid(0.5 * pairs.margin),
    "squared": lambda pairs: (pairs.margin - 1.0) ** 2,
    "exponential": lambda pairs: torch.exp(-pairs.margin),
    "smoothed": lambda pairs: -0.9 * F.logsigmoid(pairs.margin) - 0.1 * F.logsigmoid(-pairs.margin),
    "Savage, not convex": lambda pairs: torch.sigmoid(-pairs.margin) ** 2,
    "EXO, not convex": exo,
    "NCA, not a function of the margin": nca,
    "ORPO, not a function of the margin": odds,
    "DPO with likelihood": lambda pairs: -F.logsigmoid(pairs.margin) - 0.2 * pairs.policy_chosen,
    "squared, pointwise": lambda pairs: (pairs.chosen_log_ratio - 1.0) ** 2 + (pairs.rejected_log_ratio + 1.0) ** 2,
}


@pytest.mark.parametrize("name", TORCH_LOSSES)
def test_a_loss_known_only_as_a_torch_function_reaches_its_enclosed_optimum(name):
    loss = TORCH_LOSSES[name]
    bandit = TabularBandit([0.6, 0.4], [[0.5, 0.0, -0.4], [0.0, 0.3, 0.6]], np.log([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]]), 1.0)
    found = minimise_loss(bandit, loss)
    assert found.status in ("optimal", "several_minima")
    ball = certify_optimum(bandit, loss, found, digits=20)
    assert ball.verdict == Verdict.CERTIFIED, ball.reason
    assert ball.distance(found.log_policy) < 1e-8
