"""A step is proved, refuted with its values, or neither; its hypotheses are met where it is replayed."""

import mpmath as mp
import pytest
import sympy as sp

from dpo_theory import optimal, preferences
from dpo_theory.claims.letters import beta, expectation, log_policy, log_ref, other_reward, reward, sums_to_one
from dpo_theory.proof import Row, Step, row
from dpo_theory.proof.row import n

x, y = sp.symbols("x y", real=True)
BEST = optimal.optimal_log_policy(reward, log_ref, beta)


def gap(best):
    value = [optimal.objective(policy, reward, log_ref, beta) for policy in (best, log_policy)]
    return value[0] - value[1] - beta * expectation(log_policy, log_policy - best)


def test_the_gap_identity_is_proved_and_needs_its_hypothesis():
    with_fact = Step("gap", gap(BEST), facts=(sums_to_one(log_policy),)).judge()
    without = Step("gap", gap(BEST)).judge()
    assert with_fact.proved
    assert with_fact.residual < 1e-50
    assert not without.proved
    assert without.refuted
    assert "against" in without.witness


def test_a_hypothesis_that_is_not_needed_is_not_needed():
    """The reference may be unnormalised in the gap identity."""
    assert Step("gap", gap(BEST), facts=(sums_to_one(log_policy), sums_to_one(log_ref))).judge().proved
    assert Step("gap", gap(BEST), facts=(sums_to_one(log_policy),)).judge().proved


@pytest.mark.parametrize(
    ("wrong", "verdicts"),
    [
        ("beta inverted", (False, True, True)),
        ("no reference", (False, True, True)),
        ("no normaliser", (True, False, False)),
        ("Z without the reference", (False, False, True)),
    ],
)
def test_each_broken_optimum_fails_one_of_three_steps(wrong, verdicts):
    """The gap identity alone does not notice a missing normaliser, nor the sum a missing reference."""

    def optimum(r):
        score = {"beta inverted": log_ref + r * beta, "no reference": r / beta}.get(wrong, log_ref + r / beta)
        z = (r / beta if wrong == "Z without the reference" else score).each(sp.exp).sum()
        return score if wrong == "no normaliser" else score - sp.log(z)

    c = sp.Symbol("c", real=True)
    k = sp.Symbol("k", integer=True, positive=True)
    best = optimum(reward)
    steps = (
        Step("gap", gap(best), facts=(sums_to_one(log_policy),)),
        Step("sums to 1", best.each(sp.exp).sum(), 1),
        Step("Lemma 2", optimum(reward + c)[k], best[k]),
    )
    outcomes = [step.judge() for step in steps]
    assert tuple(outcome.proved for outcome in outcomes) == verdicts
    assert all(outcome.refuted for outcome in outcomes if not outcome.proved)


FALSE = [
    ("the policy forgets the reference", BEST[1], reward[1] / beta - sp.log((reward / beta).each(sp.exp).sum())),
    ("Jensen is an equality", optimal.log_partition(reward, log_ref, beta), expectation(log_ref, reward) / beta),
    ("log Z is linear", optimal.log_partition(reward + other_reward, log_ref, beta),
     optimal.log_partition(reward, log_ref, beta) + optimal.log_partition(other_reward, log_ref, beta)),
    ("f is the identity", optimal.project_reward(reward, log_ref, beta)[1], reward[1]),
    ("f is linear", optimal.project_reward(2 * reward, log_ref, beta)[1], 2 * optimal.project_reward(reward, log_ref, beta)[1]),
    ("the value of pi* is log Z", optimal.objective(BEST, reward, log_ref, beta), optimal.log_partition(reward, log_ref, beta)),
    ("KL is symmetric", optimal.kl_divergence(log_policy, log_ref), optimal.kl_divergence(log_ref, log_policy)),
    ("the wrong answer wins", preferences.bradley_terry(x, y), preferences.bradley_terry(y, x)),
    ("rankings have no order", preferences.plackett_luce(reward), preferences.plackett_luce(Row(lambda i: reward[n + 1 - i]))),
]  # fmt: skip


@pytest.mark.parametrize(("name", "lhs", "rhs"), FALSE, ids=[case[0] for case in FALSE])
def test_a_false_statement_is_refuted_with_its_values(name, lhs, rhs):
    outcome = Step(name, lhs, rhs).judge()
    assert outcome.refuted
    assert not outcome.proved
    assert outcome.residual > 1e-6
    assert "=" in outcome.witness


@pytest.mark.parametrize(
    ("relation", "lhs", "rhs", "proved", "refuted"),
    [
        (">=", x**2, 0, True, False),
        (">", sp.exp(x), 0, True, False),
        (">", x**2, 0, False, True),  # false at 0, which is drawn
        (">=", x, 0, False, True),
        (">=", -(x**2), 0, False, True),
        (">=", (x - y) ** 2, 0, True, False),
        (">=", x**2 + y**2, 2 * x * y, True, False),
        (">", sp.exp(x), 1, False, True),
        (">=", sp.exp(x), 1 + x, False, False),  # true, but not by form
        (">=", Row(lambda i: sp.exp(log_policy[i]) * reward[i] ** 2).sum(), 0, True, False),
        (">", reward[..., 1:].each(sp.exp).sum(), 0, False, True),  # empty at n = 1
    ],
)
def test_inequalities(relation, lhs, rhs, proved, refuted):
    outcome = Step("sign", lhs, rhs, relation=relation).judge()
    assert (outcome.proved, outcome.refuted) == (proved, refuted)
    assert outcome.reason == "" or "the rules leave" in outcome.reason


def test_positive_and_nonnegative_letters_are_replayed_as_such():
    weight = sp.IndexedBase("w", nonnegative=True)
    price = sp.Symbol("p", nonnegative=True)
    assert Step("weights", Row(lambda i: weight[i] * reward[i] ** 2).sum(), relation=">=").judge().proved
    assert Step("a price", price * sp.exp(x), relation=">=").judge().proved
    table = sp.IndexedBase("u", positive=True)
    assert Step("a table", Row(lambda i: Row(lambda j: table[i, j]).sum()).sum(), relation=">").judge().proved


def test_a_true_step_that_the_rules_do_not_close_is_neither():
    """One sine would do; here a sum that telescopes."""
    outcome = Step("telescopes", reward.sum() - reward[..., 1:].sum(), reward[1]).judge()
    assert not outcome.proved
    assert not outcome.refuted
    assert outcome.reason


def test_a_hypothesis_that_the_replay_does_not_meet_is_an_error():
    with pytest.raises(AssertionError, match="does not meet its hypothesis"):
        Step("sum of r is 1", reward.sum(), 1, facts=((reward.sum(), sp.S.One),)).judge()


def test_given_values_meet_other_hypotheses():
    base = sp.IndexedBase("r", real=True)

    def centred(size, rng):
        values = [mp.mpf(int(rng.integers(-5, 6))) for _ in range(size)]
        mean = mp.fsum(values) / size
        return {base: [value - mean for value in values]}

    fact = (reward.sum(), sp.S.Zero)
    c = sp.Symbol("c", real=True)
    assert Step("centred", (reward + c).sum(), n * c, facts=(fact,), values=centred).judge().proved


def test_opaque_functions_and_their_derivatives_are_replayed():
    f, t = sp.Function("f"), sp.Symbol("t", real=True)
    assert Step("chain rule", sp.diff(sp.exp(f(t)), t), sp.exp(f(t)) * sp.diff(f(t), t)).judge().proved
    assert Step("wrong", sp.diff(f(t) ** 2, t), f(t) * sp.diff(f(t), t)).judge().refuted


def test_the_same_seed_gives_the_same_witness():
    step = Step("false", reward.sum(), 0)
    assert step.judge(3) == step.judge(3)
    assert step.judge(3).witness != step.judge(4).witness


def test_text_and_latex_show_names_and_hypotheses():
    log_z = optimal.log_partition(reward, log_ref, beta)
    projected = optimal.project_reward(reward, log_ref, beta)
    step = Step("f", projected[2], reward[2] - beta * log_z, names={log_z: r"\log Z"})
    assert step.latex().count(r"\log Z") == 2
    assert "sum" not in step.latex()
    assert step.text() == r"-\log Z*beta + r[2] = -\log Z*beta + r[2]"
    assert Step("fact", x, facts=(sums_to_one(row("q")),)).hypotheses == ("sum[i=1..n](exp(q[i])) = 1",)
    assert Step("sign", x**2, relation=">=").latex() == r"x^{2} \ge 0"


def test_two_rows_of_one_name_are_one_row():
    assert Step("same", row("r").sum(), reward.sum()).judge().proved
