"""The normal form keeps values, closes what it should, and never closes what is false."""

import random

import mpmath as mp
import numpy as np
import pytest
import sympy as sp

from dpo_theory.proof import Row, Total, evaluate, is_zero, nf, nonnegative, row
from dpo_theory.proof.normal import positive
from dpo_theory.proof.row import n

r, a, q, v = (row(name) for name in "raqv")
w = sp.IndexedBase("w", real=True)
b = sp.Symbol("b", positive=True)
c, d = sp.symbols("c d", real=True)
k = sp.Symbol("k", integer=True, positive=True)
NORMALISED = ((q.each(sp.exp).sum(), sp.S.One),)


def assignment(size, seed, normalise=()):
    rng = np.random.default_rng([seed, size])

    def rational():
        return mp.mpf(int(rng.integers(-9, 10))) / int(rng.integers(4, 9))

    values = {sp.IndexedBase(name, real=True): [rational() for _ in range(size)] for name in "raqv"}
    for name in normalise:
        base = sp.IndexedBase(name, real=True)
        log_z = mp.log(mp.fsum(mp.exp(x) for x in values[base]))
        values[base] = [x - log_z for x in values[base]]
    values[w] = [[rational() for _ in range(size)] for _ in range(size)]
    return values | {n: size, b: abs(rational()) + 1, c: rational(), d: rational(), k: int(rng.integers(1, size + 1))}


def worst_gap(left, right, seed=0, normalise=()):
    """Largest relative difference of two expressions at n = 1, 2, 3, 4."""
    gaps = []
    with mp.workdps(40):
        for size in (1, 2, 3, 4):
            values = assignment(size, seed, normalise)
            x, y = evaluate(sp.sympify(left), values), evaluate(sp.sympify(right), values)
            gaps.append(abs(x - y) / max(1, abs(x), abs(y)))
    return max(gaps)


class Generator:
    """Random expressions: sums within sums, ranges that begin at an outer index, exponentials, logarithms of what is positive."""

    def __init__(self, seed):
        self.draw = random.Random(seed)

    def linear(self, scope):
        """An exponent: real, of either sign."""
        terms = [self.draw.choice([-2, -1, 1, 2]) * self.atom(scope) for _ in range(self.draw.randint(1, 3))]
        return sp.Add(*terms) / self.draw.choice([1, 1, b])

    def atom(self, scope):
        rows = [letter[index] for letter in (r, a, q, v) for index in (*scope, k)]
        tables = [w[i, j] for i in scope for j in scope]
        return self.draw.choice([*rows, *tables, b, c, d])

    def positive(self, depth, scope):
        kind = self.draw.choice(["exp", "exp", "sum", "plus", "ratio", "b"]) if depth else "exp"
        if kind == "exp":
            return sp.exp(self.linear(scope))
        if kind == "sum":
            return self.over(lambda inner: self.positive(depth - 1, inner), scope)
        if kind == "plus":
            return self.positive(depth - 1, scope) + self.draw.choice([1, b, sp.exp(self.linear(scope))])
        if kind == "ratio":
            return self.positive(depth - 1, scope) / self.positive(depth - 1, scope)
        return b * self.positive(depth - 1, scope)

    def real(self, depth, scope):
        kind = self.draw.choice(["sum", "sum", "log", "product", "plus", "square", "atom", "exp log"]) if depth else "atom"
        if kind == "sum":
            return self.over(lambda inner: self.real(depth - 1, inner), scope)
        if kind == "log":
            return sp.log(self.positive(depth - 1, scope))
        if kind == "product":
            return self.real(depth - 1, scope) * self.positive(depth - 1, scope)
        if kind == "plus":
            return self.real(depth - 1, scope) - self.real(depth - 1, scope)
        if kind == "square":
            return self.real(depth - 1, scope) ** 2
        if kind == "exp log":
            log = sp.log(self.positive(depth - 1, scope))
            return sp.exp(self.draw.choice([-2, -1, 1, 2]) * log + self.linear(scope))
        return self.atom(scope)

    def over(self, body, scope):
        index = sp.Symbol(f"i{len(scope)}", integer=True, positive=True)
        low = self.draw.choice([sp.S.One, sp.S.One, *scope])
        return Total(body((*scope, index)), index, low, n)


@pytest.mark.parametrize("block", range(10))
def test_the_normal_form_keeps_the_value_of_random_expressions(block):
    for seed in range(30 * block, 30 * block + 30):
        expression = Generator(seed).real(4, ())
        assert worst_gap(expression, nf(expression), seed) < 1e-33, f"seed {seed}: {expression}"


@pytest.mark.parametrize("seed", range(15))
def test_the_normal_form_is_stable(seed):
    once = nf(Generator(seed).real(3, ()))
    assert is_zero(nf(once) - once)


def double(f):
    return Row(lambda i: Row(lambda j: f(i, j)).sum()).sum()


def log_sum(x):
    return sp.log(x.each(sp.exp).sum())


def tail(x):
    return Row(lambda i: Row(lambda j: x[i + j - 1], n - i + 1).each(sp.exp).sum())


TRUE = {
    "a constant leaves a sum": (r * c).sum() - c * r.sum(),
    "a constant counts": Row(lambda i: c).sum() - n * c,
    "a constant leaves an exponent": (r + c).each(sp.exp).sum() - sp.exp(c) * r.each(sp.exp).sum(),
    "a constant leaves log-sum-exp": log_sum(r + c) - log_sum(r) - c,
    "softmax sums to 1": (r - log_sum(r)).each(sp.exp).sum() - 1,
    "bound names do not matter": Total(r[k] * a[k], k, 1, n) - (r * a).sum(),
    "the order of a double sum does not matter": double(lambda i, j: w[i, j] * r[i]) - double(lambda i, j: w[j, i] * r[j]),
    "an antisymmetric double sum is 0": double(lambda i, j: w[i, j] * w[j, i] * (r[i] - r[j])),
    "a double sum of a product factors": double(lambda i, j: r[i] * a[j]) - r.sum() * a.sum(),
    "variance": double(lambda i, j: (r[i] - r[j]) ** 2) / 2 - n * (r**2).sum() + r.sum() ** 2,
    "powers of sums": r.each(sp.exp).sum() ** 3 / r.each(sp.exp).sum() ** 2 - r.each(sp.exp).sum(),
    "log of a positive product": sp.log(b * r.each(sp.exp).sum() ** 2) - sp.log(b) - 2 * log_sum(r),
    "logistic": 1 / (1 + sp.exp(c)) + 1 / (1 + sp.exp(-c)) - 1,
    "three levels": double(lambda i, j: Row(lambda m: r[i] * a[j] * q[m]).sum()) - r.sum() * a.sum() * q.sum(),
}


@pytest.mark.parametrize("name", TRUE)
def test_closes(name):
    assert is_zero(TRUE[name])
    assert worst_gap(TRUE[name], 0) < 1e-33


# Each is false; most are a slip away from something true.
FALSE = {
    "sum of a product is the product of sums": (r * a).sum() - r.sum() * a.sum(),
    "log of a sum is the sum of logs": sp.log(r.each(sp.exp).sum()) - r.sum(),
    "exp of a sum is the sum of exps": sp.exp(r.sum()) - r.each(sp.exp).sum(),
    "square of a sum": r.sum() ** 2 - (r**2).sum(),
    "reciprocal of a sum": 1 / r.each(sp.exp).sum() - (-r).each(sp.exp).sum(),
    "a constant does not count": Row(lambda i: c).sum() - c,
    "a constant counts once more": Row(lambda i: c).sum() - (n + 1) * c,
    "a constant counts once less": Row(lambda i: c).sum() - (n - 1) * c,
    "a constant leaves log-sum-exp doubled": log_sum(r + c) - log_sum(r) - 2 * c,
    "a constant leaves log-sum-exp with its sign turned": log_sum(r - c) - log_sum(r) - c,
    "scaling leaves log-sum-exp": log_sum(2 * r) - 2 * log_sum(r),
    "softmax without normaliser": r.each(sp.exp).sum() - 1,
    "a law without the fact": q.each(sp.exp).sum() - 1,
    "the fact for another row": (q.each(sp.exp).sum() - 1) * (r.each(sp.exp).sum() - 1),
    "the table is symmetric": double(lambda i, j: w[i, j] * r[i]) - double(lambda i, j: w[j, i] * r[i]),
    "the table is antisymmetric": double(lambda i, j: (w[i, j] + w[j, i]) * r[i]),
    "the diagonal is the table": double(lambda i, j: w[i, j]) - Row(lambda i: w[i, i]).sum(),
    "one index too few": double(lambda i, j: r[i] * r[j]) - (r * r).sum(),
    "one sum too few": double(lambda i, j: r[i]) - r.sum(),
    "inner and outer index exchanged": double(lambda i, j: r[i] * sp.exp(w[i, j])) - double(lambda i, j: r[j] * sp.exp(w[i, j])),
    "a free index is bound": r[k] - r.sum(),
    "a free index in a sum is bound": (r * a[k]).sum() - (r * a).sum(),
    "a free index in an exponent is bound": Row(lambda i: sp.exp(r[i] * a[k])).sum() - Row(lambda i: sp.exp(r[i] * a[i])).sum(),
    "a tail is the whole": (tail(r) * a).sum() - r.each(sp.exp).sum() * a.sum(),
    "a tail is a head": Row(lambda i: Total(r[k], k, i, n) * a[i]).sum() - Row(lambda i: Total(r[k], k, 1, i) * a[i]).sum(),
    "tail sums commute": Row(lambda i: Total(w[i, k], k, i, n)).sum() - Row(lambda i: Total(w[k, i], k, i, n)).sum(),
    "tails split": Row(lambda i: Total(r[i] * a[k], k, i, n)).sum() - r.sum() * a.sum(),
    "tail of constants": Row(lambda i: Total(c, k, i, n)).sum() - n**2 * c,
    "tail of constants, off by one": Row(lambda i: Total(c, k, i, n)).sum() - c * Row(lambda i: n - i).sum(),
    "Gibbs with the sign turned": (q.each(sp.exp) * (q - a)).sum() + (q.each(sp.exp) * (a - q) * 2).sum(),
    "KL is symmetric": (q.each(sp.exp) * (q - a)).sum() - (a.each(sp.exp) * (a - q)).sum(),
    "variance without the mean": double(lambda i, j: (r[i] - r[j]) ** 2) / 2 - n * (r**2).sum(),
    "sigmoid is odd": 1 / (1 + sp.exp(c)) + 1 / (1 + sp.exp(-c)),
    "sigmoid is even": 1 / (1 + sp.exp(c)) - 1 / (1 + sp.exp(-c)),
    "softplus is linear": sp.log(1 + sp.exp(c + d)) - sp.log(1 + sp.exp(c)) - sp.log(1 + sp.exp(d)),
    "log of a square": sp.log(c**2) - 2 * sp.log(b),
    "cancelling unequal sums": r.each(sp.exp).sum() / a.each(sp.exp).sum() - 1,
    "exponents add across a sum": (r + a).each(sp.exp).sum() - r.each(sp.exp).sum() * a.each(sp.exp).sum(),
    "beta inverted": (r / b).each(sp.exp).sum() - (r * b).each(sp.exp).sum(),
    "a missing normaliser": (a + r / b).each(sp.exp).sum() - 1,
    "half a logarithm leaves an exponent": sp.exp((log_sum(r) + c) * (b + sp.S.Half) - b * (log_sum(r) + c)) - sp.exp(c / 2),
    "a slice is the row": r[..., 1:].sum() - r.sum(),
    "a slice drops the last entry": r[..., 1:].sum() - r.sum() + r[n],
}


@pytest.mark.parametrize("name", FALSE)
def test_never_closes_what_is_false(name):
    assert worst_gap(FALSE[name], 0) > 1e-9, "the trap is true: mend the test"
    assert not is_zero(FALSE[name])


def test_there_are_enough_traps():
    assert len(FALSE) >= 40


def test_facts_are_used_only_where_they_are_given():
    kl = (q.each(sp.exp) * (q - a - c)).sum() - (q.each(sp.exp) * (q - a)).sum() + c
    assert is_zero(kl, NORMALISED)
    assert not is_zero(kl)
    assert worst_gap(kl, 0, normalise="q") < 1e-33 < worst_gap(kl, 0)
    assert not is_zero(a.each(sp.exp).sum() - 1, NORMALISED)
    assert not is_zero((2 * q).each(sp.exp).sum() - 1, NORMALISED)
    assert not is_zero(q[..., 1:].each(sp.exp).sum() - 1, NORMALISED)
    assert not is_zero(Row(lambda i: Total(sp.exp(q[k]), k, i, n)).sum() - n, NORMALISED)


def test_a_fact_works_inside_other_sums():
    inner = Row(lambda i: (q.each(sp.exp) * r[i]).sum()).sum()
    assert nf(inner - r.sum(), NORMALISED) == 0


def test_a_fact_is_about_one_sum():
    with pytest.raises(ValueError, match="state it as sum = value"):
        nf(c, ((c, sp.S.One),))


def test_logarithms_split_only_over_positive_factors():
    assert nf(sp.log(b * r.each(sp.exp).sum())) == sp.log(b) + nf(log_sum(r))
    assert nf(sp.log(c * d)) == sp.log(c * d)
    assert nf(sp.log(c * r.sum())).has(sp.log(c)) is False
    negative = sp.log(r.sum() * a.sum())
    assert nf(negative - sp.log(r.sum()) - sp.log(a.sum())) != 0


@pytest.mark.parametrize("name", ["i_1", "i_2", "_i_1", "i0", "i"])
def test_no_letter_of_the_caller_is_captured(name):
    own = sp.Symbol(name, integer=True, positive=True)
    outside = Row(lambda i: sp.exp(r[i] * own)).sum()
    bound = Row(lambda i: sp.exp(r[i] * i)).sum()
    assert not is_zero(outside - bound)
    assert nf(outside).has(own)
    nested = Row(lambda i: Row(lambda j: sp.exp(w[i, j] * own)).sum() ** 2).sum()
    assert nf(nested).has(own)


def test_a_bound_name_used_twice_is_two_names():
    shadowed = Total(r[k] * Total(a[k], k, 1, n), k, 1, n)
    assert is_zero(shadowed - r.sum() * a.sum())


def test_signs_by_form():
    assert positive(sp.exp(c) + b * r.each(sp.exp).sum())
    assert not positive(c**2)
    assert not positive(c)
    assert nonnegative(c**2 + (r**2).sum())
    assert nonnegative(Row(lambda i: sp.exp(q[i]) * (r[i] - a[i]) ** 2).sum())
    for expression in (c, -(c**2), r.sum(), c**3, -b, sp.exp(c) - 1, c * d, b - 1, (r**3).sum()):
        assert not nonnegative(expression)


def test_an_empty_sum_is_not_positive():
    rest = r[..., 1:].each(sp.exp).sum()  # no entry at n = 1
    assert evaluate(rest, assignment(1, 0)) == 0
    assert not positive(rest)
    assert nonnegative(rest)
