"""Eq. 3, 4, 5 and 8: three readings agree, extremes are exact, and what is no bandit is refused."""

import mpmath as mp
import numpy as np
import pytest
import sympy as sp
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpo_theory import optimal
from dpo_theory.instances import ladder

REF = np.log([[0.5, 0.3, 0.2]])
REWARD = np.array([[1.0, 0.0, -1.0]])
FORMULAS = {
    "log_partition": lambda r, a, b: optimal.log_partition(r, a, b),
    "optimal_log_policy": lambda r, a, b: optimal.optimal_log_policy(r, a, b),
    "project_reward": lambda r, a, b: optimal.project_reward(r, a, b),
    "implicit_reward": lambda r, a, b: optimal.implicit_reward(optimal.optimal_log_policy(r, a, b), a, b),
    "kl_divergence": lambda r, a, b: optimal.kl_divergence(optimal.optimal_log_policy(r, a, b), a),
    "objective": lambda r, a, b: optimal.objective(a, r, a, b),
}
formulas = pytest.mark.parametrize("formula", FORMULAS.values(), ids=FORMULAS)


def reals(bound):
    return st.floats(-bound, bound, allow_subnormal=False)


@st.composite
def problems(draw):
    n = draw(st.integers(1, 5))
    reward = draw(st.lists(reals(30.0), min_size=n, max_size=n))
    weights = draw(st.lists(st.integers(1, 9), min_size=n, max_size=n))
    beta = draw(st.sampled_from([0.125, 0.5, 1.0, 4.0]))
    return np.array([reward]), np.log(np.array([weights]) / np.sum(weights)), beta


def exactly(formula, reward, log_ref, beta):
    """The formula on SymPy rationals, evaluated to 30 digits."""
    rows = (np.array([sp.Rational(v) for v in row[0]], dtype=object) for row in (reward, log_ref))
    result = np.atleast_1d(np.array(formula(*rows, sp.Rational(beta)), dtype=object))
    return np.array([float(sp.N(entry, 30)) for entry in result.flat])


@formulas
@given(problem=problems())
def test_three_readings_agree(formula, problem):
    reward, log_ref, beta = problem
    numbers = formula(reward, log_ref, beta)
    tensors = formula(torch.tensor(reward), torch.tensor(log_ref), beta)
    lists = formula(reward.tolist(), log_ref.tolist(), beta)
    scale = 1e-14 * (1 + beta) * (1 + np.abs(reward).max() / beta + np.abs(log_ref).max())
    assert np.allclose(numbers.ravel(), exactly(formula, reward, log_ref, beta), rtol=1e-12, atol=scale)
    assert isinstance(tensors, torch.Tensor)
    assert np.allclose(tensors.numpy(), numbers, rtol=1e-12, atol=scale)
    assert np.array_equal(lists, numbers)


@given(problems())
def test_the_optimum_is_a_law_and_beats_the_reference(problem):
    reward, log_ref, beta = problem
    best = optimal.optimal_log_policy(reward, log_ref, beta)
    value = optimal.objective(best, reward, log_ref, beta)
    slack = 1e-13 * (1 + np.abs(reward).max() + beta)
    assert np.exp(best).sum() == pytest.approx(1.0, abs=1e-13)
    assert value[0] >= optimal.objective(log_ref, reward, log_ref, beta)[0] - slack
    assert value[0] == pytest.approx(beta * optimal.log_partition(reward, log_ref, beta)[0], rel=1e-12, abs=slack)


@given(problems(), reals(30.0))
def test_a_constant_moves_the_value_and_not_the_policy(problem, c):
    reward, log_ref, beta = problem
    moved = optimal.optimal_log_policy(reward + c, log_ref, beta)
    slack = 1e-13 * (1 + (np.abs(reward).max() + abs(c)) / beta + np.abs(log_ref).max())
    assert np.allclose(moved, optimal.optimal_log_policy(reward, log_ref, beta), rtol=0, atol=slack)
    projected = optimal.project_reward(reward + c, log_ref, beta) - optimal.project_reward(reward, log_ref, beta)
    assert np.allclose(projected, 0, atol=slack * (1 + beta))


@formulas
def test_torch_gradients_and_second_derivatives(formula):
    reward = torch.tensor(REWARD, requires_grad=True)
    beta = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)

    def function(r, b):
        return formula(r, torch.tensor(REF), b)

    assert torch.autograd.gradcheck(function, (reward, beta))
    assert torch.autograd.gradgradcheck(function, (reward, beta))


def test_the_gradient_of_log_z_is_the_policy():
    reward = torch.tensor(REWARD, requires_grad=True)
    (slope,) = torch.autograd.grad(0.5 * optimal.log_partition(reward, REF, 0.5).sum(), reward)
    assert np.allclose(slope.numpy(), np.exp(optimal.optimal_log_policy(REWARD, REF, 0.5)), rtol=1e-14)


@pytest.mark.parametrize("rung", ladder(random=3), ids=lambda rung: rung.name)
def test_numpy_and_torch_agree_on_every_rung(rung):
    bandit = rung.bandit
    arguments = (bandit.reward, bandit.log_ref)
    tensors = tuple(torch.tensor(a) for a in arguments)
    best = optimal.optimal_log_policy(*arguments, bandit.beta)
    assert np.allclose(optimal.optimal_log_policy(*tensors, bandit.beta).numpy(), best, rtol=1e-13, atol=1e-13)
    value = optimal.objective(best, *arguments, bandit.beta)
    assert np.allclose(value, bandit.values(best), rtol=1e-12, atol=1e-12)
    assert np.allclose(optimal.objective(torch.tensor(best), *tensors, bandit.beta).numpy(), value, rtol=1e-12, atol=1e-12)


def test_probabilities_of_1e_minus_300():
    probs = np.array([[1e-300, 0.25, 0.75]])
    with mp.workdps(50):
        exact = [mp.mpf(p) * mp.exp(mp.mpf(r) / mp.mpf("0.5")) for p, r in zip((1e-300, 0.25, 0.75), (345, 0, 1), strict=True)]
        expected = [float(mp.log(w / mp.fsum(exact))) for w in exact]
    best = optimal.optimal_log_policy([[345.0, 0.0, 1.0]], np.log(probs), 0.5)
    assert best[0].tolist() == pytest.approx(expected, rel=1e-13, abs=1e-13)


def test_a_forbidden_action_gets_nothing_and_the_rest_is_as_without_it():
    best = optimal.optimal_log_policy([[1.0, -np.inf, 0.0]], REF, 0.5)
    alone = optimal.optimal_log_policy([[1.0, 0.0]], np.log([[5 / 7, 2 / 7]]), 0.5)
    assert best[0, 1] == -np.inf
    assert best[0, [0, 2]].tolist() == pytest.approx(alone[0].tolist(), abs=1e-15)
    assert optimal.objective(best, [[1.0, -np.inf, 0.0]], REF, 0.5)[0] == pytest.approx(
        0.5 * optimal.log_partition([[1.0, -np.inf, 0.0]], REF, 0.5)[0]
    )
    assert optimal.objective(REF, [[1.0, -np.inf, 0.0]], REF, 0.5)[0] == -np.inf
    assert optimal.implicit_reward(best, REF, 0.5)[0, 1] == -np.inf


def test_a_policy_that_leaves_the_support_has_value_minus_infinity():
    ref = np.array([[np.log(0.5), np.log(0.5), -np.inf]])
    for policy in (REF, np.array([[0.0, -1000.0, -800.0]])):  # e^-800 is 0 in float64, and no less a probability
        assert optimal.kl_divergence(policy, ref)[0] == np.inf
        assert optimal.objective(policy, REWARD, ref, 0.5)[0] == -np.inf
        assert optimal.kl_divergence(torch.tensor(policy), torch.tensor(ref)).item() == np.inf


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_low_precision_is_within_its_own_rounding_of_float64(dtype):
    rng = np.random.default_rng(0)
    reward = torch.tensor(rng.normal(size=(20, 5))).to(dtype)
    log_ref = torch.log_softmax(torch.tensor(rng.normal(size=(20, 5))), -1).to(dtype)
    low = optimal.optimal_log_policy(reward, log_ref, 0.5)
    exact = optimal.optimal_log_policy(reward.double(), log_ref.double() - log_ref.double().logsumexp(-1, True), 0.5)
    assert low.dtype == dtype
    assert (low.double() - exact).abs().max() < 20 * torch.finfo(dtype).eps
    single = optimal.optimal_log_policy(reward.float().numpy(), log_ref.float().log_softmax(-1).numpy(), 0.5)
    assert single.dtype == np.float32


def test_arguments_of_different_kinds_meet():
    expected = optimal.optimal_log_policy(REWARD, REF, 0.5)
    for reward, ref, beta in (
        (torch.tensor(REWARD), REF, 0.5),
        (REWARD.tolist(), torch.tensor(REF), 0.5),
        (REWARD, REF, torch.tensor(0.5)),
        (REWARD.astype(int), REF.tolist(), np.float64(0.5)),
        (torch.tensor([[1, 0, -1]]), torch.tensor(REF), 0.5),
    ):
        assert np.allclose(np.asarray(optimal.optimal_log_policy(reward, ref, beta)), expected, atol=1e-15)


def on_reward(value):
    return lambda: optimal.optimal_log_policy(value, REF, 0.5)


def on_ref(value):
    return lambda: optimal.optimal_log_policy(REWARD, value, 0.5)


def on_beta(value):
    return lambda: optimal.log_partition(REWARD, REF, value)


HOLE = np.array([[np.log(0.5), np.log(0.5), -np.inf]])
REFUSED = {
    "reference not normalised": (on_ref(np.log([[0.5, 0.3, 0.57]])), r"log_ref row 0 sums to 1.37 in probability, expected 1.*log_softmax"),
    "second row not normalised": (
        lambda: optimal.log_partition(np.zeros((2, 2)), np.log([[0.5, 0.5], [0.5, 0.6]]), 1.0),
        r"log_ref row 1 sums to 1.1 ",
    ),
    "logits": (on_ref([[3.0, -1.0, 0.5]]), r"log_ref row 0 sums to 22.1.* If these are logits, pass log_softmax\(logits\)"),
    "probabilities": (on_ref([[0.5, 0.3, 0.2]]), r"If these are probabilities, pass numpy.log\(log_ref\)"),
    "a row without mass": (on_ref([[-np.inf] * 3]), r"log_ref row 0 sums to 0 in probability"),
    "NaN in the reference": (on_ref([[0.0, np.nan, -np.inf]]), r"log_ref is NaN at \(0, 1\).*0 \* inf"),
    "+inf in the reference": (on_ref([[np.inf, 0.0, 0.0]]), r"log_ref row 0 sums to inf"),
    "beta 0": (on_beta(0.0), r"beta is 0.0, expected a finite number > 0: it is the reward that one nat"),
    "beta negative": (on_beta(-0.1), r"beta is -0.1, expected"),
    "beta NaN": (on_beta(float("nan")), r"beta is nan, expected"),
    "beta infinite": (on_beta(np.inf), r"beta is inf, expected"),
    "beta an array": (on_beta([0.1, 0.2]), r"beta has shape \(2,\), expected one number. Call once per beta"),
    "beta a tensor of two": (on_beta(torch.tensor([0.1, 0.2])), r"beta has shape \(2,\)"),
    "beta a string": (on_beta("0.1"), r"beta has dtype <U3, expected real numbers. Convert it to floats"),
    "beta a truth value": (on_beta(True), r"beta has dtype bool"),
    "beta missing": (on_beta(None), r"beta has dtype object"),
    "reward NaN": (on_reward([[1.0, np.nan, 0.0]]), r"reward is nan at \(0, 1\), expected a finite reward, or -inf to forbid"),
    "reward +inf": (on_reward([[1.0, 0.0, np.inf]]), r"reward is inf at \(0, 2\), expected a finite reward"),
    "everything forbidden": (on_reward([[-np.inf] * 3]), r"reward row 0 leaves no action.*Z = 0.*Give at least one"),
    "nothing left on the support": (
        lambda: optimal.optimal_log_policy([[-np.inf, -np.inf, 1.0]], HOLE, 0.5),
        r"reward row 0 leaves no action",
    ),
    "shapes": (on_reward([[1.0, 0.0]]), r"shapes do not match: reward \(1, 2\), log_ref \(1, 3\). Every \(X, A\) argument"),
    "a transposed reward": (on_reward(REWARD.T), r"shapes do not match: reward \(3, 1\), log_ref \(1, 3\)"),
    "ragged": (on_reward([[1.0, 0.0], [1.0]]), r"reward is not a rectangular array.*Give every row the same length"),
    "strings": (on_reward([["1", "0", "-1"]]), r"reward has dtype <U2, expected real numbers"),
    "complex": (on_reward(REWARD + 1j), r"reward has dtype complex128"),
    "complex tensor": (on_reward(torch.tensor(REWARD + 1j)), r"reward has dtype torch.complex128"),
    "truth values": (on_reward([[True, False, True]]), r"reward has dtype bool"),
    "tensor of truth values": (on_reward(torch.tensor([[True, False, True]])), r"reward has dtype torch.bool"),
    "objects": (on_reward(np.array([[1.0, None, 0.0]], dtype=object)), r"reward has dtype object"),
    "NaN among objects": (on_reward(np.array([[1.0, np.nan, 0.0]], dtype=object)), r"reward has dtype object"),
    "tensors in a list": (
        on_reward([torch.tensor(1.0, requires_grad=True), torch.tensor(0.0), torch.tensor(0.0)]),
        r"reward is a list of tensors.*torch.stack",
    ),
    "empty": (on_ref([[]]), r"log_ref has shape \(1, 0\), expected \(X, A\) with at least one action"),
    "a number": (on_ref(0.0), r"log_ref has shape \(\), expected \(X, A\)"),
    "reward / beta overflows": (
        lambda: optimal.log_partition(REWARD * 1e300, REF, 1e-10),
        r"reward / beta overflows: reward is 1e\+300 at \(0, 0\) and beta is 1e-10. Subtract each row's maximum",
    ),
    "reward / beta overflows below": (
        lambda: optimal.optimal_log_policy([[-1e300] * 3], REF, 1e-10),
        r"reward / beta overflows: reward is -1e\+300 at \(0, 0\)",
    ),
    "reward / beta overflows in float32": (
        lambda: optimal.log_partition(torch.tensor([[1e30, 0, 0]]), torch.tensor(REF), 1e-10),
        r"reward / beta overflows: reward is 1e\+30 ",
    ),
    "implicit reward off the support": (
        lambda: optimal.implicit_reward(HOLE, HOLE, 0.5),
        r"log_ref is -inf at \(0, 2\).*0/0.*Drop the action, or give the reference full support",
    ),
    "projection off the support": (
        lambda: optimal.project_reward(REWARD, HOLE, 0.5),
        r"log_ref is -inf at \(0, 2\).*no policy represents the reward",
    ),
    "implicit reward of logits": (lambda: optimal.implicit_reward(REWARD, REF, 0.5), r"log_policy row 0 sums to 4.08"),
    "implicit reward, shapes": (
        lambda: optimal.implicit_reward(np.log([[0.5, 0.5]]), REF, 0.5),
        r"log_policy \(1, 2\), log_ref \(1, 3\)",
    ),
    "implicit reward, beta": (lambda: optimal.implicit_reward(REF, REF, -1.0), r"beta is -1.0"),
    "objective of logits": (lambda: optimal.objective(REWARD, REWARD, REF, 0.5), r"log_policy row 0 sums to"),
    "objective, shapes": (
        lambda: optimal.objective(np.log([[0.5, 0.5]]), REWARD, REF, 0.5),
        r"log_policy \(1, 2\), log_ref \(1, 3\)",
    ),
    "divergence of probabilities": (lambda: optimal.kl_divergence([[0.5, 0.5]], np.log([[0.5, 0.5]])), r"numpy.log\(log_policy\)"),
    "divergence, shapes": (lambda: optimal.kl_divergence(REF, np.log([[0.5, 0.5]])), r"log_policy \(1, 3\), log_ref \(1, 2\)"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refuses(name):
    call, message = REFUSED[name]
    with pytest.raises(ValueError, match=f"(?s){message}"):
        call()


def test_rounding_of_a_low_precision_row_is_no_error():
    row = torch.log_softmax(torch.linspace(-3, 3, 7), -1).to(torch.bfloat16)[None]
    assert abs(row.double().exp().sum() - 1) > 1e-6
    optimal.log_partition(torch.zeros_like(row), row, 0.5)
    with pytest.raises(ValueError, match="sums to"):
        optimal.log_partition(torch.zeros(1, 7, dtype=torch.float64), row.double(), 0.5)


@pytest.mark.parametrize("function", [optimal.log_partition, optimal.optimal_log_policy])
def test_arguments_are_not_changed(function):
    reward, ref = REWARD.copy(), REF.copy()
    function(reward, ref, 0.5)
    assert np.array_equal(reward, REWARD)
    assert np.array_equal(ref, REF)
