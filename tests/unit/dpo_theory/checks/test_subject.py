"""A loss is called in the way that its signature says, or not at all."""

import functools

import numpy as np
import pytest
import torch

from bandits.data import PairLogProbs
from dpo_theory import DPO, PlackettLuceDPO
from dpo_theory.checks.subject import PROBE, LossFailed, subject


def told_apart(chosen, rejected, ref_chosen, ref_rejected):
    """Each argument in the wrong place gives another number."""
    return chosen - 2 * rejected + 3 * ref_chosen - 4 * ref_rejected


TRUTH = told_apart(*PROBE[:4])


def in_order(a, b, c, d):
    return told_apart(a, b, c, d)


def in_order_with_options(a, b, c, d, beta=1.0, smoothing=0.0):
    return beta * told_apart(a, b, c, d) + smoothing


def trainer(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta=1.0):
    return beta * told_apart(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps)


def permuted(ref_rejected_logps, chosen_logps, ref_chosen_logps, rejected_logps):
    return told_apart(chosen_logps, rejected_logps, ref_chosen_logps, ref_rejected_logps)


def by_keyword(*, policy_chosen, policy_rejected, ref_chosen, ref_rejected):
    return told_apart(policy_chosen, policy_rejected, ref_chosen, ref_rejected)


def optional_reference(policy_chosen_logps, policy_rejected_logps, ref_chosen_logps=None, ref_rejected_logps=None):
    return told_apart(policy_chosen_logps, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps)


def by_position_alone(policy_chosen, policy_rejected, ref_chosen, ref_rejected, /):
    return told_apart(policy_chosen, policy_rejected, ref_chosen, ref_rejected)


def five(ref_chosen, ref_rejected, chosen, rejected, beta):
    return beta * told_apart(chosen, rejected, ref_chosen, ref_rejected)


def on_pairs(pairs):
    return told_apart(*pairs[:4])


class Module(torch.nn.Module):
    def forward(self, reference_chosen_logps, reference_rejected_logps, policy_chosen_logps, policy_rejected_logps):
        return told_apart(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps)


class OnPairs(torch.nn.Module):
    def forward(self, pairs):
        return on_pairs(pairs)


class Owner:
    def loss(self, batch):
        return on_pairs(batch)

    def __call__(self, won, lost, ref_won, ref_lost):
        return told_apart(won, lost, ref_won, ref_lost)


@pytest.mark.parametrize(
    ("loss", "style"),
    [
        (in_order, "logps"),
        (in_order_with_options, "logps"),
        (trainer, "logps"),
        (permuted, "logps"),
        (by_keyword, "logps"),
        (optional_reference, "logps"),
        (by_position_alone, "logps"),
        (functools.partial(trainer, beta=1.0), "logps"),
        (functools.partial(five, beta=1.0), "logps"),
        (lambda a, b, c, d: told_apart(a, b, c, d), "logps"),
        (lambda p: on_pairs(p), "pairs"),
        (on_pairs, "pairs"),
        (Module(), "logps"),
        (OnPairs(), "pairs"),
        (Owner(), "logps"),
        (Owner().loss, "pairs"),
    ],
)
def test_the_signature_says_how_a_loss_is_called(loss, style):
    found = subject(loss)
    assert found.style == style
    np.testing.assert_array_equal(found.values(PROBE), TRUTH)


def test_two_named_arguments_are_reference_free():
    for loss in (lambda chosen, rejected: chosen - 2 * rejected, lambda rejected_logps, chosen_logps: chosen_logps - 2 * rejected_logps):
        found = subject(loss)
        assert found.style == "logps-no-reference"
        np.testing.assert_array_equal(found.values(PROBE), PROBE.policy_chosen - 2 * PROBE.policy_rejected)


@pytest.mark.parametrize(
    "loss", [lambda a, b: a, lambda a, b, c: a, lambda *a: a[0], lambda chosen, reference: chosen, lambda: 0.0, np.logaddexp]
)
def test_an_ambiguous_signature_asks_for_the_style(loss):
    with pytest.raises(ValueError, match=r"is ambiguous.*style= one of pairs, logps, logps-no-reference"):
        subject(loss)


def test_the_style_settles_it():
    np.testing.assert_array_equal(subject(lambda *a: told_apart(*a), style="logps").values(PROBE), TRUTH)
    np.testing.assert_array_equal(subject(lambda *a: on_pairs(*a), style="pairs").values(PROBE), TRUTH)
    free = subject(lambda a, b: a - 2 * b, style="logps-no-reference")
    np.testing.assert_array_equal(free.values(PROBE), PROBE.policy_chosen - 2 * PROBE.policy_rejected)
    with pytest.raises(ValueError, match="style is 'logits', expected one of pairs"):
        subject(in_order, style="logits")


@pytest.mark.parametrize(
    "loss",
    [
        lambda ref_chosen, ref_rejected, won, lost: told_apart(won, lost, ref_chosen, ref_rejected),
        lambda won, lost, ref_rejected, ref_chosen: told_apart(won, lost, ref_chosen, ref_rejected),
    ],
)
def test_names_that_contradict_the_order_are_not_guessed_at(loss):
    with pytest.raises(ValueError, match="some names are known, and stand in another order"):
        subject(loss)


def test_what_cannot_be_called_or_takes_something_else_is_refused():
    with pytest.raises(ValueError, match="5 is not callable"):
        subject(5)
    with pytest.raises(ValueError, match="takes RankedLogProbs"):
        subject(PlackettLuceDPO())


def test_a_loss_that_fails_on_both_backends_says_both():
    def fails(pairs):
        raise KeyError("beta")

    with pytest.raises(LossFailed, match="on torch it raised KeyError: 'beta'; on numpy it raised KeyError"):
        subject(fails)


def test_the_backend_is_the_one_on_which_it_runs():
    assert subject(lambda pairs: torch.nn.functional.softplus(-pairs.margin)).backend == "torch"
    assert subject(lambda pairs: np.logaddexp(0.0, -pairs.margin)).backend == "numpy"


@pytest.mark.parametrize(
    ("reduce", "name"), [(lambda loss: loss, "none"), (torch.mean, "mean"), (torch.sum, "sum"), (lambda loss: (loss, loss, 0.0), "none")]
)
def test_a_reduction_is_a_shape(reduce, name):
    found = subject(lambda pairs: reduce(on_pairs(pairs)))
    assert found.reduction == name
    np.testing.assert_allclose(found.values(PROBE), TRUTH, rtol=1e-15)


def test_printing_does_not_reach_the_report(capsys):
    def loud(pairs):
        print("loud")
        return on_pairs(pairs)

    found = subject(loud)
    found.values(PROBE)
    assert capsys.readouterr().out == ""
    assert "loud" in found.printed


def test_options_are_those_of_a_dataclass_a_partial_or_a_default():
    assert subject(DPO(beta=0.3)).parameters == {"beta": 0.3}
    assert subject(functools.partial(trainer, beta=2.0)).parameters == {"beta": 2.0}
    assert subject(functools.partial(five, beta=2.0)).parameters == {"beta": 2.0}
    np.testing.assert_array_equal(subject(functools.partial(five, beta=2.0)).rebuild("beta", 3.0).values(PROBE), 3 * TRUTH)
    found = subject(in_order_with_options)
    assert found.parameters == {"beta": 1.0, "smoothing": 0.0}
    np.testing.assert_array_equal(found.rebuild("beta", 2.0).values(PROBE), 2 * TRUTH)
    assert subject(Module()).rebuild is None
    assert subject(optional_reference).parameters == {}


@pytest.mark.parametrize(
    ("loss", "name"),
    [
        (DPO(beta=0.3), "DPO(beta=0.3)"),
        (trainer, "trainer"),
        (functools.partial(trainer, beta=0.5), "trainer(beta=0.5)"),
        (Module(), "Module()"),
        (Owner(), "Owner"),
        (Owner().loss, "loss"),
    ],
)
def test_a_loss_has_the_same_name_in_every_process(loss, name):
    assert subject(loss).name == name


def test_declared_properties_are_the_losses_own_unless_given():
    assert subject(DPO()).has == DPO.has
    assert subject(DPO(), has=["convex"], lacks=[]).has == {"convex"}
    assert subject(DPO(), lacks=[]).lacks == frozenset()
    assert subject(on_pairs).has == frozenset()


def test_a_value_of_the_wrong_shape_is_said():
    with pytest.raises(LossFailed, match=r"returned shape \(3, 2\) for 3 pairs, expected \(3,\)"):
        subject(lambda pairs: pairs.margin[:, None] * np.ones(2)).values(PairLogProbs(*PROBE[:4]))
