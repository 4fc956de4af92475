"""Prior counts: an estimate always exists, between the data's and equality."""

import numpy as np
import pytest

from bandits import Comparisons, TabularBandit, comparison_graph, minimise_loss, with_prior_counts


def test_two_actions_have_a_closed_form():
    bandit = TabularBandit([1.0], [[0.0, 0.0]], np.log([[0.5, 0.5]]), beta=1.0)
    data = with_prior_counts(Comparisons([0], [0], [1], [5.0]), 2, 2.0)
    found = minimise_loss(bandit, lambda pairs: np.logaddexp(0.0, -pairs.margin), data)
    assert found.policy[0] == pytest.approx([6 / 7, 1 / 7])


def test_every_context_gets_every_pair_and_an_estimate():
    data = with_prior_counts(Comparisons([0], [0], [1]), 3, 0.5, n_contexts=2)
    assert np.asarray(data.weight).sum() == 1 + 2 * 3 * 0.5
    assert comparison_graph(data, 3).exists.all()
    assert not comparison_graph(with_prior_counts(Comparisons([0], [0], [1]), 3, 0.0), 3).exists[0]


def test_what_is_refused():
    with pytest.raises(ValueError, match="count is -1"):
        with_prior_counts(Comparisons([0], [0], [1]), 2, -1.0)
    with pytest.raises(ValueError, match="rejected is 2"):
        with_prior_counts(Comparisons([0], [0], [2]), 2, 1.0)
