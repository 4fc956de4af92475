"""Self-labelling: soft labels change nothing, hard ones run away, drawn ones add noise."""

import numpy as np
import pytest

from bandits import TabularBandit, plots
from bandits.experiments import Records, load, self_labelling, sweep
from dpo_theory import predictions
from dpo_theory.evidence import Verdict
from dpo_theory.predictions.shelf import losses
from tests.experiments.ready import ran

FEW = {"shares": (1.0, 100.0), "factors": (1.0, 16.0), "seeds": 24, "block": 24}
TINY = {"seeds": 5, "shares": (10.0,), "factors": (1.0, 2.0)}


def test_every_prediction_holds_and_every_planted_one_is_refuted():
    _, _, report = ran("self_labelling", **FEW)
    assert report.passed, str(report)
    assert sum(row.verdict is Verdict.REFUTED for row in report) == 3


def test_soft_labels_leave_the_policy_and_hard_ones_sharpen_it():
    _, records, _ = ran("self_labelling", **FEW)
    fits = records.where(kind="fit", share=100.0)
    assert fits.where(labels="soft").column("moved").max() < 1e-8
    assert fits.where(labels="hard").column("size").min() > 1.5
    assert fits.where(labels="hard").column("regret").mean() > 5 * fits.where(labels="soft").column("regret").mean()


def test_hard_labels_alone_have_no_minimiser_and_a_loss_that_tends_to_nothing():
    _, records, _ = ran("self_labelling", **FEW)
    assert not any(row["exists"] for row in records.where(kind="alone", labels="hard"))
    assert all(row["exists"] for row in records.where(kind="alone", labels="soft"))
    far, near = (records.where(kind="curve", factor=factor).column("own_loss") for factor in (16.0, 1.0))
    assert (far < 0.3 * near).all()


def test_probabilities_of_another_model_move_the_fit(monkeypatch):
    def sharper(task, kind, seed, margin):
        return 1 / (1 + np.exp(-2 * margin)) if kind == "soft" else (margin > 0).astype(float)

    monkeypatch.setattr(self_labelling, "_label", sharper)
    plan = load("self_labelling").plan(losses=losses(("dpo",)), **TINY)
    failed = [row.name for row in predictions.judge(predictions.load("self_labelling"), sweep(plan)).failed]
    assert {"soft labels leave theta, at every weight", "soft labels do not pull"} <= set(failed)


def test_a_loss_whose_score_is_not_that_of_its_probabilities_is_seen():
    plan = load("self_labelling").plan(losses={"dpo": losses(("cdpo",))["cdpo"]}, **TINY)
    failed = [row.name for row in predictions.judge(predictions.load("self_labelling"), sweep(plan)).failed]
    assert "soft labels leave theta, at every weight" in failed


def test_a_bias_of_drawn_labels_is_seen():
    _, records, _ = ran("self_labelling", **FEW)
    rows = tuple(row | {"radial": row["radial"] + 0.1} if row.get("labels") == "drawn" and "radial" in row else row for row in records)
    report = predictions.judge(predictions.load("self_labelling"), Records(records.header, rows))
    assert [row.name for row in report.failed] == ["drawn labels pull by"]


def test_no_first_fit_no_record():
    plan = load("self_labelling").plan(losses=losses(("dpo",)), seeds=2, n=1)
    records = sweep(plan)
    assert {row["kind"] for row in records} == {"problem"}
    assert all(row["theta"] is None for row in records)


def test_the_figure_is_the_same_bytes_twice():
    study, records, _ = ran("self_labelling", **FEW)
    assert plots.to_svg(study, records) == plots.to_svg(study, records)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"shares": (0.0,)}, "shares is .*, expected finite numbers > 0"),
        ({"factors": (-1.0,)}, "factors is .*, expected finite numbers > 0"),
        ({"losses": losses(("dpo", "ipo"))}, "there are 2 losses, expected the one"),
        ({"beta": 0.0}, "beta is 0.0"),
        ({"bandit": TabularBandit([1.0], [[1.0, 0.0]], np.log([[0.5, 0.5]]), 1.0)}, "Leave out --from"),
    ],
)
def test_bad_settings_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        load("self_labelling").plan(**{"losses": losses(("dpo",))} | values)
