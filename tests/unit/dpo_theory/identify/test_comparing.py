"""Each relation with a pair of losses that has it, and each named convention."""

import json

import numpy as np
import pytest
import torch
from jsonschema import Draft202012Validator

from dpo_theory.evidence import Verdict
from dpo_theory.identify import compare
from dpo_theory.losses import AOT, CDPO, DPO, KTO, Hinge, RobustDPO, SimPO
from dpo_theory.report.schema import SCHEMA


def logistic(pairs, beta=0.1):
    return np.logaddexp(0, -beta * pairs.margin)


def no_reference(pairs, beta=0.1):
    return np.logaddexp(0, -beta * (pairs.policy_chosen - pairs.policy_rejected))


def per_token(pairs, beta=0.1):
    chosen, rejected = pairs.chosen_log_ratio / pairs.chosen_tokens, pairs.rejected_log_ratio / pairs.rejected_tokens
    return np.logaddexp(0, -beta * (chosen - rejected))


def half_tau(pairs, tau=0.2):
    return (pairs.margin - 1 / (2 * tau)) ** 2


def one_tau(pairs, tau=0.2):
    return (pairs.margin - 1 / tau) ** 2


def detached(pairs):
    return torch.nn.functional.softplus(-0.1 * (pairs.chosen_log_ratio - pairs.rejected_log_ratio.detach()))


@pytest.mark.parametrize(
    ("a", "b", "relation", "said"),
    [
        (logistic, DPO(beta=0.1), "identical", ""),
        (lambda p: logistic(p).mean(), DPO(beta=0.1), "identical", "returns the mean"),
        (lambda p: 2 * logistic(p), DPO(beta=0.1), "equal up to scale", "a scale 2"),
        (lambda p: logistic(p) - 0.5, DPO(beta=0.1), "a different convention", "additive constant"),
        (DPO(beta=0.1), DPO(beta=0.5), "a different convention", "beta = 0.1 against 0.5"),
        (lambda p: logistic(p, 10.0), DPO(beta=0.1), "a different convention", "beta against 1/beta"),
        (no_reference, DPO(beta=0.1), "a different convention", "A ignores the reference"),
        (DPO(beta=0.1), no_reference, "a different convention", "B ignores the reference"),
        (per_token, DPO(beta=0.1), "a different convention", "A averages"),
        (lambda p: logistic(p, -0.1), DPO(beta=0.1), "a different convention", "swapped"),
        (one_tau, half_tau, "a different convention", "1/(2 tau)"),
        (SimPO(gamma_in="nats", gamma=0.75), SimPO(gamma=0.75), "a different convention", "outside beta"),
        (detached, DPO(beta=0.1), "different", ""),
        (CDPO(beta=0.1, epsilon=0.1), DPO(beta=0.1), "different", ""),
        (RobustDPO(beta=0.1, epsilon=1e-6), DPO(beta=0.1), "different", ""),
        (AOT(beta=0.1), DPO(beta=0.1), "different", ""),
        (Hinge(beta=0.1), DPO(beta=0.1), "different", ""),
    ],
)
def test_relations(a, b, relation, said):
    found = compare(a, b)
    assert found.relation == relation, str(found)
    assert said in found.convention
    assert found.exit_code == (relation != "identical")
    assert (found.counterexample is None) == (relation == "identical")
    Draft202012Validator(SCHEMA).validate(json.loads(found.to_json()))


def test_identical_losses_that_are_read_are_proved():
    assert compare(logistic, DPO(beta=0.1)).verdict is Verdict.PROVED


def test_the_witness_is_small_and_runs():
    found = compare(CDPO(beta=0.1, epsilon=0.1), DPO(beta=0.1))
    printed = []
    exec(found.counterexample.reproduce, {"print": lambda *values: printed.extend(float(v[0]) for v in values)})
    assert float(found.counterexample.got.removeprefix("A = ")) == pytest.approx(printed[0], rel=1e-11)
    assert printed[0] != printed[1]


def test_losses_of_different_records_are_refused():
    with pytest.raises(ValueError, match="no batch can be given to both"):
        compare(DPO(), KTO())
