import inspect
import json

import numpy as np
import pytest
import torch

from dpo_theory.claims import registry
from dpo_theory.lm.setting import next_token_entropy, tiny_setting
from dpo_theory.lm.statements.statement import NAMES, load
from dpo_theory.lm.verify import EACH_COMPLETION, EVERY_ORDER, own_pairs, verify_lm


@pytest.fixture(scope="module")
def setting():
    return tiny_setting(vocab=5, length=3)


@pytest.fixture(scope="module")
def report():
    return verify_lm(tiny_setting(vocab=5, length=2))


def test_the_setting_is_not_degenerate(setting):
    assert next_token_entropy(tiny_setting()) < 1.0
    assert len({len(prompt) for prompt in setting.prompts}) == 3
    assert len(set(own_pairs(setting).chosen_tokens)) > 1


def test_every_row_holds_at_rounding_level(report):
    assert report.passed, str(report)
    assert report.ran == report.asked > 60
    statements = [row for row in report if row.id.startswith("L")]
    assert len(statements) == len(NAMES)
    assert max(row.residual for row in statements) < 1e-13
    assert all("float32" in row.method and "bfloat16" in row.method for row in statements)


def test_every_claim_that_speaks_of_bandits_is_there(report):
    certified = [claim for claim in map(registry.load, registry.ids()) if claim.certify and inspect.signature(claim.certify).parameters]
    assert {claim.id for claim in certified if claim.expects == "holds"} <= set(report.verdicts)
    assert set(registry.ids()) >= EACH_COMPLETION | EVERY_ORDER


def test_every_check_ran_on_the_models_own_pairs(report):
    assert len(report["checks"].parts) > 30
    assert not any(row.failed for row in report["checks"].parts)


@pytest.mark.parametrize("name", NAMES)
def test_statements_are_numbered_and_said(name):
    statement = load(name)
    assert statement.statement.strip().splitlines()[0].endswith(".")
    assert statement.id == f"L{NAMES.index(name) + 1:02d}"


def test_rounded_weights_show_in_the_residuals(setting):
    rounded = setting.to(dtype=torch.float32)
    for name in ("total_mass", "prefix_tree", "sequence_kl", "closed_form"):
        worst = max(measured.residual for measured in load(name).measure(rounded))
        assert 1e-10 < worst < 1e-5, name


SABOTAGE = {
    "dpo_theory.lm.sums.sequence_kl": ("sequence_kl", lambda right: lambda *a, **k: right(*a, **k) * 1.001),
    "dpo_theory.optimal.optimal_log_policy": ("closed_form", lambda right: lambda r, q, beta: right(r, q, 1.1 * beta)),
    "dpo_theory.lm.statements.token_level.soft_values": ("token_level", lambda right: lambda *a: [v + 1e-6 for v in right(*a)]),
    "dpo_theory.losses.dpo.DPO.__call__": ("dpo_gradient", lambda right: lambda self, pairs: -right(self, pairs)),
    "dpo_theory.preferences.plackett_luce": ("plackett_luce", lambda right: lambda r: right(r * 1.01)),
}


@pytest.mark.parametrize("target", SABOTAGE)
def test_a_sabotaged_formula_is_refuted(target, monkeypatch, setting):
    name, wrong = SABOTAGE[target]
    path, attribute = target.rsplit(".", 1)
    statement = load(name)
    import pkgutil

    owner = pkgutil.resolve_name(path.replace(".DPO", ":DPO"))
    right = getattr(owner, attribute)
    monkeypatch.setattr(owner, attribute, wrong(right))
    if name == "sequence_kl":
        monkeypatch.setattr("dpo_theory.lm.statements.sequence_kl.sequence_kl", wrong(right))
    assert any(not measured.met for measured in statement.measure(setting))


def test_a_refuted_statement_is_shown_with_its_largest_error(monkeypatch):
    from dpo_theory.lm.statements import sequence_kl

    monkeypatch.setattr(sequence_kl, "sequence_kl", lambda *a, **k: 1.0)
    report = verify_lm(tiny_setting(vocab=4, length=2), claims=["D04"], dtypes=())
    row = report["L03"]
    assert row.failed
    assert not report.passed
    assert row.counterexample.got == "1"
    assert "load('sequence_kl')" in row.counterexample.reproduce


def test_the_report_is_json(report):
    rows = json.loads(report.to_json())["rows"]
    assert {row["id"] for row in rows} == set(report.verdicts)


def test_unknown_dtypes_are_refused():
    with pytest.raises(ValueError, match="dtype 'float8' is unknown"):
        verify_lm(tiny_setting(vocab=4, length=2), dtypes=("float8",))
    with pytest.raises(ValueError, match="at least 3"):
        tiny_setting(vocab=2)


def test_pairs_of_a_model_are_two_different_completions(setting):
    pairs = own_pairs(setting, pairs=64)
    assert np.all(pairs.policy_chosen <= 0)
    assert np.all(pairs.margin != 0)
