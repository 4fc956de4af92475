"""Bradley-Terry and Plackett-Luce: probabilities, three readings, both ends of the line, refusals."""

from itertools import permutations

import mpmath as mp
import numpy as np
import pytest
import sympy as sp
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpo_theory import preferences
from dpo_theory.proof import evaluate

MARGINS = [0.0, 1e-300, 1.0, -1.0, 40.0, -40.0, 700.0, -700.0, 1e4, -1e4]
rewards = st.floats(-1e3, 1e3, allow_subnormal=False)
rankings = st.lists(rewards, min_size=1, max_size=6)


def at_length(expression):
    """The value of an expression without symbols, in digits enough for log(1 + e^-2000)."""
    with mp.workdps(900):
        return float(evaluate(expression, {}))


def rationals(values):
    return np.array([sp.Rational(v) for v in values], dtype=object)


@given(rewards, rewards)
def test_one_of_the_two_wins(first, second):
    wins, loses = preferences.bradley_terry(first, second), preferences.bradley_terry(second, first)
    assert np.exp(wins) + np.exp(loses) == pytest.approx(1.0, abs=1e-15)
    assert wins - loses == pytest.approx(first - second, rel=1e-14, abs=1e-14)
    assert wins <= 0


@given(st.lists(st.tuples(rewards, rewards), min_size=1, max_size=5))
def test_three_readings_of_a_comparison_agree(pairs):
    chosen, rejected = np.array(pairs).T
    numbers = preferences.bradley_terry(chosen, rejected)
    tensors = preferences.bradley_terry(torch.tensor(chosen), torch.tensor(rejected))
    exact = preferences.bradley_terry(rationals(chosen), rationals(rejected))
    assert np.allclose(numbers, [at_length(e) for e in exact], rtol=1e-13, atol=np.finfo(float).tiny)
    assert np.allclose(tensors.numpy(), numbers, rtol=1e-13, atol=np.finfo(float).tiny)
    assert np.array_equal(preferences.bradley_terry(chosen.tolist(), rejected.tolist()), numbers)


@given(rankings)
def test_three_readings_of_a_ranking_agree(ranking):
    numbers = preferences.plackett_luce(np.array([ranking]))
    tensor = preferences.plackett_luce(torch.tensor([ranking], dtype=torch.float64))
    exact = preferences.plackett_luce(rationals(ranking))
    scale = 1e-13 * (1 + np.abs(ranking).max())
    assert numbers[0] == pytest.approx(at_length(exact), rel=1e-13, abs=scale)
    assert tensor.item() == pytest.approx(numbers[0], rel=1e-13, abs=scale)
    assert preferences.plackett_luce([ranking])[0] == numbers[0]


@given(st.lists(st.floats(-20, 20, allow_subnormal=False), min_size=1, max_size=5))
def test_rankings_are_a_law(reward):
    orders = np.array(list(permutations(reward)))
    assert np.exp(preferences.plackett_luce(orders)).sum() == pytest.approx(1.0, rel=1e-12)


@given(rewards, rewards)
def test_two_ranked_answers_are_a_comparison(first, second):
    ranked = preferences.plackett_luce(np.array([[first, second]]))[0]
    scale = 1e-13 * (1 + abs(first) + abs(second))
    assert ranked == pytest.approx(float(preferences.bradley_terry(first, second)), rel=1e-13, abs=scale)


@given(rankings, rewards)
def test_only_differences_count(ranking, c):
    moved = preferences.plackett_luce(np.array(ranking) + c)
    scale = 1e-12 * (1 + np.abs(ranking).max() + abs(c))
    assert float(moved) == pytest.approx(float(preferences.plackett_luce(np.array(ranking))), abs=scale)


@pytest.mark.parametrize("margin", MARGINS)
def test_gradient_and_curvature(margin):
    chosen = torch.tensor([margin], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(preferences.bradley_terry(chosen, torch.zeros(1)).sum(), chosen, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), chosen)
    with mp.workdps(40):
        lose = 1 / (1 + mp.exp(mp.mpf(margin)))
        assert slope.item() == pytest.approx(float(lose), rel=1e-14, abs=np.finfo(float).tiny)
        assert curvature.item() == pytest.approx(float(-lose * (1 - lose)), rel=1e-14, abs=3e-16)


def test_the_gradient_of_a_ranking():
    ranking = torch.tensor([[0.3, -1.0, 2.0, 0.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(preferences.plackett_luce, ranking)
    assert torch.autograd.gradgradcheck(preferences.plackett_luce, ranking)


def test_rewards_apart_by_ten_thousand():
    with mp.workdps(30):
        assert preferences.bradley_terry(np.array([-1e4]), np.array([0.0]))[0] == float(-mp.log1p(mp.exp(mp.mpf(10_000))))
    assert preferences.plackett_luce(np.array([[0.0, 1e4, -1e4]]))[0] == pytest.approx(-1e4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_low_precision_is_within_its_own_rounding_of_float64(dtype):
    ranking = torch.linspace(-4, 4, 40, dtype=torch.float64).reshape(8, 5).to(dtype)
    for formula in (preferences.plackett_luce, lambda r: preferences.bradley_terry(r[:, 0], r[:, 1])):
        low, exact = formula(ranking), formula(ranking.double())
        assert low.dtype == dtype
        assert ((low.double() - exact).abs() <= 8 * torch.finfo(dtype).eps * (1 + exact.abs())).all()


def test_a_gradient_survives_a_list_on_the_other_side():
    reward = torch.tensor([0.0, 1.0], dtype=torch.float64, requires_grad=True)
    for loss in (preferences.bradley_terry([1.0, 2.0], reward), preferences.bradley_terry(reward, np.array([1.0, 2.0]))):
        loss.sum().backward()
        assert reward.grad is not None
        reward.grad = None


REFUSED = {
    "NaN": (lambda: preferences.bradley_terry([np.nan], [0.0]), r"chosen_reward is nan at \(0,\), expected a finite reward"),
    "inf": (lambda: preferences.bradley_terry([0.0], [np.inf]), r"rejected_reward is inf at \(0,\).*certain has no finite"),
    "-inf": (lambda: preferences.bradley_terry(-np.inf, 0.0), r"chosen_reward is -inf at \(\)"),
    "shapes": (lambda: preferences.bradley_terry([1.0, 2.0], [1.0]), r"chosen_reward \(2,\), rejected_reward \(1,\)"),
    "strings": (lambda: preferences.bradley_terry(["a"], [0.0]), r"chosen_reward has dtype <U1, expected real numbers"),
    "complex": (lambda: preferences.bradley_terry([1j], [0.0]), r"chosen_reward has dtype complex128"),
    "truth values": (lambda: preferences.bradley_terry([True], [False]), r"chosen_reward has dtype bool"),
    "objects": (lambda: preferences.bradley_terry(None, 0.0), r"chosen_reward has dtype object"),
    "ragged": (lambda: preferences.plackett_luce([[1.0, 2.0], [1.0]]), r"ranked_rewards is not a rectangular array"),
    "NaN in a ranking": (lambda: preferences.plackett_luce([[0.0, np.nan]]), r"ranked_rewards is nan at \(0, 1\)"),
    "inf in a ranking": (lambda: preferences.plackett_luce(torch.tensor([[np.inf]])), r"ranked_rewards is inf at \(0, 0\)"),
    "a number": (lambda: preferences.plackett_luce(1.0), r"ranked_rewards has shape \(\), expected \(N, K\) with K >= 1"),
    "empty": (lambda: preferences.plackett_luce([[]]), r"ranked_rewards has shape \(1, 0\)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses(name):
    call, message = REFUSED[name]
    with pytest.raises(ValueError, match=f"(?s){message}"):
        call()
