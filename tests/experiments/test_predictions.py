"""Judging: what is exact, what is statistical, and that both can fail."""

import numpy as np
import pytest

from bandits.experiments import Records
from dpo_theory import predictions
from dpo_theory.claims.claim import Measured, Source
from dpo_theory.evidence import Verdict
from dpo_theory.predictions import Estimated, Prediction, judge
from dpo_theory.predictions.human import bandit_from
from dpo_theory.predictions.prediction import from_sample

NOTHING = Records({"study": "toy", "root": 0}, ())


PLANTED = (Measured("planted", 1, 2),)


def judged(*items, wrong=PLANTED):
    toy = Prediction("toy", "A toy.\n\nWhy: to see.", Source("nowhere"), (), lambda records: items, lambda records: wrong)
    return judge(toy, NOTHING)


def test_exact_numbers_are_certified_and_others_hold():
    report = judged(Measured("exact", 2, 2, exact=True), Measured("float", 1.0, 1.0 + 1e-14))
    assert [row.verdict for row in report] == [Verdict.CERTIFIED, Verdict.HOLDS, Verdict.REFUTED]
    assert report.passed


def test_a_wrong_number_is_refuted_with_what_was_got():
    report = judged(Measured("float", 1.0, 1.1))
    assert not report.passed
    assert report["toy.1"].counterexample.got == "1"


def test_a_planted_item_that_is_not_refuted_fails_the_report():
    report = judged(Measured("float", 1.0, 1.0), wrong=(Measured("planted", 1, 1),))
    assert report["toy-wrong.1"].failed


def test_estimates_are_tested_together():
    off = Estimated("three errors off", 3.0, 0.0, 1.0, 100, detects=10.0)
    assert not judged(off)["toy.1"].verdict.holds
    many = [Estimated(str(i), 0.0, 0.0, 1.0, 100, detects=10.0) for i in range(9)]
    assert judged(off, *many)["toy.1"].verdict is Verdict.HOLDS, "among ten, three errors are chance"
    assert judged(off, *many)["toy.1"].tolerance == pytest.approx(3.29, abs=0.01)


def test_true_predictions_are_refuted_as_rarely_as_is_said(monkeypatch):
    monkeypatch.setattr("dpo_theory.evidence.environment", dict)
    rng = np.random.default_rng(0)
    refuted = sum(not judged(from_sample("normal", rng.normal(size=200), 0.0, detects=1.0)).passed for _ in range(1000))
    assert 1 <= refuted <= 22


def test_a_sample_too_small_to_tell_is_undecided_and_says_how_many():
    row = judged(Estimated("wide", 0.1, 0.0, 1.0, 10, detects=0.5))["toy.1"]
    assert row.verdict is Verdict.UNDECIDED
    assert row.failed
    assert "Take 266 or more" in row.reason
    assert judged(from_sample("one", [1.0], 0.0, detects=1.0))["toy.1"].verdict is not Verdict.HOLDS


@pytest.mark.parametrize(("relation", "got", "holds"), [("<=", -5.0, True), ("<=", 5.0, False), (">=", 5.0, True), (">=", -5.0, False)])
def test_one_sided_estimates(relation, got, holds):
    row = judged(Estimated("one-sided", got, 0.0, 1.0, 100, detects=10.0, relation=relation))["toy.1"]
    assert row.verdict.holds is holds


def test_a_judge_that_raises_or_says_nothing_is_no_success():
    def raises(records):
        raise KeyError("x")

    toy = Prediction("toy", "A toy.", Source("nowhere"), (), raises, lambda records: ())
    report = judge(toy, NOTHING)
    assert [row.verdict for row in report] == [Verdict.UNDECIDED] * 2
    assert "raised KeyError" in report["toy.1"].reason
    assert not report.passed


def test_a_number_that_is_missing_refutes():
    assert judged(from_sample("gone", [np.nan, 1.0], 1.0, detects=1.0))["toy.1"].verdict is Verdict.REFUTED


def test_human_preferences_become_a_bandit():
    votes = {
        "prompt": ["p"] * 4 + ["q"] * 5,
        "chosen": ["a", "a", "b", "a", "c", "c", "d", "d", "c"],
        "rejected": ["b", "b", "a", "b", "d", "d", "c", "c", "d"],
    }
    bandit = bandit_from(votes)
    assert bandit.reward.shape == (2, 2)
    np.testing.assert_allclose(bandit.context_probs, [4 / 9, 5 / 9])
    np.testing.assert_allclose(np.ptp(bandit.reward, axis=1), np.log([3.0, 1.5]), atol=1e-9)
    uneven = {"prompt": ["p", "p", "q", "q", "q"], "chosen": ["a", "b", "c", "d", "e"], "rejected": ["b", "a", "d", "e", "c"]}
    with pytest.raises(ValueError, match=r"have 2 to 3 answers, expected the same number. Pass --pool"):
        bandit_from(uneven)
    with pytest.raises(ValueError, match="no two items are strongly connected"):
        bandit_from({"chosen": ["a"], "rejected": ["b"]})
    plan = predictions.load("frontier").plan(bandit=bandit, seeds=2)
    assert plan.task(0).problem(1, beta=0.3).beta == 0.3
    assert plan.header["problem"] != "random"
