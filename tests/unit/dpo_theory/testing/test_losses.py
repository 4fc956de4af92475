"""A preference loss tested by pytest: in one process and in two, strict both ways, nothing evaluated before its test."""

import functools
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from dpo_theory import DPO
from dpo_theory.checks import registry
from dpo_theory.testing import parametrize_with_checks

ROOT = Path(__file__).parents[4]
SUITE = """
from dataclasses import dataclass

import torch
from dpo_theory.testing import parametrize_with_checks

def squared(pairs):
    return (pairs.margin - 1) ** 2

def unstable(pairs):
    return -torch.log(torch.sigmoid(pairs.margin))

@dataclass(frozen=True)
class Tagged:
    tags: frozenset = frozenset({"alpha", "beta", "gamma", "delta", "epsilon"})

    def __call__(self, pairs):
        return (pairs.margin - 1) ** 2

class Plain:
    def __call__(self, pairs):
        return (pairs.margin - 1) ** 2

UNDECLARED = ["shift-invariant", "bounded-gradient", "scales-with-beta"]
HAS, LACKS = ["convex", "monotone"], ["length-invariant", "uses-reference"]

@parametrize_with_checks(squared, has=HAS, lacks=LACKS, only=["finite", *HAS, *LACKS, *UNDECLARED])
def test_declared(check):
    check()

@parametrize_with_checks([unstable, Tagged(), Plain(), Plain()], only=["finite"])
def test_contract(check):
    check()

@parametrize_with_checks(squared, only=["finite"], spec=Plain())
def test_spec(check):
    check()
"""
EXPECTED = {
    "test_declared[squared-finite]": "PASSED",
    "test_declared[squared-convex]": "PASSED",
    "test_declared[squared-monotone]": "FAILED",
    "test_declared[squared-length-invariant]": "PASSED",
    "test_declared[squared-uses-reference]": "FAILED",
    "test_declared[squared-shift-invariant]": "PASSED",
    "test_declared[squared-bounded-gradient]": "XFAIL",
    "test_declared[squared-scales-with-beta]": "SKIPPED",
    "test_contract[unstable-finite]": "FAILED",
    "test_contract[Tagged(tags=frozenset({'alpha', 'beta', 'delta', 'epsilon', 'gamma'}))-finite]": "PASSED",
    "test_contract[Plain#1-finite]": "PASSED",
    "test_contract[Plain#2-finite]": "PASSED",
    "test_spec[squared-finite]": "PASSED",
    "test_spec[squared-same-value]": "PASSED",
    "test_spec[squared-same-gradient]": "PASSED",
}


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    folder = tmp_path_factory.mktemp("suite")
    (folder / "test_suite.py").write_text(SUITE, encoding="utf-8")

    def run(*options):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "random", "COLUMNS": "400"}
        command = [sys.executable, "-m", "pytest", "-v", "-ra", "-p", "no:cacheprovider", "-W", "error", *options, "test_suite.py"]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 1, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="module")
def told(suite):
    return suite()


def outcomes(told):
    progress = told.partition("short test summary")[0]
    lines = re.findall(r"test_suite\.py::(test_.*\]) (PASSED|FAILED|SKIPPED|XFAIL)", progress)
    lines += [(test, outcome) for outcome, test in re.findall(r"(PASSED|FAILED|SKIPPED|XFAIL) test_suite\.py::(test_.*\])", progress)]
    return dict(lines)


def test_every_outcome(told):
    assert outcomes(told) == EXPECTED


def test_xdist_gives_the_same_outcomes(suite):
    assert outcomes(suite("-n", "2")) == EXPECTED


def test_the_summary_tells_reasons_and_witnesses(told):
    assert re.search(r"XFAIL .*bounded-gradient\] - not declared; lacks bounded-gradient: .* expected .*, got ", told)
    assert re.search(r"SKIPPED .*NOT_APPLICABLE: the loss has no option beta", told)
    assert re.search(r"declared: has, expected: holds, got: REFUTED", told)
    assert re.search(r"declared: lacks, expected: refuted, got: (PROVED|HOLDS)", told)
    assert "remedy: write the loss with" in told


def test_nothing_heavy_is_loaded_and_nothing_evaluated_before_a_test_runs():
    code = (
        "import sys, pytest\nfrom dpo_theory.testing import parametrize_with_checks\n"
        "before = set(sys.modules)\ncalls = []\nparametrize_with_checks(calls.append)\n"
        "print(calls, [m for m in ('torch', 'sympy', 'hypothesis') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[] []"


def ids(decorator):
    def test(check):
        raise NotImplementedError

    return [parameter.id for parameter in decorator(test).pytestmark[0].args[1]]


@dataclass(frozen=True)
class Mine:
    tau: float = 0.1

    def __call__(self, pairs):
        return pairs.margin


def test_ids():
    assert ids(parametrize_with_checks(Mine(), only="monotone")) == ["Mine(tau=0.1)-monotone"]
    assert ids(parametrize_with_checks({"a": Mine(), "b": DPO()}, only=["convex", "finite"])) == [
        "a-convex",
        "a-finite",
        "b-convex",
        "b-finite",
    ]
    assert ids(parametrize_with_checks(functools.partial(max, key=1), only=["finite"])) == ["max(key=1)-finite"]
    assert len(ids(parametrize_with_checks([DPO(), Mine()]))) == 2 * len(registry.names())


def test_slow_checks_are_skipped_unless_asked_for(monkeypatch):
    from dataclasses import replace

    check = registry.load("finite")
    monkeypatch.setattr(registry, "load", lambda name: replace(check, slow=True))

    @parametrize_with_checks(DPO(), only=["finite"])
    def test(check):
        raise NotImplementedError

    with pytest.raises(pytest.skip.Exception, match="slow: pass deep=True"):
        test.pytestmark[0].args[1][0].values[0]()


@pytest.mark.parametrize(
    ("losses", "options", "said"),
    [
        ([DPO()], {"only": ["convx"]}, "no check is called 'convx'. Did you mean convex"),
        ([DPO()], {"has": ["convx"]}, "no property is called 'convx'. Did you mean convex"),
        ([DPO()], {"has": ["convex"], "lacks": ["convex"]}, "convex: declared both present and absent"),
        ([DPO], {}, "DPO in losses is a class: construct it"),
        ([DPO(), 5], {}, "5 in losses is not callable"),
        ({DPO()}, {}, "losses is a set, whose order differs"),
        ([], {}, "nothing to test"),
        ([DPO()], {"only": []}, "nothing to test"),
        ([DPO()], {"spec": "dpo"}, "spec is 'dpo', expected a loss"),
    ],
)
def test_mistakes_are_said_at_collection(losses, options, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        parametrize_with_checks(losses, **options)
