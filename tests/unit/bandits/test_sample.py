"""Samples have the law they claim."""

import numpy as np
import pytest

from bandits import Comparisons, TabularBandit, comparison_graph, sample

N = 40_000


def problem(**changes):
    fields = {
        "context_probs": [0.3, 0.7],
        "reward": [[1.0, 0.0, -1.0], [0.0, 2.0, 0.5]],
        "log_ref": np.log([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]]),
        "beta": 0.5,
    }
    return TabularBandit(**{**fields, **changes})


def close(found, wanted, n=N):
    """Within five standard errors of a frequency."""
    return abs(found - wanted) < 5 * np.sqrt(wanted * (1 - wanted) / n) + 1e-12


def test_contexts_pairs_and_labels_have_their_law():
    data = sample.pairs(problem(), N, np.random.default_rng(1))
    assert close((data.context == 1).mean(), 0.7)
    assert not (data.chosen == data.rejected).any()
    here = data.context == 0
    top = here & (np.minimum(data.chosen, data.rejected) == 0) & (np.maximum(data.chosen, data.rejected) == 1)
    assert close(top.sum() / here.sum(), 1 / 3, here.sum())
    assert close((data.chosen[top] == 0).mean(), 1 / (1 + np.exp(-1.0)), top.sum())


def test_reference_draws_follow_the_reference():
    bandit = problem(context_probs=[1.0, 0.0])
    data = sample.pairs(bandit, N, np.random.default_rng(2), draw="reference", distinct=False)
    shown = np.concatenate([data.chosen, data.rejected])
    assert close((shown == 0).mean(), 0.5, 2 * N)
    assert (data.chosen == data.rejected).any()


def test_a_log_policy_can_draw():
    log_policy = np.log(
        np.array([[0.9, 0.1, 0.0], [0.0, 0.5, 0.5]]), where=np.array([[1, 1, 0], [0, 1, 1]]) > 0, out=np.full((2, 3), -np.inf)
    )
    data = sample.pairs(problem(), 500, np.random.default_rng(3), draw=log_policy)
    assert not (data.chosen[data.context == 0] == 2).any()


def test_design_and_preferences_replace_the_defaults():
    design = np.zeros((2, 3, 3))
    design[:, 0, 1] = design[:, 1, 0] = 1.0
    preferences = np.full((2, 3, 3), 0.5)
    preferences[:, 0, 1], preferences[:, 1, 0] = 1.0, 0.0
    data = sample.pairs(problem(), 200, np.random.default_rng(4), design=design, preferences=preferences)
    assert set(data.chosen) == {0}
    assert set(data.rejected) == {1}


def test_soft_labels_carry_the_probability():
    data = sample.pairs(problem(), 50, np.random.default_rng(5), soft=True)
    gap = problem().reward[data.context, data.chosen] - problem().reward[data.context, data.rejected]
    assert data.target == pytest.approx(1 / (1 + np.exp(-gap)), rel=1e-14)


def test_rankings_are_plackett_luce():
    bandit = problem(context_probs=[1.0, 0.0])
    order = sample.rankings(bandit, N, 3, np.random.default_rng(6)).order
    worth = np.exp([1.0, 0.0, -1.0])
    assert close((order[:, 0] == 0).mean(), worth[0] / worth.sum())
    swapped = ((order == [1, 0, 2]).all(axis=1)).mean()
    assert close(swapped, worth[1] / worth.sum() * worth[0] / (worth[0] + worth[2]))


def test_short_rankings_show_uniform_subsets():
    order = sample.rankings(problem(context_probs=[1.0, 0.0]), N, 2, np.random.default_rng(7)).order
    assert close((np.sort(order, axis=1) == [0, 1]).all(axis=1).mean(), 1 / 3)


def test_flip_flips_at_its_rate():
    data = Comparisons(np.zeros(N, int), np.zeros(N, int), np.ones(N, int))
    assert close((sample.flip(data, 0.2, np.random.default_rng(8)).chosen == 1).mean(), 0.2)
    with pytest.raises(ValueError, match=r"rate is 1\.5"):
        sample.flip(data, 1.5, np.random.default_rng(8))


@pytest.mark.parametrize(("model", "threshold", "tie"), [("davidson", 1.0, 1 / 3), ("rao-kupper", 2.0, 1 / 3)])
def test_ties_among_equals(model, threshold, tie):
    bandit = TabularBandit([1.0], [[0.0, 0.0]], np.log([[0.5, 0.5]]), 1.0)
    decided, tied = sample.ties(bandit, N, np.random.default_rng(9), threshold=threshold, model=model)
    assert len(decided.chosen) + len(tied.left) == N
    assert close(len(tied.left) / N, tie)


def test_the_same_seed_gives_the_same_sample():
    first, second = (sample.pairs(problem(), 100, np.random.default_rng(10)) for _ in range(2))
    assert np.array_equal(first.chosen, second.chosen)


def test_a_population_sample_identifies_everything():
    assert comparison_graph(sample.pairs(problem(), 2000, np.random.default_rng(11)), 3).exists.all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"draw": "policy"}, "draw is 'policy'"),
        ({"design": np.ones((2, 3, 3))}, "0 on the diagonal"),
        ({"design": np.triu(np.ones((2, 3, 3)), 1)}, "mirror image"),
        ({"preferences": np.full((2, 3, 3), 0.6)}, "sum to 1"),
        ({"preferences": np.zeros((3, 3))}, r"preferences has shape \(3, 3\)"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(ValueError, match=message):
        sample.pairs(problem(), 5, np.random.default_rng(0), **arguments)


def test_a_context_without_pairs_is_named():
    lonely = problem(log_ref=np.array([[0.0, -np.inf, -np.inf], np.log([0.1, 0.2, 0.7])]))
    with pytest.raises(ValueError, match="context 0 offers no pair"):
        sample.pairs(lonely, 5, np.random.default_rng(0))
    with pytest.raises(ValueError, match="n is 0"):
        sample.pairs(problem(), 0, np.random.default_rng(0))
    with pytest.raises(ValueError, match="k is 4"):
        sample.rankings(problem(), 5, 4, np.random.default_rng(0))
