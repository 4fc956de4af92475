"""Losses of every form are read, and what cannot be read is opaque for a stated reason."""

import numpy as np
import pytest
import sympy as sp
import torch
from scipy.special import expit
from torch.nn import functional as F

from bandits.data import PairLogProbs
from dpo_theory.losses.dpo import DPO
from dpo_theory.reading import Detached, read

BETA = 0.3
m = sp.Symbol("m", real=True)


def cross_entropy(pairs):
    return -torch.log_softmax(torch.stack([BETA * pairs.chosen_log_ratio, BETA * pairs.rejected_log_ratio]), dim=0)[0]


def odds(pairs):
    p = torch.exp(BETA * pairs.chosen_log_ratio)
    return -torch.log(p / (p + torch.exp(BETA * pairs.rejected_log_ratio)))


SAME_AS_DPO = {
    "dataclass": (DPO(BETA), "sympy"),
    "plain arithmetic on sympy": (lambda pairs: DPO(BETA)(pairs), "sympy"),
    "logaddexp": (lambda pairs: np.logaddexp(0.0, -BETA * pairs.margin), "numpy"),
    "expit": (lambda pairs: -np.log(expit(BETA * pairs.margin)), "numpy"),
    "where on both ends": (lambda pairs: np.log1p(np.exp(-BETA * np.where(True, pairs.margin, 0.0))), "numpy"),
    "logsigmoid": (lambda pairs: -F.logsigmoid(BETA * pairs.margin), "torch"),
    "softplus": (lambda pairs: F.softplus(-BETA * pairs.margin), "torch"),
    "bce": (lambda pairs: F.binary_cross_entropy_with_logits(BETA * pairs.margin, torch.ones_like(pairs.margin)), "torch"),
    "two-way cross-entropy": (cross_entropy, "torch"),
    "log-odds": (odds, "torch"),
    "mean": (lambda pairs: (-F.logsigmoid(BETA * pairs.margin)).mean(), "torch"),
    "tuple": (lambda pairs: (-F.logsigmoid(BETA * pairs.margin), 1.0, 2.0), "torch"),
}


@pytest.mark.parametrize("name", SAME_AS_DPO)
def test_reads_every_form_of_dpo(name):
    loss, route = SAME_AS_DPO[name]
    reading = read(loss)
    assert reading.opaque == ""
    assert reading.route == route
    assert reading.residual < 1e-9
    a, b, c, d = reading.symbols
    at = {a: -1.25, b: -2.5, c: -0.75, d: -3.0}
    expected = np.logaddexp(0.0, -BETA * ((-1.25 + 0.75) - (-2.5 + 3.0)))
    assert float(reading.expression.subs(at)) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize(
    ("loss", "kind"),
    [
        (lambda pairs: torch.relu(1 - pairs.margin), sp.Max),
        (lambda pairs: np.maximum(0.0, 1 - pairs.margin), sp.Max),
        (lambda pairs: torch.clamp(pairs.margin, min=-1.0), sp.Max),
        (lambda pairs: torch.abs(pairs.margin), sp.Abs),
        (lambda pairs: torch.where(pairs.margin > 0, pairs.margin, pairs.margin**2), sp.Piecewise),
    ],
)
def test_branches_are_kept(loss, kind):
    assert read(loss).expression.has(kind)


def test_detach_is_seen_and_its_derivative_is_zero():
    reading = read(lambda pairs: -torch.sigmoid(-pairs.margin).detach() * pairs.margin)
    assert reading.expression.has(Detached)
    a = reading.symbols[0]
    assert not sp.diff(reading.expression, a).has(sp.Derivative)


def no_grad(pairs):
    with torch.no_grad():
        weight = torch.sigmoid(-pairs.margin)
    return -weight * pairs.margin


def round_trip(pairs):
    return torch.as_tensor(np.exp(pairs.margin.detach().numpy())) * pairs.margin


def branch(pairs):
    return pairs.margin if pairs.margin > 0 else -pairs.margin


def far_branch(pairs):
    return torch.where(pairs.margin > 1e6, 0.0 * pairs.margin, pairs.margin)


def raises(pairs):
    raise RuntimeError("out of order")


@pytest.mark.parametrize(
    ("loss", "reason"),
    [
        (no_grad, "the gradient of the trace differs"),
        (round_trip, "the value of the trace differs"),
        (branch, "torch cannot trace it"),
        (far_branch, "a branch was never taken"),
        (lambda pairs: torch.special.bessel_j0(pairs.margin), "aten.special_bessel_j0 has no symbolic reading"),
        (raises, "out of order"),
    ],
)
def test_what_a_trace_would_get_wrong_is_opaque(loss, reason):
    reading = read(loss)
    assert reading.expression is None
    assert reason in reading.opaque


def test_optional_fields_are_supplied_by_name():
    def simpo(pairs: PairLogProbs):
        return -F.logsigmoid(2.0 * (pairs.policy_chosen / pairs.chosen_tokens - pairs.policy_rejected / pairs.rejected_tokens) - 0.5)

    fields = ("policy_chosen", "policy_rejected", "ref_chosen", "ref_rejected", "chosen_tokens", "rejected_tokens")
    reading = read(simpo, fields)
    assert reading.opaque == ""
    assert {str(s) for s in reading.expression.free_symbols} == {"a", "b", "chosen_tokens", "rejected_tokens"}


def test_the_same_seed_reads_the_same():
    assert read(DPO(0.1), seed=3) == read(DPO(0.1), seed=3)
