"""Ford's and Hunter's conditions against enumeration, and recession directions that recede."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandits import Comparisons, Rankings, Ties, comparison_graph

A = 4
WINS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, A - 1), st.integers(0, A - 1)).filter(lambda w: w[1] != w[2]), max_size=10)


def as_comparisons(wins):
    context, chosen, rejected = (np.array(column, dtype=int) for column in (zip(*wins, strict=True) if wins else ([], [], [])))
    return Comparisons(context, chosen, rejected)


def exists_by_enumeration(wins):
    """Ford: no split of a connected component into two parts with wins in one direction only."""
    for part in itertools.chain.from_iterable(itertools.combinations(range(A), size) for size in range(1, A)):
        out = any(w in part and loser not in part for w, loser in wins)
        back = any(w not in part and loser in part for w, loser in wins)
        if out != back:
            return False
    return True


@given(WINS)
def test_existence_is_fords_condition(wins):
    graph = comparison_graph(as_comparisons(wins), A, n_contexts=2)
    for context in range(2):
        assert graph.exists[context] == exists_by_enumeration([w[1:] for w in wins if w[0] == context])


@given(WINS)
def test_a_direction_never_raises_and_somewhere_lowers(wins):
    data = as_comparisons(wins)
    graph = comparison_graph(data, A, n_contexts=2)
    gain = graph.direction[data.context, data.chosen] - graph.direction[data.context, data.rejected]
    assert (gain >= 0).all()
    for context in np.flatnonzero(~graph.exists):
        assert (gain[data.context == context] > 0).any()
    assert not graph.direction[graph.exists].any()


@given(WINS)
def test_the_basis_spans_what_is_compared(wins):
    data = as_comparisons(wins)
    graph = comparison_graph(data, A, n_contexts=2)
    for context in range(2):
        mine = data.context == context
        rows = np.eye(A)[data.chosen[mine]] - np.eye(A)[data.rejected[mine]]
        basis = graph.basis(context)
        assert len(basis) == graph.rank[context] == (np.linalg.matrix_rank(rows) if mine.any() else 0)
        assert np.linalg.matrix_rank(np.vstack([rows, basis])) == graph.rank[context] if len(basis) else True


@given(st.lists(st.permutations(range(A)), min_size=1, max_size=4), st.integers(2, A))
def test_consecutive_wins_suffice_for_rankings(orders, k):
    order = np.array(orders)[:, :k]
    pairs = [(0, row[i], row[j]) for row in order for i in range(k) for j in range(i + 1, k)]
    ranked = comparison_graph(Rankings(np.zeros(len(order), int), order), A)
    paired = comparison_graph(as_comparisons(pairs), A, n_contexts=1)
    assert np.array_equal(ranked.component, paired.component)
    assert np.array_equal(ranked.strong, paired.strong)


def test_soft_targets_and_ties_count_both_ways_and_weight_0_not_at_all():
    chain = Comparisons([0, 0], [0, 1], [1, 2])
    assert not comparison_graph(chain, 3).exists[0]
    assert comparison_graph(chain._replace(target=[0.9, 0.5]), 3).exists[0]
    assert comparison_graph(chain, 3, ties=Ties([0, 0], [0, 2], [1, 1])).exists[0]
    assert not comparison_graph(chain, 3, ties=Ties([0], [2], [0], [0.0])).exists[0]
    assert not comparison_graph(chain._replace(weight=[1.0, 0.0]), 3).connected[0]


def test_a_target_of_0_is_a_win_of_the_rejected():
    assert comparison_graph(Comparisons([0], [0], [1], target=[0.0]), 2).direction.tolist() == [[0.0, 1.0]]


def test_the_first_three_drivers_of_everyone_lose_to_nobody():
    graph = comparison_graph(Rankings([0, 0], [[0, 1, 2], [1, 0, 2]]), 4)
    assert graph.direction.tolist() == [[1.0, 1.0, 0.0, 0.0]]
    assert graph.component.tolist() == [[0, 0, 0, 3]]


def test_a_million_rows_are_quick():
    rng = np.random.default_rng(0)
    chosen = rng.integers(0, 500, 10**6)
    data = Comparisons(np.zeros(10**6, int), chosen, (chosen + rng.integers(1, 500, 10**6)) % 500)
    assert comparison_graph(data, 500).exists[0]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (Comparisons([0], [0], [3]), "rejected is 3 at row 0"),
        (Comparisons([0], [-1], [1]), "chosen is -1 at row 0"),
        (Comparisons([0], [0.5], [1]), "whole number"),
        (Comparisons([0], [0], [1], weight=[-1.0]), r"weight is -1\.0 at row 0"),
        (Comparisons([0], [0], [1], target=[1.5]), r"target is 1\.5 at row 0"),
        (Comparisons([0, 0], [0], [1]), r"chosen has shape \(1,\)"),
        (Rankings([0], [[0, 1, 0]]), "at most once"),
        ([(0, 1)], "data is list"),
    ],
)
def test_refusals(data, message):
    with pytest.raises(ValueError, match=message):
        comparison_graph(data, 3)
