"""SimPO, AlphaPO, ORPO, CPO, SLiC, unlikelihood, Preferred-FT: known answers, limits between losses, conventions, refusals."""

import mpmath as mp
import numpy as np
import pytest
import sympy as sp
import torch
from hypothesis import given
from hypothesis import strategies as st

from bandits import PairLogProbs
from dpo_theory.losses import CPO, DPO, IPO, ORPO, AlphaPO, Hinge, PreferredFT, SimPO, SLiC, Unlikelihood, UnlikelihoodTraining

logps = st.floats(-200.0, -0.01, allow_subnormal=False)
counts = st.integers(1, 60)
rows = st.lists(st.tuples(logps, logps, logps, logps, counts, counts), min_size=1, max_size=5).map(lambda r: np.array(r, dtype=float).T)
betas = st.sampled_from([0.125, 0.5, 2.0])
PAIRS = PairLogProbs(
    *np.array([[-6.0, -2.0, -4.0], [-3.0, -1.0, -4.0], [-2.0, -2.5, -4.0], [-2.0, -2.0, -4.0]]), np.array([3, 1, 2]), np.array([2, 1, 4])
)
LOSSES = (
    SimPO(),
    SimPO(token_logps="sum", gamma_in="nats"),
    AlphaPO(),
    AlphaPO(alpha=-0.5),
    ORPO(),
    ORPO(token_logps="sum", nll="sum"),
    CPO(),
    CPO(form="hinge", token_logps="mean", nll="mean"),
    CPO(form="ipo"),
    SLiC(),
    SLiC(token_logps="mean", nll="mean"),
    Unlikelihood(),
    Unlikelihood(token_logps="mean"),
    UnlikelihoodTraining(),
    PreferredFT(),
    PreferredFT(token_logps="mean"),
)


def uniform(pairs):
    """The same pairs against a reference that is the same for both answers."""
    return pairs._replace(ref_chosen=0 * pairs.ref_chosen, ref_rejected=0 * pairs.ref_rejected)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_three_readings_of_one_formula(loss):
    numbers = loss(PAIRS)
    tensors = loss(PairLogProbs(*(torch.tensor(c) for c in PAIRS[:6])))
    np.testing.assert_allclose(tensors.numpy(), numbers, rtol=1e-13)
    symbols = sp.symbols("a:f", negative=True)
    expression = loss(PairLogProbs(*symbols))
    for k in range(3):
        values = {symbol: sp.Rational(float(column[k])) for symbol, column in zip(symbols, PAIRS[:6], strict=True)}
        assert float(sp.N(expression.subs(values), 30)) == pytest.approx(numbers[k], rel=1e-13)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_the_reference_does_not_count(loss):
    np.testing.assert_array_equal(loss(PAIRS), loss(PAIRS._replace(ref_chosen=None, ref_rejected=None)))


@given(rows, betas)
def test_alphapo_at_alpha_0_is_simpo(columns, beta):
    pairs = PairLogProbs(*columns)
    np.testing.assert_array_equal(AlphaPO(beta, gamma=0.3, alpha=0.0)(pairs), SimPO(beta, gamma=0.3)(pairs))
    for alpha in (1e-7, -1e-7):
        near = AlphaPO(beta, gamma=0.3, alpha=alpha)(pairs)
        np.testing.assert_allclose(near, SimPO(beta, gamma=0.3)(pairs), rtol=1e-3, atol=1e-4)


def test_alphapo_by_hand():
    pairs = PairLogProbs(np.log([0.5]), np.log([0.25]), None, None, np.array([1]), np.array([2]))
    # p = 1/2 for both: the second is 1/4 over two tokens
    assert AlphaPO(beta=1.0, gamma=0.0, alpha=1.0)(pairs)[0] == pytest.approx(np.log(2), rel=1e-15)
    summed = AlphaPO(beta=1.0, gamma=0.0, alpha=1.0, token_logps="sum")(pairs)
    assert summed[0] == pytest.approx(np.log1p(np.exp(-2.0)), rel=1e-14)  # rewards 1 - 2 and 1 - 4


def test_alphapo_beyond_the_ceiling_follows_its_tangent():
    logp = np.array([-60.0])
    pairs = PairLogProbs(logp, np.array([-1.0]), None, None)
    found = AlphaPO(beta=1.0, gamma=0.0, alpha=1.0, token_logps="sum", ceiling=50.0)(pairs)[0]
    assert found == pytest.approx(11 * np.exp(50.0), rel=1e-12)
    assert AlphaPO(beta=1.0, gamma=0.0, alpha=1.0, token_logps="sum", ceiling=70.0)(pairs)[0] == pytest.approx(np.exp(60.0), rel=1e-12)


@given(rows, betas)
def test_simpo_without_a_target_on_sums_is_dpo_against_a_uniform_reference(columns, beta):
    pairs = PairLogProbs(*columns)
    found = SimPO(beta, gamma=0.0, token_logps="sum")(pairs)
    np.testing.assert_array_equal(found, DPO(beta)(uniform(pairs)))
    np.testing.assert_array_equal(found, CPO(beta, nll_weight=0.0)(pairs))


@given(rows, betas, st.floats(0.0, 2.0))
def test_where_simpos_gamma_stands(columns, beta, gamma):
    pairs = PairLogProbs(*columns)
    inside = SimPO(beta, gamma, gamma_in="nats")(pairs)
    np.testing.assert_allclose(inside, SimPO(beta, gamma * beta)(pairs), rtol=1e-12, atol=1e-300)


def test_simpo_by_hand():
    # averages -2 and -1.5, -2 and -1, -2 and -1
    margins = np.array([-0.5, -1.0, -1.0])
    np.testing.assert_allclose(SimPO(beta=2.0, gamma=1.0)(PAIRS), np.log1p(np.exp(1.0 - 2 * margins)), rtol=1e-14)
    sums = np.array([-3.0, -1.0, 0.0])
    np.testing.assert_allclose(SimPO(2.0, 1.0, "nats", "sum")(PAIRS), np.log1p(np.exp(2 * (1.0 - sums))), rtol=1e-14)


def test_the_best_margin_of_simpo_is_not_that_of_bradley_terry():
    """z* = log{[(2p-1) + sqrt((2p-1)^2 + 4p(1-p)g^2)] / [2(1-p)g]}, g = e^-gamma."""
    p, gamma = 0.7, 1.0
    z = torch.linspace(-3, 3, 600001, dtype=torch.float64)
    zero = torch.zeros_like(z)
    loss = SimPO(beta=1.0, gamma=gamma, token_logps="sum")
    risk = p * loss(PairLogProbs(z, zero, zero, zero)) + (1 - p) * loss(PairLogProbs(zero, z, zero, zero))
    g, odd = np.exp(-gamma), 2 * p - 1
    best = np.log((odd + np.sqrt(odd**2 + 4 * p * (1 - p) * g**2)) / (2 * (1 - p) * g))
    assert z[risk.argmin()].item() == pytest.approx(best, abs=2e-5)
    assert abs(best - np.log(p / (1 - p))) > 0.1


@given(rows, betas)
def test_cpo_forms_are_losses_against_a_uniform_reference(columns, beta):
    pairs = PairLogProbs(*columns)
    for form, other in (("sigmoid", DPO(beta)), ("hinge", Hinge(beta)), ("ipo", IPO(tau=beta))):
        np.testing.assert_array_equal(CPO(beta, form, nll_weight=0.0)(pairs), other(uniform(pairs)))
        with_likelihood = CPO(beta, form, nll_weight=0.5)(pairs)
        np.testing.assert_allclose(with_likelihood, other(uniform(pairs)) - 0.5 * pairs.policy_chosen, rtol=1e-13)


@given(rows)
def test_slic_is_a_hinge_with_another_scale(columns):
    pairs = PairLogProbs(*columns)
    np.testing.assert_allclose(SLiC(delta=2.0, nll_weight=0.0)(pairs), 2 * Hinge(beta=0.5)(uniform(pairs)), rtol=1e-13)


@given(rows)
def test_without_the_rejected_answer_there_is_fine_tuning(columns):
    pairs = PairLogProbs(*columns)
    for convention in ("sum", "mean"):
        expected = PreferredFT(convention)(pairs)
        np.testing.assert_allclose(Unlikelihood(0.0, convention)(pairs), expected)
        np.testing.assert_array_equal(UnlikelihoodTraining(0.0, convention)(pairs), expected)
        np.testing.assert_array_equal(ORPO(weight=0.0, nll=convention)(pairs), expected)


def test_the_population_optimum_of_unlikelihood():
    """T1 with mu = ref: W = 2 mu b, L = 2 mu (1 - b); below the threshold the optimum is (W - alpha L)/(1 - alpha)."""
    mu, reward, alpha = np.array([0.5, 0.3, 0.2]), np.array([1.0, 0.0, -1.0]), 0.2
    p = 1 / (1 + np.exp(reward[None] - reward[:, None]))
    b = p @ mu
    best = torch.tensor(2 * mu * b - alpha * 2 * mu * (1 - b)) / (1 - alpha)
    logits = best.log().requires_grad_(True)
    log_policy = torch.log_softmax(logits, 0)
    i, j = (torch.tensor(k.reshape(-1)) for k in np.indices((3, 3)))
    share = torch.tensor((2 * mu[:, None] * mu[None] * p).reshape(-1))
    zero = torch.zeros(9, dtype=torch.float64)
    (share * Unlikelihood(alpha)(PairLogProbs(log_policy[i], log_policy[j], zero, zero))).sum().backward()
    assert logits.grad.abs().max() < 1e-15
    assert (best > 0).all()


@pytest.mark.parametrize("convention", ["sum", "mean"])
@given(row=st.tuples(logps, logps, counts, counts))
def test_orpo_against_forty_digits(convention, row):
    w, l, n, m = row  # noqa: E741
    pairs = PairLogProbs(*(np.array([float(x)]) for x in (w, l, -1.0, -1.0, n, m)))
    with mp.workdps(400):
        lw, ll = (mp.mpf(w), mp.mpf(l)) if convention == "sum" else (mp.mpf(w) / n, mp.mpf(l) / m)
        odds = mp.exp(lw) / (1 - mp.exp(lw)) / (mp.exp(ll) / (1 - mp.exp(ll)))
        expected = float(-lw + mp.mpf(0.3) * mp.log1p(1 / odds))
    assert ORPO(0.3, convention, convention)(pairs)[0] == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_value_and_gradient_are_finite_at_the_ends(loss, dtype):
    ends = [-1e4, -1e3, -1.0, -1e-6, -1e-12]
    columns = torch.tensor([(w, r) for w in ends for r in ends], dtype=dtype).T
    chosen, rejected = (column.clone().requires_grad_(True) for column in columns)
    lengths = torch.full_like(columns[0], 4.0)
    value = loss(PairLogProbs(chosen, rejected, None, None, lengths, lengths))
    assert value.dtype == dtype
    slopes = torch.autograd.grad(value.sum(), (chosen, rejected), allow_unused=True)
    assert torch.isfinite(value).all()
    assert all(s is None or torch.isfinite(s).all() for s in slopes)


@given(rows)
def test_averages_forget_lengths_and_sums_do_not(columns):
    pairs = PairLogProbs(*columns)
    doubled = PairLogProbs(*(2 * column for column in columns))
    for loss in (SimPO(), AlphaPO(), ORPO(), CPO(token_logps="mean", nll="mean"), SLiC(token_logps="mean", nll="mean")):
        np.testing.assert_allclose(loss(doubled), loss(pairs), rtol=1e-12)
        assert "length-invariant" in loss.has
    assert (PreferredFT()(doubled) == 2 * PreferredFT()(pairs)).all()


@pytest.mark.parametrize("loss", [SimPO(), AlphaPO(), ORPO(), CPO(nll="mean"), SLiC(token_logps="mean"), PreferredFT("mean")], ids=repr)
def test_missing_or_empty_lengths_are_refused(loss):
    with pytest.raises(ValueError, match="chosen_tokens is missing: averaged log-probabilities need lengths"):
        loss(PAIRS._replace(chosen_tokens=None))
    with pytest.raises(ValueError, match="chosen_tokens holds 0, expected lengths > 0"):
        loss(PAIRS._replace(chosen_tokens=np.array([1, 0, 2])))
    with pytest.raises(ValueError, match=r"chosen_tokens has shape \(2,\), policy_chosen \(3,\)"):
        loss(PAIRS._replace(chosen_tokens=np.array([1, 2])))


def test_lengths_keep_the_dtype():
    for dtype in (np.float32, np.float64):
        pairs = PairLogProbs(*(column.astype(dtype) for column in PAIRS[:4]), *PAIRS[4:6])
        assert SimPO()(pairs).dtype == dtype
    tensors = PairLogProbs(*(torch.tensor(column).bfloat16() for column in PAIRS[:4]), *map(torch.tensor, PAIRS[4:6]))
    assert ORPO()(tensors).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SimPO(beta=0.0), "beta is 0.0"),
        (lambda: SimPO(gamma=np.nan), "gamma is nan, expected a finite number"),
        (lambda: SimPO(gamma_in="ratio"), "gamma_in is 'ratio', expected one of 'reward', 'nats'"),
        (lambda: SimPO(token_logps="average"), "token_logps is 'average', expected one of 'sum', 'mean'"),
        (lambda: AlphaPO(alpha=np.inf), "alpha is inf"),
        (lambda: AlphaPO(ceiling=0.0), "ceiling is 0.0"),
        (lambda: ORPO(weight=-0.1), "weight is -0.1, expected a finite number >= 0"),
        (lambda: ORPO(nll="prompt"), "nll is 'prompt', expected one of 'sum', 'mean'"),
        (lambda: CPO(form="log"), "form is 'log', expected one of 'sigmoid', 'hinge', 'ipo'"),
        (lambda: CPO(nll_weight=-1.0), "nll_weight is -1.0"),
        (lambda: SLiC(delta=-1.0), "delta is -1.0"),
        (lambda: Unlikelihood(alpha=-0.5), "alpha is -0.5"),
        (lambda: UnlikelihoodTraining(token_logps="all"), "token_logps is 'all'"),
        (lambda: PreferredFT("average"), "token_logps is 'average'"),
        (
            lambda: ORPO(token_logps="sum", nll="sum")(PairLogProbs(np.zeros(1), -np.ones(1), None, None)),
            "policy_chosen holds the log-prob",
        ),
        (lambda: UnlikelihoodTraining()(PairLogProbs(-np.ones(1), np.zeros(1), None, None)), "policy_rejected holds the log-probability 0"),
    ],
)
def test_refuses(make, message):
    with pytest.raises(ValueError, match=message):
        make()
