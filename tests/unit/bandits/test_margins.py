"""Newton steps of every kind of graph against a dense pseudo-inverse, and the two roads of a margin loss."""

from __future__ import annotations

import numpy as np
import pytest

from bandits import Comparisons, TabularBandit, minimise_loss
from bandits.conjugate import Parts, bound_potentials
from bandits.expanders import Expander
from bandits.factors import Factors
from bandits.forests import Forest, is_forest
from bandits.meshes import Meshes
from bandits.tables import Tables


def _logistic(pairs):
    return np.logaddexp(0.0, -pairs.margin)


def _graph(kind, n, rng):
    if kind == "chain":
        left, right = np.arange(n - 1), np.arange(1, n)
    else:
        left, right = np.divmod(rng.permutation(n * n), n)
        left, right = left[left != right], right[left != right]
        left, right = left[: n * 12], right[: n * 12]
    order = np.argsort(left, kind="stable")
    return left[order], right[order]


def _dense_step(left, right, n, pull, stiff):
    rows = np.zeros((len(left), n))
    rows[np.arange(len(left)), left] = 1.0
    rows[np.arange(len(left)), right] = -1.0
    return -np.linalg.pinv(rows.T @ (stiff[:, None] * rows)) @ (rows.T @ pull)


def _apart(one, other):
    return float(np.ptp(one - other))


@pytest.mark.parametrize(
    ("kind", "solver"), [("chain", Forest), ("chain", Factors), ("random", Factors), ("random", Expander), ("random", Tables)]
)
def test_step_is_the_pseudo_inverse(kind, solver):
    rng = np.random.default_rng(3)
    n = 80
    left, right = _graph(kind, n, rng)
    pull, stiff = rng.normal(size=len(left)), rng.uniform(0.5, 2.0, size=len(left))
    move, decrement = solver(left, right, (1, n)).solve(pull, stiff)
    exact = _dense_step(left, right, n, pull, stiff)
    slack = 0.1 * np.ptp(exact) if solver in (Expander, Tables) else 1e-10 * (1 + np.ptp(exact))  # an inexact step far from the optimum
    assert _apart(move[0], exact) < slack
    assert decrement[0] > 0


def test_expander_steps_sharpen_near_the_optimum():
    rng = np.random.default_rng(4)
    left, right = _graph("random", 90, rng)
    stiff = rng.uniform(0.5, 2.0, size=len(left))
    exact = rng.normal(size=90)
    pull = stiff * (exact[left] - exact[right]) * 1e-7
    noise = rng.choice([-1.0, 1.0], size=len(left))
    balanced = noise - stiff * (h := -_dense_step(left, right, 90, noise, stiff))[left] + stiff * h[right]  # flows around cycles only
    move, _ = Expander(left, right, (1, 90)).solve(pull + balanced, stiff)
    assert _apart(move[0], -1e-7 * exact) < 1e-12


@pytest.mark.parametrize("loose", [1.0, 1e-9])
def test_meshes_agree_with_the_pseudo_inverse_and_keep_their_digits(loose):
    rng = np.random.default_rng(5)
    x, a = 6, 5
    context = np.repeat(np.arange(x), a * (a - 1) // 2)
    first, second = (np.tile(part, x) for part in np.triu_indices(a, 1))
    stiff = rng.uniform(0.5, 2.0, size=len(context))
    stiff[(second == a - 1)] *= loose
    exact = rng.normal(size=(x, a))
    pull = -stiff * (exact[context, first] - exact[context, second])
    move, _ = Meshes(context, np.stack([first, second], axis=1), (x, a)).solve(pull, stiff)
    assert max(_apart(one, other) for one, other in zip(move, exact, strict=True)) < 1e-12


def test_forest_is_told_from_a_cycle():
    left, right = np.arange(9), np.arange(1, 10)
    assert is_forest(left, right, 10)
    assert is_forest(np.append(left, 1), np.append(right, 0), 10)  # the same pair, the other way round
    assert not is_forest(np.append(left, 9), np.append(right, 0), 10)


def test_long_chain_is_exact_and_certified():
    n = 3000
    margin = np.random.default_rng(6).normal(size=n - 1)
    bandit = TabularBandit([1.0], np.zeros((1, n)), np.full((1, n), -np.log(n)), beta=1.0)
    data = Comparisons(np.zeros(n - 1, int), np.arange(n - 1), np.arange(1, n), None, 1 / (1 + np.exp(-margin)))
    found = minimise_loss(bandit, _logistic, data)
    error = np.ptp(found.log_policy[0] + np.append(0.0, np.cumsum(margin)))
    assert found.status == "optimal"
    assert error <= found.certificate.distance_bound < 1e-6


@pytest.mark.parametrize("items", [100, 400])
def test_bounds_hold_on_random_graphs(items):
    rng = np.random.default_rng(7)
    left = rng.integers(items, size=40 * items)
    right = (left + rng.integers(1, items, size=len(left))) % items
    data = Comparisons(np.zeros(len(left), int), left, right, None, rng.uniform(0.2, 0.8, size=len(left)))
    bandit = TabularBandit([1.0], np.zeros((1, items)), np.full((1, items), -np.log(items)), beta=1.0)
    found = minimise_loss(bandit, _logistic, data)
    h = found.log_policy[0]
    share = 1 / (1 + np.exp(h[right] - h[left])) - data.target
    step = _dense_step(left, right, items, share, np.full(len(left), 0.1))
    assert found.status == "optimal"
    assert np.ptp(step) <= found.certificate.distance_bound < 1e-9
    assert np.array_equal(h, minimise_loss(bandit, _logistic, data).log_policy[0])


def test_torch_and_numpy_roads_end_together():
    import torch

    rng = np.random.default_rng(8)
    left = rng.integers(70, size=4000)
    right = (left + rng.integers(1, 70, size=4000)) % 70
    bandit = TabularBandit([1.0], np.zeros((1, 70)), np.full((1, 70), -np.log(70)), beta=1.0)
    data = Comparisons(np.zeros(4000, int), left, right)
    ends = [
        minimise_loss(bandit, loss, data).log_policy for loss in (_logistic, lambda pairs: -torch.nn.functional.logsigmoid(pairs.margin))
    ]
    assert np.abs(ends[0] - ends[1]).max() < 1e-10


@pytest.mark.parametrize("n_actions", [6, 3000])
def test_no_bound_rests_on_luck(n_actions):
    rng = np.random.default_rng(0)
    left = rng.integers(n_actions, size=40 * n_actions)
    right = (left + rng.integers(1, n_actions, size=len(left))) % n_actions
    data = Comparisons(np.zeros(len(left), dtype=int), left, right, target=np.full(len(left), 0.6))
    log_ref = np.full((1, n_actions), -np.log(n_actions))
    found = minimise_loss(TabularBandit([1.0], np.zeros((1, n_actions)), log_ref, 1.0), _logistic, data)
    assert found.status == "optimal"
    assert found.certificate.distance_bound < 1e-9
    assert "probability" not in found.certificate.reason


def _laplacian(left, right, stiff, n):
    weights = np.zeros((n, n))
    np.add.at(weights, (left, right), stiff)
    weights += weights.T
    return weights, weights.sum(axis=0)


@pytest.mark.parametrize("seed", range(3))
def test_potentials_stay_within_their_bounds(seed):
    rng = np.random.default_rng(seed)
    left, right = _graph("random", 60, rng)
    weights, degree = _laplacian(left, right, rng.uniform(0.1, 3.0, size=len(left)), 60)
    off = rng.uniform(0.0, 1.0, size=60)
    bound = bound_potentials(weights.__matmul__, degree, off, Parts(np.zeros(60, dtype=int), 1))
    root = np.argmax(degree)
    inverse = np.linalg.pinv(np.diag(degree) - weights)
    for _ in range(50):
        right_side = off * rng.choice([-1.0, 1.0], size=60)
        right_side[root] -= right_side.sum()
        potential = inverse @ right_side
        assert (np.abs(potential - potential[root]) <= bound * (1 + 1e-12)).all()


def test_potentials_of_a_long_chain_are_not_bounded_by_iterations_that_do_not_converge():
    n = 2000
    weights, degree = _laplacian(np.arange(n - 1), np.arange(1, n), np.ones(n - 1), n)
    assert np.isinf(bound_potentials(weights.__matmul__, degree, np.ones(n), Parts(np.zeros(n, dtype=int), 1))).all()
