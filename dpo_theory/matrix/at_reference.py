"""The value at the reference: in the letters of the options where the loss can be called on symbols."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from bandits.data import PairLogProbs
from dpo_theory.checks.batches import at_reference, small, take
from dpo_theory.checks.subject import Subject
from dpo_theory.checks.witness import witness
from dpo_theory.evidence import Verdict
from dpo_theory.fingerprint.link import quietly
from dpo_theory.matrix.letters import in_letters
from dpo_theory.matrix.record import Cell
from dpo_theory.reading import Detached
from dpo_theory.rigor.sign import decimal

__all__ = ["at_the_reference"]

STATEMENT = "at pi = pi_ref the loss has one value"
TOLERANCE = 1e-9
LONG = 60  # characters that fit into a table
SECONDS = 5.0
WORDS = (("a", "log pi_w"), ("b", "log pi_l"), ("chosen_tokens", "|y_w|"), ("rejected_tokens", "|y_l|"))


def at_the_reference(subject: Subject, rng: np.random.Generator) -> Cell:
    """The cell of the column Ref.

    Args:
        subject: the loss.
        rng: for the pairs.
    """
    readable = small()
    batches = readable._replace(ref_chosen=readable.policy_chosen, ref_rejected=readable.policy_rejected), at_reference(rng)
    values = np.concatenate([subject.values(pairs) for pairs in batches])
    first = float(values[0])
    spread = np.abs(values - first) > subject.tolerance(TOLERANCE) * (1 + abs(first))
    formula = _formula(subject, batches[0])
    if spread.any():
        k = int(np.flatnonzero(spread)[0])
        n = len(readable.policy_chosen)
        pairs = batches[0] if k < n else batches[1]
        rows = np.array([0, k]) if k < n else np.array([k - n])
        shown = witness(subject, take(pairs, rows), f"{first:.12g} wherever pi = pi_ref", values[k], "it sees more than the log-ratios")
        short = formula if 0 < len(formula) <= LONG else "varies"
        return Cell("Ref", short, Verdict.REFUTED, STATEMENT, value=formula, counterexample=shown)
    if formula:
        return Cell("Ref", formula, Verdict.PROVED, STATEMENT, f"by its expression, and {len(values)} pairs", value=f"{first:.12g}")
    return Cell("Ref", f"{first:.6g}", Verdict.HOLDS, STATEMENT, f"{len(values)} pairs", "measured, not proved", f"{first:.12g}")


def _formula(subject: Subject, pairs: PairLogProbs) -> str:
    """The value as an expression that agrees with what was measured; empty where there is none."""
    for found in (quietly(_in_letters, subject, seconds=SECONDS), quietly(_in_numbers, subject, seconds=SECONDS)):
        if found is not None and _agrees(found[0], found[1], subject, pairs):
            expression = found[0]
            for name, word in WORDS:
                expression = expression.subs(sp.Symbol(name, real=True), sp.Symbol(word))
                expression = expression.subs(sp.Symbol(name, positive=True), sp.Symbol(word))
            return str(expression).replace("**", "^").replace("exp(1)", "e")
    return ""


def _symbols() -> tuple[Any, ...]:
    a, b = sp.symbols("a b", real=True)
    return a, b, *sp.symbols("chosen_tokens rejected_tokens", positive=True)


def _in_letters(subject: Subject) -> tuple[Any, dict[Any, float]] | None:
    a, b, n, k = _symbols()
    return in_letters(subject, lambda call: sp.simplify(sp.sympify(call(PairLogProbs(a, b, a, b, n, k)))))


def _in_numbers(subject: Subject) -> tuple[Any, dict[Any, float]] | None:
    """The value from the expression that was read."""
    if subject.reading.expression is None:
        return None
    a, b, c, d = subject.reading.symbols
    expression = subject.reading.expression.replace(Detached, lambda x: x)
    return sp.simplify(decimal(expression).subs({c: a, d: b}, simultaneous=True)), {}


def _agrees(expression: Any, letters: dict[Any, float], subject: Subject, pairs: PairLogProbs) -> bool:
    a, b, n, k = _symbols()
    plain = expression.subs(letters)
    if plain.free_symbols - {a, b, n, k}:
        return False
    got = subject.values(pairs)
    columns = (pairs.policy_chosen, pairs.policy_rejected, pairs.chosen_tokens, pairs.rejected_tokens)
    for row in (0, 7, 31, 50, 80):
        at = {symbol: float(np.asarray(column)[row]) for symbol, column in zip((a, b, n, k), columns, strict=True)}
        value = complex(plain.subs(at).evalf(20))
        if not abs(value - got[row]) <= subject.tolerance(TOLERANCE) * (1 + abs(got[row])):
            return False
    return True
