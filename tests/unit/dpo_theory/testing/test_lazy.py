"""What one parametrised test does with each kind of evidence."""

import pytest

from dpo_theory.evidence import Counterexample, Report, Verdict, VerificationError
from dpo_theory.testing import LazyEvidence
from tests.unit.report.reports import row

WITNESS = Counterexample("pairs = 0", "1", "2", "the sign is swapped", "print(2)")


def lazy(verdict, **fields):
    fields = {"kind": "property", "expected": None, **fields}
    return LazyEvidence("loss-convex", lambda: Report("loss", (row("convex", verdict, **fields),), of=1))


@pytest.mark.parametrize("declared", [None, "has"])
def test_what_holds_passes(declared, capsys):
    assert lazy(Verdict.PROVED, declared=declared)().id == "convex"
    assert "PROVED" in capsys.readouterr().out


def test_what_is_absent_as_declared_passes():
    assert lazy(Verdict.REFUTED, declared="lacks", expected="refuted", counterexample=WITNESS)().verdict == Verdict.REFUTED


def test_what_is_not_as_expected_fails_with_the_counterexample():
    with pytest.raises(VerificationError, match=r"(?s)declared: has, expected: holds, got: REFUTED.*the sign is swapped.*print"):
        lazy(Verdict.REFUTED, declared="has", expected="holds", failed=True, counterexample=WITNESS)()
    with pytest.raises(VerificationError, match="declared: lacks, expected: refuted, got: HOLDS"):
        lazy(Verdict.HOLDS, declared="lacks", expected="refuted", failed=True)()


def test_what_is_absent_and_not_declared_is_reported_with_the_witness():
    with pytest.raises(pytest.xfail.Exception, match=r"not declared; lacks convex: .* expected 1, got 2: the sign is swapped on pairs = 0"):
        lazy(Verdict.REFUTED, counterexample=WITNESS)()


@pytest.mark.parametrize("verdict", [Verdict.SKIPPED, Verdict.NOT_APPLICABLE, Verdict.UNDECIDED])
def test_what_did_not_decide_is_skipped_with_the_reason(verdict):
    with pytest.raises(pytest.skip.Exception, match=f"{verdict.value}: the loss has no beta"):
        lazy(verdict, reason="the loss has no beta")()


def test_evidence_is_not_judged():
    assert lazy(Verdict.REFUTED, failed=True).evidence().failed
    assert repr(lazy(Verdict.PROVED)) == "LazyEvidence(loss-convex)"
