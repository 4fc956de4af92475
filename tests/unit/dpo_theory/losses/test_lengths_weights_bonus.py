"""Losses that see lengths, tokens or one answer more: R-DPO, length-normalised, LD-DPO, WPO, XPO, IPO on averages."""

import math

import numpy as np
import pytest
import torch

import dpo_theory
from bandits import PairLogProbs, TabularBandit, minimise_loss
from dpo_theory.losses import DPO, IPO, LDDPO, RDPO, WPO, XPO, LengthNormalisedDPO

TOKENS = {"chosen": np.array([[-1.0, -2.0, -0.5, -0.25]]), "rejected": np.array([[-0.5, -1.5, 0.0, 0.0]])}
REF = {"chosen": np.array([[-1.5, -1.0, -1.0, -1.0]]), "rejected": np.array([[-2.0, -0.5, 0.0, 0.0]])}
PAIRS = PairLogProbs(
    np.array([-3.75]),
    np.array([-2.0]),
    np.array([-4.5]),
    np.array([-2.5]),
    np.array([4]),
    np.array([2]),
    chosen_token_logps=TOKENS["chosen"],
    rejected_token_logps=TOKENS["rejected"],
    ref_chosen_token_logps=REF["chosen"],
    ref_rejected_token_logps=REF["rejected"],
)
SUMS = PairLogProbs(*PAIRS[:6])


def sp(x):
    return math.log1p(math.exp(x))


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (RDPO(beta=0.5, alpha=0.1), sp(-0.5 * 0.25 - 0.1 * 2)),
        (LengthNormalisedDPO(beta=2.0), sp(-2.0 * (0.75 / 4 - 0.5 / 2))),
        (IPO(tau=0.25, token_logps="mean"), (0.75 / 4 - 0.5 / 2 - 2) ** 2),
        (LDDPO(beta=0.5, alpha=0.2), sp(-0.5 * ((-3.0 - 0.2 * 0.75) - (-2.5 - 0.2 * 2.0) - 0.5))),
        (LDDPO(beta=0.5, alpha=0.2, discounted="policy"), sp(-0.5 * ((-3.0 - 0.2 * 0.75) + 4.5 - 0.5))),
        (WPO(beta=0.5), math.exp(-3.75 / 4 - 2.0 / 2) * sp(-0.5 * 0.25)),
        (WPO(beta=0.5, cap=0.1), 0.1 * sp(-0.5 * 0.25)),
        (XPO(beta=0.5, alpha=0.1), sp(-0.5 * 0.25) - 0.1 * 2.0),
        (XPO(beta=0.5, alpha=0.1, drawn="chosen"), sp(-0.5 * 0.25) - 0.1 * 3.75),
    ],
    ids=lambda v: repr(v) if hasattr(v, "takes") else "",
)
def test_values_written_out(loss, expected):
    assert loss(PAIRS)[0] == pytest.approx(expected, rel=1e-14)
    assert loss(PairLogProbs(*(None if c is None else torch.tensor(c) for c in PAIRS))).item() == pytest.approx(expected, rel=1e-14)


def test_r_dpo_is_dpo_on_a_reference_that_likes_length():
    tilted = SUMS._replace(ref_chosen=SUMS.ref_chosen - 0.3 / 0.5 * 4, ref_rejected=SUMS.ref_rejected - 0.3 / 0.5 * 2)
    np.testing.assert_allclose(RDPO(beta=0.5, alpha=0.3)(SUMS), DPO(beta=0.5)(tilted), rtol=1e-14)


def test_r_dpo_has_the_optimum_of_the_charged_reward():
    reward, tokens = np.array([[1.0, 0.0, -1.0]]), np.array([[1, 7, 3]])
    bandit = TabularBandit([1.0], reward, np.log([[0.5, 0.3, 0.2]]), 0.5, tokens)
    found = minimise_loss(bandit, RDPO(beta=0.5, alpha=0.1))
    scores = bandit.log_ref + (reward - 0.1 * tokens) / 0.5
    np.testing.assert_allclose(found.policy, np.exp(scores) / np.exp(scores).sum(), atol=1e-12)


def test_ld_dpo_is_dpo_where_there_is_no_tail():
    same = SUMS._replace(chosen_tokens=np.array([3]), rejected_tokens=np.array([3]))
    np.testing.assert_array_equal(LDDPO(beta=0.5, alpha=0.0)(same), DPO(beta=0.5)(same))
    np.testing.assert_allclose(LDDPO(beta=0.5, alpha=1.0)(PAIRS), DPO(beta=0.5)(PAIRS), rtol=1e-15)


def test_ld_dpo_spreads_what_it_is_not_told():
    kept = -3.75 * (2 + 0.2 * 2) / 4, -4.5 * (2 + 0.2 * 2) / 4
    assert LDDPO(beta=0.5, alpha=0.2)(SUMS)[0] == pytest.approx(sp(-0.5 * (kept[0] - kept[1] - 0.5)), rel=1e-14)


def test_no_gradient_passes_the_weight_of_wpo():
    columns = [torch.tensor(c, dtype=torch.float64, requires_grad=k < 2) for k, c in enumerate(SUMS[:6])]
    pairs, loss = PairLogProbs(*columns), WPO(beta=0.5)
    slopes = torch.autograd.grad(loss(pairs).sum(), columns[:2])
    weight = math.exp(-3.75 / 4 - 1.0)
    pull = 0.5 * weight / (1 + math.exp(0.5 * 0.25))
    assert [g.item() for g in slopes] == pytest.approx([-pull, pull], rel=1e-14)
    assert not loss.weight(pairs).requires_grad


def test_aligned_tokens_may_weigh_more_than_their_probability():
    aligned = PAIRS._replace(chosen_token_logps=TOKENS["chosen"] + 3.0, rejected_token_logps=TOKENS["rejected"] + [[3.0, 3.0, 0.0, 0.0]])
    assert WPO(cap=1.0).weight(aligned)[0] == pytest.approx(1.0, rel=1e-12)
    assert WPO(cap=1e6).weight(aligned)[0] == pytest.approx(math.exp(-3.75 / 4 - 1.0 + 6.0), rel=1e-12)


@pytest.mark.parametrize("loss", [RDPO(), LengthNormalisedDPO(), LDDPO(), WPO(), IPO(token_logps="mean")], ids=repr)
def test_lengths_are_required(loss):
    with pytest.raises(ValueError, match="chosen_tokens is missing"):
        loss(PairLogProbs(*PAIRS[:4]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LDDPO(alpha=1.5), "alpha is 1.5, expected 0 <= alpha <= 1"),
        (lambda: LDDPO(discounted="ref"), "discounted is 'ref', expected one of 'both', 'policy'"),
        (lambda: WPO(cap=0.0), "cap is 0.0, expected a finite number > 0"),
        (lambda: XPO(alpha=-1.0), "alpha is -1.0, expected a finite number > 0"),
        (lambda: XPO(drawn="both"), "drawn is 'both', expected one of"),
        (lambda: RDPO(alpha=math.inf), "alpha is inf, expected a finite number"),
        (lambda: IPO(token_logps="average"), "token_logps is 'average', expected one of"),
    ],
)
def test_refuses(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("name", ["LDDPO", "LengthNormalisedDPO", "RDPO", "WPO", "XPO"])
def test_they_are_exported_lazily(name):
    assert getattr(dpo_theory, name) is getattr(dpo_theory.losses, name)
