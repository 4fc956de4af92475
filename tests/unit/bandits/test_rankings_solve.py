"""Plackett-Luce optima by sweeps, by pairs and by the road of all losses: one answer, within the bound it comes with."""

import numpy as np
import pytest

from bandits import minimise
from bandits.data import Rankings
from bandits.graph import comparison_graph
from bandits.minimise import minimise_loss
from bandits.problem import TabularBandit
from bandits.ranking import ranking_strengths
from dpo_theory.losses import PlackettLuceDPO

SOLVE = "bandits.rankings_solve."


def bandit(contexts, actions, rng=None):
    ref = np.full((contexts, actions), 1 / actions) if rng is None else rng.dirichlet(np.full(actions, 2.0), size=contexts)
    return TabularBandit(np.full(contexts, 1 / contexts), np.zeros((contexts, actions)), np.log(ref), beta=1.0)


def rankings(rng, contexts, actions, places, number, scale=1.0):
    strength, context = scale * rng.normal(size=(contexts, actions)), rng.integers(0, contexts, number)
    some = np.argsort(rng.random((number, actions)), axis=1)[:, :places]
    noise = strength[context[:, None], some] + rng.gumbel(size=some.shape)
    return Rankings(context, np.take_along_axis(some, np.argsort(-noise, axis=1), axis=1))


def by_sweeps(monkeypatch, many=10**9):
    monkeypatch.setattr(SOLVE + "_SMALL_PAIRS", 0)
    monkeypatch.setattr(SOLVE + "_MANY", many)


def strengths(solution, bandit):
    log_ratio = solution.log_policy - bandit.log_ref
    return log_ratio - log_ratio.mean(axis=1, keepdims=True)


@pytest.mark.parametrize("seed", range(12))
def test_three_roads_to_one_answer(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    x, a = int(rng.integers(1, 4)), int(rng.integers(2, 7))
    k = int(rng.integers(2, a + 1))
    data = rankings(rng, x, a, k, 40 * x)._replace(weight=None if seed % 2 else 10.0 ** rng.uniform(-2, 2, 40 * x))
    problem, loss = bandit(x, a, rng), PlackettLuceDPO(beta=float(rng.choice([0.1, 1.0, 3.0])))
    paired = minimise_loss(problem, loss, data)
    by_sweeps(monkeypatch)
    swept = minimise_loss(problem, loss, data)
    monkeypatch.setattr(minimise, "minimise_staged", lambda *_, **__: None)
    general = minimise_loss(problem, loss, data)
    assert paired.certificate.statuses == swept.certificate.statuses == general.certificate.statuses
    np.testing.assert_allclose(paired.log_policy, general.log_policy, atol=1e-10 / loss.beta)
    gap = np.nanmax(np.abs(paired.log_policy - swept.log_policy), initial=0.0)
    if paired.status == "optimal":
        assert gap <= paired.certificate.distance_bound + swept.certificate.distance_bound < 1e-9 / loss.beta
        assert paired.value == pytest.approx(general.value, rel=1e-13)
        assert "recognised as Plackett-Luce" in paired.certificate.reason
        assert "recognised" not in general.certificate.reason


def test_a_thousand_rankings_of_many_actions_meet_the_likelihood(monkeypatch):
    rng = np.random.default_rng(0)
    data, problem = rankings(rng, 1, 60, 6, 3000), bandit(1, 60)
    by_sweeps(monkeypatch, many=1000)
    found = minimise_loss(problem, PlackettLuceDPO(beta=2.0), data)
    expected = ranking_strengths([data], 60)
    assert found.status == "optimal"
    assert found.certificate.distance_bound < 1e-9
    np.testing.assert_allclose(2 * strengths(found, problem)[0], expected.at, atol=1e-11)
    again = minimise_loss(problem, PlackettLuceDPO(beta=2.0), data)
    assert np.array_equal(found.log_policy, again.log_policy)


def test_the_libraries_agree():
    choix = pytest.importorskip("choix")
    data, problem = rankings(np.random.default_rng(1), 1, 12, 4, 400), bandit(1, 12)
    found = minimise_loss(problem, PlackettLuceDPO(beta=1.0), data)
    theirs = choix.ilsr_rankings(12, [tuple(row) for row in data.order.tolist()], tol=1e-12)
    np.testing.assert_allclose(strengths(found, problem)[0], theirs - theirs.mean(), atol=1e-8)


@pytest.mark.parametrize("sweeps", [False, True])
def test_lengths_are_mixed(sweeps, monkeypatch):
    rng = np.random.default_rng(2)
    data = [rankings(rng, 1, 8, k, 60) for k in (2, 3, 8)]
    if sweeps:
        by_sweeps(monkeypatch)
    found = minimise_loss(bandit(1, 8), PlackettLuceDPO(beta=1.0), data)
    np.testing.assert_allclose(strengths(found, bandit(1, 8))[0], ranking_strengths(data, 8).at, atol=1e-11)
    with pytest.raises(ValueError, match="blocks of rankings"):
        minimise_loss(bandit(1, 8), lambda ranked: (ranked.log_ratio**2).sum(-1), data)


@pytest.mark.parametrize("sweeps", [False, True])
@pytest.mark.parametrize("top", [1, 2])
def test_the_order_behind_the_top_says_nothing(sweeps, top, monkeypatch):
    rng = np.random.default_rng(3)
    data, loss = rankings(rng, 1, 5, 4, 80), PlackettLuceDPO(beta=1.0, top=top)
    shuffled = data.order.copy()
    shuffled[:, top:] = rng.permuted(shuffled[:, top:], axis=1)
    if sweeps:
        by_sweeps(monkeypatch)
    first, second = (minimise_loss(bandit(1, 5), loss, data._replace(order=order)) for order in (data.order, shuffled))
    np.testing.assert_allclose(first.log_policy, second.log_policy, atol=1e-11)
    np.testing.assert_allclose(strengths(first, bandit(1, 5))[0], ranking_strengths([data], 5, top=top).at, atol=1e-11)


def test_an_action_that_no_one_chose_first_has_no_optimum_among_first_choices():
    data = Rankings([0, 0, 0], [[0, 1, 2], [1, 2, 0], [0, 2, 1]])
    found = minimise_loss(bandit(1, 3), PlackettLuceDPO(beta=1.0, top=1), data)
    assert found.status == "no_minimiser"
    assert found.certificate.direction.tolist() == [[1.0, 1.0, 0.0]]
    assert np.isnan(found.log_policy).all()
    assert minimise_loss(bandit(1, 3), PlackettLuceDPO(beta=1.0, top=1), data._replace(weight=[1, 1, 0])).status == "no_minimiser"


@pytest.mark.parametrize("sweeps", [False, True])
def test_status_follows_the_graph(sweeps, monkeypatch):
    if sweeps:
        by_sweeps(monkeypatch, many=100)
    rng = np.random.default_rng(4)
    half = np.array([rng.permutation(5)[:3] for _ in range(200)])
    apart = Rankings(np.zeros(200, int), np.where(rng.random((200, 1)) < 0.5, half, half + 5))
    found = minimise_loss(bandit(1, 10), PlackettLuceDPO(beta=1.0), apart)
    assert found.status == "flat"
    assert found.certificate.components.tolist() == comparison_graph(apart, 10).component.tolist()
    assert found.policy[0, :5].sum() == pytest.approx(0.5)
    assert found.certificate.distance_bound < 1e-10
    last = Rankings(np.zeros(200, int), np.concatenate([half, np.full((200, 1), 5)], axis=1))
    found = minimise_loss(bandit(1, 6), PlackettLuceDPO(beta=1.0), last)
    assert (found.status, found.certificate.direction.tolist()) == ("no_minimiser", [[1.0] * 5 + [0.0]])
    both = Rankings(np.repeat([0, 1], 200), np.concatenate([np.concatenate([half, np.full((200, 1), 5)], axis=1), half[:, [0, 1, 2, 2]]]))
    both.order[200:, 3] = [min(set(range(6)) - set(row)) for row in half.tolist()]
    found = minimise_loss(bandit(2, 6), PlackettLuceDPO(beta=1.0), both)
    assert found.certificate.statuses[0] == "no_minimiser"
    assert np.isnan(found.log_policy[0]).all()


@pytest.mark.parametrize(("places", "gap", "widest"), [(3, 5.0, 25), (3, 50.0, 210), (4, 200.0, 900)])
def test_strengths_far_apart_keep_their_digits(places, gap, widest):
    mpmath = pytest.importorskip("mpmath")
    forth = np.array([range(i, i + places) for i in range(6 - places)])
    order = np.concatenate([forth, forth[:, ::-1]])
    weight = np.repeat([1.0, np.exp(-gap)], len(forth))
    found = minimise_loss(bandit(1, 5), PlackettLuceDPO(beta=1.0), Rankings(np.zeros(len(order), int), order, weight))
    assert found.status == "optimal"
    assert gap < np.ptp(found.log_policy) < widest
    with mpmath.workdps(800):
        levels = (found.log_policy[0] - found.log_policy[0, 0]).tolist()
        exact = _newton(mpmath, order, weight, levels)
        error = max(abs(float(one - mpmath.mpf(level))) for one, level in zip(exact, levels, strict=True))
    assert error <= 2 * found.certificate.distance_bound < 1e-11


def _newton(mp, order, weight, start):
    """Two steps of Newton's method on the log-likelihood in long arithmetic, the first action held at 0."""
    n, z = len(start), [mp.mpf(float(level)) for level in start]
    for _ in range(2):
        gradient, hessian = mp.matrix(n, 1), mp.matrix(n, n)
        for row, count in zip(order.tolist(), weight.tolist(), strict=True):
            for k in range(len(row) - 1):
                odds = [mp.exp(z[j] - z[row[k]]) for j in row[k:]]
                share = [odd / sum(odds) for odd in odds]
                for p, i in zip(share, row[k:], strict=True):
                    gradient[i] += count * (p - (1 if i == row[k] else 0))
                    for q, j in zip(share, row[k:], strict=True):
                        hessian[i, j] += count * ((p if i == j else 0) - p * q)
        step = mp.lu_solve(hessian[1:n, 1:n], -gradient[1:n])
        z = [z[0], *(one + move for one, move in zip(z[1:], step, strict=True))]
    return z


@pytest.mark.parametrize("sweeps", [False, True])
def test_uneven_weights(sweeps, monkeypatch):
    if sweeps:
        by_sweeps(monkeypatch)
    rng = np.random.default_rng(5)
    order = np.array([rng.permutation(5)[:4] for _ in range(30)])
    data = Rankings(np.zeros(30, int), order, 10.0 ** rng.uniform(-12, 12, 30))
    found = minimise_loss(bandit(1, 5), PlackettLuceDPO(beta=1.0), data)
    exact = ranking_strengths([data], 5)
    np.testing.assert_allclose(strengths(found, bandit(1, 5))[0], exact.at, atol=1e-9)
    assert found.certificate.distance_bound < 1e-8


def test_a_start_changes_nothing():
    rng = np.random.default_rng(6)
    data, problem = rankings(rng, 1, 5, 3, 60), bandit(1, 5)
    start = np.log(rng.dirichlet(np.ones(5)))[None]
    one, other = minimise_loss(problem, PlackettLuceDPO(), data), minimise_loss(problem, PlackettLuceDPO(), data, start=start)
    np.testing.assert_allclose(one.log_policy, other.log_policy, atol=1e-11)


def test_a_loss_that_differs_where_the_answer_lies_is_not_trusted(monkeypatch):
    """Recognition asks at a few places; the answer is asked again, so that a loss that is another one there takes the general road."""
    data = rankings(np.random.default_rng(7), 1, 4, 3, 50)
    monkeypatch.setattr(SOLVE + "agrees_at", lambda *_: False)
    found = minimise_loss(bandit(1, 4), PlackettLuceDPO(beta=1.0), data)
    assert found.status == "optimal"
    assert "recognised" not in found.certificate.reason
