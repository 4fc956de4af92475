"""Primitives with branches: right in value and derivatives on both sides of each, in three readings."""

import mpmath as mp
import numpy as np
import pytest
import sympy as sp
import torch

from bandits.derivatives import derivatives
from bandits.jets import Jet
from dpo_theory import _xp

X = [-1e4, -700.0, -37.5, -1.0 - 1e-9, -1.0, -1e-8, 0.0, 1e-8, 0.5, 1.9, 2.1, 30.0]
TINY = np.finfo(float).tiny


def slopes(function, x):
    x = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    (first,) = torch.autograd.grad(function(x).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    return first.tolist(), second.tolist()


def test_expm1_keeps_its_small_derivatives():
    first, second = slopes(_xp.expm1, X)
    with mp.workdps(30):
        expected = [float(mp.exp(x)) for x in X]
    assert first == pytest.approx(expected, rel=1e-14, abs=TINY)
    assert second == pytest.approx(expected, rel=1e-14, abs=TINY)
    np.testing.assert_allclose(_xp.expm1(torch.tensor(X, dtype=torch.float64)).numpy(), np.expm1(X), rtol=4e-16)


def test_sigmoid_keeps_its_small_derivatives():
    x = [-700.0, -37.5, -1.0, 0.0, 1.0, 37.5, 700.0]
    first, second = slopes(_xp.sigmoid, x)
    with mp.workdps(400):
        s = [(1 / (1 + mp.exp(-v)), 1 / (1 + mp.exp(v))) for v in map(mp.mpf, x)]
        assert first == pytest.approx([float(a * b) for a, b in s], rel=1e-14, abs=TINY)
        assert second == pytest.approx([float(a * b * (b - a)) for a, b in s], rel=1e-14, abs=3e-17)


@pytest.mark.parametrize(("primitive", "less"), [(_xp.exp, 0), (_xp.expm1, 1)])
def test_beyond_a_ceiling_the_tangent(primitive, less):
    def literally(x):
        return mp.exp(x) - less if x <= 2 else mp.exp(2) * (x - 1) - less

    expected = [float(literally(mp.mpf(x))) for x in X]
    np.testing.assert_allclose(primitive(np.array(X), ceiling=2.0), expected, rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(primitive(torch.tensor(X, dtype=torch.float64), ceiling=2.0).numpy(), expected, rtol=1e-14, atol=1e-15)
    first, second = slopes(lambda x: primitive(x, ceiling=2.0), X)
    assert first == pytest.approx([np.exp(min(x, 2.0)) for x in X], rel=1e-14, abs=TINY)
    assert second == pytest.approx([np.exp(x) if x < 2 else 0.0 for x in X], rel=1e-14, abs=TINY)
    jets = primitive(Jet.line(np.array(X)), ceiling=2.0)
    np.testing.assert_allclose(jets.gradient[:, 0], first, rtol=1e-14, atol=TINY)
    assert slopes(lambda x: primitive(x, ceiling=2.0), [2.0])[0] == pytest.approx([np.exp(2.0)], rel=1e-15)  # at the joint
    x = sp.Symbol("x", real=True)
    assert primitive(x, ceiling=2.0) == sp.exp(x) - less


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_tangents_are_finite_in_every_dtype(dtype):
    x = torch.tensor([-1e4, 0.0, 49.0, 51.0, 1e4], dtype=dtype, requires_grad=True)
    for primitive in (_xp.exp, _xp.expm1):
        value = primitive(x, ceiling=50.0)
        (slope,) = torch.autograd.grad(value.sum(), x)
        assert value.dtype == dtype
        assert torch.isfinite(torch.cat([value, slope])).all()


def test_logarithm_of_a_plain_number_stays_plain():
    assert type(_xp.log(0.9)) is float
    assert (_xp.log(0.9) * np.ones(2, dtype=np.float32)).dtype == np.float32
    assert _xp.log(sp.Integer(3)) == sp.log(3)
    assert _xp.log(torch.tensor([np.e], dtype=torch.float64)).item() == pytest.approx(1.0)


def test_step_and_clip():
    x = np.array([-3.0, -0.5, 0.0, 0.5, 3.0], dtype=np.float32)
    assert _xp.step(x).tolist() == [0, 0, 1, 1, 1]
    assert _xp.step(x).dtype == np.float32
    assert _xp.step(torch.tensor(x)).tolist() == [0, 0, 1, 1, 1]
    assert _xp.clip(x, 1.0).tolist() == _xp.clip(torch.tensor(x), 1.0).tolist() == [-1, -0.5, 0, 0.5, 1]
    symbol = sp.Symbol("x", real=True)
    for value in (-3, 0, 3):
        assert _xp.step(symbol).subs(symbol, value) == (value >= 0)
        assert _xp.clip(symbol, 1).subs(symbol, value) == max(min(value, 1), -1)
    jet = _xp.clip(Jet.line(x.astype(float)), 1.0)
    assert jet.gradient[:, 0].tolist() == [0, 1, 1, 1, 0]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_surprises_are_tails_less_what_was_taken(size):
    rng = np.random.default_rng(size)
    x = rng.normal(scale=20.0, size=(40, size))
    expected = _xp.tail_logsumexp(x) - x
    np.testing.assert_allclose(_xp.surprises(x), expected, rtol=1e-10, atol=1e-13)
    tensor = torch.tensor(x, requires_grad=True)
    found = _xp.surprises(tensor)
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-10, atol=1e-13)
    if size > 1:
        assert torch.autograd.gradcheck(_xp.surprises, torch.tensor(x[:3] / 10, requires_grad=True))
        assert torch.autograd.gradgradcheck(_xp.surprises, torch.tensor(x[:2] / 10, requires_grad=True))


def test_surprises_of_far_margins_keep_their_derivative():
    x = torch.tensor([[300.0, 0.0, -5.0]], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(_xp.surprises(x)[..., :1].sum(), x)
    with mp.workdps(200):
        rest = mp.exp(-300) + mp.exp(-305)
        assert slope[0, 0].item() == pytest.approx(float(-rest / (1 + rest)), rel=1e-13)


def test_a_given_slope_is_the_derivative_and_carries_its_own():
    x = torch.tensor([0.5, -1.0], dtype=torch.float64, requires_grad=True)
    y = _xp.given_slope(torch.zeros(2, dtype=torch.float64), x**3, x)
    (first,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    assert y.tolist() == [0.0, 0.0]
    assert first.tolist() == [0.125, -1.0]
    assert second.tolist() == [0.75, 3.0]
    assert _xp.given_slope(7.0, 1.0, np.ones(2)) == 7.0


def test_derivatives_of_both_roads_agree_for_a_given_slope():
    from bandits.data import PairLogProbs
    from dpo_theory.losses import HolderDPO

    seen = PairLogProbs(*np.array([[-1.0, -2.0], [-3.0, -1.0], [-2.0, -2.5], [-2.0, -2.0]]))
    by_torch = derivatives(HolderDPO(beta=0.5), seen)
    by_jets = derivatives(lambda pairs: HolderDPO(beta=0.5)(pairs) if isinstance(pairs.policy_chosen, Jet) else np.zeros(2), seen)
    np.testing.assert_allclose(by_jets.gradient, by_torch.gradient, rtol=1e-12)
    np.testing.assert_allclose(by_jets.hessian, by_torch.hessian, rtol=1e-11, atol=1e-15)
