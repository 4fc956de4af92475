"""The four terms of the DPO-RLHF difference: they sum to it, and each vanishes where it should."""

import numpy as np
import pytest

from bandits import Comparisons, TabularBandit, plots
from bandits.experiments import Records, load, sweep
from bandits.experiments.gap import TERMS, design_of
from bandits.experiments.methods.linear import fit_linear
from bandits.features import minimise_loss_linear
from dpo_theory import predictions
from dpo_theory.evidence import Verdict
from dpo_theory.losses import DPO
from dpo_theory.predictions.shelf import losses
from tests.experiments.ready import ran

FEW = {"steps": (0, 3), "seeds": 40, "sizes": (3000,)}
TINY = {"steps": (0, 3), "seeds": 4, "sizes": (300,)}


def test_every_prediction_holds_and_every_planted_one_is_refuted():
    _, _, report = ran("gap", **FEW)
    assert report.passed, str(report)
    assert sum(row.verdict is Verdict.REFUTED for row in report) == 7


def test_the_terms_sum_to_the_total():
    _, records, _ = ran("gap", **FEW)
    gaps = records.where(kind="gap")
    assert len(gaps) == 40 * 2 * 3 * 2
    np.testing.assert_allclose(sum(gaps.column(name) for name in TERMS), gaps.column("total"), atol=1e-10)
    np.testing.assert_allclose(gaps.column("class_term") + gaps.column("objective_term"), gaps.column("misspecification"), atol=1e-12)


def test_without_a_step_the_policy_is_the_reference():
    _, records, _ = ran("gap", **FEW)
    ref = {row["seed"]: row["log_ref"] for row in records.where(kind="problem")}
    for row in records.where(kind="gap", steps=0):
        np.testing.assert_allclose(row["log_policy"], ref[row["seed"]], atol=1e-14)


def test_stopping_early_can_help():
    _, records, _ = ran("gap", **FEW)
    assert (records.where(**{"class": "features"}, steps=3).column("optimisation") < -0.01).any()


def test_designs():
    np.testing.assert_allclose(design_of("all pairs", 3)[0], (1 - np.eye(3)) / 6)
    assert (design_of("chain", 4)[0] > 0).sum() == 6
    assert design_of("one never compared", 4)[0, -1].sum() == 0


@pytest.mark.parametrize("rows", [[[0, 1], [1, 0], [3, 1]], [[0, 1], [1, 2], [2, 1]]])
def test_many_problems_in_one_solve_are_those_solved_alone(rows):
    rng = np.random.default_rng(1)
    problems = [TabularBandit([1.0], rng.normal(size=(1, 3)), np.log([[0.5, 0.3, 0.2]]), 0.5) for _ in range(3)]
    features = [rng.normal(size=(1, 3, 1)) for _ in problems]
    chosen, rejected, weight = rows
    never = Comparisons([0], [0], [1])
    data = [Comparisons([0, 0], chosen, rejected, weight), Comparisons([0, 0], [0, 1], [1, 0], [2, 1]), never]
    found = fit_linear(problems, DPO(0.5), features, data)
    assert np.isnan(found[2].theta).all(), "one comparison has no minimiser, and does not take the others with it"
    for one, problem, phi, seen in zip(found, problems, features, data, strict=True):
        alone = minimise_loss_linear(problem, DPO(0.5), phi, seen)
        np.testing.assert_allclose(one.theta, alone.theta, atol=1e-9)
        np.testing.assert_allclose(one.log_policy, alone.log_policy, atol=1e-9)


def test_another_loss_does_not_meet_the_equations_of_dpo():
    plan = load("gap").plan(losses={"dpo": lambda beta: losses(["dpo"])["dpo"](2 * beta)}, **TINY)
    failed = [row.name for row in predictions.judge(predictions.load("gap"), sweep(plan)).failed]
    assert "DPO policies meet the score equations of the exact population" in failed
    assert "a table has no misspecification" in failed
    assert "the terms sum to beta KL(pi || pi*)" not in failed


@pytest.mark.parametrize("term", TERMS)
def test_a_term_that_is_off_is_seen(term):
    _, records, _ = ran("gap", **FEW)
    rows = tuple(row | {term: row[term] + 1e-9} if row["kind"] == "gap" and row["seed"] == 3 else row for row in records)
    report = predictions.judge(predictions.load("gap"), Records(records.header, rows))
    assert "the terms sum to beta KL(pi || pi*)" in [row.name for row in report.failed]


def test_a_data_set_without_a_minimiser_has_a_total_and_no_statistical_term():
    plan = load("gap").plan(losses=losses(("dpo",)), seeds=4, sizes=(2,), steps=(1,), designs=("chain",))
    gaps = sweep(plan).where(kind="gap", **{"class": "table"})
    assert all(row["statistical"] is None and row["total"] > 0 for row in gaps)


def test_the_figure_is_the_same_bytes_twice():
    study, records, _ = ran("gap", **TINY)
    assert plots.to_svg(study, records) == plots.to_svg(study, records)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"designs": ("star",)}, "there is no design 'star'"),
        ({"losses": {}}, "there are 0 losses, expected the one"),
        ({"actions": 2}, "there are 2 answers, expected 3 or more"),
        ({"rate": -1.0}, "expected rate > 0"),
        ({"beta": -1.0}, "beta is -1.0"),
        ({"bandit": TabularBandit([0.5, 0.5], np.zeros((2, 6)), np.full((2, 6), -np.log(6)), 1.0)}, "has 2 contexts, expected one"),
    ],
)
def test_bad_settings_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        predictions.study("gap").plan(**{"losses": losses(("dpo",))} | values)
