"""Losses of single and of scored answers under the checks, and what the checks see of reference-free and discontinuous ones."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import sympy as sp
import torch

from bandits.data import LabelledLogProbs, PairLogProbs
from dpo_theory import _xp
from dpo_theory.checks.runner import check_loss
from dpo_theory.checks.signature import adapt
from dpo_theory.losses import BCO, CDPO, CPO, DPOP, KTO, ORPO, PFL, RPO, SPPO, AlphaPO, BCOPair, InfoNCA, SimPO, SLiC, Unlikelihood

PAIRS = PairLogProbs(*np.array([[-1.0, -2.0], [-3.0, -1.0], [-2.0, -2.5], [-2.0, -2.0]]))


def test_a_labelled_loss_on_a_pair_is_the_loss_of_both_answers():
    style, call = adapt(BCO(beta=0.5), None)
    assert style == "labelled"
    np.testing.assert_allclose(call(PAIRS), BCOPair(beta=0.5)(PAIRS), rtol=1e-14)
    assert call(PairLogProbs(*map(torch.tensor, PAIRS[:4]))).dtype == torch.float64
    assert isinstance(call(PairLogProbs(*sp.symbols("a:d", real=True))), sp.Expr)


def test_a_scored_loss_on_a_pair_has_rewards_1_and_0():
    style, call = adapt(InfoNCA(beta=0.5), None)
    assert style == "scored"
    np.testing.assert_allclose(call(PAIRS), CDPO(beta=0.5, epsilon=1 / (1 + np.e))(PAIRS), rtol=1e-13)


def test_a_coupled_labelled_loss_sees_all_answers_of_the_batch():
    answers = adapt(KTO(beta=0.5, reference_point="batch"), None)[1](PAIRS)
    ratios = np.concatenate([PAIRS.chosen_log_ratio, PAIRS.rejected_log_ratio])
    given = max(0.0, ratios.mean())
    chosen = KTO(beta=0.5)(LabelledLogProbs(PAIRS.policy_chosen, PAIRS.ref_chosen, True, given))
    rejected = KTO(beta=0.5)(LabelledLogProbs(PAIRS.policy_rejected, PAIRS.ref_rejected, False, given))
    np.testing.assert_allclose(answers, chosen + rejected, rtol=1e-14)


def test_a_function_of_labelled_answers_needs_the_name_of_its_style():
    def loss(labelled):
        return _xp.softplus((1.0 if labelled.desirable is False else -1.0) * labelled.log_ratio)

    report = check_loss(
        loss, style="labelled", only=["log-ratio-only", "monotone", "per-example"], has=["log-ratio-only", "monotone"], lacks=[]
    )
    assert report.failed == ()


def test_the_code_of_a_counterexample_runs_for_a_labelled_loss():
    row = check_loss(BCO(beta=0.5), only=["shift-invariant"])["shift-invariant"]
    names = {}
    exec(row.counterexample.reproduce.replace("print(", "shown = ("), names)
    assert "adapt(BCO(beta=0.5), 'labelled')" in row.counterexample.reproduce
    assert np.isfinite(float(names["shown"].sum()))


@dataclass(frozen=True)
class Declares:
    """The logistic loss, with a margin that is held fixed or not, under a declaration."""

    fixed: bool

    takes: ClassVar[type] = PairLogProbs
    has: ClassVar[frozenset[str]] = frozenset({"surrogate-gradient"})
    lacks: ClassVar[frozenset[str]] = frozenset()

    def __call__(self, pairs):
        weight = _xp.sigmoid(pairs.margin)
        return (_xp.detached(weight) if self.fixed else weight) * _xp.softplus(-pairs.margin)


def test_a_surrogate_gradient_has_to_be_declared_and_has_to_be_one():
    assert check_loss(Declares(fixed=True), only=["gradient"]).passed
    assert "no part" not in str(check_loss(Declares(fixed=True), only=["gradient"]))
    assert [row.id for row in check_loss(Declares(fixed=False), only=["gradient"]).failed] == ["gradient"]
    assert [row.id for row in check_loss(Declares(fixed=True), only=["gradient"], has=[]).failed] == ["gradient"]
    assert check_loss(KTO(reference_point="batch"), only=["gradient"]).passed


def test_a_jump_the_wrong_way_is_not_monotone():
    row = check_loss(PFL(beta=0.1), only=["monotone"], has=["monotone"], lacks=[])["monotone"]
    assert row.failed
    assert "half a nat less" in row.counterexample.because


def test_a_derivative_that_grows_near_certainty_is_not_bounded():
    assert check_loss(ORPO(), only=["bounded-gradient"], has=["bounded-gradient"], lacks=[]).failed
    assert check_loss(AlphaPO(), only=["bounded-gradient"], has=["bounded-gradient"], lacks=[]).failed


def test_unequal_lengths_both_ways_are_asked_for_convexity():
    assert check_loss(SimPO(), only=["convex"], has=["convex"], lacks=[]).failed


@pytest.mark.parametrize("loss", [RPO(), CPO()], ids=repr)
def test_displacement_is_found_however_large_the_likelihood_term(loss):
    assert check_loss(loss, only=["displacement-free"], has=["displacement-free"], lacks=[]).failed


@pytest.mark.parametrize("loss", [DPOP(weight=5.0), SPPO(), KTO(), Unlikelihood(), SLiC(), SimPO()], ids=repr)
def test_the_order_of_win_rates_is_refuted_without_a_solver(loss):
    row = check_loss(loss, only=["borda-order"], has=["borda-order"], lacks=[])["borda-order"]
    assert row.failed
    assert row.counterexample is not None


def test_an_option_that_another_one_switches_off_is_not_ignored():
    assert check_loss(CPO(nll_weight=0.0), only=["parameters-matter"]).passed
    assert check_loss(AlphaPO(alpha=-0.5), only=["parameters-matter"]).passed


@pytest.mark.parametrize(
    "loss",
    [
        AlphaPO(alpha=0.0),
        AlphaPO(alpha=-0.5, token_logps="sum"),
        CPO(nll_weight=0.0),
        CPO(form="hinge", token_logps="mean"),
        CPO(form="ipo", token_logps="mean", nll="mean"),
        DPOP(weight=5.0, penalty="outside"),
        KTO(desirable_weight=1.5),
        ORPO(token_logps="sum", nll="sum"),
        ORPO(weight=0.0),
        RPO(nll="mean"),
        SimPO(gamma=0.0),
        SimPO(token_logps="sum", gamma_in="nats"),
        SLiC(nll_weight=0.0),
        SLiC(token_logps="mean", nll="mean"),
        Unlikelihood(alpha=1.0),
    ],
    ids=repr,
)
def test_conventions_declare_what_they_have(loss):
    assert check_loss(loss).failed == ()
