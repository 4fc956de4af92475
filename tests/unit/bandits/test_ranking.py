"""Rankings of several lengths: two roads to one optimum, against brute force."""

from itertools import permutations

import numpy as np
import pytest

from bandits.data import RankedLogProbs, Rankings
from bandits.ranking import consecutive_wins, minimise_ranking_loss, ranking_strengths


def likelihood(strength, orders):
    return sum(strength[order[k]] - np.logaddexp.reduce(strength[order[k:]]) for order in orders for k in range(len(order)))


def plackett_luce_loss(beta):
    def loss(ranked):
        import torch

        z = beta * ranked.log_ratio
        return (torch.logcumsumexp(z.flip(-1), -1).flip(-1) - z).sum(-1)

    return loss


def blocks(rng, n_actions=5):
    long = np.array([rng.permutation(n_actions) for _ in range(12)])
    short = np.array([rng.permutation(n_actions)[:3] for _ in range(9)])
    return [Rankings(np.zeros(12, int), long, rng.integers(1, 4, 12)), Rankings(np.zeros(9, int), short)]


def test_the_strengths_maximise_the_likelihood():
    data = blocks(np.random.default_rng(0))
    rest = ranking_strengths(data, 5)
    orders = [
        order
        for block in data
        for order, w in zip(block.order, np.ones(len(block.order)) if block.weight is None else block.weight, strict=True)
        for _ in range(int(w))
    ]
    best = likelihood(rest.at, orders)
    rng = np.random.default_rng(1)
    for scale in (1e-4, 1e-2, 1.0):
        assert all(likelihood(rest.at + scale * rng.normal(size=5), orders) < best for _ in range(20))
    assert rest.distance_bound < 1e-10
    step = 1e-4
    second = np.array(
        [
            [
                likelihood(rest.at + step * (i + j), orders)
                + likelihood(rest.at - step * (i + j), orders)
                - likelihood(rest.at + step * (i - j), orders)
                - likelihood(rest.at - step * (i - j), orders)
                for i in np.eye(5)
            ]
            for j in np.eye(5)
        ]
    ) / (4 * step**2)
    project = np.eye(5) - 1 / 5
    np.testing.assert_allclose(-second @ rest.covariance, project, atol=1e-4)


def test_population_of_rankings_returns_its_strengths():
    truth = np.array([1.0, 0.0, -1.0])
    orders = np.array(list(permutations(range(3))))
    rest = ranking_strengths([Rankings(np.zeros(6, int), orders, np.exp([likelihood(truth, [order]) for order in orders]))], 3)
    np.testing.assert_allclose(rest.at, truth, atol=1e-12)


@pytest.mark.parametrize("beta", [0.1, 2.0])
def test_the_loss_in_log_ratios_ends_at_the_same_strengths(beta):
    data, log_ref = blocks(np.random.default_rng(2)), np.log([0.4, 0.3, 0.15, 0.1, 0.05])
    policy, rest = minimise_ranking_loss(plackett_luce_loss(beta), data, log_ref, np.zeros(5, int), concordance=np.sqrt(2) * beta)
    strength = beta * (policy - log_ref)
    np.testing.assert_allclose(strength - strength.mean(), ranking_strengths(data, 5).at, atol=1e-10)
    assert np.exp(policy).sum() == pytest.approx(1)
    assert rest.distance_bound < 1e-9


def test_existence_is_asked_first():
    data = [Rankings([0, 0], [[0, 1, 2], [1, 0, 2]])]
    with pytest.raises(ValueError, match=r"no estimate exists: actions \[0, 1\]"):
        ranking_strengths(data, 3)
    with pytest.raises(ValueError, match="no estimate exists"):
        minimise_ranking_loss(plackett_luce_loss(1.0), data, np.log([0.5, 0.3, 0.2]), np.zeros(3, int), concordance=1.5)


def test_a_ranking_counts_as_its_neighbours():
    wins = consecutive_wins([Rankings([0, 0], [[2, 0, 1], [2, 0, 1]])])
    assert (wins.chosen.tolist(), wins.rejected.tolist(), wins.weight.tolist()) == ([0, 2], [1, 0], [2.0, 2.0])
    assert len(consecutive_wins([]).chosen) == 0


def test_the_last_choice_seen_beats_all_that_were_left():
    wins = consecutive_wins([Rankings([0], [[3, 1, 0, 2]])], top=2)
    assert (wins.chosen.tolist(), wins.rejected.tolist()) == ([1, 1, 3], [0, 2, 1])
    data = [Rankings([0, 0], [[0, 1, 2], [1, 2, 0]])]
    with pytest.raises(ValueError, match="no estimate exists"):
        ranking_strengths(data, 3, top=1)
    with pytest.raises(ValueError, match="top is 0"):
        ranking_strengths(data, 3, top=0)


def test_first_choices_are_a_multinomial():
    data = [Rankings(np.zeros(3, int), [[0, 1, 2], [1, 2, 0], [2, 0, 1]], [5.0, 3.0, 2.0])]
    rest = ranking_strengths(data, 3, top=1)
    np.testing.assert_allclose(np.exp(rest.at) / np.exp(rest.at).sum(), [0.5, 0.3, 0.2], atol=1e-13)


def test_the_loss_sees_what_it_should():
    seen = []

    def spy(ranked):
        seen.append(type(ranked))
        return plackett_luce_loss(1.0)(ranked)

    minimise_ranking_loss(spy, [Rankings([0, 0], [[0, 1], [1, 0]])], np.log([0.5, 0.5]), np.zeros(2, int), concordance=1.5)
    assert set(seen) == {RankedLogProbs}
