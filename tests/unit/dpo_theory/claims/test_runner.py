"""The runner on small claims: every verdict is reached, and none is stronger than what ran."""

import numpy as np
import pytest
import sympy as sp

from dpo_theory.claims import registry, runner
from dpo_theory.claims.claim import Measured
from dpo_theory.evidence import Verdict
from dpo_theory.proof import Step
from tests.unit.dpo_theory.claims.fakes import (
    broken_edge,
    claim,
    exact,
    false_step,
    idle_edge,
    measured,
    open_step,
    true_step,
)


def nothing(bandit, rng):
    return iter(())


def raises(*_):
    raise ZeroDivisionError("by nought")


CASES = {
    "proved": ({"derive": true_step}, Verdict.PROVED),
    "proved and measured": ({"derive": true_step, "certify": measured()}, Verdict.PROVED),
    "certified": ({"certify": exact()}, Verdict.CERTIFIED),
    "holds": ({"certify": measured()}, Verdict.HOLDS),
    "found by search": ({"search": measured()}, Verdict.HOLDS),
    "a certificate does not lift a search": ({"certify": measured(), "search": exact()}, Verdict.HOLDS),
    "refuted step": ({"derive": false_step}, Verdict.REFUTED),
    "refuted number": ({"derive": true_step, "certify": measured(1e-6)}, Verdict.REFUTED),
    "refuted fraction": ({"certify": exact(1, 2)}, Verdict.REFUTED),
    "refuted search": ({"derive": true_step, "search": measured(1e-6)}, Verdict.REFUTED),
    "not a number": ({"certify": measured(np.nan)}, Verdict.REFUTED),
    "an edge that does not break": ({"derive": true_step, "assumes": ("a",), "edges": {"a": idle_edge}}, Verdict.REFUTED),
    "an edge that breaks": ({"derive": true_step, "assumes": ("a",), "edges": {"a": broken_edge}}, Verdict.PROVED),
    "the rules do not close": ({"derive": open_step}, Verdict.UNDECIDED),
    "not closed, though measured": ({"derive": open_step, "certify": measured()}, Verdict.UNDECIDED),
    "no instance": ({"certify": nothing}, Verdict.UNDECIDED),
    "no instance, though proved": ({"derive": true_step, "certify": nothing}, Verdict.UNDECIDED),
    "no steps at all": ({"derive": lambda: iter(())}, Verdict.UNDECIDED),
    "a derivation that raises": ({"derive": raises}, Verdict.UNDECIDED),
    "a certificate that raises": ({"derive": true_step, "certify": lambda bandit, rng: raises()}, Verdict.UNDECIDED),
    "an edge that raises": ({"derive": true_step, "assumes": ("a",), "edges": {"a": raises}}, Verdict.UNDECIDED),
    "part of it unproved": ({"derive": true_step, "certify": measured(), "unproved": "the limit"}, Verdict.HOLDS),
    "part of it unproved, exact": ({"derive": true_step, "certify": exact(), "unproved": "the limit"}, Verdict.CERTIFIED),
    "unproved and not measured": ({"derive": true_step, "unproved": "the limit"}, Verdict.UNDECIDED),
}


@pytest.mark.parametrize(("fields", "verdict"), CASES.values(), ids=CASES)
def test_the_verdict(fields, verdict):
    evidence = runner.run(claim(**fields))
    assert evidence.verdict is verdict, evidence.reason
    assert evidence.failed is not verdict.holds
    if verdict is Verdict.UNDECIDED:
        assert evidence.reason
    if verdict is Verdict.REFUTED:
        assert evidence.counterexample is not None or evidence.reason


@pytest.mark.parametrize(("fields", "verdict"), CASES.values(), ids=CASES)
def test_what_is_expected_to_be_refuted_fails_unless_it_is(fields, verdict):
    evidence = runner.run(claim(**fields, expects="refuted"))
    assert evidence.verdict is verdict
    assert evidence.failed is (verdict is not Verdict.REFUTED)


def test_what_was_raised_is_said():
    evidence = runner.run(claim(certify=lambda bandit, rng: raises()))
    assert "ZeroDivisionError: by nought" in evidence.reason


def test_the_unproved_part_is_named():
    evidence = runner.run(claim(derive=true_step, certify=measured(), unproved="the limit"))
    assert "the limit" in evidence.reason


def test_one_failing_step_is_enough():
    def derive():
        yield from true_step()
        yield from false_step()

    evidence = runner.run(claim(derive=derive))
    assert evidence.verdict is Verdict.REFUTED
    assert "a square" in evidence.counterexample.problem


def test_a_measured_counterexample_is_shown_before_a_step():
    evidence = runner.run(claim(derive=false_step, certify=measured(1e-3)))
    assert "TabularBandit" in evidence.counterexample.problem
    assert evidence.counterexample.got.startswith("1.001")


def test_the_first_rung_that_fails_is_the_smallest():
    evidence = runner.run(claim(certify=measured(1.0)))
    assert evidence.parts[0].instances == 1
    assert "two actions" in evidence.counterexample.problem


def test_one_float_among_fractions_is_no_certificate():
    def certify():
        yield from exact()()
        yield Measured("a float", 1.0, 1.0)

    assert runner.run(claim(certify=certify)).verdict is Verdict.HOLDS


def test_the_sizes_are_those_of_the_steps():
    def derive():
        yield from true_step()
        yield Step("two", sp.S.One + 1, 2, sizes="n = 2")
        yield Step("no size", sp.S.One + 1, 2, sizes="")

    assert runner.run(claim(derive=derive)).sizes == "every n; n = 2"


def test_sizes_are_not_printed_where_nothing_was_proved():
    assert runner.run(claim(derive=false_step)).sizes == ""
    assert runner.run(claim(derive=open_step)).sizes == ""


def test_the_worst_residual_is_kept():
    def certify(bandit, rng):
        yield Measured("small", 1.0 + 1e-14, 1.0)
        yield Measured("large", 1.0 + 5e-13, 1.0)
        yield Measured("none", 1.0, 1.0)

    evidence = runner.run(claim(certify=certify))
    assert evidence.residual == pytest.approx(5e-13, rel=1e-3)
    assert evidence.tolerance == 1e-12


def test_every_edge_has_its_row():
    evidence = runner.run(claim(certify=exact(), assumes=("a", "b"), edges={"a": broken_edge, "b": idle_edge}))
    edges = {part.method: part.verdict for part in evidence.parts if part.kind == "edge"}
    assert edges == {"without a": Verdict.HOLDS, "without b": Verdict.REFUTED}
    assert "did not break" in evidence.reason


def test_parts_can_be_run_alone():
    evidence = runner.run(claim(derive=false_step, certify=measured()), only=("certificate",))
    assert evidence.verdict is Verdict.HOLDS
    assert [part.kind for part in evidence.parts] == ["certificate"]


def test_nothing_run_is_undecided():
    assert runner.run(claim(derive=true_step), only=()).verdict is Verdict.UNDECIDED


def test_the_same_seed_draws_the_same_numbers():
    drawn = []

    def certify(bandit, rng):
        drawn.append(rng.random())
        yield Measured("x", 0.0, 0.0)

    for seed in (3, 3, 4):
        runner.run(claim(certify=certify), seed=seed)
    third = len(drawn) // 3
    assert drawn[:third] == drawn[third : 2 * third] != drawn[2 * third :]


def test_a_search_climbs_a_shorter_ladder():
    counts = {"certify": 0, "search": 0}

    def count(kind):
        def part(bandit, rng):
            counts[kind] += 1
            yield Measured("x", 0.0, 0.0)

        return part

    runner.run(claim(certify=count("certify"), search=count("search")))
    assert counts["search"] == runner.SEARCH_RUNGS < counts["certify"]


@pytest.mark.parametrize("seed", [-1, 1.5, True, "0", None])
def test_a_bad_seed_is_refused(seed):
    with pytest.raises(ValueError, match="expected a whole number >= 0"):
        runner.verify("D04", seed=seed)


@pytest.mark.parametrize("ids", ["D999", ["D04", "no-such"]])
def test_an_unknown_claim_is_refused_before_anything_runs(ids, monkeypatch):
    monkeypatch.setattr(runner, "run", raises)
    with pytest.raises(registry.UnknownClaim):
        runner.verify(ids)


def test_rows_come_in_order_and_are_announced():
    seen = []
    report = runner.verify(["D10", "eq1"], on_row=lambda row, done, of: seen.append((row.id, done, of)))
    assert [row.id for row in report] == ["D10", "D01"]
    assert seen == [("D10", 1, 2), ("D01", 2, 2)]
    assert report.passed
    assert report.seed == 0


def test_no_claims_asked_for_is_nothing_run():
    report = runner.verify([])
    assert len(report) == 0
    assert not report.passed
    assert report.exit_code == 3


def test_an_interruption_keeps_what_was_done(monkeypatch):
    honest = runner.run

    def run(asked, *, seed):
        if asked.id == "D07":
            raise KeyboardInterrupt
        return honest(asked, seed=seed)

    monkeypatch.setattr(runner, "run", run)
    with pytest.raises(runner.Interrupted) as error:
        runner.verify(["D10", "D07", "D13"], seed=5)
    report = error.value.report
    assert [row.id for row in report] == ["D10"]
    assert (report.asked, report.seed, report.passed) == (3, 5, False)
