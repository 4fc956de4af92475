"""Wrong functions are refuted by the check and with the diagnosis named for them; right ones raise no alarm."""

import contextlib
import functools
import io

import numpy as np
import pytest
import torch

from dpo_theory.evidence import Verdict
from dpo_theory.lm.log_probs import sequence_log_probs, sequence_log_probs_from_hidden
from dpo_theory.sequences.runner import CHECKS, check_sequence_logps
from dpo_theory.sequences.shelf import RIGHT, WRONG


@functools.cache
def reported(function):
    return check_sequence_logps(function)


def ours(logits, input_ids, attention_mask, completion_mask):
    return sequence_log_probs(logits, input_ids, completion_mask)


def ours_mean(logits, input_ids, attention_mask, completion_mask):
    return sequence_log_probs(logits, input_ids, completion_mask, normalise="mean")


def ours_from_hidden(logits, input_ids, attention_mask, completion_mask):
    return sequence_log_probs_from_hidden(logits, torch.eye(logits.shape[-1], dtype=logits.dtype), input_ids, completion_mask)


@pytest.mark.parametrize("mistake", WRONG, ids=lambda mistake: mistake.function.__name__)
def test_wrong_functions_are_refuted_with_the_right_diagnosis(mistake):
    row = reported(mistake.function)[mistake.killed_by]
    assert row.verdict == Verdict.REFUTED
    assert row.failed
    assert mistake.because in row.counterexample.because


@pytest.mark.parametrize("mistake", WRONG, ids=lambda mistake: mistake.function.__name__)
def test_counterexamples_can_be_pasted(mistake):
    found = reported(mistake.function)[mistake.killed_by].counterexample
    name = mistake.function.__name__
    code = found.reproduce.replace(f"from dpo_theory.sequences.shelf.wrong import {name} as checked", f"checked = dict(WRONG)[{name!r}]")
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(code, {"WRONG": [(m.function.__name__, m.function) for m in WRONG], "print": lambda value: print(value, file=said)})
        assert said.getvalue()


@pytest.mark.parametrize("function", [*RIGHT, ours, ours_mean, ours_from_hidden], ids=lambda function: function.__name__)
@pytest.mark.parametrize("seed", [0, 1])
def test_right_functions_raise_no_alarm(function, seed):
    report = check_sequence_logps(function, seed=seed)
    assert report.passed, str(report)
    assert {row.id for row in report if row.verdict == Verdict.REFUTED} <= {"masked-infinities"}
    assert not any(row.verdict in (Verdict.UNDECIDED, Verdict.SKIPPED) for row in report)


def test_the_shelf_is_long_and_uses_every_check():
    assert len(WRONG) >= 20
    assert len(RIGHT) >= 8
    owed = {check.name for check in CHECKS if check.kind == "owed"}
    assert owed == {mistake.killed_by for mistake in WRONG}


def test_ours_survives_infinities_outside_the_completion():
    assert check_sequence_logps(ours)["masked-infinities"].verdict == Verdict.HOLDS


@pytest.mark.parametrize("mistake", WRONG[::3], ids=lambda mistake: mistake.function.__name__)
def test_diagnoses_do_not_hang_on_the_seed(mistake):
    for seed in (100, 101):
        row = check_sequence_logps(mistake.function, seed=seed, only=[mistake.killed_by])[mistake.killed_by]
        assert row.counterexample is not None, (mistake.function.__name__, row)
        assert mistake.because in row.counterexample.because


def test_a_mean_that_was_to_be_a_sum_is_refuted():
    report = check_sequence_logps(ours_mean, normalise="sum")
    assert [row.id for row in report.failed] == ["normalisation"]
    assert "this is the mean" in report["normalisation"].counterexample.because
    assert check_sequence_logps(ours_mean, normalise="mean").passed
    assert "the mean" in check_sequence_logps(ours_mean)["normalisation"].method


def test_counterexamples_are_the_smallest():
    counted = check_sequence_logps(WRONG[0].function)["shift"].counterexample
    assert counted.problem.startswith("1 sequence of 2 positions, 3 tokens")
    assert np.isfinite(float(counted.got.strip("[]")))
