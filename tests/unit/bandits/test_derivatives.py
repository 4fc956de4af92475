"""Both roads to the derivatives against each other and against derivatives by hand."""

import numpy as np
import pytest

from bandits import PairLogProbs, RankedLogProbs
from bandits.derivatives import derivatives, loss_values, margin_derivatives
from bandits.jets import Jet

RNG = np.random.default_rng(0)
PAIRS = PairLogProbs(*-RNG.uniform(0.1, 3.0, size=(4, 7)))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def torch_logistic(pairs):
    import torch

    return -torch.nn.functional.logsigmoid(0.7 * pairs.margin)


@pytest.mark.parametrize("loss", [torch_logistic, lambda pairs: np.logaddexp(0.0, -0.7 * pairs.margin)])
def test_logistic_by_hand(loss):
    found = derivatives(loss, PAIRS)
    z = 0.7 * PAIRS.margin
    assert found.value == pytest.approx(np.log1p(np.exp(-z)), rel=1e-13)
    assert found.gradient[:, 0] == pytest.approx(-0.7 * sigmoid(-z), rel=1e-13)
    assert found.gradient[:, 1] == pytest.approx(0.7 * sigmoid(-z), rel=1e-13)
    bend = 0.49 * sigmoid(z) * sigmoid(-z)
    assert found.hessian == pytest.approx(bend[:, None, None] * np.array([[1.0, -1.0], [-1.0, 1.0]]), rel=1e-12)
    value, slope, curvature = margin_derivatives(loss, PAIRS)
    assert slope == pytest.approx(found.gradient[:, 0], rel=1e-13)
    assert curvature == pytest.approx(bend, rel=1e-12)
    assert np.array_equal(value, loss_values(loss, PAIRS)) or value == pytest.approx(loss_values(loss, PAIRS), rel=1e-15)


def test_tails_keep_their_digits():
    far = PairLogProbs(np.array([-35.0, 35.0]), np.zeros(2), np.zeros(2), np.zeros(2))
    for loss in (torch_logistic, lambda pairs: np.logaddexp(0.0, -0.7 * pairs.margin)):
        _, slope, _ = margin_derivatives(loss, far)
        assert slope[1] == pytest.approx(-0.7 * np.exp(-24.5), rel=1e-9)


OPERATIONS = {
    "exp log": lambda a, b, m: m.exp(a) * m.log(-b),
    "divide power": lambda a, b, m: a**3 / b - 2 / a,
    "expm1 log1p": lambda a, b, m: m.expm1(a) + m.log1p(b * b),
    "sqrt square": lambda a, b, m: m.sqrt(-a * b * -1.0 + 4.0) + m.square(b),
    "tanh abs": lambda a, b, m: m.tanh(a - b) * abs(a),
    "maximum": lambda a, b, m: m.where(a > b, a * a, b * b),
    "logaddexp": lambda a, b, m: m.logaddexp(a, 2 * b),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_roads_agree(name):
    import torch

    def with_numpy(pairs):
        return OPERATIONS[name](pairs.policy_chosen, pairs.policy_rejected, np)

    def with_torch(pairs):
        return OPERATIONS[name](pairs.policy_chosen, pairs.policy_rejected, torch)

    for by_jets, by_torch in zip(derivatives(with_numpy, PAIRS), derivatives(with_torch, PAIRS), strict=True):
        assert by_jets == pytest.approx(by_torch, rel=1e-10, abs=1e-12)


def test_rankings_have_k_columns():
    seen = RankedLogProbs(-RNG.uniform(0.1, 2.0, (5, 3)), np.zeros((5, 3)))

    def loss(ranked):
        return (ranked.log_ratio[:, 0] - ranked.log_ratio[:, 2]) ** 2 + np.sum(np.exp(ranked.log_ratio), axis=-1)

    found = derivatives(loss, seen)
    assert found.hessian.shape == (5, 3, 3)
    assert found.hessian[:, 0, 2] == pytest.approx(np.full(5, -2.0))
    assert found.hessian[:, 1, 1] == pytest.approx(np.exp(seen.policy[:, 1]))


def test_a_linear_loss_has_no_curvature():
    import torch

    assert not derivatives(lambda pairs: -torch.as_tensor(pairs.policy_chosen), PAIRS).hessian.any()


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda pairs: pairs.margin.mean(), r"returned shape \(\) for 7 comparisons"),
        (lambda pairs: pairs.margin.detach(), "does not depend on the policy"),
        (lambda pairs: np.cbrt(pairs.margin), "cbrt is not known to second-order jets"),
        (lambda pairs: np.sort(pairs.margin), "sort is not known to second-order jets"),
    ],
)
def test_refusals_name_the_operation(loss, message):
    with pytest.raises(ValueError, match=message):
        derivatives(loss, PAIRS)


def test_jets_refuse_to_sum_over_the_batch():
    with pytest.raises(TypeError, match="couples the batch"):
        np.sum(Jet.variables(np.ones((3, 2)))[:, 0])


def test_few_numbers_take_one_thread_and_give_the_others_back():
    torch = pytest.importorskip("torch")
    before, seen = torch.get_num_threads(), []

    def loss(pairs):
        seen.append(torch.get_num_threads())
        return pairs.margin**2

    torch.set_num_threads(2)
    try:
        derivatives(loss, PairLogProbs(*np.ones((4, 3))))
        assert torch.get_num_threads() == 2
        derivatives(loss, PairLogProbs(*np.ones((4, 20_000))))
    finally:
        torch.set_num_threads(before)
    assert seen == [1, 2]
