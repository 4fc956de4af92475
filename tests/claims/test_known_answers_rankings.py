"""Numbers about rankings, in fractions and in 40 digits, computed without our formulas; and each check shown to fire."""

from fractions import Fraction
from itertools import permutations

import mpmath as mp
import numpy as np
import pytest

from bandits.data import RankedLogProbs
from dpo_theory import preferences
from dpo_theory.claims import d25c_rank_breaking, registry, runner
from dpo_theory.evidence import Verdict
from dpo_theory.losses.plackett_luce import PlackettLuceDPO

ORDERS = tuple(permutations(range(3)))


def ranking_probability(weights, order):
    """By drawing without replacement."""
    left, probability = sum(weights), 1
    for item in order:
        probability *= weights[item] / left
        left -= weights[item]
    return probability


def test_the_six_rankings_of_the_worked_instance():
    pinned = {
        (0, 1, 2): "0.486330107575207",
        (0, 2, 1): "0.178910848199615",
        (1, 0, 2): "0.215556122203061",
        (1, 2, 0): "0.0291723488517371",
        (2, 0, 1): "0.065817622855183",
        (2, 1, 0): "0.0242129503151975",
    }
    with mp.workdps(40):
        weights = [mp.exp(r) for r in (1, 0, -1)]
        exact = {order: ranking_probability(weights, order) for order in ORDERS}
        assert mp.almosteq(mp.fsum(exact.values()), 1, 1e-38)
    reward = np.array([1.0, 0.0, -1.0])
    for order, digits in pinned.items():
        assert float(exact[order]) == pytest.approx(float(digits), abs=2e-15)
        assert float(np.exp(preferences.plackett_luce(reward[list(order)]))) == pytest.approx(float(digits), abs=1e-14)


def test_one_ranking_of_three_informs_less_than_three_pairs():
    scores = []
    for order in ORDERS:  # score of r_i at r = 0: 1 - 1/3 - 1/2 ... over the choices in which i takes part
        place = {item: rank for rank, item in enumerate(order)}
        expected = [sum(Fraction(1, 3 - stage) for stage in range(place[item] + 1)) for item in range(3)]
        scores.append([1 - e for e in expected])
    information = [[sum(s[i] * s[j] for s in scores) / 6 for j in range(3)] for i in range(3)]
    assert [information[i][i] for i in range(3)] == [Fraction(7, 18)] * 3
    assert information[0][1] == information[1][2] == Fraction(-7, 36)
    assert sum(information[i][i] for i in range(3)) == Fraction(7, 6) < Fraction(3, 2)
    ranking, pairs, _ = d25c_rank_breaking._at_equal_rewards()
    assert [str(v) for v in ranking[0, :]] == ["7/18", "-7/36", "-7/36"]
    assert pairs.trace() == Fraction(3, 2)


def test_all_pairs_estimate_with_28_27ths_of_the_variance():
    places = (Fraction(1), Fraction(0), Fraction(-1))  # score of all pairs at r = 0: wins minus losses, halved
    variance = sum(places[o.index(0)] ** 2 for o in ORDERS) / 6 - sum(places[o.index(0)] * places[o.index(1)] for o in ORDERS) / 6
    bend = Fraction(3, 4)
    assert 2 * variance / bend**2 == Fraction(32, 9)
    assert Fraction(32, 9) / Fraction(24, 7) == Fraction(28, 27)


def test_neighbours_pull_the_estimate_down():
    weights = [Fraction(2), Fraction(1), Fraction(1)]
    slope = Fraction(0)
    for order in ORDERS:
        probability = ranking_probability(weights, order)
        for winner, loser in ((order[0], order[1]), (order[1], order[2])):
            surprise = weights[loser] / (weights[winner] + weights[loser])
            slope += probability * surprise * ((loser == 0) - (winner == 0))
    assert slope == Fraction(1, 18) == Fraction(str(d25c_rank_breaking._adjacent_slope([2, 1, 1])))


def test_a_ranking_at_the_reference_costs_log_k_factorial():
    zero = np.zeros((1, 5))
    assert PlackettLuceDPO(0.3)(RankedLogProbs(zero, zero))[0] == pytest.approx(np.log(120), rel=1e-14)
    assert PlackettLuceDPO(0.3, top=2)(RankedLogProbs(zero, zero))[0] == pytest.approx(np.log(20), rel=1e-14)


WRONG = {
    "tails look back": lambda x: np.logaddexp.accumulate(np.asarray(x), axis=-1),
    "every choice among all": lambda x: np.broadcast_to(np.logaddexp.reduce(x, axis=-1, keepdims=True), np.shape(x)),
}


@pytest.mark.parametrize("id", ["D24", "D24b", "D25", "D25b", "D25c"])
@pytest.mark.parametrize("fault", WRONG)
def test_the_certificate_notices_a_wrong_tail(id, fault, monkeypatch):
    claim = registry.load(id)
    assert runner.run(claim, only=("certificate",)).verdict is Verdict.HOLDS
    monkeypatch.setattr("dpo_theory._xp.NumPy.tail_logsumexp", staticmethod(WRONG[fault]))
    assert runner.run(claim, only=("certificate",)).verdict is Verdict.REFUTED


@pytest.mark.parametrize("id", ["D25", "D25b"])
def test_the_search_notices_a_loss_without_the_reference(id, monkeypatch):
    claim = registry.load(id)
    monkeypatch.setattr(RankedLogProbs, "log_ratio", property(lambda self: self.policy))
    assert runner.run(claim, only=("search",)).verdict is Verdict.REFUTED
