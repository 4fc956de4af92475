"""Rows behave as the arrays that the formulas see."""

import numpy as np
import pytest
import sympy as sp

from dpo_theory import _xp, optimal, preferences
from dpo_theory.proof import Row, Total, evaluate, row
from dpo_theory.proof.row import n
from dpo_theory.proof.step import alpha

r, a = row("r"), row("a")
b = sp.Symbol("b", positive=True)
i = sp.Symbol("i", integer=True, positive=True)

REWARD, REF = [1.0, -0.5, 0.25, 2.0], [0.4, 0.3, 0.2, 0.1]


def at(expression, size):
    """The number that an expression stands for, with the first `size` entries of REWARD and log REF."""
    values = {n: size, b: 0.5}
    for letter, entries in (("r", REWARD), ("a", np.log(REF).tolist())):
        values[sp.IndexedBase(letter, real=True)] = entries[:size]
    return float(evaluate(sp.sympify(expression), values))


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "formula",
    [
        lambda reward, log_ref: _xp.total(reward * log_ref - 2 * reward + 1),
        lambda reward, log_ref: _xp.logsumexp(log_ref + 2 * reward),
        lambda reward, log_ref: _xp.total(1 / (2 - _xp.sigmoid(reward)) - (3 - _xp.exp(-log_ref))),
        lambda reward, log_ref: _xp.total(_xp.softplus(reward) * _xp.log_sigmoid(log_ref)),
        lambda reward, log_ref: _xp.total(_xp.tail_logsumexp(reward) * log_ref),
        lambda reward, log_ref: _xp.expect(log_ref, reward**2),
        lambda reward, log_ref: _xp.total((2 * reward)[..., :1] * 3) + _xp.total(reward[..., 1:]),
        lambda reward, log_ref: preferences.plackett_luce(reward),
    ],
)
def test_a_formula_on_rows_is_the_formula_on_arrays(formula, size):
    numbers = formula(np.array(REWARD[:size]), np.log(REF[:size]))
    assert at(formula(r, a), size) == pytest.approx(float(numbers), abs=1e-13)


def test_the_optimal_policy_runs_on_rows():
    best = optimal.optimal_log_policy(r, a, b)
    numbers = optimal.optimal_log_policy(REWARD, np.log(REF), 0.5)
    assert [at(best[k], 4) for k in (1, 2, 3, 4)] == pytest.approx(numbers.tolist(), abs=1e-13)


def test_scalars_broadcast_from_both_sides():
    assert (1 + r)[i] == (r + 1)[i] == r[i] + 1
    assert (1 - r)[i] == 1 - r[i]
    assert (2 * r)[i] == (r * 2)[i]
    assert (1 / r)[i] == 1 / r[i]
    assert (np.float64(2.0) * r)[i] == 2.0 * r[i]


def test_rows_of_different_sizes_do_not_mix():
    with pytest.raises(ValueError, match=r"rows of n and n - 1 entries do not match"):
        r + a[..., 1:]


def test_a_slice_shifts_the_index():
    rest = r[..., 2:]
    assert rest[i] == r[i + 2]
    assert sp.expand(rest.size - n) == -2


def test_a_slice_takes_no_step():
    with pytest.raises(ValueError, match="takes no step"):
        r[..., ::2]


def test_a_sum_is_left_alone():
    total = r.sum()
    assert isinstance(total, Total)
    assert total.doit() == total
    assert total.subs(n, 3).args[3] == 3


def test_a_sum_is_differentiated_term_by_term():
    t = sp.Symbol("t", real=True)
    slope = sp.diff(Row(lambda k: sp.exp(r[k] + t * a[k])).sum(), t).subs(t, 0)
    assert at(slope, 4) == pytest.approx(float(np.exp(REWARD) @ np.log(REF)))
    assert sp.diff(r.sum(), t) == 0


def test_bound_letters_are_shown_as_letters():
    double = Row(lambda x: Row(lambda y: r[x] * a[y]).sum()).sum()
    assert str(alpha(double)) == "sum[j=1..n](sum[i=1..n](a[i]*r[j]))"
    assert sp.latex(alpha(r.sum())) == r"\sum_{i=1}^{n} {r}_{i}"
    assert "\\left(" in sp.latex(alpha((r + a).sum()))
