"""Eq. 7 and the display after it: three readings, derivatives at both ends, low precision, the App. B code path."""

import mpmath as mp
import numpy as np
import pytest
import sympy as sp
import torch
from hypothesis import given
from hypothesis import strategies as st

from bandits.data import PairLogProbs
from dpo_theory import optimal, preferences
from dpo_theory.losses import DPO

MARGINS = [0.0, 1e-300, 0.5, -0.5, 40.0, -40.0, 700.0, -700.0, 1e4, -1e4]
logps = st.floats(-1e3, 0.0, allow_subnormal=False)
quadruples = st.lists(st.tuples(logps, logps, logps, logps), min_size=1, max_size=6).map(lambda rows: np.array(rows).T)
betas = st.sampled_from([0.01, 0.125, 0.5, 1.0, 4.0])


def symbols():
    return PairLogProbs(*sp.symbols("w l u v", real=True))


def compiled(expression):
    """The traced expression as a function of 40-digit numbers."""
    return sp.lambdify((*symbols()[:4], sp.Symbol("beta", positive=True)), expression, "mpmath")


BETA = sp.Symbol("beta", positive=True)
LOSS = compiled(DPO(BETA)(symbols()))
WEIGHT = compiled(DPO(BETA).weight(symbols()))
PULLS = [compiled(sp.diff(DPO(BETA)(symbols()), letter)) for letter in symbols()[:4]]


def exact(function, quadruple, beta):
    with mp.workdps(500):  # log(1 + e^z) at z = -1000, read literally
        return float(function(*(mp.mpf(float(x)) for x in quadruple), mp.mpf(beta)))


@given(quadruples, betas)
def test_three_readings_agree(columns, beta):
    numbers = DPO(beta)(PairLogProbs(*columns))
    tensors = DPO(beta)(PairLogProbs(*torch.tensor(columns)))
    expected = [exact(LOSS, quadruple, beta) for quadruple in columns.T]
    scale = 1e-15 * (1 + beta * np.abs(columns).sum(axis=0))
    assert np.allclose(numbers, expected, rtol=1e-13, atol=scale)
    assert np.allclose(tensors.numpy(), numbers, rtol=1e-13, atol=np.finfo(float).tiny)


@given(quadruples, betas)
def test_it_is_the_likelihood_of_the_implicit_rewards(columns, beta):
    pairs = PairLogProbs(*columns)
    chosen, rejected = DPO(beta).rewards(pairs)
    scale = 1e-14 * (1 + beta * np.abs(columns).sum(axis=0))
    assert np.allclose(DPO(beta)(pairs), -preferences.bradley_terry(chosen, rejected), rtol=1e-13, atol=scale)


@given(quadruples, betas)
def test_the_formula_of_the_gradient_is_that_of_autograd_and_of_sympy(columns, beta):
    inputs = [torch.tensor(column, requires_grad=True) for column in columns]
    slopes = torch.autograd.grad(DPO(beta)(PairLogProbs(*inputs)).sum(), inputs)
    chosen, rejected = DPO(beta).gradient(PairLogProbs(*columns))
    for slope, formula in zip(slopes, (chosen, rejected, -chosen, -rejected), strict=True):
        assert np.allclose(slope.numpy(), formula, rtol=1e-12, atol=np.finfo(float).tiny)
    scale = 1e-14 * beta * (1 + beta * np.abs(columns).sum(axis=0))
    for pull, formula in zip(PULLS, (chosen, rejected, -chosen, -rejected), strict=True):
        assert np.allclose(formula, [exact(pull, quadruple, beta) for quadruple in columns.T], rtol=1e-10, atol=scale)


@pytest.mark.parametrize("beta", [0.1, 1.0, 5.0])
@pytest.mark.parametrize("margin", MARGINS)
def test_value_gradient_and_curvature_at_the_ends(margin, beta):
    x = torch.tensor(margin, dtype=torch.float64, requires_grad=True)
    zero = torch.zeros((), dtype=torch.float64)
    loss = DPO(beta)(PairLogProbs(x, zero, zero, zero))
    (slope,) = torch.autograd.grad(loss, x, create_graph=True)
    (curvature,) = torch.autograd.grad(slope, x)
    with mp.workdps(40):
        z = mp.mpf(beta) * mp.mpf(margin)
        wrong = 1 / (1 + mp.exp(z))
        tiny = np.finfo(float).tiny
        rel = 1e-15 * (1 + abs(float(z)))  # beta * margin is rounded once
        assert loss.item() == pytest.approx(float(mp.log1p(mp.exp(-z))), rel=rel, abs=tiny)
        assert slope.item() == pytest.approx(float(-beta * wrong), rel=rel, abs=tiny)
        assert curvature.item() == pytest.approx(float(beta**2 * wrong * (1 - wrong)), rel=rel, abs=3e-16 * beta**2)
    assert torch.isfinite(torch.stack([loss, slope, curvature])).all()


@given(quadruples, betas)
def test_the_weight_is_one_minus_the_probability_of_the_label(columns, beta):
    pairs = PairLogProbs(*columns)
    weight = DPO(beta).weight(pairs)
    assert np.allclose(weight, -np.expm1(-DPO(beta)(pairs)), rtol=1e-9, atol=1e-15)
    assert ((weight >= 0) & (weight <= 1)).all()
    quadruple = columns[:, 0]
    scale = 1e-14 * (1 + beta * np.abs(quadruple).sum())
    assert weight[0] == pytest.approx(exact(WEIGHT, quadruple, beta), rel=1e-10, abs=scale)


def test_at_the_reference_every_loss_is_log_two():
    column = np.array([-1.0, -300.0])
    assert DPO(0.3)(PairLogProbs(column, column, column, column)).tolist() == [np.log(2.0)] * 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_low_precision_is_within_its_own_rounding_of_float64(dtype):
    """The margin adds four numbers, so the error is a few epsilons of their size, times beta; the loss is 1-Lipschitz in it."""
    rng = np.random.default_rng(0)
    columns = torch.tensor(-rng.exponential(scale=50.0, size=(4, 200))).to(dtype)
    low, exact_ = DPO(0.1)(PairLogProbs(*columns)), DPO(0.1)(PairLogProbs(*columns.double()))
    assert low.dtype == dtype
    bound = torch.finfo(dtype).eps * (3 * 0.1 * columns.double().abs().sum(0) + 2 * (1 + exact_))
    assert ((low.double() - exact_).abs() <= bound).all()


def test_margins_of_ten_thousand_in_float32():
    columns = torch.tensor([[-1.0, -1e4], [-1e4, -1.0], [-1.0, -1.0], [-1.0, -1.0]], requires_grad=True)
    loss = DPO(1.0)(PairLogProbs(*columns))
    loss.sum().backward()
    assert loss.tolist() == [0.0, 9999.0]
    assert columns.grad[0].tolist() == [0.0, -1.0]


def test_rewards_carry_no_gradient_and_reward_the_log_ratio():
    policy = torch.tensor([-1.0, -2.0], dtype=torch.float64, requires_grad=True)
    ref = torch.tensor([-1.5, -1.0], dtype=torch.float64)
    chosen, rejected = DPO(0.5).rewards(PairLogProbs(policy, policy, ref, ref))
    assert not chosen.requires_grad
    assert not rejected.requires_grad
    assert chosen.tolist() == [0.25, -0.5]


def test_it_is_the_expression_of_appendix_b():
    columns = [torch.tensor(c, dtype=torch.float64) for c in ([-1.0, -5.0], [-2.0, -1.0], [-1.5, -3.0], [-2.5, -0.5])]
    pi_w, pi_l, ref_w, ref_l = columns
    printed = -torch.nn.functional.logsigmoid(0.1 * ((pi_w - pi_l) - (ref_w - ref_l)))
    assert torch.allclose(DPO(0.1)(PairLogProbs(*columns)), printed, rtol=1e-15, atol=0)


def test_the_optimum_of_a_bandit_is_stationary():
    reward, log_ref = np.array([[1.0, 0.0, -1.0]]), np.log([[0.5, 0.3, 0.2]])
    best = optimal.optimal_log_policy(reward, log_ref, 0.5)[0]
    left, right = np.array([0, 0, 1]), np.array([1, 2, 2])
    p = np.exp(preferences.bradley_terry(reward[0, left], reward[0, right]))
    there = DPO(0.5).gradient(PairLogProbs(best[left], best[right], log_ref[0, left], log_ref[0, right]))[0]
    back = DPO(0.5).gradient(PairLogProbs(best[right], best[left], log_ref[0, right], log_ref[0, left]))[0]
    assert np.allclose(p * there, (1 - p) * back, atol=1e-15)


@pytest.mark.parametrize(
    ("beta", "message"),
    [
        (0.0, r"beta is 0.0, expected a finite number > 0"),
        (-0.1, r"beta is -0.1"),
        (float("nan"), r"beta is nan"),
        (np.inf, r"beta is inf"),
        ([0.1, 0.2], r"beta has shape \(2,\), expected one number"),
        ("0.1", r"beta has dtype <U3, expected real numbers"),
        (True, r"beta has dtype bool"),
        (0.1j, r"beta has dtype complex128"),
        (None, r"beta has dtype object"),
    ],
)
def test_refuses_a_beta_that_is_no_price(beta, message):
    with pytest.raises(ValueError, match=message):
        DPO(beta)


def test_refuses_columns_that_would_broadcast():
    column = np.zeros(3)
    with pytest.raises(ValueError, match=r"shapes do not match.*\(3, 1\)"):
        DPO(0.1)(PairLogProbs(column[:, None], column, column, column))


def test_it_is_a_value():
    assert DPO(beta=0.1) == DPO()
    assert hash(DPO(0.1)) == hash(DPO())
    assert repr(DPO(beta=0.5)) == "DPO(beta=0.5)"
    assert not DPO.has & DPO.lacks
    with pytest.raises(AttributeError):
        DPO().beta = 1.0
