"""Every claim stands as it stood: verdict, sizes, edges, and the text that shows it."""

import contextlib
import io
from functools import cache

import pytest

from dpo_theory.claims import registry, runner
from dpo_theory.claims.claim import Claim
from dpo_theory.evidence import Counterexample, Evidence, Verdict
from tests.claims.pinned import PINNED

IDS = registry.ids()


@cache
def evidence(id: str, seed: int = 0) -> Evidence:
    return runner.run(registry.load(id), seed=seed)


@cache
def steps(id: str) -> tuple:
    claim = registry.load(id)
    return tuple(claim.derive()) if claim.derive else ()


def counterexamples(row: Evidence) -> list[Counterexample]:
    found = [part.counterexample for part in (row, *row.parts)]
    return [counterexample for counterexample in found if counterexample is not None]


@pytest.mark.parametrize("id", IDS)
def test_the_verdict_is_as_expected(id):
    row = evidence(id)
    assert not row.failed, f"{row.verdict}: {row.reason}\n{row.counterexample}"


@pytest.mark.parametrize("id", IDS)
def test_it_is_no_weaker_than_pinned(id):
    row = evidence(id)
    assert id in PINNED, f'pin it in tests/claims/pinned.py:\n    "{id}": ("{row.verdict}", "{row.sizes}"),'
    verdict, sizes = PINNED[id]
    order = list(Verdict)
    assert order.index(row.verdict) <= order.index(Verdict(verdict)), row.reason
    assert set(sizes.split("; ")) <= set(row.sizes.split("; ")), f"sizes were {sizes!r}, are {row.sizes!r}"


@pytest.mark.parametrize("id", IDS)
def test_another_seed_gives_the_same_verdict(id):
    first, second = evidence(id), evidence(id, seed=1)
    assert (second.verdict, second.sizes) == (first.verdict, first.sizes), f"{second.reason}\n{second.counterexample}"


@pytest.mark.parametrize("id", IDS)
def test_it_says_what_it_claims_and_whence(id):
    claim = registry.load(id)
    assert isinstance(claim, Claim)
    assert claim.id == id
    first, *rest = claim.statement.strip().splitlines()
    assert first.endswith("."), "the first line is the name, with a full stop"
    assert 0 < len(claim.name) <= 120
    assert any(line.strip() for line in rest), "a statement is more than a name"
    assert claim.source.paper
    if claim.expects == "holds":
        assert "Why:" in claim.statement
    else:
        assert evidence(id).counterexample is not None


@pytest.mark.parametrize("id", IDS)
def test_every_assumption_is_broken_by_a_computed_counterexample(id):
    claim = registry.load(id)
    edges = [part for part in evidence(id).parts if part.kind == "edge"]
    assert {part.method.removeprefix("without ") for part in edges} == set(claim.assumes)
    for part in edges:
        assert isinstance(part.counterexample, Counterexample), f"{part.method}: {part.reason}"
        for word in ("problem", "expected", "got", "because"):
            assert getattr(part.counterexample, word).strip(), f"{part.method}: no {word}"


@pytest.mark.parametrize("id", IDS)
def test_every_step_can_be_shown(id):
    for step in steps(id):
        latex, text = step.latex(), step.text()
        assert step.claim.strip()
        assert f" {step.relation} " in text
        assert latex.count("{") == latex.count("}")
        assert "Dummy" not in text
        assert "_i_" not in text, "a bound index is shown by its letter"


@pytest.mark.parametrize("id", IDS)
def test_every_reproduction_runs(id):
    for counterexample in counterexamples(evidence(id)):
        if counterexample.reproduce:
            shown = io.StringIO()
            with contextlib.redirect_stdout(shown):
                exec(compile(counterexample.reproduce, f"<{id}>", "exec"), {})
            assert shown.getvalue().strip(), "a reproduction prints what was got"


def test_every_statement_of_the_paper_is_here():
    assert {f"D{number:02}" for number in range(1, 28)} <= set(IDS)


def test_no_claim_disappeared():
    assert set(PINNED) <= set(IDS)


def test_at_least_25_statements_of_the_paper_are_proved_at_every_size():
    of_the_paper = [id for id in IDS if id.startswith("D") and int(id[1:3]) <= 27]
    proved = [id for id in of_the_paper if evidence(id).verdict is Verdict.PROVED]
    assert len([id for id in proved if "every " in evidence(id).sizes]) >= 25


def test_a_fixed_size_is_never_shown_as_every_size():
    for id in IDS:
        for step in steps(id):
            assert not (step.sizes.startswith("every ") and "=" in step.sizes)
