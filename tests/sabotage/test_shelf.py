"""Every fault on the shelf is noticed by the claims named, and by nobody when it is taken back."""

import pytest

from dpo_theory.claims import registry, runner
from dpo_theory.mutation import edited
from tests.sabotage.shelf import SHELF


def stands(id):
    evidence = runner.run(registry.load(id))
    assert "NameError" not in evidence.reason, "the fault does not run; it was not noticed, it crashed"
    return not evidence.failed


@pytest.mark.filterwarnings("ignore")  # a faulty formula may overflow; that is its fault
@pytest.mark.parametrize("fault", SHELF, ids=lambda fault: fault.name)
def test_the_claims_named_stop_holding(fault):
    with edited(fault.function, fault.old, fault.new).applied():
        still = [id for id in fault.claims if stands(id)]
    assert still == []


@pytest.mark.parametrize("id", sorted({id for fault in SHELF for id in fault.claims}))
def test_the_claims_hold_without_the_fault(id):
    assert stands(id)


def test_the_shelf_is_long_enough_and_spreads_over_the_rooms():
    assert len(SHELF) >= 20
    assert len({fault.name for fault in SHELF}) == len(SHELF)
    assert len({fault.function.__module__ for fault in SHELF}) >= 5
