"""Each check fires on a loss that it is named for, and stays silent on correct losses in unusual forms."""

import numpy as np
import pytest
import torch

from dpo_theory import AOT, CDPO, DPO, IPO, NCA, Hinge
from dpo_theory.audit.right import RIGHT
from dpo_theory.audit.shelf import SHELF
from dpo_theory.checks import registry, specification
from dpo_theory.checks.runner import check_loss
from dpo_theory.evidence import Verdict

NAMES = registry.names()
LIBRARY = (AOT(beta=0.1), CDPO(beta=0.2, epsilon=0.1), DPO(beta=0.1), DPO(beta=2.0), Hinge(beta=0.5), IPO(tau=0.1), NCA(beta=0.1))
QUIET = [one for one in RIGHT if one.name in ("numpy logaddexp", "in float32", "with rewards", "module", "by vmap", "hinge by clamp")]


def test_the_number_of_checks_does_not_drop():
    assert len(NAMES) >= 32
    contract = [name for name in NAMES if registry.load(name).kind == "contract"]
    assert len(contract) >= 11
    assert len({registry.load(name).code for name in NAMES}) == len(NAMES)


def test_every_check_runs_and_the_report_says_how_many():
    report = check_loss(DPO(beta=0.1))
    assert report.ran == report.asked == len(report.rows) == len(NAMES)
    assert report.passed
    assert f"{len(NAMES)} of {len(NAMES)} ran" in str(report)


@pytest.mark.parametrize("name", NAMES)
def test_a_check_fires_on_the_losses_named_for_it(name):
    named = [one for one in SHELF if one.killed_by == name]
    assert named
    one = named[0]
    report = check_loss(one.loss, only=[name], has=one.spec.has, lacks=one.spec.lacks)
    assert [row.id for row in report.failed] == [name]
    assert report.failed[0].counterexample is not None or report.failed[0].reason


@pytest.mark.parametrize("name", NAMES)
def test_a_check_is_silent_on_right_losses(name):
    for one in QUIET:
        assert check_loss(one.loss, only=[name], has=one.spec.has, lacks=one.spec.lacks).failed == (), one.name


@pytest.mark.parametrize("loss", LIBRARY, ids=repr)
def test_the_librarys_losses_have_what_they_declare(loss):
    report = check_loss(loss)
    assert report.failed == ()
    properties = {name for name in NAMES if registry.load(name).kind == "property"}
    assert (loss.has | loss.lacks) - {"batch-coupled"} == properties
    assert not loss.has & loss.lacks
    undecided = [row.id for row in report.rows if row.verdict in (Verdict.UNDECIDED, Verdict.SKIPPED)]
    assert undecided == []


@pytest.mark.parametrize("loss", LIBRARY, ids=repr)
def test_a_property_declared_the_wrong_way_round_fails(loss):
    name = "convex"
    has, lacks = (loss.lacks & {name}, loss.has & {name}) if name in loss.has | loss.lacks else ((), ())
    assert [row.id for row in check_loss(loss, only=[name], has=has, lacks=lacks).failed] == [name]


def test_coupling_has_to_be_declared():
    loss = AOT(beta=0.1)
    assert "per-example" in [row.id for row in check_loss(loss, has=(), lacks=(), only=["per-example"]).failed]
    assert [row.id for row in check_loss(DPO(beta=0.1), has={"batch-coupled"}, lacks=(), only=["per-example"]).failed] == ["per-example"]


def test_the_specification_is_value_and_gradient():
    value, gradient = specification.checks(DPO(beta=0.1))
    assert (value.name, gradient.name) == ("same-value", "same-gradient")
    report = check_loss(DPO(beta=0.1000001), spec=DPO(beta=0.1), only=["convex"])
    assert [row.id for row in report.failed] == ["same-value", "same-gradient"]
    assert check_loss(DPO(beta=0.1), spec=DPO(beta=0.1), only=["convex"]).passed


def test_a_dead_gradient_is_seen_by_the_specification_alone_too():
    def loss(pairs):
        return (-torch.nn.functional.logsigmoid(0.1 * pairs.margin)).detach() + 0 * pairs.margin

    assert [row.id for row in check_loss(loss, spec=DPO(beta=0.1), only=["finite"]).failed] == ["same-gradient"]


def test_a_counterexample_can_be_pasted(capsys):
    one = next(one for one in SHELF if one.name == "reference halved")
    row = check_loss(one.loss, only=["log-ratio-only"], has=DPO.has, lacks=DPO.lacks)["log-ratio-only"]
    exec(row.counterexample.reproduce, {})
    printed = capsys.readouterr().out
    assert float(row.counterexample.got) != float(row.counterexample.expected)
    assert np.isfinite(float(printed.split("tensor([")[1].split("]")[0]))
