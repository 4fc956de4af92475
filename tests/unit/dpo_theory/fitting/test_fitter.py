"""Fits with known answers, existence, and the agreement of DPO with RLHF."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpo_theory.fitting import fit
from dpo_theory.fitting.examples import EXAMPLES

DATA = Path(__file__).resolve().parents[5] / "shared" / "data"
real = pytest.mark.skipif(not DATA.is_dir(), reason="the real data sets are not beside the project")

PUBLISHED = {
    "baseball": [1.5814, 1.4364, 1.2945, 1.2476, 1.1077, 0.6839, 0.0],
    "journals": [0.0, -2.9491, -0.4796, 0.2690],
}


def columns(pairs):
    chosen, rejected = zip(*pairs, strict=True)
    return {"chosen": chosen, "rejected": rejected}


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("reference", ["declining", "uniform", "counts"])
def test_examples_have_the_published_strengths_and_one_optimum(name, reference):
    found = fit(example=name, beta=0.5, reference=reference)
    np.testing.assert_allclose(found.strengths, PUBLISHED[name], atol=5e-5)
    assert found.distance <= 1e-9
    assert found.reward_bound <= 1e-10


def test_the_example_reference_is_skewed_and_matters():
    skewed, uniform = fit(example="baseball", beta=0.5), fit(example="baseball", beta=0.5, reference="uniform")
    assert np.ptp(skewed.log_ref) > 1
    assert np.max(np.abs(skewed.dpo_log_policy - uniform.dpo_log_policy)) > 0.1
    np.testing.assert_array_equal(skewed.strengths, uniform.strengths)


def test_the_distance_notices_a_wrong_reward(monkeypatch):
    from dpo_theory.fitting import estimate

    right = estimate.DPO
    monkeypatch.setattr(estimate, "DPO", lambda beta: right(beta=beta * (1 if beta == 1.0 else 1.01)))
    assert fit(example="baseball", beta=0.5).distance > 1e-4


def test_standard_errors_are_those_of_a_binomial():
    found = fit(columns([("a", "b")] * 30 + [("b", "a")] * 10), base="b")
    assert found.strengths[0] == pytest.approx(np.log(3), abs=1e-12)
    assert found.standard_errors.tolist() == pytest.approx([np.sqrt(1 / 30 + 1 / 10), 0.0])


def test_precision_says_how_many_more():
    pairs = [("a", "b")] * 30 + [("b", "a")] * 10
    more = fit(columns(pairs), precision=0.1).by_context[0].more
    bigger = columns(pairs * ((40 + more) // 40 + 1))
    assert fit(bigger).standard_errors.max() <= 0.1
    assert fit(columns(pairs), precision=0.1).standard_errors.max() > 0.1
    assert fit(bigger, precision=0.1).by_context[0].more == 0


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)).filter(lambda p: p[0] != p[1]), min_size=1, max_size=30))
def test_an_estimate_exists_exactly_when_every_split_has_a_win_each_way(pairs):
    found = fit(columns([(f"i{w}", f"i{loser}") for w, loser in pairs]), reference="declining", beta=0.5)
    items = sorted({item for pair in pairs for item in pair})
    splits = [{i for k, i in enumerate(items) if code >> k & 1} for code in range(1, 2 ** len(items) - 1)]
    each_way = all(any(w in side and loser not in side for w, loser in pairs) for side in splits)
    assert found.exists == each_way
    assert np.isfinite(found.strengths).all() == each_way
    if each_way:
        assert found.distance <= 1e-9
    else:
        ahead, behind = set(found.by_context[0].ahead), set(found.by_context[0].behind)
        assert not any(f"i{w}" in behind and f"i{loser}" in ahead for w, loser in pairs)
        crossed = sum(f"i{w}" in ahead and f"i{loser}" in behind for w, loser in pairs)
        assert crossed == found.by_context[0].crossings


def test_contexts_are_fitted_apart_and_pooled_on_request():
    table = {"prompt": ["p", "p", "q", "q"], "chosen": ["a", "b", "a", "a"], "rejected": ["b", "a", "c", "c"]}
    found = fit(table)
    assert [context.exists for context in found.by_context] == [True, False]
    assert found["q"].ahead == ("a",)
    assert not found.exists
    assert fit(table, pool=True).contexts == ("all prompts",)


def test_components_that_never_meet_have_no_common_estimate():
    found = fit(columns([("a", "b"), ("b", "a"), ("c", "d"), ("d", "c")]))
    assert (found.by_context[0].rank, found.exists) == (2, False)
    assert "never compared" in found.by_context[0].reason


def test_ties_dropped_are_counted_halved_and_modelled():
    table = {"left": list("aaab"), "right": list("bbba"), "winner": ["left", "tie", "tie", "left"]}
    dropped, half = fit(table, base="b"), fit(table, base="b", ties="half")
    assert (dropped.ties_seen, dropped.ties_dropped) == (2.0, 2.0)
    assert "Ties: 2 dropped" in str(dropped)
    assert half.ties_dropped == 0
    np.testing.assert_allclose(dropped.strengths, 0, atol=1e-12)
    modelled = fit(table, base="b", ties="davidson", reference="declining", beta=0.5)
    assert modelled.tie_parameter == pytest.approx(2.0)
    assert modelled.distance <= 1e-9


def test_davidson_without_ties_or_with_separation_says_why():
    assert "no tie" in fit(columns([("a", "b"), ("b", "a")]), ties="davidson").by_context[0].reason
    table = {"left": ["a", "a"], "right": ["b", "b"], "winner": ["left", "tie"]}
    assert "further apart" in fit(table, ties="davidson").by_context[0].reason


def test_undetermined_items_are_dropped_and_listed():
    found = fit(columns([("a", "b"), ("b", "a"), ("a", "z")]), drop_undetermined=True)
    assert found.dropped_items == (("all prompts", "z"),)
    assert found.items == ("a", "b")
    assert found.exists
    with pytest.raises(ValueError, match="nothing is left"):
        fit(columns([("a", "b")]), drop_undetermined=True)


def test_a_dropped_context_leaves_the_others():
    table = {"prompt": ["p", "q", "q"], "chosen": ["a", "a", "b"], "rejected": ["b", "b", "a"]}
    found = fit(table, drop_undetermined=True)
    assert found.contexts == ("q",)
    assert [context for context, _ in found.dropped_items] == ["p", "p"]


def test_references_by_mapping_and_by_file(tmp_path):
    table = columns([("a", "b"), ("b", "a")])
    path = tmp_path / "ref.csv"
    path.write_text("item,probability\na,0.75\nb,0.25\n")
    for reference in ({"a": 0.75, "b": 0.25}, path):
        np.testing.assert_allclose(np.exp(fit(table, reference=reference).dpo_log_policy), [0.75, 0.25], atol=1e-12)
    by_context = {"all prompts": {"a": 0.75, "b": 0.25}}
    np.testing.assert_allclose(np.exp(fit(table, reference=by_context).log_ref), [0.75, 0.25])


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ({"a": 1.0}, "gives 'b' no probability"),
        ({"a": 1.0, "b": 0.0}, "expected a number > 0"),
        ({"a": 3.0, "b": 1.0}, "sums to 4"),
        ("nowhere.csv", "neither a file"),
        (3, "expected uniform"),
    ],
)
def test_bad_references(reference, message):
    with pytest.raises(ValueError, match=message):
        fit(columns([("a", "b"), ("b", "a")]), reference=reference)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"beta": 0.0}, "beta is 0.0"),
        ({"ties": "all"}, "ties is 'all'"),
        ({"precision": 0.0}, "precision is 0.0"),
        ({"base": "z"}, "base is 'z'"),
    ],
)
def test_bad_arguments(wrong, message):
    with pytest.raises(ValueError, match=message):
        fit(columns([("a", "b"), ("b", "a")]), **wrong)


def test_one_source_is_needed():
    with pytest.raises(ValueError, match="one of the two"):
        fit()
    with pytest.raises(ValueError, match="the examples are baseball, journals"):
        fit(example="chess")
    with pytest.raises(ValueError, match="no columns to name"):
        fit(example=next(iter(EXAMPLES)), chosen="x")


@real
def test_nascar_has_no_estimate_until_four_drivers_go():
    path, names = DATA / "nascar2002.csv", {"group": "race", "position": "position", "item": "driver"}
    found = fit(path, **names)
    four = {"Andy Hillenburg", "Gary Bradberry", "Jason Hedlesky", "Randy Renfrow"}
    assert not found.exists
    assert set(found.by_context[0].behind) == four
    assert [len(group) for group in found.by_context[0].strong] == [83, 1, 1, 1, 1]
    kept = fit(path, drop_undetermined=True, reference="declining", beta=0.5, **names)
    assert {item for _, item in kept.dropped_items} == four
    worth = dict(zip(kept.items, kept.worths.round(4).tolist(), strict=True))
    published = {"PJ Jones": 0.1864, "Scott Pruett": 0.1096, "Mike Bliss": 0.0274, "Mark Martin": 0.0235, "Rusty Wallace": 0.0230}
    assert {name: worth[name] for name in published} == published
    assert kept.distance <= 1e-9


@real
def test_netflix_ballots():
    found = fit(DATA / "netflix4.csv", wide=("first", "second", "third", "fourth"), weight="count", beta=0.5)
    assert (found.by_context[0].observations, found.rows_read, found.exists) == (588, 24, True)
    assert found.distance <= 1e-9


@real
def test_crowd_comparisons_prompt_by_prompt_and_pooled():
    path = DATA / "llmfao" / "crowd-comparisons.csv"
    found = fit(path)
    assert len(found.contexts) == 13
    assert not any(context.exists for context in found.by_context)
    assert all(context.reason and context.ahead for context in found.by_context)
    assert found.ties_dropped == 3471
    pooled = fit(path, pool=True)
    assert pooled.exists
    assert pooled.distance <= 1e-9
