import functools

import pytest

from dpo_theory import DPO
from dpo_theory.checks.label import label


def loss(pairs, beta=0.1):
    raise NotImplementedError


class Plain:
    pass


class Holder:
    def __init__(self, held):
        self.held = held

    def __repr__(self):
        return f"Holder({self.held!r},\n  second line)"


@pytest.mark.parametrize(
    ("shown", "name"),
    [
        (loss, "loss"),
        (lambda pairs: pairs, "<lambda>"),
        (functools.partial(loss, beta=0.3), "loss(beta=0.3)"),
        (functools.partial(functools.partial(loss, 1), beta=Plain()), "loss(1, beta=Plain)"),
        (DPO(beta=0.3), "DPO(beta=0.3)"),
        (Plain(), "Plain"),
        (Holder(Plain()), "Holder(Plain,"),
        (Holder(loss), "Holder(loss,"),
        (Holder(lambda pairs: pairs), "Holder(<lambda>,"),
        (Holder(frozenset("cab")), "Holder(frozenset({'a', 'b', 'c'}),"),
        (Holder({"b": 1, "a": 2}), "Holder({'b': 1, 'a': 2},"),
    ],
)
def test_labels_are_the_same_in_every_process(shown, name):
    assert label(shown) == name
