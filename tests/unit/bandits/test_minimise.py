"""Exact minimisers of losses: known answers, stationarity, statuses, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandits import Comparisons, Rankings, TabularBandit, minimise_loss, sample

T1 = TabularBandit([1.0], [[1.0, 0.0, -1.0]], np.log([[0.5, 0.3, 0.2]]), beta=0.5)


def logistic(beta):
    return lambda pairs: np.logaddexp(0.0, -beta * pairs.margin)


def torch_logistic(beta):
    import torch

    return lambda pairs: -torch.nn.functional.logsigmoid(beta * pairs.margin)


def log_softmax(raw):
    raw = raw - raw.max(axis=1, keepdims=True)
    return raw - np.log(np.exp(raw).sum(axis=1, keepdims=True))


def uniform(a, beta=1.0):
    return TabularBandit([1.0], np.zeros((1, a)), np.full((1, a), -np.log(a)), beta)


def win_table(wins):
    wins = np.array(wins)
    chosen, rejected = np.nonzero(wins)
    return Comparisons(np.zeros(len(chosen), int), chosen, rejected, wins[chosen, rejected])


BASEBALL = [
    [0, 7, 9, 7, 7, 9, 11],
    [6, 0, 7, 5, 11, 9, 9],
    [4, 6, 0, 7, 7, 8, 12],
    [6, 8, 6, 0, 6, 7, 10],
    [6, 2, 6, 7, 0, 7, 12],
    [4, 4, 5, 6, 6, 0, 6],
    [2, 4, 1, 3, 1, 7, 0],
]
JOURNALS = [[0, 730, 498, 221], [33, 0, 68, 17], [320, 813, 0, 142], [284, 276, 325, 0]]


@pytest.mark.parametrize(
    ("wins", "anchor", "strengths"),
    [
        (BASEBALL, 6, [1.5814, 1.4364, 1.2945, 1.2476, 1.1077, 0.6839, 0.0]),
        (JOURNALS, 0, [0.0, -2.9491, -0.4796, 0.2690]),
    ],
)
def test_classic_strengths(wins, anchor, strengths):
    found = minimise_loss(uniform(len(wins)), logistic(1.0), win_table(wins))
    assert found.status == "optimal"
    assert found.log_policy[0] - found.log_policy[0, anchor] == pytest.approx(strengths, abs=6e-5)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(2, 8), st.booleans())
def test_the_population_gives_the_reward_back(seed, x, a, by_torch):
    """Stationarity of the logistic loss under Bradley-Terry: beta log-ratio differences are reward differences."""
    rng = np.random.default_rng(seed)
    beta = float(10 ** rng.uniform(-1, 1))
    reward = rng.uniform(-10, 10, size=(x, a)) * rng.choice([0.1, 1.0])
    bandit = TabularBandit(rng.dirichlet(np.ones(x)), reward, log_softmax(2 * rng.normal(size=(x, a))), beta)
    found = minimise_loss(bandit, (torch_logistic if by_torch else logistic)(beta))
    assert found.status == "optimal"
    scaled = beta * (found.log_policy - bandit.log_ref)
    gaps = (scaled - scaled[:, :1]) - (reward - reward[:, :1])
    assert np.abs(gaps).max() <= beta * found.certificate.distance_bound + 1e-14 * (20 + 1)
    assert found.certificate.distance_bound < 1e-9


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**32 - 1))
def test_shift_permutation_and_start_change_nothing(seed):
    rng = np.random.default_rng(seed)
    bandit = TabularBandit([0.4, 0.6], rng.normal(size=(2, 4)), log_softmax(rng.normal(size=(2, 4))), 0.7)
    loss = logistic(0.7)
    base = minimise_loss(bandit, loss).log_policy
    assert minimise_loss(bandit.replace(reward=bandit.reward + rng.normal(size=(2, 1))), loss).log_policy == pytest.approx(base, abs=1e-12)
    assert minimise_loss(bandit, loss, start=log_softmax(3 * rng.normal(size=(2, 4)))).log_policy == pytest.approx(base, abs=1e-12)
    order = rng.permutation(4)
    moved = bandit.replace(reward=bandit.reward[:, order], log_ref=bandit.log_ref[:, order])
    assert minimise_loss(moved, loss).log_policy == pytest.approx(base[:, order], abs=1e-12)


def test_any_connected_design_ends_at_the_same_policy_and_a_skewed_truth_does_not():
    rng = np.random.default_rng(0)
    design = rng.exponential(size=(1, 3, 3))
    design = (design + design.transpose(0, 2, 1)) * (1 - np.eye(3))
    base = minimise_loss(T1, logistic(0.5)).policy
    assert minimise_loss(T1, logistic(0.5), design=design).policy == pytest.approx(base, abs=1e-13)
    cyclic = np.array([[[0.5, 0.8, 0.3], [0.2, 0.5, 0.8], [0.7, 0.2, 0.5]]])
    first = minimise_loss(T1, logistic(0.5), preferences=cyclic).policy
    assert np.abs(minimise_loss(T1, logistic(0.5), preferences=cyclic, design=design).policy - first).max() > 1e-3


def test_weights_targets_and_repetition_are_one_thing():
    base = Comparisons([0] * 5, [0, 0, 0, 1, 1], [1, 1, 1, 0, 2])
    rows = base._replace(context=[0] * 6, chosen=[*base.chosen, 2], rejected=[*base.rejected, 1])
    weighted = Comparisons([0] * 4, [0, 1, 1, 2], [1, 0, 2, 1], weight=[3.0, 1.0, 1.0, 1.0])
    soft = Comparisons([0, 0], [0, 1], [1, 2], weight=[4.0, 2.0], target=[0.75, 0.5])
    found = [minimise_loss(T1, logistic(0.5), data).policy for data in (rows, weighted, soft)]
    assert found[1] == pytest.approx(found[0], abs=1e-13)
    assert found[2] == pytest.approx(found[0], abs=1e-13)


def test_a_loss_that_reads_targets_gets_them():
    def smoothed(pairs):
        z = 0.5 * pairs.margin
        return pairs.target * np.logaddexp(0.0, -z) + (1 - pairs.target) * np.logaddexp(0.0, z)

    assert minimise_loss(T1, smoothed).policy == pytest.approx(minimise_loss(T1, logistic(0.5)).policy, abs=1e-13)


def test_squared_loss_by_hand():
    """(m - 1/(2 tau))^2 over both orders has its minimum at m = (2P - 1) / (2 tau)."""
    found = minimise_loss(uniform(2), lambda pairs: (pairs.margin - 1.0) ** 2, Comparisons([0], [0], [1], target=[0.7]))
    assert found.log_policy[0, 0] - found.log_policy[0, 1] == pytest.approx(0.4, abs=1e-14)


def test_pointwise_losses_are_minimised_over_normalised_policies():
    """Values printed to five digits for the uniform product design of the reference, beta = 1/4."""
    bandit = T1.replace(beta=0.25)
    mu = np.exp(bandit.log_ref[0])
    design = (mu[:, None] * mu[None, :] * (1 - np.eye(3)))[None]

    def squares(pairs):
        return (pairs.chosen_log_ratio - 2.0) ** 2 + (pairs.rejected_log_ratio + 2.0) ** 2

    found = minimise_loss(bandit, squares, design=design)
    assert found.status == "optimal"
    assert found.gradient_norm < 1e-13
    nearby = log_softmax(found.log_policy + 1e-3 * np.random.default_rng(0).normal(size=(1, 3)))
    wins = 1 / (1 + np.exp(-(bandit.reward[0][:, None] - bandit.reward[0][None, :])))

    def mean_loss(log_policy):
        h = log_policy[0] - bandit.log_ref[0]
        return np.sum(design[0] * wins * ((h[:, None] - 2) ** 2 + (h[None, :] + 2) ** 2)) / (design[0] * wins).sum()

    assert found.value == pytest.approx(mean_loss(found.log_policy), rel=1e-13)
    assert mean_loss(nearby) > found.value


def test_plackett_luce_rankings_meet_their_marginals():
    import torch

    def plackett_luce(ranked):
        scores = ranked.log_ratio
        return (torch.logcumsumexp(scores.flip(-1), -1).flip(-1) - scores).sum(-1)

    bandit = uniform(3)
    data = sample.rankings(bandit.replace(reward=[[1.0, 0.0, -0.5]]), 400, 3, np.random.default_rng(1))
    found = minimise_loss(bandit, plackett_luce, data)
    assert found.status == "optimal"
    worth = found.policy[0]
    order = data.order
    expected = np.zeros(3)
    for k in range(2):
        left = worth[order[:, k:]]
        np.add.at(expected, order[:, k:], left / left.sum(axis=1, keepdims=True))
    assert expected == pytest.approx([(order[:, :2] == i).sum() for i in range(3)], rel=1e-10)
    assert minimise_loss(bandit, plackett_luce, Rankings([0, 0], [[0, 1, 2], [1, 0, 2]])).status == "no_minimiser"


@pytest.mark.parametrize("a", [12, 70])
def test_small_and_large_graphs_agree_with_stationarity(a):
    """Both solvers: Bradley-Terry's likelihood equations, expected wins = wins."""
    rng = np.random.default_rng(a)
    bandit = uniform(a).replace(reward=rng.normal(size=(1, a)))
    data = sample.pairs(bandit, 60 * a, rng)
    found = minimise_loss(bandit, logistic(1.0), data)
    h = found.log_policy[0]
    p = 1 / (1 + np.exp(h[data.rejected] - h[data.chosen]))
    residual = np.bincount(data.chosen, weights=1 - p, minlength=a) - np.bincount(data.rejected, weights=1 - p, minlength=a)
    assert found.status == "optimal"
    assert np.abs(residual).max() < 1e-10
    assert found.certificate.distance_bound < 1e-9


def test_a_long_chain_is_solved_to_its_digits():
    a = 2000
    gaps = np.random.default_rng(0).normal(size=a - 1)
    data = Comparisons(np.zeros(a - 1, int), np.arange(a - 1), np.arange(1, a), target=1 / (1 + np.exp(-gaps)))
    h = minimise_loss(uniform(a), logistic(1.0), data).log_policy[0]
    assert h[:-1] - h[1:] == pytest.approx(gaps, abs=1e-11)


def test_separable_data_has_no_minimiser():
    found = minimise_loss(T1, logistic(0.5), Comparisons([0, 0, 0], [0, 1, 0], [1, 0, 2]))
    assert found.status == "no_minimiser"
    assert np.isnan(found.log_policy).all()
    assert np.isnan(found.value)
    assert found.certificate.direction.tolist() == [[1.0, 1.0, 0.0]]


def test_one_context_without_a_minimiser_leaves_the_others_theirs():
    bandit = TabularBandit([0.5, 0.5], np.zeros((2, 2)), np.log(np.full((2, 2), 0.5)), 1.0)
    found = minimise_loss(bandit, logistic(1.0), Comparisons([0, 1, 1, 1, 1], [0, 0, 0, 0, 1], [1, 1, 1, 1, 0]))
    assert [str(status) for status in found.certificate.statuses] == ["no_minimiser", "optimal"]
    assert np.isnan(found.log_policy[0]).all()
    assert found.policy[1] == pytest.approx([0.75, 0.25], abs=1e-14)


def test_a_disconnected_design_keeps_the_reference_between_components():
    data = Comparisons([0] * 4, [0, 0, 1, 2], [1, 1, 0, 3], target=[1.0, 1.0, 1.0, 0.5])
    found = minimise_loss(uniform(5), logistic(1.0), data)
    assert found.status == "flat"
    assert found.certificate.components.tolist() == [[0, 0, 2, 2, 4]]
    assert found.policy[0] == pytest.approx([0.4 * 2 / 3, 0.4 / 3, 0.2, 0.2, 0.2], abs=1e-14)


def test_contexts_without_data_stay_at_the_reference():
    bandit = TabularBandit([0.5, 0.5], np.zeros((2, 2)), np.log([[0.5, 0.5], [0.9, 0.1]]), 1.0)
    found = minimise_loss(bandit, logistic(1.0), Comparisons([0, 0], [0, 1], [1, 0]))
    assert found.certificate.statuses == ("optimal", "flat")
    assert found.policy[1] == pytest.approx([0.9, 0.1], abs=1e-15)


def test_unsupported_actions_stay_out():
    bandit = TabularBandit([1.0], [[1.0, 0.0, 3.0]], np.array([[np.log(0.5), np.log(0.5), -np.inf]]), 1.0)
    found = minimise_loss(bandit, logistic(1.0))
    assert found.status == "optimal"
    assert found.policy[0, 2] == 0.0
    with pytest.raises(ValueError, match="the reference gives it no probability"):
        minimise_loss(bandit, logistic(1.0), Comparisons([0], [0], [2]))


def test_deterministic_preferences_and_forbidden_actions_have_no_minimiser():
    forbidden = T1.replace(reward=[[1.0, 0.0, -np.inf]])
    assert minimise_loss(forbidden, logistic(0.5)).status == "no_minimiser"
    smoothed = lambda pairs: 0.9 * np.logaddexp(0, -pairs.margin) + 0.1 * np.logaddexp(0, pairs.margin)  # noqa: E731
    found = minimise_loss(uniform(2), smoothed, Comparisons([0], [0], [1]))
    assert found.log_policy[0, 0] - found.log_policy[0, 1] == pytest.approx(np.log(9.0), abs=1e-13)


def test_losses_of_absolute_log_probabilities_can_run_to_infinity_too():
    def pointwise(pairs):
        return np.logaddexp(0.0, -pairs.chosen_log_ratio) + np.logaddexp(0.0, pairs.rejected_log_ratio)

    assert minimise_loss(T1, pointwise).status == "optimal"
    found = minimise_loss(T1, pointwise, Comparisons([0, 0], [0, 1], [1, 2]))
    assert found.status == "no_minimiser"
    assert found.certificate.direction[0].argmin() == 2


def test_hinge_is_solved_by_linear_programs():
    def hinge(pairs):
        return np.maximum(0.0, 1.0 - pairs.margin)

    population = minimise_loss(uniform(2), hinge, Comparisons([0], [0], [1], target=[0.8]))
    assert population.status == "optimal"
    assert population.log_policy[0, 0] - population.log_policy[0, 1] == pytest.approx(1.0, abs=1e-6)
    assert population.value == pytest.approx(0.4, abs=1e-8)
    separable = minimise_loss(uniform(2), hinge, Comparisons([0], [0], [1]))
    assert separable.status == "flat"
    assert separable.value == pytest.approx(0.0, abs=1e-8)


def test_a_loss_that_only_fades_has_no_minimiser():
    def bounded(pairs):
        return 1 / (1 + np.exp(pairs.margin))

    assert minimise_loss(T1, bounded).status == "no_minimiser"


def test_several_minima_are_told():
    def two_wells(pairs):
        return (pairs.margin**2 - 4.0) ** 2 - 0.1 * pairs.margin

    found = minimise_loss(uniform(2), two_wells, Comparisons([0], [0], [1]))
    assert found.status == "several_minima"
    assert found.log_policy[0, 0] - found.log_policy[0, 1] == pytest.approx(2.0, abs=0.05)
    other = found.certificate.minima[0]
    assert other[0, 0] - other[0, 1] == pytest.approx(-2.0, abs=0.05)


def coupled(pairs):
    import torch

    return torch.nn.functional.softplus(-torch.sort(pairs.margin)[0])


def centred(pairs):
    return (pairs.margin - pairs.margin.mean()) ** 2


def detached(pairs):
    import torch

    return torch.nn.functional.softplus(-pairs.margin) * torch.exp(pairs.policy_chosen.detach())


def undefined(pairs):
    import torch

    return torch.log(pairs.margin)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (coupled, "coupled over the batch"),
        (centred, "coupled over the batch"),
        (detached, "gradient is not the derivative of its value"),
        (undefined, "expected finite numbers"),
        (lambda pairs: pairs.margin.mean(), "one loss per comparison"),
        ("dpo", "expected a callable"),
    ],
)
def test_losses_that_are_refused(loss, message):
    with pytest.raises(ValueError, match=message):
        minimise_loss(T1, loss)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"data": Comparisons([0], [1], [1])}, "with itself"),
        ({"data": Comparisons([], [], [])}, "nothing to fit"),
        ({"data": Comparisons([1], [0], [1])}, "context is 1 at row 0"),
        ({"data": Comparisons([0], [0], [1]), "design": np.zeros((1, 3, 3))}, "one of the two"),
        ({"data": [[0, 0, 1]]}, "data is list"),
        ({"start": np.zeros((1, 3))}, "start row 0 sums to 3"),
    ],
)
def test_arguments_that_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        minimise_loss(T1, logistic(0.5), **arguments)


def test_a_loss_without_a_reference_may_end_far_from_it():
    """-log pi(y_w) has the winners' law as its minimiser, however small the reference makes an answer."""
    bandit = uniform(3).replace(log_ref=log_softmax(np.array([[-690.0, -27.0, 0.0]])))
    found = minimise_loss(bandit, lambda pairs: -pairs.policy_chosen)
    assert found.status == "optimal"
    assert found.policy[0] == pytest.approx([1 / 3, 1 / 3, 1 / 3], abs=1e-13)


@pytest.mark.parametrize("beta", [1e-10, 1e-8, 1e-4, 1.0, 1e3])
def test_a_tiny_beta_has_its_optimum_far_out_and_it_is_found(beta):
    bandit = TabularBandit([1.0], [[0.0, 0.0, 0.0]], np.log([[0.5, 0.3, 0.2]]), 1.0)
    data = Comparisons([0] * 4, [0, 1, 1, 2], [1, 0, 2, 1], weight=[3.0, 1.0, 2.0, 1.0])
    found = minimise_loss(bandit, lambda pairs: np.logaddexp(0.0, -beta * pairs.margin), data)
    assert found.status == "optimal"
    ratio = (found.log_policy - bandit.log_ref)[0]
    np.testing.assert_allclose(beta * (ratio - ratio[1]), [np.log(3), 0.0, -np.log(2)], atol=1e-9)


def test_soft_targets_of_one_half_do_not_hide_the_scale_of_the_loss():
    bandit = TabularBandit([1.0], [[0.0, 0.0]], np.log([[0.9, 0.1]]), 1.0)
    found = minimise_loss(bandit, lambda pairs: np.logaddexp(0.0, -pairs.margin), Comparisons([0], [0], [1], target=[0.5]))
    assert found.status == "optimal"
    np.testing.assert_allclose(found.log_policy, bandit.log_ref, atol=1e-12)
