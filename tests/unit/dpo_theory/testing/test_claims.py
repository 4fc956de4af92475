import pytest

from dpo_theory.claims import registry
from dpo_theory.evidence import Verdict
from dpo_theory.testing import parametrize_with_claims


@parametrize_with_claims(["eq4", "E1"])
def test_claims_are_verified_when_the_test_runs(claim):
    found = claim()
    assert (found.id, found.verdict) in (("D04", Verdict.PROVED), ("E1", Verdict.REFUTED))


def ids(decorator):
    def test(claim):
        raise NotImplementedError

    return [parameter.id for parameter in decorator(test).pytestmark[0].args[1]]


def test_every_claim_by_default_in_order():
    assert ids(parametrize_with_claims()) == list(registry.ids())
    assert ids(parametrize_with_claims("EQ4")) == ["D04"]


def test_the_seed_reaches_the_claim(monkeypatch):
    from dpo_theory.claims import runner

    asked = []
    monkeypatch.setattr(runner, "verify", lambda ids, *, seed: asked.append((ids, seed)))

    @parametrize_with_claims("D04", seed=7)
    def test(claim):
        raise NotImplementedError

    assert asked == []
    test.pytestmark[0].args[1][0].values[0].report()
    assert asked == [(["D04"], 7)]


def test_mistakes_are_said_at_collection():
    with pytest.raises(ValueError, match=r"no claim is called 'D004'\. Did you mean D04"):
        parametrize_with_claims(["D004"])
    with pytest.raises(ValueError, match="nothing to test"):
        parametrize_with_claims([])
