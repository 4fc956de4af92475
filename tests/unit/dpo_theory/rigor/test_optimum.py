"""Enclosed optima: they contain what they must, and refuse what has no optimum."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest

from bandits.data import Comparisons, PairLogProbs, Rankings
from bandits.problem import TabularBandit
from dpo_theory import optimal
from dpo_theory.evidence import Verdict
from dpo_theory.instances import random_bandit
from dpo_theory.losses.dpo import DPO
from dpo_theory.losses.plackett_luce import PlackettLuceDPO
from dpo_theory.rigor import certify_optimum
from dpo_theory.rigor.balls import arithmetic


@dataclass(frozen=True)
class Squared:
    """IPO's square, for a known rational optimum."""

    tau: float = 0.5

    def __call__(self, pairs):
        return (pairs.margin - 1 / (2 * self.tau)) ** 2


@pytest.fixture(params=["arb", "iv"])
def backend(request):
    return request.param


@pytest.mark.parametrize("seed", range(8))
def test_encloses_the_closed_form(seed, backend):
    bandit = random_bandit(np.random.default_rng(seed), actions=4 + seed % 3)
    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    found = certify_optimum(bandit, DPO(bandit.beta), best, arithmetic=backend)
    assert found.verdict == Verdict.CERTIFIED
    assert found.unique == "global"
    assert found.arithmetic == backend
    assert found.distance(best) < 1e-12 * (1 + np.abs(best).max())
    assert np.all(found.upper - found.lower <= 4 * np.spacing(np.abs(found.lower)) + 1e-300)


def test_both_arithmetics_print_the_same_digits():
    bandit = random_bandit(np.random.default_rng(3), contexts=1, actions=4)
    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    printed = {name: certify_optimum(bandit, DPO(bandit.beta), best, arithmetic=name).probabilities for name in ("arb", "iv")}
    for one, other in zip(*(row for table in printed.values() for row in table), strict=True):
        assert abs(Fraction(one) / Fraction(other) - 1) < Fraction(2, 10**30)


def test_two_actions_against_a_hand_computed_optimum():
    """7 wins in 10, beta = 1/2, ref (1/2, 1/2): the odds are (7/3)^2, so pi_1 = 49/58."""
    bandit = TabularBandit([1.0], [[0.0, 0.0]], np.log([[0.5, 0.5]]), 0.5)
    data = Comparisons([0, 0], [0, 1], [1, 0], weight=[7.0, 3.0])
    found = certify_optimum(bandit, DPO(0.5), np.log([[0.8, 0.2]]), data, digits=25)
    assert abs(Fraction(found.probabilities[0][0]) - Fraction(49, 58)) < Fraction(1, 10**25)


def test_soft_targets_are_taken_as_the_doubles_that_they_are():
    bandit = TabularBandit([1.0], [[0.0, 0.0]], np.log([[0.5, 0.5]]), 1.0)
    found = certify_optimum(bandit, DPO(1.0), np.log([[0.8, 0.2]]), Comparisons([0], [0], [1], target=[0.7]), digits=30)
    assert abs(Fraction(found.probabilities[0][0]) - Fraction(0.7)) < Fraction(1, 10**29)


def test_a_loss_with_another_link():
    bandit = TabularBandit([1.0], [[0.0, 0.0]], np.log([[0.5, 0.5]]), 1.0)
    preferences = np.array([[[0.5, 0.75], [0.25, 0.5]]])
    found = certify_optimum(bandit, Squared(0.5), np.log([[0.6, 0.4]]), preferences=preferences, digits=20)
    margin = np.diff(found.lower[0])[0]
    assert margin == pytest.approx(-0.5, abs=1e-15)  # (2p - 1) / (2 tau) = 1/2
    assert found.unique == "global"


def test_a_numpy_function_and_a_torch_function():
    import torch

    bandit = TabularBandit([1.0], [[1.0, 0.0, -1.0]], np.log([[0.5, 0.3, 0.2]]), 0.5)
    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    for loss in (
        lambda pairs: np.logaddexp(0, -0.5 * pairs.margin),
        lambda pairs: -torch.nn.functional.logsigmoid(0.5 * pairs.margin),
    ):
        found = certify_optimum(bandit, loss, best)
        assert found.verdict == Verdict.CERTIFIED
        assert found.distance(best) < 1e-14


def test_rankings():
    bandit = TabularBandit([1.0], [[0.0, 0.0, 0.0]], np.log([[0.2, 0.3, 0.5]]), 0.5)
    data = Rankings([0, 0, 0], [[0, 1, 2], [1, 2, 0], [2, 0, 1]])
    found = certify_optimum(bandit, PlackettLuceDPO(0.5), bandit.log_ref, data, digits=20)
    assert found.verdict == Verdict.CERTIFIED
    assert found.distance(bandit.log_ref) < 1e-15  # a cycle of rankings is symmetric: no tilt


def test_unsupported_actions_stay_out():
    log_ref = np.array([[np.log(0.5), -np.inf, np.log(0.5)]])
    bandit = TabularBandit([1.0], [[1.0, 9.0, 0.0]], log_ref, 1.0)
    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    found = certify_optimum(bandit, DPO(1.0), best)
    assert found.probabilities[0][1] == "0"
    assert found.lower[0, 1] == -np.inf
    assert found.distance(best) < 1e-14


def test_a_wrong_answer_is_far_from_the_enclosure():
    bandit = TabularBandit([1.0], [[1.0, 0.0, -1.0]], np.log([[0.5, 0.3, 0.2]]), 0.5)
    near = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, 0.55)
    found = certify_optimum(bandit, DPO(0.5), near)
    assert found.verdict == Verdict.CERTIFIED
    assert found.distance(near) > 0.01


def test_no_minimiser_is_never_enclosed():
    bandit = TabularBandit([1.0], [[0.0, 0.0]], np.log([[0.5, 0.5]]), 1.0)
    found = certify_optimum(bandit, DPO(1.0), np.log([[0.9, 0.1]]), Comparisons([0], [0], [1]))
    assert found.verdict == Verdict.UNDECIDED
    assert found.reason


def test_a_disconnected_design_is_never_enclosed():
    bandit = TabularBandit([1.0], [[1.0, 0.0, 0.5, 0.2]], np.log([[0.25] * 4]), 1.0)
    design = np.zeros((1, 4, 4))
    design[0, 0, 1] = design[0, 1, 0] = design[0, 2, 3] = design[0, 3, 2] = 1.0
    found = certify_optimum(bandit, DPO(1.0), bandit.log_ref, design=design)
    assert found.verdict == Verdict.UNDECIDED


def test_a_concave_loss_has_no_minimum_to_enclose():
    bandit = TabularBandit([1.0], [[1.0, 0.0, -1.0]], np.log([[0.5, 0.3, 0.2]]), 0.5)

    def flipped(pairs: PairLogProbs):
        return -DPO(0.5)(pairs)

    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    found = certify_optimum(bandit, flipped, best)
    assert found.verdict == Verdict.UNDECIDED
    assert "not a strict minimum" in found.reason


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"digits": 0}, "digits is 0"),
        ({"digits": 2.5}, "digits is 2.5"),
        ({"arithmetic": "float"}, "expected 'arb' or 'iv'"),
        ({"solution": np.full((1, 2), np.nan)}, "no finite optimum"),
        ({"loss": lambda pairs: np.sort(pairs.margin)}, "cannot be read as an expression"),
        ({"loss": lambda pairs: abs(pairs.margin)}, "not smooth"),
    ],
)
def test_bad_input_is_refused_with_the_reason(change, message):
    bandit = TabularBandit([1.0], [[1.0, 0.0]], np.log([[0.5, 0.5]]), 1.0)
    arguments = {"loss": DPO(1.0), "solution": bandit.log_ref, **change}
    with pytest.raises(ValueError, match=message):
        certify_optimum(bandit, **arguments)


def test_precision_is_put_back():
    flint = pytest.importorskip("flint")
    before = flint.ctx.dps
    bandit = TabularBandit([1.0], [[1.0, 0.0]], np.log([[0.5, 0.5]]), 1.0)
    certify_optimum(bandit, DPO(1.0), bandit.log_ref, digits=40)
    assert flint.ctx.dps == before


@pytest.mark.parametrize("name", ["arb", "iv"])
def test_a_double_is_the_rational_that_it_is(name):
    numbers = arithmetic(name)
    with numbers.digits(40):
        low, high = numbers.bounds(numbers.exact(0.1))
        assert low <= Fraction(0.1) <= high
        low, high = numbers.bounds(numbers.exact(Fraction(1, 10)))
        assert low <= Fraction(1, 10) <= high
        assert high - low < Fraction(1, 10**39)
