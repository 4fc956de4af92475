"""One line of a derivation, and its judgement."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef

from dpo_theory.proof.normal import is_zero, nf, nonnegative, positive
from dpo_theory.proof.replay import evaluate
from dpo_theory.proof.row import Total

__all__ = ["Outcome", "Step"]

SIZES = (1, 2, 3, 4)
DIGITS = 60
REPLAY_TOLERANCE = 1e-35
LETTERS = {"log_ref": r"\log\pi_{\mathrm{ref}}", "log_pi": r"\log\pi"}
RELATION_LATEX = {"=": "=", ">=": r"\ge", ">": ">"}


@dataclass(frozen=True)
class Outcome:
    """How a step stands.

    Args:
        proved: the rules close it.
        refuted: the replay found values at which it is false.
        residual: worst relative residual of the replay.
        witness: the values, in words, where it is false.
        reason: why neither.
    """

    proved: bool
    refuted: bool
    residual: float
    witness: str = ""
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Step:
    """lhs = rhs (or lhs >= rhs, lhs > rhs), both traced from the formulas that run.

    Args:
        claim: what the step says, in words.
        lhs, rhs: SymPy expressions; `rhs` defaults to 0.
        why: the reason, in a few words.
        facts: hypotheses (sum, value) that the proof may use, such as (sum exp(q_i), 1).
        sizes: which sizes are symbolic: `every n`, `every n and K`, `n = 2, 3, 4`, or empty where no size occurs.
        relation: `=`, `>=` or `>`.
        values: (size, rng) -> values for symbols that need structure in the replay, so that the facts hold there.
        names: subexpression -> name, for display only.
    """

    claim: str
    lhs: Any
    rhs: Any = sp.S.Zero
    why: str = ""
    facts: tuple[tuple[Any, Any], ...] = ()
    sizes: str = "every n"
    relation: str = "="
    values: Callable[[int, Any], Mapping[Any, Any]] | None = None
    names: Mapping[Any, str] = field(default_factory=dict)

    @property
    def hypotheses(self) -> tuple[str, ...]:
        """The facts, as text."""
        return tuple(f"{alpha(left)} = {right}" for left, right in self.facts)

    def judge(self, seed: int = 0) -> Outcome:
        """Prove the step by the rules, and replay it at n = 1, 2, 3, 4 with random rationals."""
        residual, witness = self._replay(seed)
        difference = sp.sympify(self.lhs) - sp.sympify(self.rhs)
        if self.relation == "=":
            proved = is_zero(difference, self.facts)
        else:
            sign = positive if self.relation == ">" else nonnegative
            reduced = nf(difference, self.facts)
            proved = sign(difference) or sign(reduced) or sign(sp.factor(reduced))
        if witness and proved:
            raise AssertionError(f"the normal form and the replay disagree on {self.claim!r} at {witness}: a bug in the prover")
        if witness:
            return Outcome(False, True, residual, witness)
        reason = "" if proved else f"the rules leave {nf(difference, self.facts)}"
        return Outcome(proved, False, residual, reason=reason)

    def _replay(self, seed: int) -> tuple[float, str]:
        import mpmath as mp

        lhs, rhs = (_concrete(sp.sympify(side)) for side in (self.lhs, self.rhs))
        worst = 0.0
        with mp.workdps(DIGITS):
            for size in SIZES:
                given = _assignment(sp.Tuple(lhs, rhs, *(left for left, _ in self.facts)), size, seed, self)
                for left, right in self.facts:
                    if abs(evaluate(left, given) - evaluate(sp.sympify(right), given)) > REPLAY_TOLERANCE:
                        raise AssertionError(f"the replay of {self.claim!r} does not meet its hypothesis {alpha(left)} = {right}")
                left_value, right_value = evaluate(lhs, given), evaluate(rhs, given)
                gap = left_value - right_value
                scale = max(1, abs(left_value), abs(right_value))
                wrong = {"=": abs(gap), ">=": max(-gap, 0), ">": 0 if gap > 0 else scale}[self.relation] / scale
                worst = max(worst, float(wrong))
                if wrong > REPLAY_TOLERANCE:
                    return (
                        worst,
                        f"n = {size}, {_show(given)}: {mp.nstr(left_value, 8)} against {mp.nstr(right_value, 8)}",
                    )
        return worst, ""

    def latex(self) -> str:
        """The step as a LaTeX equation, bound indices and named parts in letters."""
        left, right = (
            sp.latex(side, symbol_names={s: LETTERS[s.name] for s in side.atoms(sp.Symbol) if s.name in LETTERS}) for side in self._shown()
        )
        return f"{left} {RELATION_LATEX[self.relation]} {right}"

    def text(self) -> str:
        """The step as plain text."""
        left, right = self._shown()
        return f"{left} {self.relation} {right}"

    def _shown(self) -> list[Any]:
        names = {alpha(part): sp.Symbol(name) for part, name in self.names.items()}
        return [alpha(side).xreplace(names) for side in (self.lhs, self.rhs)]


def alpha(e: Any) -> Any:
    """The same expression with bound indices named i, j, k, ... from the inside out."""
    letters = ("i", "j", "k", "l", "u", "v")

    def rename(node: Any) -> tuple[Any, int]:
        if isinstance(node, Total):
            body, index, low, high = node.args
            body, height = rename(body)
            name = sp.Symbol(letters[height] if height < len(letters) else f"i{height}", integer=True, positive=True)
            return Total(body.xreplace({index: name}), name, low, high), height + 1
        if node.is_Atom or not node.has(Total):
            return node, 0
        parts = [rename(arg) for arg in node.args]
        return node.func(*(part for part, _ in parts)), max(height for _, height in parts)

    return rename(sp.sympify(e))[0]


def _concrete(e: Any) -> Any:
    """Opaque functions become cubic polynomials, so that their derivatives can be replayed."""
    functions = sorted({f.func for f in e.atoms(AppliedUndef)}, key=str)
    for number, function in enumerate(functions, start=2):
        e = e.replace(function, lambda *args, k=number: sum((a / k + a**3 / (7 * k)) for a in args))
    return e.doit() if functions else e


def _assignment(e: Any, size: int, seed: int, step: Step) -> dict[Any, Any]:
    """Random rationals for every symbol; sizes get `size`, free indices a place in 1..size, log-policies are normalised."""
    import mpmath as mp
    import numpy as np

    rng = np.random.default_rng([seed, size])

    def rational() -> Any:
        return mp.mpf(int(rng.integers(-12, 13))) / int(rng.integers(3, 8))

    def admissible(letter: Any) -> Any:
        value = rational()
        return abs(value) + (mp.mpf(1) / 7 if letter.is_positive else 0) if letter.is_nonnegative else value

    values: dict[Any, Any] = {}
    bases = sorted(e.atoms(sp.IndexedBase), key=str)
    ranks = {indexed.base: len(indexed.indices) for indexed in e.atoms(sp.Indexed)}
    for base in bases:
        rank = ranks.get(base, 1)
        values[base] = (
            [admissible(base) for _ in range(size)] if rank == 1 else [[admissible(base) for _ in range(size)] for _ in range(size)]
        )
    labels = {base.label for base in bases}
    for symbol in sorted(e.free_symbols, key=str):
        if symbol in labels or symbol.is_Dummy or isinstance(symbol, sp.Indexed):
            continue
        if symbol.is_integer:
            is_size = any(symbol in t.args[3].free_symbols for t in e.atoms(Total)) or symbol.name in "nK"
            values[symbol] = mp.mpf(size if is_size else int(rng.integers(1, size + 1)))
        else:
            values[symbol] = admissible(symbol)
    for left, right in step.facts:
        base = _normalised_base(left, right)
        if base is not None:
            logs = mp.log(mp.fsum(mp.exp(v) for v in values[base]))
            values[base] = [v - logs for v in values[base]]
    if step.values is not None:
        values.update(step.values(size, rng))
    return values


def _normalised_base(left: Any, right: Any) -> Any:
    """The base b of a fact sum_i exp(b[i]) = 1."""
    if right != 1 or not isinstance(left, Total) or not isinstance(left.args[0], sp.exp):
        return None
    inner = left.args[0].exp
    return inner.base if isinstance(inner, sp.Indexed) and inner.indices == (left.args[1],) else None


def _show(values: Mapping[Any, Any]) -> str:
    import mpmath as mp

    def plain(value: Any) -> str:
        if isinstance(value, list):
            return "(" + ", ".join(plain(v) for v in value) + ")"
        return mp.nstr(value, 6) if isinstance(value, mp.mpf) else str(value)

    return ", ".join(f"{name} = {plain(value)}" for name, value in values.items() if not callable(value) and str(name) != "n")
