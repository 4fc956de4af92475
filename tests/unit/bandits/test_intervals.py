"""Likelihood-ratio intervals: a closed form, brute-force profiles, and the quadratic limit."""

import numpy as np
import pytest
from scipy.optimize import brentq, minimize

from bandits.data import Comparisons, Rankings, Ties
from bandits.inference import difference_errors, pair_information
from bandits.intervals import likelihood_interval


def table(wins):
    wins = np.asarray(wins, float)
    chosen, rejected = np.nonzero(wins)
    return Comparisons(np.zeros(len(chosen), int), chosen, rejected, wins[chosen, rejected])


CYCLE = np.array([[0, 6, 2], [3, 0, 5], [4, 1, 0]])


def test_two_actions_are_a_binomial():
    found = likelihood_interval(table([[0, 9], [3, 0]]), 2, 0, 1, level=0.9)

    def excess(delta):
        loss = 9 * np.logaddexp(0, -delta) + 3 * np.logaddexp(0, delta)
        return 2 * (loss + 9 * np.log(0.75) + 3 * np.log(0.25)) - 2.705543454095404

    assert found.estimate == pytest.approx(np.log(3), abs=1e-12)
    assert found.low == pytest.approx(brentq(excess, -3, np.log(3), xtol=1e-13), abs=1e-10)
    assert found.high == pytest.approx(brentq(excess, np.log(3), 5, xtol=1e-13), abs=1e-10)


def test_the_profile_of_three_actions_by_brute_force():
    found = likelihood_interval(table(CYCLE), 3, 0, 2)

    def loss(strength):
        gap = strength[:, None] - strength[None, :]
        return float((CYCLE * np.logaddexp(0, -gap)).sum())

    def profile(delta):
        return minimize(lambda free: loss(np.array([delta, free[0], 0.0])), [0.0], tol=1e-12).fun

    top = min(profile(found.estimate), loss(np.array([found.estimate, 0.5, 0.0])))
    for end in (found.low, found.high):
        assert 2 * (profile(end) - top) == pytest.approx(found.threshold, abs=1e-6)


def test_exchanging_the_actions_mirrors_the_interval():
    there, back = likelihood_interval(table(CYCLE), 3, 0, 1), likelihood_interval(table(CYCLE), 3, 1, 0)
    assert (back.low, back.estimate, back.high) == pytest.approx((-there.high, -there.estimate, -there.low), abs=1e-9)


def test_much_data_makes_it_quadratic():
    wins = CYCLE * 1e6
    found = likelihood_interval(table(wins), 3, 0, 1)
    strength = np.array([found.estimate, 0.0, likelihood_interval(table(wins), 3, 2, 1).estimate])
    error = difference_errors(pair_information(strength, wins + wins.T))[0, 1]
    assert (found.high - found.low) / 2 == pytest.approx(1.959964 * error, rel=1e-5)


@pytest.mark.parametrize("model", ["davidson", "rao-kupper"])
def test_ties_are_profiled_too(model):
    ties = Ties([0, 0], [0, 1], [1, 2], [4.0, 3.0])
    found = likelihood_interval(table(CYCLE), 3, 0, 2, ties=ties, model=model)
    assert found.low < found.estimate < found.high
    decided = likelihood_interval(table(CYCLE), 3, 0, 1)
    mixed = likelihood_interval(table(CYCLE), 3, 0, 1, ties=Ties([0], [0], [1], [50.0]), model=model)
    assert mixed.high - mixed.low < decided.high - decided.low


def test_soft_targets_and_other_components():
    hard = Comparisons([0] * 4, [0, 1, 2, 3], [1, 0, 3, 2], [3.0, 1.0, 1.0, 1.0])
    soft = Comparisons([0, 0], [0, 2], [1, 3], [4.0, 2.0], [0.75, 0.5])
    one, other = (likelihood_interval(data, 4, 0, 1) for data in (hard, soft))
    assert one == pytest.approx(other, abs=1e-10)


RANKED = Rankings(np.zeros(7, int), [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 2, 1], [1, 0, 2], [2, 1, 0], [0, 1, 2]], [3, 2, 1, 1, 2, 1, 2])


def test_rankings_of_two_are_comparisons():
    order = np.stack(np.nonzero(CYCLE), axis=1)
    ranked = Rankings(np.zeros(len(order), int), order, CYCLE[CYCLE > 0])
    assert likelihood_interval(ranked, 3, 0, 2) == pytest.approx(likelihood_interval(table(CYCLE), 3, 0, 2), abs=1e-10)


@pytest.mark.parametrize("top", [None, 1])
def test_the_profile_of_rankings_by_brute_force(top):
    short = Rankings(np.zeros(2, int), [[2, 1], [1, 2]], [2.0, 1.0])
    found = likelihood_interval([RANKED, short], 3, 0, 2, top=top)

    def loss(strength):
        total = 0.0
        for block in (RANKED, short):
            for row, weight in zip(np.asarray(block.order), block.weight, strict=True):
                for k in range(len(row) - 1 if top is None else top):
                    total += weight * (np.logaddexp.reduce(strength[row[k:]]) - strength[row[k]])
        return total

    def profile(delta):
        return minimize(lambda free: loss(np.array([delta, free[0], 0.0])), [0.0], tol=1e-12).fun

    lowest = minimize(lambda free: loss(np.array([*free, 0.0])), [0.0, 0.0], tol=1e-12)
    assert found.estimate == pytest.approx(lowest.x[0], abs=1e-5)
    for end in (found.low, found.high):
        assert 2 * (profile(end) - lowest.fun) == pytest.approx(found.threshold, abs=1e-6)


def test_intervals_of_rankings_cover_the_truth_as_often_as_they_say():
    rng, truth = np.random.default_rng(0), np.array([0.6, 0.0, -0.4, -0.2])
    covered = []
    for _ in range(120):
        order = np.argsort(-(truth + rng.gumbel(size=(60, 4))), axis=1)
        found = likelihood_interval(Rankings(np.zeros(60, int), order), 4, 0, 2, level=0.8, top=2)
        covered.append(found.low <= 1.0 <= found.high)
    assert 0.8 - 0.12 < np.mean(covered) < 0.8 + 0.12  # more than three standard errors of 120 trials


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((table([[0, 9], [0, 0]]), 2, 0, 1), {}, "no estimate exists"),
        ((table(CYCLE), 4, 0, 3), {}, "difference is not identified"),
        ((table(CYCLE), 3, 1, 1), {}, "both 1"),
        ((table(CYCLE), 3, 0, 3), {}, "second is 3"),
        ((table(CYCLE), 3, 0, 1), {"level": 1.0}, "level is 1.0"),
        ((Comparisons([0, 1], [0, 1], [1, 0]), 2, 0, 1), {}, "contexts"),
        ((table(CYCLE), 3, 0, 1), {"ties": Ties([0], [0], [1]), "model": "elo"}, "model is 'elo'"),
        ((RANKED, 3, 0, 1), {"ties": Ties([0], [0], [1])}, "ties were given with rankings"),
        ((RANKED, 3, 0, 1), {"top": 0}, "top is 0"),
        ((table(CYCLE), 3, 0, 1), {"top": 1}, "the data are comparisons"),
        ((RANKED._replace(context=np.arange(7)), 3, 0, 1), {}, "contexts"),
        ((Rankings([0], [[0, 1]]), 2, 0, 1), {}, "no estimate exists"),
        ((Comparisons([0], [0], [1], None, [0.5]), 2, 0, 1), {"ties": Ties([0], [0], [1])}, "one way"),
    ],
)
def test_what_is_refused(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        likelihood_interval(*arguments, **options)
