"""Label noise: orders, the chain whose ends change places, and the price of correcting."""

from fractions import Fraction

import numpy as np
import pytest

from bandits import TabularBandit, plots
from bandits.experiments import load, sweep
from bandits.experiments.label_noise import flipped
from dpo_theory import predictions
from dpo_theory.evidence import Verdict
from dpo_theory.losses import DPO
from dpo_theory.predictions.label_noise import THRESHOLDS
from dpo_theory.predictions.shelf import methods
from tests.experiments.ready import ran

SMALL = {"seeds": 12, "block": 12, "rates": (0.0, 0.1, 0.3, 0.55), "draws": 30}


def test_every_prediction_holds_and_every_planted_one_is_refuted():
    _, _, report = ran("label_noise", **SMALL)
    assert report.passed, str(report)
    assert sum(row.verdict is Verdict.REFUTED for row in report) == 4
    assert sum(row.verdict is Verdict.CERTIFIED for row in report) == 3


def test_thresholds_are_roots_found_by_hand():
    _, records, _ = ran("label_noise", **SMALL)
    found = {row["method"]: row["threshold"] for row in records.where(kind="threshold")}
    long, short = 20 / 21, 1 / 4
    roots = np.roots(
        np.poly1d([1 - 2 * long, long]) * np.poly1d([1 - 2 * short, short]) ** 2
        - np.poly1d([2 * long - 1, 1 - long]) * np.poly1d([2 * short - 1, 1 - short]) ** 2
    )
    (turn,) = (root.real for root in roots if 0 < root.real < 0.49 and abs(root.imag) < 1e-9)
    assert found["dpo"] == pytest.approx(turn, abs=1e-9)
    assert found["cdpo"] == pytest.approx((turn - 0.1) / 0.8, abs=1e-9)
    assert found["robust dpo"] == pytest.approx(turn + 0.1 - 0.2 * turn, abs=1e-9)
    assert found["ipo"] is found["hinge"] is None


def test_effective_rates_undo_each_other():
    rate = Fraction(3, 10)
    assert THRESHOLDS["cdpo"](THRESHOLDS["robust dpo"](rate)) == rate


def test_robust_dpo_has_no_minimiser_on_labels_cleaner_than_it_was_told():
    _, records, _ = ran("label_noise", **SMALL)
    chain = records.where(kind="chain", method="robust dpo")
    assert np.isnan(chain.where(rate=0.0).column("margin")).all()
    assert np.isfinite(chain.where(rate=0.1).column("margin")).all()
    statuses = records.where(kind="order", method="robust dpo", rate=0.0).values("status")
    assert "no_minimiser" in statuses


def test_a_coin_stays_a_coin_and_one_half_forgets():
    np.testing.assert_allclose(flipped(np.array([0.5, 0.9]), 0.5), [0.5, 0.5], atol=1e-15)
    np.testing.assert_allclose(flipped(np.array([0.5, 0.9]), 1.0), [0.5, 0.1])


def test_the_hinge_s_price_is_seen_when_it_stands_for_dpo():
    prediction = predictions.load("label_noise")
    plan = prediction.plan(methods={"dpo": methods(["hinge"])["hinge"]}, **SMALL | {"seeds": 4, "block": 4, "draws": 1, "sampled": (0.2,)})
    failed = {row.name for row in predictions.judge(prediction, sweep(plan)).failed}
    assert "dpo: margin between the ends of the chain" in failed
    assert "dpo: the order of the ends turns within 1e-9 of the root" in failed


def test_a_method_that_inverts_is_seen_by_its_order():
    def inverted(problem, data, rng):
        logits = problem.log_ref - problem.reward
        return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)

    plan = load("label_noise").plan(methods={"upside down": inverted}, seeds=2, rates=(0.0,), sampled=(0.1,), draws=1, n=10)
    assert sweep(plan).where(kind="order").column("in_order").max() == 0.0


def test_the_figure_has_the_same_bytes_twice():
    study, records, _ = ran("label_noise", **SMALL)
    assert plots.to_svg(study, records) == plots.to_svg(study, records)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rates": (0.0, 1.5)}, "the rate is 1.5, expected a probability"),
        ({"odds": ((20, 1), (0, 3))}, "pairs of positive numbers"),
        ({"bandit": TabularBandit([0.5, 0.5], np.eye(4)[:2], np.log(np.full((2, 4), 0.25)), 1.0)}, "has 2 contexts, expected one"),
    ],
)
def test_bad_settings_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        load("label_noise").plan(methods={"dpo": DPO}, **values)
