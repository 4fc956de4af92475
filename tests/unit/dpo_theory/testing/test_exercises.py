import ast
import math
import re
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from dpo_theory import optimal, preferences
from dpo_theory.losses.dpo import DPO
from dpo_theory.mutation import edited
from dpo_theory.testing import exercise, exercises
from dpo_theory.testing.exercises import EXERCISES, PLACEHOLDER

KNOWN = {
    "optimal-policy": 2 / math.log(6),
    "preference": 28 / 31,
    "gradient": -0.5 / (1 + math.e),
    "reward-class": 2 - 0.5 * math.log(0.4 * math.exp(4) + 0.3 * math.exp(2) + 0.2 + 0.1 * math.exp(-2)),
    "plackett-luce": sum(
        math.exp(r + 0.5) / (total * (total - math.exp(r)))
        for total in [sum(map(math.exp, (1.0, 0.5, 0.0, -1.0)))]
        for r in (1.0, 0.0, -1.0)
    ),
    "odds-after-dpo": 0.25 * 3**2,
    "smoothing": math.log(9) / 0.1,
    "trainer-ipo": (6 / 40 + 1 / 10 - 5) ** 2,
    "completions": 1 + 7 + 49 + 343 * 8,
    "one-game": 1 / (1 + math.exp(-1.5814)),
}


@pytest.mark.parametrize("name", EXERCISES)
def test_the_answer_is_right_and_its_neighbours_are_not(name):
    answer = EXERCISES[name].solve()
    said = exercise(name, answer)
    assert said.right
    assert repr(said) == f"Right. {EXERCISES[name].learned}"
    for wrong in (answer * 1.01, answer * 0.99, -answer, answer + 1):
        assert not exercise(name, wrong).right


@pytest.mark.parametrize("name", KNOWN)
def test_the_answer_by_another_road(name):
    assert EXERCISES[name].solve() == pytest.approx(KNOWN[name], rel=1e-4)


def test_the_price_of_a_budget_spends_it():
    ref, reward = np.array([0.5, 0.3, 0.15, 0.05]), np.arange(4.0)
    policy = ref * np.exp(reward / EXERCISES["frontier"].solve())
    policy /= policy.sum()
    assert policy @ np.log(policy / ref) == pytest.approx(0.2, rel=1e-6)


@pytest.mark.parametrize(("name", "said"), [(name, said) for name, one in EXERCISES.items() for said in one.slips])
def test_every_slip_is_recognised_and_none_is_taken_for_another(name, said):
    assert exercise(name, EXERCISES[name].slips[said]()).said == f"Not quite. {said}"


@pytest.mark.parametrize("name", EXERCISES)
def test_what_no_slip_explains_gets_the_hint(name):
    assert exercise(name, 123.456).said == f"Not yet. {EXERCISES[name].hint}"


@pytest.mark.parametrize("answer", [..., None])
def test_no_answer_yet(answer):
    assert exercise("gradient", answer).said == PLACEHOLDER


@pytest.mark.parametrize("answer", ["a half", [1.0, 2.0], {}, object()])
def test_what_is_not_one_number_is_said_so(answer):
    said = exercise("gradient", answer)
    assert not said.right
    assert "one number" in said.said


@pytest.mark.parametrize("answer", [math.nan, math.inf])
def test_what_is_not_finite_is_said_so(answer):
    assert "finite" in exercise("gradient", answer).said


def test_arrays_with_one_entry_are_numbers():
    assert exercise("odds-after-dpo", np.array([[2.25]])).right


def test_an_unknown_exercise_is_refused():
    with pytest.raises(ValueError, match=r"no exercise is called 'eq4'; there are optimal-policy, preference"):
        exercise("eq4", 1.0)


def test_the_answers_do_not_come_from_the_formulas():
    before = {name: one.solve() for name, one in EXERCISES.items()}
    with ExitStack() as stack:
        for function, old, new in (
            (optimal.optimal_log_policy, "log_ref + reward / beta", "log_ref + reward * beta"),
            (optimal.kl_divergence, "log_policy - log_ref)", "log_ref - log_policy)"),
            (optimal.project_reward, "reward - beta * logsumexp", "reward - logsumexp"),
            (preferences.bradley_terry, "chosen_reward - rejected_reward)", "rejected_reward - chosen_reward)"),
            (preferences.plackett_luce, "total(ranked_rewards -", "total(-ranked_rewards -"),
            (DPO.__call__, "-self.beta", "self.beta"),
        ):
            stack.enter_context(edited(function, old, new).applied())
        assert {name: one.solve() for name, one in EXERCISES.items()} == before


def test_nothing_of_ours_is_imported_but_searches_and_the_table_of_games():
    tree = ast.parse(Path(exercises.__file__).read_text(encoding="utf-8"))
    used = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    ours = {module for module in used if module.startswith(("dpo_theory", "bandits"))}
    assert ours == {"bandits.maximise", "bandits.minimise", "bandits.problem", "dpo_theory.fitting.examples"}


@pytest.mark.parametrize("name", EXERCISES)
def test_no_notebook_holds_the_answer(name):
    answer = EXERCISES[name].solve()
    shown = {f"{answer:.{digits}f}" for digits in (2, 3, 4)} if answer != round(answer) else {str(round(answer))}
    for path in (Path(__file__).parents[4] / "notebooks").glob("*.ipynb"):
        text = path.read_text(encoding="utf-8")
        assert not [number for number in shown if re.search(rf"(?<![\d.]){re.escape(number)}(?!\d)", text)], path.name
