"""Losses of the margin beyond DPO: values at the reference, formulas written out again, what theory says of each."""

import math

import numpy as np
import pytest
import sympy as sp
import torch

import dpo_theory
from bandits import PairLogProbs, TabularBandit, minimise_loss
from dpo_theory.losses import (
    CELL,
    DPO,
    EXO,
    IPO,
    ODPO,
    PADLL,
    RSO,
    DiscoPOP,
    ExponentialGPO,
    HolderDPO,
    RobustDPO,
    Savage,
    SquaredGPO,
    TruncatedQuadratic,
)

LOG2 = math.log(2)
PAIRS = PairLogProbs(*np.array([[-1.0, -2.0, -4.0, -9.0], [-3.0, -1.0, -4.0, -1.0], [-2.0, -2.5, -4.0, -1.0], [-2.0, -2.0, -4.0, -9.0]]))
NAMES = [loss.__name__ for loss in (CELL, DiscoPOP, EXO, ExponentialGPO, HolderDPO, ODPO)]
NAMES += [loss.__name__ for loss in (PADLL, RSO, RobustDPO, Savage, SquaredGPO, TruncatedQuadratic)]


def s(z):
    return 1 / (1 + math.exp(-z))


FORMULAS = [
    (RobustDPO(beta=0.5, epsilon=0.2), 0.5, lambda z: (0.8 * math.log1p(math.exp(-z)) - 0.2 * math.log1p(math.exp(z))) / 0.6, LOG2),
    (RSO(gamma=0.5), 0.5, lambda z: max(0.0, 1 - z), 1.0),
    (EXO(beta=0.5, epsilon=0.1), 0.5, lambda z: s(z) * math.log(s(z) / 0.9) + s(-z) * math.log(s(-z) / 0.1), math.log(5 / 3)),
    (DiscoPOP(beta=0.5, tau=0.05), 0.5, lambda z: s(-20 * z) * math.log1p(math.exp(-z)) + s(20 * z) * math.exp(-z), (1 + LOG2) / 2),
    (CELL(beta=0.5), 0.5, lambda z: math.exp(-z) / 2 + math.log1p(math.exp(-z)) / 2, (1 + LOG2) / 2),
    (PADLL(beta=0.5), 0.5, lambda z: 0.9 * (0.5 if z < 0 else 1.0) * math.log1p(math.exp(-z)), 0.9 * LOG2),
    (ExponentialGPO(beta=0.5), 0.5, lambda z: math.exp(-z), 1.0),
    (SquaredGPO(beta=0.5), 0.5, lambda z: (1 - z) ** 2, 1.0),
    (TruncatedQuadratic(beta=0.5), 0.5, lambda z: max(0.0, 1 - z) ** 2, 1.0),
    (Savage(beta=0.5), 0.5, lambda z: s(-z) ** 2, 0.25),
    (ODPO(beta=0.5, offset=0.7), 0.5, lambda z: math.log1p(math.exp(0.7 - z)), math.log1p(math.exp(0.7))),
    (HolderDPO(beta=0.5, gamma=2.0), 0.5, lambda z: 2 * s(z) ** 3 - 3 * s(z) ** 2, -0.5),
    (HolderDPO(beta=0.5, gamma=0.5, mass="both"), 0.5, lambda z: 0.5 * (s(z) ** 1.5 + s(-z) ** 1.5) - 1.5 * s(z) ** 0.5, -math.sqrt(0.5)),
]


@pytest.mark.parametrize(("loss", "scale", "formula", "reference"), FORMULAS, ids=lambda v: repr(v) if hasattr(v, "takes") else "")
def test_three_readings_of_one_formula(loss, scale, formula, reference):
    numbers = loss(PAIRS)
    expected = [formula(scale * float(m)) for m in PAIRS.margin]
    np.testing.assert_allclose(numbers, expected, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(loss(PairLogProbs(*(torch.tensor(c) for c in PAIRS[:4]))).numpy(), expected, rtol=1e-13, atol=1e-15)
    symbols = sp.symbols("a:d", real=True)
    expression = loss(PairLogProbs(*symbols))
    for k, wanted in enumerate(expected):
        values = {symbol: sp.Rational(float(column[k])) for symbol, column in zip(symbols, PAIRS[:4], strict=True)}
        assert float(expression.subs(values)) == pytest.approx(wanted, rel=1e-12, abs=1e-14)
    assert loss(PairLogProbs(*np.zeros((4, 1))))[0] == pytest.approx(reference, rel=1e-14)


def slope(loss, margin):
    x = torch.tensor([margin], dtype=torch.float64, requires_grad=True)
    zero = torch.zeros(1, dtype=torch.float64)
    (found,) = torch.autograd.grad(loss(PairLogProbs(x, zero, zero, zero)).sum(), x, create_graph=True)
    return found, x


def test_robust_dpo_is_unbiased_for_flipped_labels():
    loss, back = RobustDPO(beta=0.5, epsilon=0.2), PairLogProbs(PAIRS[1], PAIRS[0], PAIRS[3], PAIRS[2])
    np.testing.assert_allclose(0.8 * loss(PAIRS) + 0.2 * loss(back), DPO(beta=0.5)(PAIRS), rtol=1e-13)
    assert slope(loss, 80.0)[0].item() == pytest.approx(0.5 * 0.2 / 0.6 * -1, rel=1e-12)  # it never stops falling


def test_exo_is_smallest_at_the_log_odds_of_the_label():
    at = math.log(9) / 0.5
    assert slope(EXO(beta=0.5, epsilon=0.1), at)[0].item() == pytest.approx(0.0, abs=1e-16)
    assert EXO(beta=0.5, epsilon=0.1)(PairLogProbs(*np.array([[at], [0.0], [0.0], [0.0]])))[0] == pytest.approx(0.0, abs=1e-16)


def test_discopop_first_goes_the_wrong_way():
    assert slope(DiscoPOP(beta=1.0, tau=0.05), 0.0)[0].item() == pytest.approx(-0.75 + 5 * (1 - LOG2), rel=1e-14)
    reached = [DiscoPOP(beta=1.0, tau=tau)(PairLogProbs(*np.zeros((4, 1))))[0] for tau in (0.01, 0.5)]
    np.testing.assert_allclose(reached, (1 + LOG2) / 2, rtol=1e-15)  # for every tau


def test_squared_comes_back_and_truncated_stays():
    far = PairLogProbs(*np.array([[3.0], [0.0], [0.0], [0.0]]))
    assert SquaredGPO(beta=1.0)(far) == 4.0
    assert TruncatedQuadratic(beta=1.0)(far) == 0.0
    np.testing.assert_allclose(SquaredGPO(beta=0.3)(PAIRS), 0.3**2 * IPO(tau=0.15)(PAIRS), rtol=1e-14)


@pytest.mark.parametrize(
    ("loss", "margin"),
    [
        (ExponentialGPO(beta=0.5), lambda p: math.log(p / (1 - p)) / 2 / 0.5),
        (HolderDPO(beta=0.5, gamma=0.5), lambda p: math.log(p / (1 - p)) / 1.5 / 0.5),
        (HolderDPO(beta=0.5, gamma=1.5, mass="both"), lambda p: math.log(p / (1 - p)) / 0.5),
        (EXO(beta=0.5, epsilon=0.1), lambda p: (2 * p - 1) * math.log(9) / 0.5),
    ],
    ids=["exponential", "holder", "holder, both", "exo"],
)
@pytest.mark.parametrize("p", [0.4, 0.7])
def test_population_optima_in_closed_form(loss, margin, p):
    bandit = TabularBandit(np.ones(1), np.zeros((1, 2)), np.log([[0.3, 0.7]]), 1.0)
    found = minimise_loss(bandit, loss, preferences=np.array([[[0.5, p], [1 - p, 0.5]]]))
    ratio = (found.log_policy - bandit.log_ref)[0]
    assert ratio[0] - ratio[1] == pytest.approx(margin(p), abs=1e-8)


def test_holder_is_savage_at_one():
    np.testing.assert_allclose(HolderDPO(beta=0.3, gamma=1.0)(PAIRS), Savage(beta=0.3)(PAIRS) - 1, rtol=1e-14)


@pytest.mark.parametrize("gamma", [0.5, 2.0, 3.0])
@pytest.mark.parametrize("z", [-30.0, -1.0, 0.0, 2.0, 50.0])
def test_holder_has_its_slope_and_curvature(gamma, z):
    first, x = slope(HolderDPO(beta=1.0, gamma=gamma), z)
    (second,) = torch.autograd.grad(first.sum(), x)
    weight = -gamma * (1 + gamma) * s(z) ** gamma * s(-z) ** 2
    assert first.item() == pytest.approx(weight, rel=1e-13)
    assert second.item() == pytest.approx(weight * (gamma * s(-z) - 2 * s(z)), rel=1e-12, abs=1e-300)


def test_holder_is_differentiable_by_torch_func():
    pairs = PairLogProbs(*(torch.tensor(c) for c in PAIRS[:4]))
    loss = HolderDPO(beta=0.5)
    found = torch.func.grad(lambda w: loss(pairs._replace(policy_chosen=w)).sum())(pairs.policy_chosen)
    np.testing.assert_allclose(found.numpy(), [slope(loss, float(m))[0].item() for m in PAIRS.margin], rtol=1e-13)


def test_an_offset_of_a_pair_overrules_that_of_the_loss():
    offset = np.array([0.0, 1.0, -2.0, 0.5])
    expected = np.logaddexp(0, offset - 0.5 * PAIRS.margin)
    np.testing.assert_allclose(ODPO(beta=0.5, offset=9.0)(PAIRS._replace(offset=offset)), expected, rtol=1e-15)


def test_padll_jumps_at_the_reference():
    below, at = (PADLL(beta=1.0)(PairLogProbs(*np.array([[m], [0.0], [0.0], [0.0]])))[0] for m in (-1e-12, 0.0))
    assert (below, at) == pytest.approx((0.45 * LOG2, 0.9 * LOG2), rel=1e-11)


@pytest.mark.parametrize("loss", [ExponentialGPO(beta=1.0), CELL(beta=1.0)], ids=repr)
def test_beyond_the_ceiling_the_tangent(loss):
    steep, farther = (slope(loss, -m)[0].item() for m in (60.0, 1e4))
    assert steep == pytest.approx(farther, rel=1e-14)
    assert abs(steep) == pytest.approx(math.exp(50) * (1 if isinstance(loss, ExponentialGPO) else 0.5), rel=1e-14)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RobustDPO(epsilon=0.5), "epsilon is 0.5, expected 0 < epsilon < 0.5: the rate of flipped labels. At 0 use DPO"),
        (lambda: EXO(epsilon=0.0), "epsilon is 0.0, expected 0 < epsilon < 0.5"),
        (lambda: DiscoPOP(tau=1.0), "tau is 1.0, expected 0 < tau < 1"),
        (lambda: RSO(gamma=-1.0), "gamma is -1.0, expected a finite number > 0"),
        (lambda: ExponentialGPO(ceiling=math.inf), "ceiling is inf, expected a finite number > 0"),
        (lambda: PADLL(drop=1.0), "drop is 1.0, expected 0 < drop < 1"),
        (lambda: HolderDPO(gamma=0.0), "gamma is 0.0"),
        (lambda: HolderDPO(mass="none"), "mass is 'none', expected one of 'seen', 'both'"),
        (lambda: ODPO(offset=math.nan), "offset is nan, expected a finite number"),
    ],
)
def test_refuses(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("name", NAMES)
def test_they_are_exported_lazily(name):
    assert getattr(dpo_theory, name) is getattr(dpo_theory.losses, name)
