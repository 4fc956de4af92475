"""Every loss and its gradient are right to a few roundings, in three dtypes; and an unstable formula is found out."""

from dataclasses import dataclass
from typing import ClassVar

import mpmath as mp
import numpy as np
import pytest
import torch

from bandits.data import PairLogProbs
from dpo_theory import _xp
from tests.losses.exact import Exact, column
from tests.losses.precision import DOCUMENT, DTYPES, losses, measure

UNITS = 4.0
REGENERATED = ("AOT", "DPO", "IPO", "NCA")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", losses(), ids=lambda loss: type(loss).__name__)
def test_value_and_gradient_are_right_to_a_few_roundings(loss, dtype):
    row = measure(loss, dtype)
    assert max(row.value, row.gradient, row.numpy or 0.0) <= UNITS, row.where


def test_the_document_is_what_is_measured():
    text = DOCUMENT.read_text(encoding="utf-8")
    for loss in losses():
        assert text.count(f"| `{loss!r}` |") == len(DTYPES), f"{loss!r}: run python -m tests.losses.precision"
        if type(loss).__name__ in REGENERATED:
            row = measure(loss, "float32")
            written = next(line for line in text.splitlines() if line.startswith(f"| `{row.loss}` | float32"))
            measured = [float(cell) for cell in written.split("|")[4:7]]
            assert measured == pytest.approx([row.value, row.gradient, row.numpy], abs=0.5)


@dataclass(frozen=True)
class Unstable:
    """The logistic loss in a form that fails: by name."""

    form: str = "log of sigmoid"
    beta: float = 0.1

    takes: ClassVar[type] = PairLogProbs
    has: ClassVar[frozenset[str]] = frozenset()

    def __call__(self, pairs):
        z = self.beta * pairs.margin
        if hasattr(z, "__dpo_namespace__"):
            return _xp.softplus(-z)
        backend = torch if isinstance(z, torch.Tensor) else np
        one = backend.exp(-z) + 1
        if self.form == "log of sigmoid":
            return -backend.log(1 / one)
        if self.form == "a kink at 0":
            return _xp.relu(-z) + backend.log1p(backend.exp(-backend.abs(z)))
        if self.form == "log of a floored probability":
            return -backend.log(1 / one + 1e-6)
        return -_xp.log_sigmoid(z) + 1e-5 * z


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("form", ["log of sigmoid", "a kink at 0", "log of a floored probability", "a small bias"])
def test_an_unstable_formula_is_found_out(form):
    row = measure(Unstable(form), "float64")
    assert max(row.value, row.gradient, row.numpy) > 100 * UNITS


@pytest.mark.parametrize("x", [-1e4, -30.0, -1.0, -1e-12])
@pytest.mark.parametrize("name", ["exp", "expm1", "softplus", "sigmoid", "log1mexp"])
def test_sixty_digits_carry_their_own_derivatives(name, x):
    """Against the finite differences of four thousand digits' formulas, written out here."""
    plain = {
        "exp": mp.exp,
        "expm1": lambda t: mp.exp(t) - 1,
        "softplus": lambda t: mp.log(1 + mp.exp(t)),
        "sigmoid": lambda t: 1 / (1 + mp.exp(-t)),
        "log1mexp": lambda t: mp.log(1 - mp.exp(t)),
    }[name]
    with mp.workdps(60):
        found = getattr(Exact, name)(column([x], np.ones((1, 1))))[0]
    with mp.workdps(9000 if x < -1e3 else 200):
        at, h = mp.mpf(x), mp.mpf(10) ** (-40)
        slope = (plain(at + h) - plain(at - h)) / (2 * h)
        assert abs(found.value / plain(at) - 1) < 1e-45
        assert abs(found.slopes[0] / slope - 1) < 1e-30
