"""Whether an estimate exists, on 10,000 random data sets, judged by a linear program over the recession cone.

Along d the logistic, Plackett-Luce and Davidson losses never rise if and only if the outcome of every comparison gains, at least
weakly, on each alternative that it left behind; they fall for ever if one of these gains is strict. The program asks for gains
g <= 1 and maximises their sum: since the cone is closed under sums, it ends with g = 1 on every gain that can be strict and 0 on
the others. An estimate exists where all are 0. No graph is searched here.
"""

from typing import NamedTuple

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.sparse import coo_array, csr_array, hstack, identity

from bandits import Comparisons, Rankings, TabularBandit, Ties, comparison_graph, minimise_loss
from bandits.ranking import consecutive_wins, ranking_strengths
from bandits.ties import davidson_recession, davidson_strengths
from dpo_theory import DPO
from dpo_theory.losses.plackett_luce import PlackettLuceDPO

SIZES = (3, 4, 5, 6)
SETS = 500  # of each of five kinds at each of four sizes: 10,000 data sets
KINDS = ("pairs", "half ties", "davidson", "rankings", "ragged rankings")
ROWS = {  # the most comparisons or rankings of a data set, so that about half of the data sets have no estimate
    "pairs": {3: 11, 4: 18, 5: 31, 6: 34},
    "half ties": {3: 6, 4: 11, 5: 16, 6: 22},
    "davidson": {3: 10, 4: 16, 5: 18, 6: 24},
    "rankings": {3: 12, 4: 8, 5: 6, 6: 5},
    "ragged rankings": {3: 6, 4: 7, 5: 7, 6: 7},
}


class Cone(NamedTuple):
    """Gains that must not be negative: coefficients (R, P) of each in a direction, and its data set."""

    coefficients: np.ndarray
    context: np.ndarray


class Judgement(NamedTuple):
    """What the program says: the gains that can be strict, where none can, and how the items group."""

    strict: np.ndarray
    exists: np.ndarray
    connected: np.ndarray  # (X, A, A) the difference of two strengths is determined by the comparisons
    together: np.ndarray  # (X, A, A) linked by gains none of which can be strict


def judge(cone, n_sets, n_items):
    """Solve all data sets as the blocks of one program."""
    rows, size = cone.coefficients.shape
    row, column = np.nonzero(cone.coefficients)
    place = cone.context[row] * size + column
    gain = coo_array((cone.coefficients[row, column], (row, place)), shape=(rows, n_sets * size))
    costs = np.concatenate([np.zeros(n_sets * size), -np.ones(rows)])
    bounds = [(None, None)] * (n_sets * size) + [(0.0, 1.0)] * rows
    found = linprog(costs, A_ub=csr_array(hstack([-gain, identity(rows)])), b_ub=np.zeros(rows), bounds=bounds, method="highs-ds")
    assert found.status == 0
    strict = found.x[n_sets * size :]
    assert (np.minimum(strict, 1 - strict) < 1e-6).all()
    strict = strict > 0.5
    exists = np.bincount(cone.context[strict], minlength=n_sets) == 0
    everything = np.ones(rows, dtype=bool)
    return Judgement(strict, exists, linked(cone, everything, n_sets, n_items), linked(cone, ~strict, n_sets, n_items))


def linked(cone, kept, n_sets, n_items):
    """(X, A, A) whether e_i - e_j lies in the span of the kept differences, by least squares."""
    gram = np.zeros((n_sets, n_items, n_items))
    rows = cone.coefficients[kept, :n_items]
    np.add.at(gram, cone.context[kept], rows[:, :, None] * rows[:, None, :])
    span = gram @ np.linalg.pinv(gram, rcond=1e-9, hermitian=True)
    loose = np.eye(n_items) - span
    apart = loose[:, :, None, :] - loose[:, None, :, :]
    return np.abs(apart).max(axis=3) < 1e-6


def pair_gains(winner, loser, n_items):
    return np.eye(n_items)[winner] - np.eye(n_items)[loser]


def recedes(cone, direction, none_of):
    """The direction is 0 in the data sets marked; in each of the others no gain is negative and one is positive."""
    gain = np.einsum("rp,rp->r", cone.coefficients[:, : direction.shape[1]], direction[cone.context])
    strict = np.bincount(cone.context[gain > 0], minlength=len(direction)) > 0
    return (gain >= -1e-12).all() and not direction[none_of].any() and strict[~none_of].all()


def drawn_rows(rng, kind, n_items):
    """(N,) data set of each row: from one row to the most."""
    return np.repeat(np.arange(SETS), rng.integers(1, ROWS[kind][n_items] + 1, SETS))


def drawn_pairs(rng, context, n_items):
    first = rng.integers(0, n_items, len(context))
    return first, (first + rng.integers(1, n_items, len(context))) % n_items


def drawn_bandit(rng, n_items):
    log_ref = np.log(rng.dirichlet(np.full(n_items, 2.0), SETS))
    return TabularBandit(np.full(SETS, 1 / SETS), np.zeros((SETS, n_items)), log_ref, beta=0.4)


def drawn_orders(rng, context, n_items, length):
    return rng.permuted(np.tile(np.arange(n_items), (len(context), 1)), axis=1)[:, :length]


def ranking_cone(context, order, n_items):
    """Every item ranked against every item under it, not its neighbour alone."""
    above, below = np.triu_indices(order.shape[1], 1)
    gains = pair_gains(order[:, above].reshape(-1), order[:, below].reshape(-1), n_items)
    return Cone(gains, np.repeat(context, len(above)))


def assert_the_graph_agrees(graph, cone, judged):
    np.testing.assert_array_equal(graph.exists, judged.exists)
    np.testing.assert_array_equal(graph.component[:, :, None] == graph.component[:, None, :], judged.connected)
    np.testing.assert_array_equal(graph.strong[:, :, None] == graph.strong[:, None, :], judged.together)
    np.testing.assert_array_equal(graph.connected, judged.connected.all(axis=(1, 2)))
    assert recedes(cone, graph.direction, judged.exists)


def assert_the_search_agrees(solution, cone, judged):
    whole = judged.connected.all(axis=(1, 2))
    expected = np.where(~judged.exists, "no_minimiser", np.where(whole, "optimal", "flat"))
    np.testing.assert_array_equal([str(status) for status in solution.certificate.statuses], expected)
    assert np.isnan(solution.log_policy[~judged.exists]).all()
    assert np.isfinite(solution.log_policy[judged.exists]).all()
    assert recedes(cone, solution.certificate.direction, judged.exists)


def finds(solve, data, refusal):
    """Whether a solver ends at finite strengths; False where it refuses with these words."""
    try:
        return np.isfinite(solve(*data).at).all()
    except ValueError as error:
        if refusal not in str(error):
            raise
        return False


def assert_the_mix_is_fair(judged):
    assert 0.4 < judged.exists.mean() < 0.6


def generator(kind, n_items):
    return np.random.default_rng([KINDS.index(kind), n_items])


@pytest.mark.parametrize("n_items", SIZES)
def test_pairs_with_soft_targets_and_weights(n_items):
    rng = generator("pairs", n_items)
    context = drawn_rows(rng, "pairs", n_items)
    chosen, rejected = drawn_pairs(rng, context, n_items)
    target = rng.choice([1.0, 0.0, 0.5, 0.05], len(context), p=[0.7, 0.15, 0.05, 0.1])
    weight = rng.choice([1.0, 3.0, 0.01, 0.0], len(context), p=[0.5, 0.15, 0.1, 0.25])
    data = Comparisons(context, chosen, rejected, weight, target)
    won, lost = (weight > 0) & (target > 0), (weight > 0) & (target < 1)
    gains = np.concatenate([pair_gains(chosen[won], rejected[won], n_items), pair_gains(rejected[lost], chosen[lost], n_items)])
    cone = Cone(gains, np.concatenate([context[won], context[lost]]))
    judged = judge(cone, SETS, n_items)
    assert_the_mix_is_fair(judged)
    assert_the_graph_agrees(comparison_graph(data, n_items, n_contexts=SETS), cone, judged)
    assert_the_search_agrees(minimise_loss(drawn_bandit(rng, n_items), DPO(beta=0.4), data), cone, judged)


@pytest.mark.parametrize("n_items", SIZES)
def test_ties_that_count_half(n_items):
    rng = generator("half ties", n_items)
    context = drawn_rows(rng, "half ties", n_items)
    first, second = drawn_pairs(rng, context, n_items)
    tied = rng.random(len(context)) < 0.3
    wins = Comparisons(context[~tied], first[~tied], second[~tied])
    ties = Ties(context[tied], first[tied], second[tied])
    gains = np.concatenate([pair_gains(first, second, n_items), pair_gains(second[tied], first[tied], n_items)])
    cone = Cone(gains, np.concatenate([context, context[tied]]))
    judged = judge(cone, SETS, n_items)
    assert_the_mix_is_fair(judged)
    assert_the_graph_agrees(comparison_graph(wins, n_items, n_contexts=SETS, ties=ties), cone, judged)
    halves = Comparisons(context, first, second, target=np.where(tied, 0.5, 1.0))
    assert_the_search_agrees(minimise_loss(drawn_bandit(rng, n_items), DPO(beta=0.4), halves), cone, judged)


@pytest.mark.parametrize("n_items", SIZES)
def test_ties_by_davidsons_model(n_items):
    rng = generator("davidson", n_items)
    context = drawn_rows(rng, "davidson", n_items)
    first, second = drawn_pairs(rng, context, n_items)
    tied = rng.random(len(context)) < 0.45
    cone = davidson_cone(context, first, second, tied, n_items)
    judged = judge(cone, SETS, n_items)
    assert_the_mix_is_fair(judged)
    said, fitted = np.zeros(SETS, dtype=bool), np.zeros(SETS, dtype=bool)
    for one in range(SETS):
        won, level = (context == one) & ~tied, (context == one) & tied
        wins = Comparisons(np.zeros(won.sum(), int), first[won], second[won])
        ties = Ties(np.zeros(level.sum(), int), first[level], second[level])
        said[one] = davidson_recession(wins, ties, n_items) == ""
        fitted[one] = finds(davidson_strengths, (wins, ties, n_items), "no maximum-likelihood estimate")
    np.testing.assert_array_equal(said, judged.exists)
    np.testing.assert_array_equal(fitted, judged.exists)


def davidson_cone(context, first, second, tied, n_items):
    """Gains in (strengths, log nu): a win gains on the loss and on the tie, a tie on the win of either side."""
    one, other = np.eye(n_items + 1)[first], np.eye(n_items + 1)[second]
    level = (one + other) / 2 + np.eye(n_items + 1)[n_items]
    gains = np.concatenate([(one - other)[~tied], (one - level)[~tied], (level - one)[tied], (level - other)[tied]])
    return Cone(gains, np.concatenate([context[~tied], context[~tied], context[tied], context[tied]]))


@pytest.mark.parametrize("n_items", SIZES)
def test_rankings_of_one_length(n_items):
    rng = generator("rankings", n_items)
    context = drawn_rows(rng, "rankings", n_items)
    order = drawn_orders(rng, context, n_items, n_items - 1)
    weight = rng.choice([1.0, 2.5, 0.0], len(context), p=[0.7, 0.2, 0.1])
    data, counted = Rankings(context, order, weight), weight > 0
    cone = ranking_cone(context[counted], order[counted], n_items)
    judged = judge(cone, SETS, n_items)
    assert_the_mix_is_fair(judged)
    assert_the_graph_agrees(comparison_graph(data, n_items, n_contexts=SETS), cone, judged)
    assert_the_search_agrees(minimise_loss(drawn_bandit(rng, n_items), PlackettLuceDPO(beta=0.4), data), cone, judged)


@pytest.mark.parametrize("n_items", SIZES)
def test_rankings_of_several_lengths(n_items):
    rng = generator("ragged rankings", n_items)
    context = drawn_rows(rng, "ragged rankings", n_items)
    length = rng.integers(2, n_items + 1, len(context))
    blocks = []
    for size in range(2, n_items + 1):
        mine = context[length == size]
        blocks.append(Rankings(mine, drawn_orders(rng, mine, n_items, size), np.ones(len(mine))))
    cones = [ranking_cone(block.context, block.order, n_items) for block in blocks]
    cone = Cone(*(np.concatenate(part) for part in zip(*cones, strict=True)))
    judged = judge(cone, SETS, n_items)
    assert_the_mix_is_fair(judged)
    assert_the_graph_agrees(comparison_graph(consecutive_wins(blocks), n_items, n_contexts=SETS), cone, judged)
    fitted = np.zeros(SETS, dtype=bool)
    for one in range(SETS):
        mine = [Rankings(0 * b.context[b.context == one], b.order[b.context == one]) for b in blocks if (b.context == one).any()]
        fitted[one] = finds(ranking_strengths, (mine, n_items), "no estimate exists")
    np.testing.assert_array_equal(fitted, judged.exists)


def test_there_are_ten_thousand():
    assert len(KINDS) * len(SIZES) * SETS == 10_000


def test_the_judge_notices_conditions_that_are_too_weak():
    """Connected is not enough for pairs, and strongly connected with a tie not for Davidson's model."""
    chain = Cone(pair_gains([0, 1], [1, 2], 3), np.zeros(2, int))
    assert not judge(chain, 1, 3).exists[0]
    assert judge(Cone(pair_gains([0, 1, 2], [1, 2, 0], 3), np.zeros(3, int)), 1, 3).exists[0]
    rng = generator("davidson", 3)
    context = drawn_rows(rng, "davidson", 3)
    first, second = drawn_pairs(rng, context, 3)
    tied = rng.random(len(context)) < 0.45
    judged = judge(davidson_cone(context, first, second, tied, 3), SETS, 3)
    wins, ties = Comparisons(context[~tied], first[~tied], second[~tied]), Ties(context[tied], first[tied], second[tied])
    strong = comparison_graph(wins, 3, n_contexts=SETS, ties=ties).exists & (np.bincount(context[tied], minlength=SETS) > 0)
    assert (strong[judged.exists]).all()
    assert (strong & ~judged.exists).sum() > 20
