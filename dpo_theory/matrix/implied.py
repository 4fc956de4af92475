"""Beyond margins: whether a loss compares rewards that single answers have, and whether Bradley-Terry preferences bring them out."""

from __future__ import annotations

import dataclasses

import numpy as np

from bandits.data import PairLogProbs
from dpo_theory.checks.subject import Subject
from dpo_theory.checks.witness import slopes_shown, witness
from dpo_theory.evidence import Counterexample, Verdict
from dpo_theory.matrix.case import Case
from dpo_theory.matrix.record import Cell
from dpo_theory.matrix.together import shifts

__all__ = ["compares_rewards", "recovers_rewards"]

TRIPLES = 200
TOLERANCE = 1e-7
ADDS_UP = "the loss is a sum of one term for each answer"


def compares_rewards(case: Case) -> Cell:
    """The cell of the column Sh.

    A loss that does not see a constant added to both log-probabilities passes; so does a function of phi(y_w) - phi(y_l).
    """
    statement = "the loss sees rewards of single answers by their difference alone"
    shifted = dataclasses.replace(shifts(case), column="Sh")
    if shifted.verdict.holds:
        return Cell("Sh", "y", shifted.verdict, statement, shifted.method, shifted.reason)
    found = case.fingerprint
    if case.subject.batch_coupled:
        return shifted
    tests = [s for s in found.statements if s.name in ("T1", "T2", "T3")] if found is not None else []
    if len(tests) == 3 and all(s.verdict.holds for s in tests) and _adds_up(case.subject):
        reason = f"{ADDS_UP}: every answer's reward is seen by itself"
        return Cell("Sh", "n", shifted.verdict, statement, reason=reason, counterexample=shifted.counterexample)
    if len(tests) == 3 and all(s.verdict.holds for s in tests):
        verdict = Verdict.PROVED if all(s.verdict is Verdict.PROVED for s in tests) else Verdict.HOLDS
        reward = f"reward {found.reward}" if found.reward else "a reward exists"
        method = f"{reward}; {', '.join(s.name for s in tests)} of the fingerprint"
        told = "; ".join(filter(None, (found.variable, *found.notes)))
        return Cell("Sh", "y", verdict, statement, method, told, value=found.reward)
    broken = "; ".join(f"{s.name}: {s.how}" for s in tests if not s.verdict.holds)
    return Cell("Sh", "n", shifted.verdict, statement, broken, counterexample=shifted.counterexample)


def recovers_rewards(case: Case) -> Cell:
    """The cell of the column BT.

    For a loss that is no function of the margin: a pair whose answers have log-probabilities a and b pulls neither of them, on
    average, at odds -L_2(b, a) / L_1(a, b) for the first and -L_1(b, a) / L_2(a, b) for the second. These have to be equal, and
    their logarithm a difference of rewards: additive along three answers.
    """
    if case.on_margin:
        return case.cell("BT", "bt-proper", relative=True)
    statement = "a pair is at rest at log-odds that are a difference of rewards of its answers"
    subject = case.subject
    points = _triples(subject)
    odds, shown = [], None
    for i, j in ((0, 1), (1, 2), (0, 2)):
        pairs, other = _pair(points, i, j), _pair(points, j, i)
        here, there = subject.gradients(pairs), subject.gradients(other)
        with np.errstate(all="ignore"):
            first, second = np.log(-there[:, 1] / here[:, 0]), np.log(-there[:, 0] / here[:, 1])
            apart = ~(np.isfinite(first) & (np.abs(first - second) <= TOLERANCE * (1 + np.abs(first))))
        odds.append(first)
        if apart.any() and shown is None:
            k = int(np.flatnonzero(apart)[0])
            shown = _at_odds(subject, pairs, k, first[k], second[k])
    if shown is not None:
        return Cell("BT", "n", Verdict.REFUTED, statement, counterexample=shown)
    if max(np.abs(o).max() for o in odds) < TOLERANCE:
        one = PairLogProbs(*(np.asarray(column)[:1] for column in _pair(points, 0, 1)[:6]))
        shown = witness(subject, one, "log-odds that grow with the log-ratio", 0.0, f"{ADDS_UP}: a pair is at rest at even odds alone")
        return Cell("BT", "n", Verdict.REFUTED, statement, counterexample=shown)
    excess = odds[0] + odds[1] - odds[2]
    bad = np.abs(excess) > 10 * TOLERANCE * (1 + np.abs(odds[2]))
    if bad.any():
        k = int(np.flatnonzero(bad)[0])
        got = f"{odds[0][k]:.9g} + {odds[1][k]:.9g}, and {odds[2][k]:.9g} for the outer two"
        because = "the log-odds at which three answers are at rest are not additive: no reward has these differences"
        problem = f"three answers, log pi {_shown(points[0], k)}, log ref {_shown(points[1], k)}, lengths {_shown(points[2], k)}"
        return Cell("BT", "n", Verdict.REFUTED, statement, counterexample=Counterexample(problem, "equal sums", got, because))
    worst = float(np.max(np.abs(excess)))
    return Cell("BT", "y", Verdict.HOLDS, statement, f"{TRIPLES} triples, residual {worst:.1e}", "in its own reward, not in the margin")


def _adds_up(subject: Subject) -> bool:
    """The pull on one answer does not depend on the other."""
    points = _triples(subject)
    one, other = subject.gradients(_pair(points, 0, 1)), subject.gradients(_pair(points, 0, 2))
    return bool(np.max(np.abs(one[:, 0] - other[:, 0])) <= TOLERANCE * np.max(np.abs(one[:, 0])))


def _triples(subject: Subject) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N, 3) log-probabilities of three answers, of the reference, and lengths."""
    rng = np.random.default_rng(17)
    number = TRIPLES // 4 if subject.alone else TRIPLES
    policy = -rng.uniform(2.0, 4.0, size=(number, 3))
    ref = policy - rng.uniform(-1.5, 1.5, size=(number, 3))
    return policy, ref, rng.integers(1, 9, size=(number, 3)).astype(float)


def _pair(points: tuple[np.ndarray, np.ndarray, np.ndarray], i: int, j: int) -> PairLogProbs:
    policy, ref, lengths = points
    return PairLogProbs(policy[:, i], policy[:, j], ref[:, i], ref[:, j], lengths[:, i], lengths[:, j])


def _shown(columns: np.ndarray, k: int) -> str:
    return ", ".join(f"{value:.4g}" for value in columns[k])


def _at_odds(subject: Subject, pairs: PairLogProbs, k: int, first: float, second: float) -> Counterexample:
    one = PairLogProbs(*(None if column is None else np.asarray(column)[k : k + 1] for column in pairs))
    because = "no odds leave both answers at rest" if np.isfinite([first, second]).all() else "an answer is pulled one way whoever wins"
    got = f"log-odds {first:.9g} for the first, {second:.9g} for the second"
    return witness(subject, one, "one log-odds for both answers", got, because, show=slopes_shown(subject))
