"""One formula, three readings: the primitives agree on NumPy, torch and SymPy, at both ends of the line."""

import mpmath as mp
import numpy as np
import pytest
import sympy as sp
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpo_theory import _xp
from dpo_theory.proof import row

MARGINS = [0.0, 1e-300, 0.5, -0.5, 40.0, -40.0, 700.0, -700.0, 745.0, -745.0, 1e4, -1e4]
TINY = np.finfo(float).tiny  # below it floats lose digits
PRIMITIVES = [_xp.exp, _xp.softplus, _xp.log_sigmoid, _xp.sigmoid, _xp.total, _xp.logsumexp, _xp.tail_logsumexp]


def reals(bound):
    return st.floats(-bound, bound, allow_subnormal=False)


vectors = st.lists(reals(50.0), min_size=1, max_size=6)


def symbolic(values):
    return np.array([sp.Rational(v) for v in values], dtype=object)


@pytest.mark.parametrize("primitive", PRIMITIVES, ids=lambda p: p.__name__)
@given(vectors)
def test_three_readings_agree(primitive, values):
    numbers = primitive(np.array(values))
    tensors = primitive(torch.tensor(values, dtype=torch.float64))
    exact = np.array(primitive(symbolic(values)), dtype=object)
    expected = np.vectorize(lambda e: float(sp.N(e, 30)), otypes=[float])(exact)
    scale = 1 + np.abs(values).max()
    assert np.allclose(numbers, expected, rtol=1e-13, atol=1e-15 * scale)
    assert np.allclose(tensors.numpy(), expected, rtol=1e-13, atol=1e-15 * scale)


@given(vectors, st.data())
def test_expectations_agree(values, data):
    logits = np.array(data.draw(st.lists(reals(50.0), min_size=len(values), max_size=len(values))))
    log_probs = logits - np.logaddexp.reduce(logits)
    numbers = _xp.expect(log_probs, np.array(values))
    tensor = _xp.expect(torch.tensor(log_probs), torch.tensor(values, dtype=torch.float64))
    exact = mp.fsum(mp.exp(mp.mpf(float(p))) * v for p, v in zip(log_probs, values, strict=True))
    assert float(numbers) == pytest.approx(float(exact), rel=1e-12, abs=1e-13)
    assert float(tensor) == pytest.approx(float(exact), rel=1e-12, abs=1e-13)


@pytest.mark.parametrize("reading", [np.array, lambda v: torch.tensor(v, dtype=torch.float64)], ids=["numpy", "torch"])
def test_softplus_and_sigmoid_at_both_ends(reading):
    with mp.workdps(40):
        softplus = [float(mp.log1p(mp.exp(mp.mpf(m)))) for m in MARGINS]
        sigmoid = [float(1 / (1 + mp.exp(-mp.mpf(m)))) for m in MARGINS]
    assert np.allclose(np.asarray(_xp.softplus(reading(MARGINS))), softplus, rtol=2e-15, atol=TINY)
    assert np.allclose(np.asarray(_xp.sigmoid(reading(MARGINS))), sigmoid, rtol=2e-15, atol=TINY)
    assert np.array_equal(np.asarray(_xp.log_sigmoid(reading(MARGINS))), -np.asarray(_xp.softplus(-reading(MARGINS))))


@pytest.mark.parametrize("margin", MARGINS)
def test_derivatives_of_softplus_are_finite_and_right(margin):
    x = torch.tensor(margin, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(_xp.softplus(x), x, create_graph=True)
    (curvature,) = torch.autograd.grad(slope, x)
    with mp.workdps(40):
        s = 1 / (1 + mp.exp(-mp.mpf(margin)))
        assert slope.item() == pytest.approx(float(s), rel=1e-14, abs=TINY)
        assert curvature.item() == pytest.approx(float(s * (1 - s)), rel=1e-14, abs=3e-16)
    assert np.isfinite(curvature.item())


@pytest.mark.parametrize("primitive", [_xp.logsumexp, _xp.tail_logsumexp], ids=lambda p: p.__name__)
def test_second_derivatives_of_sums_of_exponentials(primitive):
    x = torch.tensor([[1.0, 2.0, -3.0, 0.5]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(primitive, x)
    assert torch.autograd.gradgradcheck(primitive, x)


@pytest.mark.parametrize("values", [[1e4, -1e4, 3.0], [-np.inf, 0.0, 1.0], [0.0, -np.inf, -1e4]])
def test_gradients_stay_finite_at_the_ends(values):
    x = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(_xp.logsumexp(x), x)
    assert torch.isfinite(slope).all()
    assert slope.sum().item() == pytest.approx(1.0)


def test_the_tail_of_a_long_row_does_not_overflow():
    x = np.linspace(-1e4, 1e4, 7)
    for tails in (_xp.tail_logsumexp(x), _xp.tail_logsumexp(torch.tensor(x)).numpy()):
        assert np.allclose(tails, 1e4)
    assert np.allclose(_xp.tail_logsumexp(-x), -x)


@pytest.mark.parametrize("reading", [np.array, lambda v: torch.tensor(v, dtype=torch.float64)], ids=["numpy", "torch"])
@pytest.mark.parametrize(
    ("log_probs", "values", "expected"),
    [
        ([0.0, -np.inf], [2.0, -np.inf], 2.0),
        ([0.0, -np.inf], [2.0, np.nan], 2.0),
        ([0.0, -np.inf], [2.0, np.inf], 2.0),
        ([0.0, -800.0], [2.0, -np.inf], -np.inf),  # e^-800 underflows, but it is a probability
        ([0.0, -800.0], [2.0, np.inf], np.inf),
        ([0.0, -800.0], [2.0, 5.0], 2.0),
        ([0.0, -1.0], [np.nan, 1.0], np.nan),
    ],
)
def test_zero_times_anything_is_zero_and_almost_zero_is_not(reading, log_probs, values, expected):
    assert float(_xp.expect(reading(log_probs), reading(values))) == pytest.approx(expected, nan_ok=True)


def test_the_gradient_of_an_expectation_ignores_what_has_no_mass():
    logp = torch.tensor([-0.1, -np.inf], dtype=torch.float64, requires_grad=True)
    values = torch.tensor([2.0, -np.inf], dtype=torch.float64, requires_grad=True)
    slopes = torch.autograd.grad(_xp.expect(logp, values), (logp, values))
    assert slopes[0].tolist() == pytest.approx([2 * np.exp(-0.1), 0.0])
    assert slopes[1].tolist() == pytest.approx([np.exp(-0.1), 0.0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_low_precision_is_within_its_own_rounding(dtype):
    exact = torch.linspace(-8.0, 8.0, 33, dtype=torch.float64)
    low = exact.to(dtype)
    for primitive in (_xp.softplus, _xp.sigmoid, _xp.log_sigmoid, _xp.logsumexp):
        got = primitive(low)
        assert got.dtype == dtype
        want = primitive(low.to(torch.float64))
        assert torch.allclose(got.to(torch.float64), want, rtol=4 * torch.finfo(dtype).eps, atol=4 * torch.finfo(dtype).eps)
    numpy32 = _xp.softplus(exact.numpy().astype(np.float32))
    assert numpy32.dtype == np.float32


def test_the_namespace_of_a_value():
    x = sp.Symbol("x")
    assert _xp.namespace(1.0, [2.0], np.zeros(2)) is _xp.NumPy
    assert _xp.namespace(np.zeros(2), torch.zeros(2)) is _xp.Torch
    assert _xp.namespace(np.zeros(2), x) is _xp.Symbolic
    assert _xp.namespace(np.array([x, 1], dtype=object)) is _xp.Symbolic
    assert _xp.namespace(np.array([1, sp.S.Zero], dtype=object)) is _xp.Symbolic
    assert _xp.namespace(row("r"), x).__name__ == "__dpo_namespace__"


@pytest.mark.parametrize("values", [[1.0, None], [1.0, np.nan], ["a", "b"], [0.5, 0.5]])
def test_floats_and_strings_among_objects_are_not_symbolic(values):
    assert not _xp.is_symbolic(np.array(values, dtype=object))


def test_arrays_share_a_backend_and_keep_gradients_and_dtypes():
    assert [type(v) for v in _xp.arrays([1.0], 2.0, np.zeros(1, np.float32))] == [np.ndarray, float, np.ndarray]
    kept = torch.zeros(1, dtype=torch.float32, requires_grad=True)
    first, second, third = _xp.arrays([1.0], kept, 0.1)
    assert isinstance(first, torch.Tensor)
    assert second is kept
    assert third == 0.1
    assert isinstance(_xp.arrays(np.float64(0.1), kept)[0], torch.Tensor)


def test_the_largest_number_of_a_dtype():
    assert _xp.largest(np.zeros(1, np.float32)) == np.finfo(np.float32).max
    assert _xp.largest(np.zeros(1, int)) == np.finfo(float).max
    assert _xp.largest(torch.zeros(1, dtype=torch.bfloat16)) == torch.finfo(torch.bfloat16).max


def test_the_branches_that_expect_discards_carry_no_gradient():
    log_probs = torch.tensor([-0.5, -1.0, -torch.inf], dtype=torch.float64, requires_grad=True)
    values = torch.tensor([2.0, -torch.inf, 3.0], dtype=torch.float64, requires_grad=True)
    total = _xp.expect(log_probs, values)
    slopes = torch.autograd.grad(torch.where(torch.isinf(total), 0.0 * total.detach(), total), (log_probs, values), allow_unused=True)
    assert total == -torch.inf
    assert all(slope is None or not torch.isnan(slope).any() for slope in slopes)
    finite = torch.tensor([2.0, 1.0, 3.0], dtype=torch.float64, requires_grad=True)
    by_log, by_value = torch.autograd.grad(_xp.expect(log_probs, finite), (log_probs, finite))
    torch.testing.assert_close(by_log, torch.tensor([2 * np.exp(-0.5), np.exp(-1.0), 0.0], dtype=torch.float64))
    torch.testing.assert_close(by_value, torch.tensor([np.exp(-0.5), np.exp(-1.0), 0.0], dtype=torch.float64))


@pytest.mark.parametrize("x", [-1e4, -745.0, -30.0, -1.0, -0.6931471805599453, -0.5, -1e-8, -1e-12, -1e-300])
def test_log1mexp_is_exact_in_value_and_two_derivatives(x):
    with mp.workdps(700):
        t = mp.mpf(x)
        value, slope = mp.log(-mp.expm1(t)), -1 / mp.expm1(-t)
        curvature = -mp.exp(t) / mp.expm1(t) ** 2
    assert _xp.log1mexp(np.array([x]))[0] == pytest.approx(float(value), rel=1e-15, abs=1e-323)
    at = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    found = _xp.log1mexp(at)
    (first,) = torch.autograd.grad(found, at, create_graph=True)
    (second,) = torch.autograd.grad(first, at)
    assert found.item() == pytest.approx(float(value), rel=1e-15, abs=1e-323)
    assert first.item() == pytest.approx(float(slope), rel=2e-15, abs=1e-323)
    if x < -1e-150:  # beyond, the second derivative leaves float64
        assert second.item() == pytest.approx(float(curvature), rel=4e-15, abs=1e-323)


@pytest.mark.parametrize("x", [-1e4, -30.0, -1.0, 0.0, 9.9, 10.1, 1e4])
def test_softplus_of_a_known_exponential(x):
    with np.errstate(over="ignore"):
        exponential = np.exp(np.minimum(x, 40.0))
    for make in (np.array, lambda row: torch.tensor(row, dtype=torch.float64)):
        found = _xp.softplus(make([x]), exponential=make([exponential]))
        assert float(found[0]) == pytest.approx(float(np.logaddexp(0, x)), rel=1e-15)
    z = sp.Symbol("z", real=True)
    assert _xp.softplus(z, exponential=sp.exp(z)) == sp.log(1 + sp.exp(z))


def test_columns_side_by_side_and_one_after_the_other():
    for make in (np.array, torch.tensor, lambda row: np.array([sp.Integer(v) for v in row], dtype=object)):
        one, two = make([1, 2]), make([3, 4])
        assert _xp.stacked(one, two).tolist() == [[1, 3], [2, 4]]
        assert _xp.joined(one, two).tolist() == [1, 2, 3, 4]
    assert not _xp.detached(torch.ones(1, requires_grad=True) * 2).requires_grad
    assert _xp.detached(1.5) == 1.5
