"""`check_sequence_logps` at the edges: signatures, failures, options, what it says where it cannot decide."""

import subprocess
import sys

import numpy as np
import pytest
import torch

import dpo_theory
from dpo_theory.evidence import Verdict
from dpo_theory.sequences import check_sequence_logps
from dpo_theory.sequences.shelf.right import from_labels, gathered
from tests.sequences.test_shelf import ours


def test_it_is_exported_without_loading_torch():
    assert dpo_theory.check_sequence_logps is check_sequence_logps
    code = "import sys, dpo_theory.sequences, dpo_theory.lm; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"


def test_keywords_and_other_names():
    def keywords(*, logits, input_ids, completion_mask):
        return ours(logits, input_ids, None, completion_mask)

    def short(x, y):
        return from_labels(x, y)

    def with_option(logits, labels, average_log_prob=True):
        return from_labels(logits, labels, average_log_prob)

    for function in (keywords, short, with_option):
        assert check_sequence_logps(function).passed
    assert "mean" in check_sequence_logps(with_option)["normalisation"].method


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        (3, {}, "not callable"),
        (lambda a: a, {}, "is none of fn"),
        (lambda a, b, c, d, e: a, {}, "Wrap it"),
        (gathered, {"normalise": "avg"}, "expected 'sum' or 'mean'"),
        (gathered, {"style": "pairs"}, "expected 'masks' or 'labels'"),
        (gathered, {"only": ["shfit"]}, "there is no check 'shfit'"),
        (dict, {}, "construct it"),
    ],
)
def test_bad_input_is_refused(function, options, message):
    with pytest.raises(ValueError, match=message):
        check_sequence_logps(function, **options)


def test_a_function_that_raises_is_refuted_once():
    def raises(logits, labels):
        raise RuntimeError("no such thing")

    report = check_sequence_logps(raises)
    assert [row.id for row in report.failed] == ["shift"]
    assert "raises RuntimeError: no such thing" in report["shift"].reason
    assert report["gradient"].verdict == Verdict.SKIPPED
    assert report.exit_code == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [(torch.sum, "returns shape ()"), (lambda x: x[:, None], "returns shape (5, 1)"), (lambda x: None, "returns a NoneType")],
)
def test_what_is_not_one_number_per_sequence_is_refuted(change, said):
    report = check_sequence_logps(lambda logits, labels: change(from_labels(logits, labels)))
    assert said in report["shift"].reason
    assert not report.passed


def test_an_unexplained_function_leaves_the_rest_undecided():
    report = check_sequence_logps(lambda logits, labels: from_labels(logits, labels) ** 2)
    assert [row.id for row in report.failed] == ["value"]
    assert report["gradient"].verdict == Verdict.UNDECIDED
    assert "see `value`" in report["shift"].reason


def test_the_same_seed_gives_the_same_rows():
    first, second = (check_sequence_logps(gathered, seed=7) for _ in range(2))
    assert [(row.id, row.verdict, row.residual) for row in first] == [(row.id, row.verdict, row.residual) for row in second]


def test_only_and_progress():
    seen = []
    report = check_sequence_logps(gathered, only=["shift", "gradient"], on_row=lambda row, done, of: seen.append((row.id, done, of)))
    assert seen == [("shift", 1, 2), ("gradient", 2, 2)]
    assert report.passed


def test_a_slow_function_is_stopped():
    import time

    calls = []

    def slow(logits, labels):
        calls.append(1)
        if len(calls) > 1:
            time.sleep(5)
        return from_labels(logits, labels)

    report = check_sequence_logps(slow, seconds=0.2, only=["shift"])
    assert not report.passed
    assert "stopped after 0.2 s" in report["shift"].reason


def test_numpy_needs_no_autograd():
    def plain(logits, labels):
        return from_labels(torch.tensor(logits), torch.tensor(labels)).numpy()

    report = check_sequence_logps(plain)
    assert report.passed
    assert report["gradient"].verdict == Verdict.NOT_APPLICABLE
    assert np.isfinite(report["float32"].residual)
