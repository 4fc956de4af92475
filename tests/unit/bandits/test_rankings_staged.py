"""Which losses are a staged softmax, and which only look like one."""

import numpy as np
import pytest

from bandits.data import RankedLogProbs
from bandits.derivatives import derivatives
from bandits.rankings_staged import Staged, agrees_at, read_staged, staged_softmax
from dpo_theory.losses import PlackettLuceDPO

LOG_REF = np.log(np.random.default_rng(0).dirichlet(np.ones(5), size=12))
LOSS = PlackettLuceDPO(beta=0.3)


@pytest.mark.parametrize("beta", [1e-6, 0.1, 1.0, 3.7, 1e4])
@pytest.mark.parametrize("top", [None, 1, 2])
def test_beta_and_stages_are_read(beta, top):
    found = read_staged(PlackettLuceDPO(beta=beta, top=top), LOG_REF)
    assert found.beta == beta
    assert found.stage.tolist() == [1.0 if place < (top or 4) else 0.0 for place in range(4)] + [0.0]
    assert abs(found.offset) < 1e-14


def test_weighted_stages_and_constants_are_read():
    first = PlackettLuceDPO(beta=0.3, top=1)
    found = read_staged(lambda ranked: 2 * LOSS(ranked) + first(ranked) + 5, LOG_REF)
    np.testing.assert_allclose(found.stage, [3, 2, 2, 2, 0], rtol=1e-12)
    assert (found.beta, found.offset) == pytest.approx((0.3, 5.0))


@pytest.mark.parametrize(
    "loss",
    [
        lambda ranked: LOSS(ranked) ** 2,
        lambda ranked: -LOSS(ranked),
        lambda ranked: LOSS(ranked._replace(ref=0.99 * ranked.ref)),
        lambda ranked: LOSS(ranked) + 1e-6 * ranked.policy[:, 0],
        lambda ranked: LOSS(ranked) + PlackettLuceDPO(beta=0.6)(ranked),
        lambda ranked: LOSS(ranked) + 1e-3 * (LOSS(ranked) - LOSS(ranked).mean()),
        lambda ranked: LOSS(ranked).clamp(max=1e5),
        lambda ranked: LOSS(ranked.__class__(ranked.policy.detach(), ranked.ref)) + 0 * LOSS(ranked),
        lambda ranked: (ranked.log_ratio**2).sum(-1),
        lambda ranked: np.sin(ranked.log_ratio).sum(),
    ],
)
def test_other_losses_are_not_taken_for_one(loss):
    assert read_staged(loss, LOG_REF) is None


def test_the_formula_has_its_own_derivatives():
    staged = Staged(0.7, np.array([1.0, 0.5, 0.0, 0.0]), 2.0)

    def loss(ranked):
        import torch

        z = 0.7 * ranked.log_ratio
        left = torch.logcumsumexp(z.flip(-1), -1).flip(-1)
        return ((left - z) * torch.tensor([1.0, 0.5, 0.0, 0.0], dtype=torch.float64)).sum(-1) + 2

    seen = RankedLogProbs(3 * np.random.default_rng(1).normal(size=(7, 4)), np.zeros((7, 4)))
    found, (value, gradient) = derivatives(loss, seen), staged_softmax(staged, seen.log_ratio)
    np.testing.assert_allclose(value, found.value, rtol=1e-13)
    np.testing.assert_allclose(gradient, found.gradient, atol=1e-14)


def test_a_staged_softmax_is_asked_again():
    found, seen = read_staged(LOSS, LOG_REF), RankedLogProbs(3 * LOG_REF, LOG_REF)
    assert agrees_at(found, seen)
    assert not agrees_at(found._replace(beta=0.3001), seen)
    assert not agrees_at(found._replace(values=lambda ranked: 1.001 * LOSS(ranked)), seen)
    with pytest.raises(ValueError, match="not read from a loss"):
        agrees_at(found._replace(values=None), seen)


def test_a_loss_is_another_one_on_arrays_than_on_tensors():
    """The quick road is taken only where it gives the values that belong to the derivatives."""

    def split(ranked):
        return LOSS(ranked) + (1e-9 if isinstance(ranked.policy, np.ndarray) else 0.0)

    found = read_staged(split, LOG_REF)
    assert found.beta == 0.3
    assert agrees_at(found, RankedLogProbs(3 * LOG_REF, LOG_REF))
