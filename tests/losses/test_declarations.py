"""Every loss stands by what it declares: the checks, run once per loss, agree with its `has` and `lacks`."""

import pytest

from bandits.data import LabelledLogProbs, PairLogProbs, ScoredLogProbs
from dpo_theory import check_loss
from dpo_theory.checks import registry
from tests.losses.precision import losses

PAIRWISE = [loss for loss in losses() if loss.takes in (LabelledLogProbs, PairLogProbs, ScoredLogProbs)]
PROPERTIES = {name for name in registry.names() if registry.load(name).kind == "property"}


@pytest.mark.parametrize("loss", PAIRWISE, ids=lambda loss: type(loss).__name__)
def test_the_checks_agree_with_what_a_loss_declares(loss):
    report = check_loss(loss, only=registry.names())  # the fingerprint, which is said where all are asked for, has tests of its own
    assert report.failed == (), "; ".join(f"{row.id}: declared {row.declared}, {row.verdict.value}, {row.reason}" for row in report.failed)


@pytest.mark.parametrize("loss", losses(), ids=lambda loss: type(loss).__name__)
def test_every_property_is_declared_once(loss):
    has, lacks = getattr(loss, "has", frozenset()), getattr(loss, "lacks", frozenset())
    assert not has & lacks
    if loss in PAIRWISE:
        assert (has | lacks) - set(registry.DECLARED) == PROPERTIES


@pytest.mark.parametrize("loss", losses(), ids=lambda loss: type(loss).__name__)
def test_a_loss_is_a_value(loss):
    assert loss == type(loss)()
    assert hash(loss) == hash(type(loss)())
    with pytest.raises(AttributeError):
        loss.beta = 2.0
