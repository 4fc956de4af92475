import json
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
from jsonschema import Draft202012Validator

from dpo_theory.evidence import Report, Verdict
from dpo_theory.report.schema import SCHEMA
from dpo_theory.report.shown import Shown, latex
from tests.unit.report.reports import ENVIRONMENT, WITNESS, part, row

STEP = SimpleNamespace(
    claim="gap_identity",
    text=lambda: r"\log Z = a",
    latex=lambda: r"\sum_{i=1}^{n} a \ge b",
    why="100% of <it>",
    hypotheses=("sum p = 1",),
    sizes="every n",
    relation=">=",
)
PARTS = (part("proof", Verdict.PROVED, method="1 step"), part("edge", method="without beta > 0", counterexample=WITNESS))
REPORT = Report("theory", (row(parts=PARTS),), of=1, seed=0, environment=ENVIRONMENT)


def claim(derive=lambda: [STEP]):
    return SimpleNamespace(
        id="D04",
        aliases=("eq4",),
        name="Optimal policy",
        statement="Optimal policy.\n\n    pi* = <pi_ref> exp(r) | Z",
        source="Rafailov",
        assumes=("beta > 0",),
        expects="holds",
        unproved="",
        derive=derive,
    )


SHOWN = Shown.of(claim(), REPORT)


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
def test_every_form_says_everything(form):
    told = getattr(SHOWN, f"to_{form}")()
    plain = told.replace("\\", "").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").replace("&#x27;", "'")
    for said in ("Optimal policy", "pi* = <pi_ref>", "Rafailov", "eq4", "beta > 0", "gap_identity", "100% of <it>", "sum p = 1",
                 "1 step", "without beta > 0", WITNESS.problem, "1 of 1 ran"):  # fmt: skip
        assert said in plain, said


def test_text_has_no_latex_and_the_name_once_before_the_evidence():
    assert "1. gap_identity  [every n]\n    log Z = a\n" in SHOWN.to_text()
    assert SHOWN.to_text().count("Optimal policy") == 1


def test_latex_aligns_the_relation_and_tags_the_reason():
    told = SHOWN.to_latex()
    assert r"\sum_{i=1}^{n} a &\ge b \tag*{(100\% of \textless{}it\textgreater{})}" in told
    assert told.count(r"\begin{align*}") == told.count(r"\end{align*}") == 1


def test_latex_of_words():
    assert latex(r"a_b ~ c^2 \ {d} & # $") == (r"a\_b \textasciitilde{} c\textasciicircum{}2 \textbackslash{} \{d\} \& \# \$")


def test_json_is_valid():
    Draft202012Validator(SCHEMA).validate(json.loads(SHOWN.to_json()))
    assert not Draft202012Validator(SCHEMA).is_valid({**SHOWN.to_dict(), "steps": None})


def test_a_derivation_that_raises_is_shown_up_to_there():
    def derive():
        yield STEP
        raise ZeroDivisionError("beta")

    shown = Shown.of(claim(derive), REPORT)
    assert len(shown.steps) == 1
    assert "derivation stopped: ZeroDivisionError: beta" in shown.to_text()
    assert "derivation stopped" not in SHOWN.to_text()


def test_a_claim_without_derivation_has_no_equations():
    assert "align" not in Shown.of(claim(None), REPORT).to_latex()


def test_failures_are_told():
    bad = replace(REPORT, rows=(row(verdict=Verdict.REFUTED, failed=True, counterexample=WITNESS),))
    shown = Shown.of(claim(), bad)
    assert shown.exit_code == 1
    for form in (shown.to_text(), shown.to_markdown()):
        assert re.search(r"FAIL  D04", form)
