"""Variance of the policy gradient: closed forms, the two ends, and what is refused."""

from fractions import Fraction

import numpy as np
import pytest

from bandits import TabularBandit, plots
from bandits.experiments import Records, load
from dpo_theory import predictions
from dpo_theory.evidence import Verdict
from tests.experiments.ready import ran

FEW = {"along": (0.0, 1.0), "shifts": (0.0, 1.0)}


def test_every_prediction_holds_and_every_planted_one_is_refuted():
    _, _, report = ran("actor_critic", **FEW)
    assert report.passed, str(report)
    assert sum(row.verdict is Verdict.REFUTED for row in report) == 4


def small(baseline, along):
    _, records, _ = ran("actor_critic", **FEW)
    return records.where(kind="small", shift=0.0, baseline=baseline, along=along).rows[0]


def test_the_worked_example_has_the_numbers_of_its_claim():
    got = [small(name, 0)["variance"] for name in ("none", "normaliser", "mean", "best")]
    np.testing.assert_allclose(got, [0.1878, 0.4963, 0.2472, 0.1877], atol=5e-5)
    assert small("best", 0)["level"] == pytest.approx(-0.0097, abs=5e-5)
    assert small("normaliser", 1)["variance"] < 1e-20


def test_raw_variance_at_the_reference_in_fractions():
    policy, reward = [Fraction(5, 10), Fraction(3, 10), Fraction(2, 10)], [1, 0, -1]
    drawn = [[r * ((y == k) - policy[k]) for k in range(3)] for y, r in enumerate(reward)]
    mean = [sum(p * g[k] for p, g in zip(policy, drawn, strict=True)) for k in range(3)]
    exact = sum(p * sum((g[k] - mean[k]) ** 2 for k in range(3)) for p, g in zip(policy, drawn, strict=True))
    assert small("none", 0)["variance"] == pytest.approx(float(exact), abs=1e-15)


def test_one_reference_answer_is_lower_than_the_normaliser_on_average():
    assert small("reference answer", 0)["level"] == pytest.approx(0.3)
    assert small("normaliser", 0)["level"] > small("reference answer", 0)["level"]
    assert small("reference answer", 0)["bias"] < 1e-15


def test_no_baseline_is_below_the_best_one():
    _, records, _ = ran("actor_critic", **FEW)
    found = records.where(kind="variance")
    least = found.where(baseline="best").column("variance")
    for name in ("none", "normaliser", "mean", "reference answer"):
        assert (found.where(baseline=name).column("variance") > least - 1e-12).all()


@pytest.mark.parametrize(
    ("baseline", "factor", "failed"),
    [("normaliser", 1.01, "variance by enumeration is the closed form"), ("none", 1.01, "at the optimum without it: (beta log Z)^2 T")],
)
def test_a_wrong_variance_is_seen(baseline, factor, failed):
    _, records, _ = ran("actor_critic", **FEW)
    rows = tuple(row | {"variance": factor * row["variance"]} if row.get("baseline") == baseline else row for row in records)
    report = predictions.judge(predictions.load("actor_critic"), Records(records.header, rows))
    assert failed in [row.name for row in report.failed]


def test_samples_of_a_wrong_law_are_seen():
    _, records, _ = ran("actor_critic", **FEW)
    rows = tuple(row | {"sampled": 1.2 * row["sampled"]} if "sampled" in row else row for row in records)
    report = predictions.judge(predictions.load("actor_critic"), Records(records.header, rows))
    assert sum("sampled over exact" in row.name for row in report.failed) >= 3


def test_the_figure_is_the_same_bytes_twice():
    study, records, _ = ran("actor_critic", **FEW)
    assert plots.to_svg(study, records) == plots.to_svg(study, records)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"along": (0.0, 1.5)}, "expected numbers from 0"),
        ({"along": (0.0, 0.5)}, "both among them"),
        ({"draws": 1}, "one sample has no variance"),
        ({"beta": 0.0}, "beta is 0.0"),
        ({"bandit": TabularBandit([0.5, 0.5], np.eye(2), np.log(np.full((2, 2), 0.5)), 1.0)}, "has 2 contexts, expected one"),
    ],
)
def test_bad_settings_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        load("actor_critic").plan(**values)
