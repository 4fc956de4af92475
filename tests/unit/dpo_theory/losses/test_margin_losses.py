"""cDPO, IPO, hinge, NCA and AOT: known answers, in three readings."""

import numpy as np
import pytest
import sympy as sp
import torch

import dpo_theory
from bandits import PairLogProbs, TabularBandit, minimise_loss
from dpo_theory import AOT, CDPO, DPO, IPO, NCA, Hinge

PAIRS = PairLogProbs(*np.array([[-1.0, -2.0, -4.0], [-3.0, -1.0, -4.0], [-2.0, -2.5, -4.0], [-2.0, -2.0, -4.0]]))
LOSSES = (CDPO(beta=0.5, epsilon=0.1), IPO(tau=0.25), Hinge(beta=0.25), NCA(beta=0.5))


def at(margin):
    return PairLogProbs(*np.array([[margin], [0.0], [0.0], [0.0]]))


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (CDPO(beta=0.5, epsilon=0.1), np.log(2)),
        (IPO(tau=0.25), 4.0),  # 1 / (4 tau^2)
        (Hinge(beta=0.25), 1.0),
        (NCA(beta=0.5), 2 * np.log(2)),
        (AOT(beta=0.5), np.log(2)),
    ],
    ids=repr,
)
def test_the_value_at_the_reference(loss, expected):
    assert loss(at(0.0)) == pytest.approx(expected, rel=1e-15)


def test_margins_of_two_nats():
    assert Hinge(beta=0.25)(at(2.0)) == 0.5
    assert Hinge(beta=0.25)(at(9.0)) == 0.0
    assert IPO(tau=0.25)(at(2.0)) == 0.0
    smoothed = CDPO(beta=0.5, epsilon=0.1)(at(2.0))
    assert smoothed == pytest.approx(np.log1p(np.exp(-1.0)) + 0.1, rel=1e-14)  # epsilon z above DPO
    assert smoothed - DPO(beta=0.5)(at(2.0)) == pytest.approx(0.1, rel=1e-13)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_three_readings_of_one_formula(loss):
    numbers = loss(PAIRS)
    tensors = loss(PairLogProbs(*(torch.tensor(c) for c in PAIRS[:4])))
    np.testing.assert_allclose(tensors.numpy(), numbers, rtol=1e-14)
    symbols = sp.symbols("a:d", real=True)
    expression = loss(PairLogProbs(*symbols))
    for k in range(3):
        values = {symbol: sp.Rational(float(column[k])) for symbol, column in zip(symbols, PAIRS[:4], strict=True)}
        assert float(expression.subs(values)) == pytest.approx(numbers[k], rel=1e-14)


@pytest.mark.parametrize("p", [0.3, 0.6, 0.9])
@pytest.mark.parametrize(
    ("loss", "margin"),
    [
        (IPO(tau=0.25), lambda p: (2 * p - 1) / 0.5),
        (CDPO(beta=0.5, epsilon=0.1), lambda p: np.log((0.8 * p + 0.1) / (0.9 - 0.8 * p)) / 0.5),
    ],
    ids=["IPO", "CDPO"],
)
def test_population_optima_in_closed_form(loss, margin, p):
    bandit = TabularBandit(np.ones(1), np.zeros((1, 2)), np.log([[0.3, 0.7]]), 1.0)
    found = minimise_loss(bandit, loss, preferences=np.array([[[0.5, p], [1 - p, 0.5]]]))
    ratio = (found.log_policy - bandit.log_ref)[0]
    assert ratio[0] - ratio[1] == pytest.approx(margin(p), abs=1e-10)


def test_aot_sorts_policy_and_reference_by_themselves():
    expected = np.log1p(np.exp(-0.5 * (np.sort([2.0, -1.0, 0.0]) - np.sort([0.0, -0.5, 0.0]))))
    np.testing.assert_allclose(AOT(beta=0.5)(PAIRS), expected, rtol=1e-14)


def test_aot_of_one_pair_is_dpo():
    one = PairLogProbs(*(column[:1] for column in PAIRS[:4]))
    np.testing.assert_array_equal(AOT(beta=0.5)(one), DPO(beta=0.5)(one))


def test_aot_refuses_what_it_could_not_sort():
    columns = PairLogProbs(*(column[:, None] for column in PAIRS[:4]))
    with pytest.raises(ValueError, match=r"shape \(3, 1\), expected \(N,\)"):
        AOT(beta=0.5)(columns)
    symbols = PairLogProbs(*(np.array(sp.symbols(f"{letter}:2", real=True)) for letter in "abcd"))
    with pytest.raises(ValueError, match="expressions have no order"):
        AOT(beta=0.5)(symbols)


@pytest.mark.parametrize("make", [AOT, CDPO, Hinge, NCA, lambda beta: IPO(tau=beta)])
@pytest.mark.parametrize("beta", [0.0, -1.0, np.nan, np.inf])
def test_a_bad_scale_is_refused(make, beta):
    with pytest.raises(ValueError, match="expected a finite number > 0"):
        make(beta=beta)


@pytest.mark.parametrize("epsilon", [0.0, 0.5, -0.1, np.nan])
def test_a_bad_fraction_of_flips_is_refused(epsilon):
    with pytest.raises(ValueError, match="0 < epsilon < 1/2"):
        CDPO(beta=0.1, epsilon=epsilon)


@pytest.mark.parametrize("name", ["AOT", "CDPO", "DPO", "Hinge", "IPO", "NCA"])
def test_losses_are_exported_lazily(name):
    assert getattr(dpo_theory, name) is getattr(dpo_theory.losses, name)
    assert name in dir(dpo_theory)
