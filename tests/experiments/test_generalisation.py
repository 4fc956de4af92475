"""Contexts never seen: one policy by two roads, a table that stays where it starts, and how fast regret falls."""

import numpy as np
import pytest

from bandits import TabularBandit, plots
from bandits.experiments import Records, load, sweep
from dpo_theory import predictions
from dpo_theory.evidence import Verdict
from dpo_theory.predictions.shelf import losses
from tests.experiments.ready import ran

FEW = {"sizes": (10000,), "misfit": (0.0,), "steps": 10}
TINY = {"sizes": (300,), "seeds": 4, "block": 4}


def test_every_prediction_holds_and_every_planted_one_is_refuted():
    _, _, report = ran("generalisation", **FEW)
    assert report.passed, str(report)
    assert sum(row.verdict is Verdict.REFUTED for row in report) == 3


def test_the_two_roads_meet_though_the_reward_is_not_linear():
    _, records, _ = ran("generalisation", **TINY)
    model = records.where(kind="policy", method="reward model", misfit=1.0)
    assert len(model) == 8
    assert model.column("apart").max() < 1e-8
    assert model.column("moved").min() > 0.1


def test_features_carry_over_and_a_table_does_not():
    _, records, _ = ran("generalisation", **FEW)
    found = records.where(kind="policy", part="unseen")
    table, dpo = (found.where(method=name).column("regret") for name in ("table", "dpo"))
    assert dpo.mean() < 0.02 * table.mean()
    seen = records.where(kind="policy", part="seen", method="table")
    assert seen.column("moved").min() > 0.1


def test_other_losses_do_not_meet_the_reward_model():
    plan = load("generalisation").plan(losses={"dpo": losses(("ipo",))["ipo"]}, **TINY)
    failed = [row.name for row in predictions.judge(predictions.load("generalisation"), sweep(plan)).failed]
    assert "DPO and the reward model's optimum, unseen contexts, nats" in failed


def test_a_table_that_moves_is_seen():
    _, records, _ = ran("generalisation", **FEW)
    rows = tuple(row | {"moved": row["moved"] + 1e-6} if row.get("method") == "table" else row for row in records)
    report = predictions.judge(predictions.load("generalisation"), Records(records.header, rows))
    assert [row.name for row in report.failed] == ["a table stays at the reference on unseen contexts"]


def test_a_regret_that_falls_at_another_rate_is_seen():
    _, records, _ = ran("generalisation", **FEW)
    rows = tuple(row | {"regret": 2 * row["regret"]} if row.get("method") == "dpo" else row for row in records)
    report = predictions.judge(predictions.load("generalisation"), Records(records.header, rows))
    assert len([row for row in report.failed if row.kind == "prediction" and "n x regret" in row.name]) == 2


def test_too_few_comparisons_leave_no_policy_and_no_number():
    plan = load("generalisation").plan(losses=losses(("dpo",)), seeds=2, sizes=(2,), misfit=(0.0,))
    rows = sweep(plan).where(kind="policy", method=("dpo", "reward model"))
    assert all(row["regret"] is None for row in rows)


def test_the_figure_is_the_same_bytes_twice():
    study, records, _ = ran("generalisation", **TINY)
    assert plots.to_svg(study, records) == plots.to_svg(study, records)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"misfit": (-1.0,)}, "expected finite numbers >= 0"),
        ({"misfit": ("much",)}, "expected finite numbers >= 0"),
        ({"losses": {}}, "there is no loss"),
        ({"sizes": (0,)}, "expected 1 or more comparisons"),
        ({"unseen": 0}, "unseen is 0"),
        ({"bandit": TabularBandit([1.0], [[1.0, 0.0]], np.log([[0.5, 0.5]]), 1.0)}, "Leave out --from"),
    ],
)
def test_bad_settings_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        load("generalisation").plan(**{"losses": losses(("dpo",))} | values)
