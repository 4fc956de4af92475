"""The court itself: it convicts, acquits, and proves multiples."""

import numpy as np
import pytest
import torch

from dpo_theory import DPO, IPO, Hinge
from dpo_theory.audit import run
from dpo_theory.audit.matrix import Audit
from dpo_theory.audit.mutants import SHIPPED, faults
from dpo_theory.audit.record import Right, Sabotage, collected, right, wrong
from dpo_theory.audit.run import audit
from dpo_theory.audit.trial import NAMES, alarms, multiple_of
from dpo_theory.evidence import Verdict

# A time limit that fires inside a finaliser is reported by pytest as a warning; the limit fires again a second later.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

SPEC = DPO(beta=0.1)


def halved(pairs):
    return torch.nn.functional.softplus(-0.1 * pairs.margin) / 2


def good(pairs):
    return -torch.nn.functional.logsigmoid(0.1 * pairs.margin)


def steeper(pairs):
    return -torch.nn.functional.logsigmoid(0.2 * pairs.margin)


@pytest.fixture
def shelves(monkeypatch):
    """Two losses on trial instead of hundreds."""

    def put(*sabotages, right=()):
        monkeypatch.setattr(run, "SHELF", tuple(sabotages))
        monkeypatch.setattr(run, "RIGHT", tuple(right))
        monkeypatch.setattr(run, "faults", lambda: iter(()))

    return put


def test_records_are_named_after_their_functions_and_call_them():
    made = wrong(SPEC, "monotone")(halved)
    assert (made.name, made.killed_by) == ("halved", "monotone")
    assert right(SPEC)(good).name == "good"
    import dpo_theory.audit.shelf.twins as twins

    assert len(collected(twins, Sabotage)) >= 10
    assert made.loss is halved


def test_alarms_are_those_of_the_checks_and_the_one_asked_first_comes_first():
    assert next(alarms(halved, SPEC, first="normalised-likelihood"))[0] == "normalised-likelihood"
    names = [name for name, _ in alarms(halved, SPEC)]
    assert names[0] == "log2-at-reference"
    assert {"normalised-likelihood", "same-value", "same-gradient"} <= set(names) <= set(NAMES)
    assert list(alarms(good, SPEC)) == []


def test_properties_are_not_told_the_specification():
    assert [name for name, _ in alarms(steeper, SPEC)] == ["same-value", "same-gradient"]


@pytest.mark.parametrize(
    ("loss", "twin", "expected"),
    [
        (lambda pairs: (pairs.margin - 5) ** 2 / 2 + 3, IPO(tau=0.1), "(1/2, 3)"),
        (steeper, DPO(beta=0.2), "(1, 0)"),
        (lambda pairs: torch.relu(2 - 0.1 * pairs.margin), Hinge(beta=0.05), "(2, 0)"),
        (steeper, DPO(beta=0.1), "None"),
        (lambda pairs: -((pairs.margin - 5) ** 2), IPO(tau=0.1), "None"),
        (lambda pairs: np.square(np.array(pairs.margin.tolist()) - 5), IPO(tau=0.1), "None"),  # opaque to symbols
    ],
)
def test_multiples_are_proved_or_not_at_all(loss, twin, expected):
    assert str(multiple_of(loss, twin)) == expected


def test_a_trial_that_goes_well(shelves):
    shelves(
        Sabotage("halved", halved, SPEC, "normalised-likelihood"),
        Sabotage("steeper", steeper, SPEC, "same-value", twin=DPO(beta=0.2)),
        right=[Right("good", good, SPEC)],
    )
    seen = []
    found = audit(on_row=lambda row, done, of: seen.append((row.id, done, of)))
    assert isinstance(found, Audit)
    assert found.passed
    assert found.exit_code == 0
    assert seen == [("halved", 1, 3), ("steeper", 2, 3), ("good", 3, 3)]
    assert found.kills == {"halved": ("normalised-likelihood",), "steeper": ("same-value",), "good": ()}
    assert "1 * DPO(beta=0.2) + 0, proved" in found.report["steeper"].method
    assert found.report["good"].verdict == Verdict.HOLDS


def test_a_wrong_loss_that_nobody_notices_fails_the_trial(shelves):
    shelves(Sabotage("good", good, SPEC, "monotone"))
    found = audit()
    assert not found.passed
    assert found.exit_code == 1
    assert "monotone should refute it, and is silent" in str(found)


def test_a_right_loss_that_is_refuted_fails_the_trial(shelves):
    shelves(right=[Right("halved", halved, SPEC)])
    found = audit()
    assert not found.passed
    assert "refuted by log2-at-reference" in found.report["halved"].reason
    assert found.report["halved"].counterexample is not None


@pytest.mark.parametrize(
    ("sabotage", "said"),
    [
        (Sabotage("halved", halved, SPEC, "same-value", twin=SPEC), "properties do tell"),
        (Sabotage("steeper", steeper, SPEC, "same-value", twin=SPEC), "not proved to be a multiple"),
    ],
)
def test_an_excuse_has_to_be_true(shelves, sabotage, said):
    shelves(sabotage)
    found = audit(full=True)
    assert not found.passed
    assert said in found.report.rows[0].reason


def test_a_full_trial_asks_everybody(shelves):
    shelves(Sabotage("halved", halved, SPEC, "normalised-likelihood"))
    short, long = audit(), audit(full=True)
    assert len(short.kills["halved"]) == 1
    assert len(long.kills["halved"]) >= 4
    assert long.killers["log2-at-reference"] == 1
    assert "monotone" in long.idle


def test_the_matrix_has_a_line_per_loss_and_a_column_per_check(shelves):
    shelves(Sabotage("halved", halved, SPEC, "normalised-likelihood"), right=[Right("good", good, SPEC)])
    lines = audit(full=True).to_text().splitlines()
    row = next(line for line in lines if line.startswith("halved"))
    marks = row.split()[1]
    assert len(marks) == len(NAMES)
    assert marks[NAMES.index("normalised-likelihood")] == "X"
    assert marks[NAMES.index("log2-at-reference")] == "x"
    assert set(next(line for line in lines if line.startswith("good")).split()[1]) == {"."}


def test_other_formats(shelves):
    shelves(Sabotage("halved", halved, SPEC, "normalised-likelihood"))
    found = audit()
    assert "refuted by normalised-likelihood" in found.to_json()
    assert "| normalised-likelihood | 1 |" in found.to_markdown()
    assert "<testsuite" in found.to_junit()
    assert "<table" in found.to_html()


def test_mutants_are_judged_against_the_loss_before_the_fault():
    name, mutant, loss, before = next(one for one in faults() if one[0].startswith("DPO: -self.beta ->"))
    assert loss in SHIPPED
    pairs = __import__("bandits").PairLogProbs(*np.array([[-1.0], [-3.0], [-2.0], [-2.0]]))
    value = loss(pairs)
    with mutant.applied():
        assert loss(pairs) != value
        assert before(pairs) == value
        assert next(alarms(loss, before))[0]
    assert loss(pairs) == value
    assert name.startswith("DPO: ")


def test_a_fault_in_a_branch_is_tried_on_the_loss_that_takes_it():
    of = {name: loss for name, _, loss, _ in faults() if name.startswith("IPO")}
    assert of["IPO: pairs.chosen_log_ratio / chosen -> pairs.chosen_log_ratio"].token_logps == "mean"
    assert of["IPO: pairs.margin - 1 / (2 * self.tau) -> pairs.margin"].token_logps == "sum"
    assert set(SHIPPED) == {loss for _, _, loss, _ in faults()}
