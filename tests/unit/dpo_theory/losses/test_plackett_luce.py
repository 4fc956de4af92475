"""Eq. 20: three readings, K = 2 is eq. 7, truncation, derivatives, refusals."""

import mpmath as mp
import numpy as np
import pytest
import sympy as sp
import torch
from hypothesis import given
from hypothesis import strategies as st

from bandits.data import PairLogProbs, RankedLogProbs
from dpo_theory import preferences
from dpo_theory.losses import DPO, PlackettLuceDPO

logps = st.floats(-500.0, 0.0, allow_subnormal=False)
betas = st.sampled_from([0.125, 0.5, 1.0, 4.0])


@st.composite
def ranked(draw, minimum=1):
    k = draw(st.integers(minimum, 5))
    policy, ref = (draw(st.lists(logps, min_size=k, max_size=k)) for _ in range(2))
    return RankedLogProbs(np.array([policy]), np.array([ref]))


def literally(data, beta, top=None):
    """-sum log of what is chosen over what is left, in 40 digits."""
    with mp.workdps(40):
        reward = [mp.mpf(beta) * (mp.mpf(float(p)) - mp.mpf(float(r))) for p, r in zip(data.policy[0], data.ref[0], strict=True)]
        steps = [mp.log(mp.fsum(mp.exp(x - reward[k]) for x in reward[k:])) for k in range(len(reward))]
        return float(mp.fsum(steps[:top]))


def rounding(data, beta):
    return 1e-14 * (1 + beta * (np.abs(data.policy).sum() + np.abs(data.ref).sum()))


@given(ranked(), betas)
def test_numpy_and_torch_are_what_is_written(data, beta):
    number = PlackettLuceDPO(beta)(data)
    tensor = PlackettLuceDPO(beta)(RankedLogProbs(*map(torch.tensor, data)))
    assert number[0] == pytest.approx(literally(data, beta), rel=1e-12, abs=rounding(data, beta))
    assert tensor.item() == pytest.approx(number[0], rel=1e-12, abs=rounding(data, beta))
    assert number[0] == pytest.approx(-preferences.plackett_luce(beta * data.log_ratio)[0], rel=1e-12, abs=rounding(data, beta))


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_sympy_is_what_is_written(k):
    beta = sp.Symbol("beta", positive=True)
    policy, ref = (np.array(sp.symbols(f"{letter}_1:{k + 1}", real=True), dtype=object) for letter in "qa")
    traced = PlackettLuceDPO(beta)(RankedLogProbs(policy, ref))
    data = RankedLogProbs(np.linspace(-3, -1, k)[None], np.linspace(-1, -2, k)[None])
    values = dict(zip((*policy, *ref, beta), (*data.policy[0], *data.ref[0], 0.5), strict=True))
    assert float(sp.N(traced.subs(values), 30)) == pytest.approx(literally(data, 0.5), rel=1e-12, abs=1e-14)


@given(ranked(minimum=2), betas)
def test_two_ranked_answers_are_a_pair(data, beta):
    two = RankedLogProbs(data.policy[:, :2], data.ref[:, :2])
    pair = PairLogProbs(two.policy[:, 0], two.policy[:, 1], two.ref[:, 0], two.ref[:, 1])
    assert PlackettLuceDPO(beta)(two)[0] == pytest.approx(DPO(beta)(pair)[0], rel=1e-12, abs=rounding(two, beta))


@given(ranked(), betas, st.integers(1, 6))
def test_truncation_scores_the_first_choices(data, beta, top):
    truncated = PlackettLuceDPO(beta, top=top)(data)[0]
    assert truncated == pytest.approx(literally(data, beta, top), rel=1e-12, abs=rounding(data, beta))
    assert truncated <= PlackettLuceDPO(beta)(data)[0] + rounding(data, beta)


@given(ranked(), betas, st.floats(-100, 100, allow_subnormal=False), st.sampled_from([None, 1, 2]))
def test_a_constant_per_prompt_does_not_count(data, beta, c, top):
    loss = PlackettLuceDPO(beta, top=top)
    moved = RankedLogProbs(data.policy + c, data.ref)
    slack = rounding(data, beta) + 1e-14 * beta * abs(c) * data.policy.size
    assert loss(moved)[0] == pytest.approx(loss(data)[0], rel=1e-12, abs=slack)


def test_a_partial_ranking_is_the_sum_of_its_completions():
    policy, ref = np.array([-1.0, -2.5, -0.5]), np.array([-2.0, -1.0, -1.5])
    orders = np.array([[2, 0, 1], [0, 2, 1], [0, 1, 2]])  # 0 before 1
    whole = PlackettLuceDPO(0.7)(RankedLogProbs(policy[orders], ref[orders]))
    part = PlackettLuceDPO(0.7)(RankedLogProbs(policy[None, :2], ref[None, :2]))
    assert np.exp(-whole).sum() == pytest.approx(np.exp(-part[0]), rel=1e-14)


@pytest.mark.parametrize("top", [None, 1, 2])
def test_gradients_and_second_derivatives(top):
    policy = torch.tensor([[-1.0, -2.0, -0.5, -3.0]], dtype=torch.float64, requires_grad=True)
    ref = torch.tensor([[-2.0, -1.0, -1.5, -0.5]], dtype=torch.float64)
    loss = PlackettLuceDPO(0.7, top=top)

    def function(p):
        return loss(RankedLogProbs(p, ref))

    assert torch.autograd.gradcheck(function, policy)
    assert torch.autograd.gradgradcheck(function, policy)
    hessian = torch.autograd.functional.hessian(lambda p: function(p).sum(), policy).reshape(4, 4)
    assert torch.linalg.eigvalsh(hessian)[0] > -1e-12


@pytest.mark.parametrize("margin", [0.0, 40.0, -40.0, 1e4, -1e4])
def test_derivatives_are_finite_at_the_ends(margin):
    policy = torch.tensor([[margin, 0.0, -margin]], dtype=torch.float64, requires_grad=True)
    loss = PlackettLuceDPO(1.0)(RankedLogProbs(policy, torch.zeros(1, 3, dtype=torch.float64)))
    (slope,) = torch.autograd.grad(loss.sum(), policy, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.pow(2).sum(), policy)
    assert torch.isfinite(torch.cat([loss, slope.flatten(), curvature.flatten()])).all()
    assert loss.item() == pytest.approx(literally(RankedLogProbs(policy.detach().numpy(), np.zeros((1, 3))), 1.0), rel=1e-12)
    assert slope.sum().item() == pytest.approx(0.0, abs=1e-12)


def test_uniform_rankings_cost_log_k_factorial():
    for k in range(1, 8):
        zero = np.zeros((1, k))
        assert PlackettLuceDPO(0.3)(RankedLogProbs(zero, zero))[0] == pytest.approx(float(mp.log(mp.factorial(k))), abs=1e-14)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_low_precision_is_within_its_own_rounding_of_float64(dtype):
    rng = np.random.default_rng(0)
    policy, ref = (torch.tensor(-rng.exponential(scale=20.0, size=(100, 4))).to(dtype) for _ in range(2))
    low = PlackettLuceDPO(0.1)(RankedLogProbs(policy, ref))
    exact = PlackettLuceDPO(0.1)(RankedLogProbs(policy.double(), ref.double()))
    assert low.dtype == dtype
    terms = 0.1 * (policy.double().abs() + ref.double().abs()).sum(1)
    assert ((low.double() - exact).abs() <= 4 * torch.finfo(dtype).eps * (1 + terms + exact)).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"beta": 0.0}, r"beta is 0.0, expected a finite number > 0"),
        ({"beta": float("nan")}, r"beta is nan"),
        ({"beta": [0.1]}, r"beta has shape \(1,\)"),
        ({"beta": "0.1"}, r"beta has dtype <U3"),
        ({"top": 0}, r"top is 0, expected a whole number >= 1, or None to score every choice"),
        ({"top": -1}, r"top is -1"),
        ({"top": 1.5}, r"top is 1.5"),
        ({"top": True}, r"top is True"),
        ({"top": "2"}, r"top is '2'"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        PlackettLuceDPO(**arguments)
