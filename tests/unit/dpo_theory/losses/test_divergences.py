"""DPO for other divergences: each recovers the optimum of RLHF with its own divergence, found by the KKT conditions."""

import math

import numpy as np
import pytest
import sympy as sp
import torch
from scipy.optimize import brentq

import dpo_theory
from bandits import PairLogProbs, TabularBandit, minimise_loss
from dpo_theory.losses import DPO, AlphaDivergenceDPO, ChiPO, ForwardKLDPO, JensenShannonDPO, SquaredPO

PAIRS = PairLogProbs(*np.array([[-1.0, -2.0, -4.0], [-3.0, -1.0, -4.0], [-2.0, -2.5, -4.0], [-2.0, -2.0, -4.0]]))
T1 = TabularBandit([1.0], [[1.0, 0.0, -1.0]], np.log([[0.5, 0.3, 0.2]]), 0.5)
LINKS = [
    (ForwardKLDPO, {}, lambda u: -1 / u),
    (JensenShannonDPO, {}, lambda u: math.log(2 * u / (1 + u))),
    (AlphaDivergenceDPO, {"alpha": 0.5}, lambda u: (1 - u**-0.5) / 0.5),
    (AlphaDivergenceDPO, {"alpha": 0.8}, lambda u: (1 - u**-0.8) / 0.8),
    (ChiPO, {}, lambda u: u + math.log(u)),
    (SquaredPO, {}, lambda u: math.log(u) / u),
]
IDS = ["forward KL", "Jensen-Shannon", "alpha 0.5", "alpha 0.8", "chi-PO", "SquaredPO"]


@pytest.mark.parametrize(("kind", "options", "link"), LINKS, ids=IDS)
def test_three_readings_of_one_formula(kind, options, link):
    loss = kind(beta=0.5, **options)
    a, b = PAIRS.chosen_log_ratio, PAIRS.rejected_log_ratio
    expected = [math.log1p(math.exp(-0.5 * (link(math.exp(x)) - link(math.exp(y))))) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(loss(PAIRS), expected, rtol=1e-13)
    np.testing.assert_allclose(loss(PairLogProbs(*(torch.tensor(c) for c in PAIRS[:4]))).numpy(), expected, rtol=1e-13)
    symbols = sp.symbols("a:d", real=True)
    expression = loss(PairLogProbs(*symbols))
    for k, wanted in enumerate(expected):
        values = {symbol: sp.Rational(float(column[k])) for symbol, column in zip(symbols, PAIRS[:4], strict=True)}
        assert float(expression.subs(values)) == pytest.approx(wanted, rel=1e-12)


def kkt(link, bandit):
    """u with beta link(u_i) = r_i - lambda and sum ref u = 1, by nested bisection."""
    reward, ref = bandit.reward[0], np.exp(bandit.log_ref[0])

    def policy(shift):
        return np.array([brentq(lambda h, r=r: link(math.exp(h)) - (r - shift) / bandit.beta, -40.0, 12.0) for r in reward])

    def mass(shift):
        try:
            return float(ref @ np.exp(policy(shift))) - 1
        except ValueError:  # no u of this size: beyond the range of the link
            return math.inf

    grid = np.linspace(-8.0, 12.0, 401)
    masses = np.array([mass(g) for g in grid])
    k = int(np.flatnonzero(np.isfinite(masses[:-1]) & (masses[:-1] > 0) & (masses[1:] <= 0))[0])
    return policy(brentq(mass, grid[k], grid[k + 1], xtol=1e-15)) + bandit.log_ref[0]


@pytest.mark.parametrize(("kind", "options", "link"), LINKS[:5], ids=IDS[:5])
def test_it_recovers_the_optimum_of_its_own_divergence(kind, options, link):
    found = minimise_loss(T1, kind(beta=T1.beta, **options))
    assert found.status == "optimal"
    np.testing.assert_allclose(found.policy[0], np.exp(kkt(link, T1)), atol=1e-9)


def test_alpha_goes_from_dpo_to_the_forward_divergence():
    near = AlphaDivergenceDPO(beta=0.5, alpha=1e-9)(PAIRS)
    np.testing.assert_allclose(near, DPO(beta=0.5)(PAIRS), rtol=1e-8)
    np.testing.assert_allclose(AlphaDivergenceDPO(beta=0.5, alpha=1 - 1e-12)(PAIRS), ForwardKLDPO(beta=0.5)(PAIRS), rtol=1e-10)


def test_chi_po_is_clipped_where_it_is_asked_to_be():
    far = PairLogProbs(*(torch.tensor([v], dtype=torch.float64, requires_grad=k == 0) for k, v in enumerate((-1.0, -9.0, -5.0, -3.0))))
    loss = ChiPO(beta=1.0, reward_range=1.5)(far)
    assert loss.item() == pytest.approx(math.log1p(math.exp(-3.0)), rel=1e-15)
    (slope,) = torch.autograd.grad(loss.sum(), far.policy_chosen)
    assert slope.item() == 0.0
    np.testing.assert_allclose(ChiPO(beta=0.5, reward_range=1e6)(PAIRS), ChiPO(beta=0.5)(PAIRS), rtol=1e-15)


def test_squared_po_has_several_policies_of_one_loss():
    """f' is not injective: different policies have the same differences of f', in the order of the rewards and against it."""
    ref = np.array([0.1, 0.1, 0.8])
    against = np.array([2.71603911, 5.98379621, 0.16252059])
    assert ref @ against == pytest.approx(1.0, abs=1e-7)
    scores = np.log(against) / against
    pairs = [(i, j) for i in range(3) for j in range(3) if i != j]
    wins = {(i, j): 1 / (1 + math.exp(-0.1 * (scores[i] - scores[j]))) for i, j in pairs}
    at = [
        PairLogProbs(*np.array([[np.log(ref * against)[i]], [np.log(ref * against)[j]], *np.log([[ref[i]], [ref[j]]])])) for i, j in pairs
    ]
    risk = sum(wins[pair] * SquaredPO(beta=0.1)(seen)[0] for pair, seen in zip(pairs, at, strict=True))
    entropy = -sum(wins[pair] * math.log(wins[pair]) for pair in pairs)
    assert risk == pytest.approx(entropy, rel=1e-12)  # no policy has less
    assert scores[0] > scores[1]
    assert against[0] < against[1]


def test_more_of_the_chosen_answer_can_cost_squared_po():
    x = torch.tensor([-1.0], dtype=torch.float64, requires_grad=True)
    fixed = (torch.tensor([v], dtype=torch.float64) for v in (-3.0, -3.0, -3.0))
    (slope,) = torch.autograd.grad(SquaredPO(beta=1.0)(PairLogProbs(x, *fixed)).sum(), x)
    assert slope.item() > 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AlphaDivergenceDPO(alpha=1.0), "alpha is 1.0, expected 0 < alpha < 1"),
        (lambda: ChiPO(reward_range=0.0), "reward_range is 0.0, expected a finite number > 0"),
        (lambda: ForwardKLDPO(beta=-1.0), "beta is -1.0"),
        (lambda: SquaredPO(ceiling=-1.0), "ceiling is -1.0"),
    ],
)
def test_refuses(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("name", ["AlphaDivergenceDPO", "ChiPO", "ForwardKLDPO", "JensenShannonDPO", "SquaredPO"])
def test_they_are_exported_lazily(name):
    assert getattr(dpo_theory, name) is getattr(dpo_theory.losses, name)
