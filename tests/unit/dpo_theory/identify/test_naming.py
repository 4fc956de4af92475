"""Every family is found under a scale and a constant; strangers are not named; equal losses are noted."""

import dataclasses

import numpy as np
import pytest

from dpo_theory._xp import exp, relu, sigmoid, softplus
from dpo_theory.evidence import Verdict
from dpo_theory.identify import identify
from dpo_theory.identify.conventions import moved
from dpo_theory.identify.family import families
from dpo_theory.losses import CDPO, DPO, IPO, RobustDPO, SimPO

CLASSES = tuple(sorted({family.name for family in families()}))
RANGES = {"positive": (0.08, 1.5), "unit": (0.15, 0.85), "half": (0.06, 0.35), "any": (0.2, 1.2)}


@dataclasses.dataclass(frozen=True)
class Changed:
    """scale * loss + constant, the margin stretched and moved."""

    loss: object
    scale: float
    constant: float
    shift: float = 0.0
    stretch: float = 1.0

    @property
    def takes(self):
        return self.loss.takes

    def __call__(self, pairs):
        seen = moved(pairs, self.shift, self.stretch) if (self.shift, self.stretch) != (0.0, 1.0) else pairs
        return self.scale * self.loss(seen) + self.constant


def drawn(family, rng):
    return family.loss(tuple(round(float(np.exp(rng.uniform(*np.log(RANGES[n.kind])))), 2) for n in family.numbers))


@pytest.mark.parametrize("name", CLASSES)
def test_a_loss_of_the_library_is_named_whatever_its_numbers_scale_and_constant(name):
    rng = np.random.default_rng([8, CLASSES.index(name)])
    family = next(f for f in families() if f.name == name)
    found = identify(Changed(drawn(family, rng), round(float(rng.uniform(0.3, 3)), 2), round(float(rng.normal()), 2)))
    assert found.known, str(found)
    assert name == found.name or any(other.startswith(name) for other in found.also)
    assert found.verdict.holds
    assert found.residual < 1e-9


@pytest.mark.parametrize("loss", [DPO(beta=0.2), CDPO(beta=0.4, epsilon=0.2), IPO(tau=0.3), RobustDPO(beta=0.5, epsilon=0.15)], ids=repr)
def test_an_affine_margin_is_found_and_proved_or_measured(loss):
    found = identify(Changed(loss, 2.5, -0.75, 0.5, 1.5))
    assert found.known
    assert found.verdict.holds
    named = {found.name, *(other.partition("(")[0] for other in found.also)}
    assert type(loss).__name__ in named or (type(loss) is DPO and named & {"ODPO"})


def test_what_is_read_is_proved_with_the_numbers_that_are_printed():
    found = identify(lambda pairs: 3 * np.logaddexp(0, -0.2 * pairs.margin) + 1)
    assert found.verdict is Verdict.PROVED
    assert found.formula == "3 * DPO(beta=0.2) + 1"


def test_a_convention_is_named():
    def averaged(pairs):
        gap = pairs.chosen_log_ratio / pairs.chosen_tokens - pairs.rejected_log_ratio / pairs.rejected_tokens
        return softplus(-0.5 * gap) * 0.75 + softplus(0.5 * gap) * 0.25

    found = identify(averaged)
    assert found.name == "CDPO"
    assert "per token" in found.convention
    assert dict(found.options) == {"beta": 0.5, "epsilon": 0.25}


def test_the_mean_of_a_batch_is_named_as_its_pairs():
    import torch

    found = identify(lambda pairs: torch.nn.functional.softplus(-0.1 * pairs.margin).mean())
    assert found.name == "DPO"


def test_equal_losses_are_noted_and_the_simplest_names_them():
    found = identify(SimPO(beta=0.5, gamma=0.25, gamma_in="nats"))
    assert found.name == "SimPO"
    assert len(found.also) >= 1


STRANGERS = {
    "logistic and a parabola": lambda p: softplus(-0.2 * p.margin) + 1e-3 * p.margin**2,
    "cube": lambda p: relu(1 - 0.3 * p.margin) ** 3,
    "student": lambda p: (1 + (p.margin - 2) ** 2 / 9) * 0 + np.log1p((p.margin - 2) ** 2 / 9),
    "logistic of a cube": lambda p: softplus(-0.1 * p.margin - 1e-4 * p.margin**3),
    "reversed": lambda p: -softplus(-0.2 * p.margin),
    "logistic and a sine": lambda p: softplus(-0.2 * p.margin) + 0.01 * np.sin(p.margin),
    "weighted by the chosen": lambda p: softplus(-0.2 * p.margin) * (1 + exp(0.1 * p.policy_chosen)),
    "two temperatures": lambda p: softplus(-0.2 * p.chosen_log_ratio + 0.3 * p.rejected_log_ratio),
    "longer is dearer": lambda p: softplus(-0.2 * p.margin) + 0.01 * p.chosen_tokens**2,
    "sigmoid to the third": lambda p: sigmoid(-0.4 * p.margin) ** 3 + 0.1 * sigmoid(0.3 * p.margin),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_strangers_are_not_named(name):
    found = identify(STRANGERS[name])
    assert not found.known, str(found)
    assert found.verdict is Verdict.REFUTED
    assert found.counterexample is not None
    assert found.residual > 1e-7 or found.scale < 0  # with its sign reversed


@pytest.mark.parametrize("bad", [7, lambda: 0, lambda a, b, c: a])
def test_what_is_no_loss_is_refused(bad):
    with pytest.raises(ValueError, match=r"callable|ambiguous|evaluated"):
        identify(bad)
