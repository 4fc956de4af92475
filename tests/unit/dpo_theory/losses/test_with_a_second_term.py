"""DPOP and RPO: DPO with something added. Known answers, where the additions vanish, conventions."""

import numpy as np
import pytest
import sympy as sp
import torch
from hypothesis import given
from hypothesis import strategies as st

from bandits import PairLogProbs, TabularBandit, minimise_loss
from dpo_theory.losses import DPO, DPOP, RPO

logps = st.floats(-50.0, -0.01, allow_subnormal=False)
quadruples = st.lists(st.tuples(logps, logps, logps, logps), min_size=1, max_size=5).map(lambda rows: np.array(rows).T)
betas = st.sampled_from([0.125, 0.5, 2.0])
PAIRS = PairLogProbs(*np.array([[-6.0, -2.0, -4.0], [-3.0, -1.0, -4.0], [-2.0, -2.5, -4.0], [-2.0, -2.0, -4.0]]), np.array([3, 1, 2]))


@given(quadruples, betas)
def test_without_the_addition_both_are_dpo(columns, beta):
    pairs = PairLogProbs(*columns)
    expected = DPO(beta)(pairs)
    for penalty in ("inside", "outside"):
        np.testing.assert_array_equal(DPOP(beta, 0.0, penalty)(pairs), expected)
    np.testing.assert_array_equal(RPO(beta, 0.0)(pairs), expected)
    assert DPOP(beta, 0.0).has == RPO(beta, 0.0).has == DPO.has
    assert DPOP(beta, 0.0).lacks == RPO(beta, 0.0).lacks == DPO.lacks


def test_values_by_hand():
    # log-ratios of chosen -4, 0.5, 0; margins -3, -0.5, 0
    inside = DPOP(beta=0.5, weight=2.0)(PAIRS)
    np.testing.assert_allclose(inside, np.log1p(np.exp(-0.5 * np.array([-3.0 - 8.0, -0.5, 0.0]))), rtol=1e-14)
    outside = DPOP(beta=0.5, weight=2.0, penalty="outside")(PAIRS)
    plain = DPO(beta=0.5)(PAIRS)
    np.testing.assert_allclose(outside, plain + np.array([8.0, 0.0, 0.0]), rtol=1e-15)
    np.testing.assert_allclose(RPO(0.5, alpha=2.0)(PAIRS), plain + np.array([12.0, 4.0, 8.0]), rtol=1e-15)
    np.testing.assert_allclose(RPO(0.5, alpha=2.0, nll="mean")(PAIRS), plain + 4.0, rtol=1e-15)


@given(quadruples, betas)
def test_the_penalty_counts_only_below_the_reference(columns, beta):
    pairs = PairLogProbs(*columns)
    above = pairs.chosen_log_ratio >= 0
    for penalty in ("inside", "outside"):
        found, plain = DPOP(beta, 5.0, penalty)(pairs), DPO(beta)(pairs)
        np.testing.assert_array_equal(found[above], plain[above])
        assert (found >= plain).all()


@pytest.mark.parametrize("loss", [DPOP(0.5, 2.0), DPOP(0.5, 2.0, "outside"), RPO(0.5, 0.7), RPO(0.5, 0.7, "mean")], ids=repr)
def test_three_readings_of_one_formula(loss):
    numbers = loss(PAIRS)
    np.testing.assert_allclose(loss(PairLogProbs(*(torch.tensor(c) for c in PAIRS[:5]))).numpy(), numbers, rtol=1e-14)
    symbols = sp.symbols("a:e", real=True)
    expression = loss(PairLogProbs(*symbols))
    for k in range(3):
        values = {symbol: sp.Rational(float(column[k])) for symbol, column in zip(symbols, PAIRS[:5], strict=True)}
        assert float(expression.subs(values)) == pytest.approx(numbers[k], rel=1e-14)


def test_dpop_is_no_function_of_the_margin():
    """Where chosen and rejected coincide the slopes of a function of the margin add up to 0."""
    inputs = [torch.tensor([x], dtype=torch.float64, requires_grad=True) for x in (-3.0, -3.0)]
    ref = torch.tensor([-1.0], dtype=torch.float64)
    for penalty in ("inside", "outside"):
        slopes = torch.autograd.grad(DPOP(0.5, 2.0, penalty)(PairLogProbs(*inputs, ref, ref)).sum(), inputs)
        assert sum(slopes).item() < -0.5


def test_the_optimum_of_rpo_need_not_lie_between_dpo_and_the_winners():
    weight = np.zeros((1, 3, 3))
    for (i, j), w in {(0, 1): 0.141, (0, 2): 0.198, (1, 2): 0.161}.items():
        weight[0, i, j] = weight[0, j, i] = w
    ref = np.array([[0.178, 0.342, 0.480]])
    bandit = TabularBandit(np.ones(1), np.array([[-2.066, 0.160, -2.977]]), np.log(ref), 1.0)
    optimum = np.exp(minimise_loss(bandit, RPO(beta=1.0, alpha=1.0), design=weight).log_policy[0])
    plain = np.exp(minimise_loss(bandit, DPO(beta=1.0), design=weight).log_policy[0])
    assert optimum == pytest.approx([0.1998, 0.6658, 0.1344], abs=1e-4)
    assert plain == pytest.approx([0.0503, 0.8952, 0.0545], abs=1e-4)
    wins = weight[0] / (1 + np.exp(bandit.reward[0][None] - bandit.reward[0][:, None]))
    winners = wins.sum(axis=1) / wins.sum()
    assert winners == pytest.approx([0.3099, 0.5631, 0.1270], abs=1e-4)
    assert optimum[2] > max(plain[2], winners[2])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DPOP(beta=0.0), "beta is 0.0"),
        (lambda: DPOP(weight=-1.0), "weight is -1.0, expected a finite number >= 0"),
        (lambda: DPOP(penalty="none"), "penalty is 'none', expected one of 'inside', 'outside'"),
        (lambda: RPO(alpha=np.nan), "alpha is nan"),
        (lambda: RPO(nll="token"), "nll is 'token', expected one of 'sum', 'mean'"),
        (lambda: RPO(nll="mean")(PAIRS._replace(chosen_tokens=None)), "chosen_tokens is missing"),
    ],
)
def test_refuses(make, message):
    with pytest.raises(ValueError, match=message):
        make()
