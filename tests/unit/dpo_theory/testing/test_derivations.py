import pytest

from dpo_theory import optimal
from dpo_theory.claims import registry
from dpo_theory.mutation import edited
from dpo_theory.report.formula import mathml
from dpo_theory.testing import derivation

TAUGHT = ("eq1", "eq4", "eq7", "eq18", "app-b", "D07c", "D20", "D28", "D29", "dpo-gradient", "dpo-equals-rlhf")


@pytest.mark.parametrize("name", TAUGHT)
def test_every_step_is_proved_and_every_formula_can_be_shown_offline(name):
    found = derivation(name)
    assert found.proved
    assert found.lines
    assert found._repr_html_().count("<math") == len(found.lines)
    assert all(mathml(line.latex) for line in found.lines)
    assert found.verdict == f"{len(found.lines)} of {len(found.lines)} steps are proved, from the formulas that run."


def test_chosen_steps_keep_their_order():
    whole = derivation("eq4")
    assert derivation("eq4", steps=(3, 1)).lines == (whole.lines[2], whole.lines[0])


def test_it_is_text_latex_and_html():
    found = derivation("eq5", steps=(1,))
    assert repr(found).splitlines()[:2] == ["D05: Reward in terms of its optimal policy", "1. eq. 5"]
    assert found._repr_latex_().startswith(r"$$\begin{aligned} \text{eq. 5}:\quad & ")
    assert found._repr_latex_().count("{") == found._repr_latex_().count("}")


def test_a_wrong_formula_is_not_proved():
    with edited(optimal.optimal_log_policy, "score = log_ref + reward / beta", "score = log_ref + reward * beta").applied():
        found = derivation("eq4", steps=(1, 3))
    assert found.open_steps == ("the value of pi* is beta log Z",)
    assert "Not proved: the value of pi* is beta log Z." in found._repr_html_()


def test_a_formula_that_raises_stops_the_derivation():
    with edited(optimal.optimal_log_policy, "score = log_ref + reward / beta", "score = log_ref + nothing").applied():
        found = derivation("eq4")
    assert not found.proved
    assert "the derivation stopped, NameError" in found.verdict
    assert "stopped" in found._repr_html_()


@pytest.mark.parametrize("step", [0, 7])
def test_a_step_that_is_not_there_is_refused(step):
    with pytest.raises(ValueError, match=f"D04 has no step {step}; its steps are 1 to 6"):
        derivation("eq4", steps=(1, step))


def test_a_claim_without_derivation_is_refused():
    measured = next(claim for claim in map(registry.load, registry.ids()) if claim.derive is None)
    with pytest.raises(ValueError, match=f"{measured.id} has no derivation"):
        derivation(measured.id)


def test_an_unknown_claim_is_refused():
    with pytest.raises(ValueError, match="no claim is called 'eq44'"):
        derivation("eq44")
