"""A loss that misbehaves gets a sentence, never a traceback, and the run ends."""

import math
import re
import time

import numpy as np
import pytest
import torch

from dpo_theory import DPO
from dpo_theory.checks.runner import check_loss

SPEC = DPO(beta=0.1)


def raises(pairs):
    raise RuntimeError("the device is busy")


def wrong_shape(pairs):
    return pairs.margin[:, None] - pairs.margin


def too_few(pairs):
    return pairs.margin[:-1]


def integers(pairs):
    return (pairs.margin * 10).long()


def booleans(pairs):
    return pairs.margin > 0


def python_float(pairs):
    return float(pairs.margin.detach().sum())


def nothing(pairs):
    return None


def text(pairs):
    return "0.69"


def math_module(pairs):
    return math.log(1 + math.exp(-pairs.margin))


def on_a_gpu(pairs):
    raise AssertionError("Torch not compiled with CUDA enabled")


def leaf_in_place(pairs):
    margin = pairs.policy_chosen
    margin.sub_(pairs.ref_chosen)
    return torch.nn.functional.softplus(-margin)


SENTENCES = [
    (raises, "raised RuntimeError: the device is busy"),
    (wrong_shape, r"returned shape \(3, 3\) for 3 pairs, expected \(3,\)"),
    (too_few, r"returned shape \(2,\) for 3 pairs, expected \(3,\)"),
    (integers, "returned a Tensor of torch.int64, expected 3 floating-point losses"),
    (booleans, "returned a Tensor of torch.bool, expected 3 floating-point losses"),
    (python_float, "returned the Python float"),
    (nothing, "returned the Python NoneType None"),
    (text, "returned the Python str '0.69'"),
    (math_module, "raised"),
    (on_a_gpu, "Torch not compiled with CUDA enabled"),
    (leaf_in_place, "a leaf Variable that requires grad is being used in an in-place operation"),
]


@pytest.mark.parametrize(("loss", "sentence"), SENTENCES, ids=lambda value: getattr(value, "__name__", None))
def test_what_is_no_loss_gets_one_sentence(loss, sentence):
    report = check_loss(loss, spec=SPEC)
    assert not report.passed
    (row,) = report.failed
    assert row.id == "returns-losses"
    assert re.search(sentence, row.reason), row.reason
    assert "Traceback" not in str(report)
    assert {other.verdict.value for other in report.rows if other is not row} == {"SKIPPED"}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_loss_that_needs_a_gpu_says_so():
    report = check_loss(lambda pairs: -torch.nn.functional.logsigmoid(pairs.margin.cuda()), spec=SPEC)
    assert "CUDA" in report.failed[0].reason or "NVIDIA" in report.failed[0].reason


def test_nan_everywhere_is_not_finite():
    report = check_loss(lambda pairs: pairs.margin * float("nan"), only=["finite"])
    assert report["finite"].failed
    assert "not finite" in report["finite"].counterexample.because


@pytest.mark.parametrize(("seconds", "nap"), [(0.2, 60.0)])
def test_a_loss_that_sleeps_is_stopped(seconds, nap):
    def sleeps(pairs):
        time.sleep(nap)
        return pairs.margin

    began = time.monotonic()
    report = check_loss(sleeps, spec=SPEC, seconds=seconds)
    assert time.monotonic() - began < 20
    assert not report.passed
    assert "stopped after 0.2 s" in report.failed[0].reason


def test_a_slow_loss_ends_and_does_not_pass():
    def slow(pairs):
        time.sleep(0.02)
        return -torch.nn.functional.logsigmoid(0.1 * pairs.margin)

    report = check_loss(slow, seconds=0.3)
    assert not report.passed
    assert any("stopped after 0.3 s" in row.reason for row in report.failed)
    assert any("too slow" in row.reason for row in report.rows)
    assert len(report.rows) == report.asked


def test_a_loss_that_modifies_its_inputs():
    def modifies(policy_chosen, policy_rejected, ref_chosen, ref_rejected):
        policy_chosen -= ref_chosen
        return np.logaddexp(0.0, -0.1 * (policy_chosen - policy_rejected + ref_rejected))

    row = check_loss(modifies, only=["inputs-untouched"])["inputs-untouched"]
    assert row.failed
    assert "policy_chosen was changed in place" in row.counterexample.because


@pytest.mark.parametrize("draw", [lambda m: torch.rand_like(m), lambda m: torch.from_numpy(np.random.random(len(m)))])  # noqa: NPY002
def test_a_loss_that_draws_from_the_global_generators(draw):
    row = check_loss(lambda pairs: pairs.margin + 1e-3 * draw(pairs.margin), only=["stateless"])["stateless"]
    assert row.failed
    assert "draws random numbers" in row.counterexample.because


def test_a_loss_that_prints_is_quoted_and_kept_quiet(capsys):
    def prints(pairs):
        print("margin", float(pairs.margin.detach().sum()))
        return -torch.nn.functional.logsigmoid(0.1 * pairs.margin)

    report = check_loss(prints)
    assert report["stateless"].failed
    assert "prints 'margin" in report["stateless"].counterexample.because
    assert capsys.readouterr().out == ""
