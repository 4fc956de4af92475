"""Regret against sample size: the limit, the agreement, the exact law."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from bandits import TabularBandit
from bandits.experiments import load
from dpo_theory.evidence import Verdict
from tests.experiments.ready import ran


def test_every_prediction_holds_and_every_planted_one_is_refuted():
    _, _, report = ran("sample_size")
    assert report.passed, str(report)
    assert sum(row.verdict is Verdict.REFUTED for row in report) == 3


def test_dpo_and_two_stage_rlhf_agree_on_every_data_set():
    _, records, _ = ran("sample_size")
    apart = records.where(kind="sample", method="two-stage rlhf").column("apart")
    assert np.isfinite(apart).sum() > 3000
    assert np.nanmax(apart) < 1e-8


def test_the_exact_law_of_no_estimate_counts_outcomes_one_by_one():
    _, records, _ = ran("sample_size")
    (found,) = records.where(kind="law", method="dpo", m=2).column("none")
    reward = (1.0, 0.0, -1.0)
    pairs = [(0, 1), (0, 2), (1, 2)]
    total = 0.0
    for wins in product(range(3), repeat=3):
        beats = {pair for pair, won in zip(pairs, wins, strict=True) if won > 0}
        beats |= {pair[::-1] for pair, won in zip(pairs, wins, strict=True) if won < 2}
        reach = {(i, i) for i in range(3)} | beats
        for k, i, j in product(range(3), repeat=3):
            if (i, k) in reach and (k, j) in reach:
                reach.add((i, j))
        if len(reach) < 9:
            chance = [1 / (1 + np.exp(reward[j] - reward[i])) for i, j in pairs]
            total += np.prod([[1, 2, 1][won] * p**won * (1 - p) ** (2 - won) for p, won in zip(chance, wins, strict=True)])
    assert found == pytest.approx(total, abs=1e-14)


def test_two_equal_actions_have_an_exact_law_in_fractions():
    from bandits.experiments import sweep
    from dpo_theory.predictions.shelf import methods

    plan = load("sample_size").plan(
        methods=methods(("dpo",)), seeds=1, sizes=(10,), reward=(0.0, 0.0), reference=(0.5, 0.5), per_pair=(4,), actions=2
    )
    (row,) = sweep(plan).where(kind="law")
    assert row["none"] == pytest.approx(float(Fraction(2, 16)), abs=1e-15)
    assert row["outcomes"] == 5


def test_an_inconsistent_method_does_not_reach_the_limit():
    _, records, _ = ran("sample_size")
    last = records.where(kind="sample", n=30000)
    assert last.where(method="cdpo").column("scaled").mean() > 20 * last.where(method="dpo").column("scaled").mean()


def test_what_cannot_be_enumerated_is_refused():
    with pytest.raises(ValueError, match="outcomes, expected at most 20000"):
        load("sample_size").plan(per_pair=(50,))
    with pytest.raises(ValueError, match="has 2 contexts, expected one for sample_size"):
        load("sample_size").plan(bandit=TabularBandit([0.5, 0.5], np.eye(2), np.log(np.full((2, 2), 0.5)), 1.0))
    with pytest.raises(ValueError, match="expected 1 or more of each"):
        load("sample_size").plan(sizes=(0, 10))
