"""Pairs that may tie: minus the log-probabilities of Rao and Kupper's and of Davidson's model."""

import numpy as np
import pytest
import sympy as sp
import torch

import dpo_theory
from bandits import PairLogProbs
from bandits.ties import tie_probabilities
from dpo_theory.losses import DPO, DavidsonDPO, RaoKupperDPO

MODELS = [(RaoKupperDPO, "rao-kupper"), (DavidsonDPO, "davidson")]
MARGINS = np.array([-40.0, -3.0, 0.0, 1.0, 25.0])


def at(margins, target=None):
    zero = margins * 0
    return PairLogProbs(margins, zero, zero, zero, target=target)


@pytest.mark.parametrize(("kind", "model"), MODELS)
@pytest.mark.parametrize("nu", [1.5, 3.0])
def test_three_outcomes_have_the_probabilities_of_the_model(kind, model, nu):
    loss, expected = kind(beta=0.5, nu=nu), tie_probabilities(0.5 * MARGINS, nu, model=model)
    for column, target in enumerate((1.0, 0.0, 0.5)):
        outcome = np.full(5, target)
        numbers = loss(at(MARGINS, outcome))
        np.testing.assert_allclose(numbers, -np.log(expected[:, column]), rtol=1e-10, atol=1e-15)
        np.testing.assert_allclose(loss(at(torch.tensor(MARGINS), torch.tensor(outcome))).numpy(), numbers, rtol=1e-13, atol=1e-16)
    np.testing.assert_array_equal(loss(at(MARGINS)), loss(at(MARGINS, np.ones(5))))


@pytest.mark.parametrize(("kind", "model"), MODELS)
def test_the_expression_sums_to_one_over_the_outcomes(kind, model):
    z = sp.Symbol("z", real=True)
    losses = [kind(beta=1, nu=sp.Integer(2))(PairLogProbs(z, 0, 0, 0, target=target)) for target in (sp.S.One, sp.S.Half, sp.S.Zero)]
    assert sp.simplify(sum(sp.exp(-loss) for loss in losses) - 1) == 0


@pytest.mark.parametrize(("kind", "model"), MODELS)
def test_a_tie_pulls_the_margin_to_zero(kind, model):
    x = torch.tensor([-30.0, 0.0, 30.0], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(kind(beta=1.0)(at(x, torch.full((3,), 0.5, dtype=torch.float64))).sum(), x)
    assert slope[0] < 0 < slope[2]
    assert slope[1].item() == pytest.approx(0.0, abs=1e-16)


def test_without_ties_they_are_dpo():
    np.testing.assert_allclose(DavidsonDPO(beta=0.5, nu=1e-15)(at(MARGINS)), DPO(beta=0.5)(at(MARGINS)), rtol=1e-6)
    np.testing.assert_allclose(RaoKupperDPO(beta=0.5, nu=1 + 1e-12)(at(MARGINS)), DPO(beta=0.5)(at(MARGINS)), rtol=1e-9)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RaoKupperDPO(nu=1.0), "nu is 1.0, expected a finite number > 1. At 1 there are no ties: use DPO"),
        (lambda: DavidsonDPO(nu=0.0), "nu is 0.0, expected a finite number > 0. At 0 there are no ties: use DPO"),
        (lambda: DavidsonDPO()(at(MARGINS, np.full(5, 1.5))), r"target has an entry outside \[0, 1\]"),
        (lambda: RaoKupperDPO()(at(MARGINS, np.full(5, np.nan))), r"target has an entry outside \[0, 1\]"),
    ],
)
def test_refuses(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("name", ["DavidsonDPO", "RaoKupperDPO"])
def test_they_are_exported_lazily(name):
    assert getattr(dpo_theory, name) is getattr(dpo_theory.losses, name)
