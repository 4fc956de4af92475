"""Many small contexts as a table of ordered pairs: the same answers as row by row."""

import numpy as np
import pytest

from bandits import Comparisons, TabularBandit, minimise_loss
from bandits.cells import read_cells
from bandits.cells_margins import cell_model
from bandits.graph import graph_of_cells, graph_of_wins
from bandits.margins import MarginModel
from bandits.rows import read_rows


def _bandit(contexts, actions):
    shape = (contexts, actions)
    rng = np.random.default_rng(3)
    raw = rng.normal(size=shape)
    return TabularBandit(np.full(contexts, 1 / contexts), np.zeros(shape), raw - np.log(np.exp(raw).sum(axis=1, keepdims=True)), beta=1.0)


def _data(contexts, actions, each, seed, weighted=False):
    rng = np.random.default_rng(seed)
    context = rng.permutation(np.repeat(np.arange(contexts), each))
    left = rng.integers(actions, size=len(context))
    right = (left + rng.integers(1, actions, size=len(context))) % actions
    return Comparisons(context, left, right, rng.integers(0, 3, size=len(context)) / 2 if weighted else None)


def _by_rows(data):
    return data._replace(target=np.ones(len(data.context)))  # which the tables do not take


def logistic(pairs):
    return np.logaddexp(0.0, -0.7 * pairs.margin)


def conservative(pairs):
    return 0.9 * np.logaddexp(0.0, -pairs.margin) + 0.1 * np.logaddexp(0.0, pairs.margin)


def square(pairs):
    return (pairs.margin - 1.0) ** 2


def exponential(pairs):
    return np.exp(-pairs.margin)


def hinge(pairs):
    return np.maximum(0.0, 1.0 - pairs.margin)


def of_the_reference(pairs):
    return np.logaddexp(0.0, -pairs.margin * (1.5 + 0.1 * pairs.ref_chosen))


def of_the_chosen(pairs):
    return np.logaddexp(0.0, -pairs.margin) - 0.1 * pairs.policy_chosen


@pytest.mark.parametrize("loss", [logistic, conservative, square, exponential, hinge, of_the_reference, of_the_chosen])
@pytest.mark.parametrize(
    ("contexts", "actions", "each", "weighted"),
    [(40, 5, 60, False), (30, 4, 9, False), (25, 3, 8, True), (7, 2, 2, False)],
)
def test_tables_give_the_answers_of_rows(loss, contexts, actions, each, weighted):
    bandit, data = _bandit(contexts, actions), _data(contexts, actions, each, 5, weighted)
    assert read_cells(bandit, data) is not None
    assert read_cells(bandit, _by_rows(data)) is None
    one, other = minimise_loss(bandit, loss, data), minimise_loss(bandit, loss, _by_rows(data))
    assert one.certificate.statuses == other.certificate.statuses
    assert one.status == other.status
    if loss is not hinge:
        np.testing.assert_allclose(one.log_policy, other.log_policy, atol=1e-9, rtol=0)
    np.testing.assert_allclose(one.value, other.value, rtol=1e-10)
    if one.certificate.direction is not None:
        np.testing.assert_allclose(one.certificate.direction, other.certificate.direction, atol=1e-9)


def test_the_bound_holds_and_is_small():
    bandit, data = _bandit(300, 6), _data(300, 6, 80, 6)
    found = minimise_loss(bandit, logistic, data)
    other = minimise_loss(bandit, logistic, _by_rows(data), start=minimise_loss(bandit, logistic, _by_rows(data)).log_policy)
    assert found.status == "optimal"
    apart = np.abs(found.log_policy - other.log_policy).max()
    assert apart <= found.certificate.distance_bound + other.certificate.distance_bound
    assert found.certificate.distance_bound < 1e-11


def test_a_point_that_is_not_the_optimum_has_a_bound_that_covers_the_way():
    bandit, data = _bandit(50, 5), _data(50, 5, 80, 8)
    best = minimise_loss(bandit, logistic, data).log_policy - bandit.log_ref
    moved = best.copy()
    moved[:, 0] += 1e-4
    model = cell_model(logistic, read_cells(bandit, data))
    bound = model.error_bound(model.evaluate(moved))[0]
    assert (bound >= 1e-4).all()
    assert (bound < 1e-2).all()


def test_slopes_and_values_are_those_of_the_rows():
    bandit, data = _bandit(20, 4), _data(20, 4, 15, 9)
    at = np.random.default_rng(0).normal(size=(20, 4))
    cells, rows = read_cells(bandit, data), read_rows(bandit, data, None, None, soft=False)
    assert len(cells) == len(rows)
    one, other = cell_model(square, cells), MarginModel(square, rows)
    here, there = one.evaluate(at), other.evaluate(at)
    np.testing.assert_allclose(here.value, there.value, rtol=1e-12)
    np.testing.assert_allclose(one.gradient(here), other.gradient(there), atol=1e-13)
    step, other_step = (part - part.mean(axis=1, keepdims=True) for part in (one.step(here)[0], other.step(there)[0]))
    np.testing.assert_allclose(step, other_step, atol=1e-9)


def test_a_pair_never_seen_costs_nothing_even_where_the_loss_overflows():
    data = Comparisons([0, 0, 0, 0, 1, 1, 1, 1], [0, 1, 1, 2, 0, 1, 1, 2], [1, 0, 2, 1, 1, 0, 2, 1])
    bandit = _bandit(2, 3)
    model = cell_model(exponential, read_cells(bandit, data))
    far = model.evaluate(np.array([[600.0, 0.0, -600.0]] * 2))
    assert np.isfinite(far.value).all()
    assert np.isfinite(model.gradient(far)).all()


def test_graphs_of_tables_are_those_of_wins():
    for actions in (2, 5, 9, 20):
        bandit, data = _bandit(60, actions), _data(60, actions, actions * actions, 10 + actions)
        sparse = data._replace(weight=(np.random.default_rng(1).random(len(data.context)) < 0.3).astype(float))
        for columns in (data, sparse):
            cells = read_cells(bandit, columns)
            winner, loser = cells.listed().nodes
            one = graph_of_cells(cells.compared, actions, lambda nodes=(winner, loser): nodes)
            other = graph_of_wins(winner, loser, 60, actions)
            for name in ("component", "strong", "rank", "exists", "direction"):
                np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_a_row_that_compares_an_action_with_itself_is_refused():
    with pytest.raises(ValueError, match="comparison 3 compares action 1 with itself"):
        minimise_loss(_bandit(2, 2), logistic, Comparisons([0, 0, 1, 1], [0, 1, 0, 1], [1, 0, 1, 1]))
