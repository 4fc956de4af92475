"""The mass ledger of gradient descent: bounds said before the step, and what came."""

import numpy as np
import pytest

from bandits import TabularBandit, plots
from bandits.experiments import Records, load, sweep
from bandits.experiments.displacement import _foretold, _log_masses
from dpo_theory import predictions
from dpo_theory.evidence import Verdict
from dpo_theory.predictions.shelf import losses
from tests.experiments.ready import ran

FEW = {"steps": 25, "seeds": 12}


def test_every_prediction_holds_and_every_planted_one_is_refuted():
    _, _, report = ran("displacement", **FEW)
    assert report.passed, str(report)
    assert sum(row.verdict is Verdict.REFUTED for row in report) == 3


def test_both_signs_are_foretold_and_come():
    _, records, _ = ran("displacement", **FEW)
    shared = records.where(kind="step", case="shared features", loss="dpo")
    for told, sign in (("falls", -1), ("rises", 1)):
        rise = [row["rise"][0] for row in shared.where(told=told)]
        assert len(rise) > 20
        assert (sign * np.array(rise) > 0).all()


def test_what_is_left_open_shrinks_with_the_step():
    plan = load("displacement").plan(losses=losses(("dpo",)), seeds=8, steps=10, case=("shared features",), step=0.02)
    said = [row["told"] for row in sweep(plan).where(kind="step")]
    _, records, _ = ran("displacement", **FEW)
    rough = [row["told"] for row in records.where(kind="step", case="shared features", loss="dpo")]
    assert said.count("open") / len(said) < 0.02
    assert rough.count("open") / len(rough) > 0.2


def test_the_example_starts_at_minus_a_third_and_follows_its_curve():
    _, records, _ = ran("displacement", **FEW)
    example = records.where(kind="example", loss="dpo")
    assert example.rows[0]["most"][0] == pytest.approx(-1 / 3 * 2.0 * 0.5 / 2)
    for row in example:
        t = row["log_policy"][0] - row["log_policy"][1]
        raw = t * np.array([1.0, 0.0, 3.0])
        np.testing.assert_allclose(row["log_policy"], raw - np.logaddexp.reduce(raw), atol=1e-12)
    assert example.rows[-1]["value"] < example.rows[0]["value"]
    assert example.rows[-1]["first"] < example.rows[0]["first"]


def test_the_example_at_one_and_five():
    t = np.array([[1.0], [5.0]])
    policy = np.exp(t * [1, 0, 3] - np.logaddexp.reduce(t * [1, 0, 3], axis=1, keepdims=True))
    np.testing.assert_allclose(policy[1, :2], [4.5e-5, 3e-7], rtol=0.03)
    assert policy[0, 0] < 1 / 3


def test_bounds_hold_for_moves_of_any_length():
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(200, 6))
    log_policy = raw - np.logaddexp.reduce(raw, axis=1, keepdims=True)
    groups = [[0], [0, 2], [1, 3], [4, 5]]
    for length in (1e-6, 0.1, 10.0, 300.0):
        push = length * rng.normal(size=raw.shape)
        least, most = _foretold(log_policy, push, groups)
        after = log_policy + push
        rise = _log_masses(after - np.logaddexp.reduce(after, axis=1, keepdims=True), groups) - _log_masses(log_policy, groups)
        assert (rise <= most + 1e-10 * (1 + length)).all()
        assert (rise >= least - 1e-10 * (1 + length)).all()


def test_descent_that_goes_uphill_is_seen():
    class Uphill:
        def __call__(self, pairs):
            return -losses(["dpo"])["dpo"](0.5)(pairs)

    plan = load("displacement").plan(losses={"dpo": lambda beta: Uphill()}, seeds=3, steps=5)
    failed = [row.name for row in predictions.judge(predictions.load("displacement"), sweep(plan)).failed]
    assert "one comparison: the chosen answer rises at every step" in failed
    assert "`most` by the formula of the gradient" in failed


def test_a_ledger_that_loses_mass_is_seen():
    _, records, _ = ran("displacement", **FEW)
    rows = tuple(row | {"unseen": row["unseen"] - 1e-6} if row["kind"] == "step" else row for row in records)
    report = predictions.judge(predictions.load("displacement"), Records(records.header, rows))
    assert [row.name for row in report.failed] == ["the ledger is balanced"]


def test_the_figure_is_the_same_bytes_twice():
    study, records, _ = ran("displacement", **FEW)
    assert plots.to_svg(study, records) == plots.to_svg(study, records)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"actions": 4}, "there are 4 answers, expected 5 or more"),
        ({"step": -1.0}, "expected a step length > 0"),
        ({"case": ("two pairs",)}, "there is no case 'two pairs'"),
        ({"bandit": TabularBandit([0.5, 0.5], np.zeros((2, 6)), np.full((2, 6), -np.log(6)), 1.0)}, "has 2 contexts, expected one"),
    ],
)
def test_bad_settings_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        load("displacement").plan(**values)
