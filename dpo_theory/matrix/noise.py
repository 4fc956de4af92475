"""Label noise and losses that see more than the margin: whether the best policy moves."""

from __future__ import annotations

import numpy as np

from dpo_theory.checks.population import best_log_ratios, policy_risk, reward_scale
from dpo_theory.evidence import Counterexample, Verdict
from dpo_theory.matrix.case import SURROGATE, Case
from dpo_theory.matrix.record import Cell

__all__ = ["stays_under_noise"]

LOG_REF = np.log([0.2, 0.3, 0.5])
REWARDS = ((1.0, 0.0, -1.0), (0.0, 1.5, 0.5), (9.0, 0.0, -9.0), (-9.0, 0.0, 9.0), (0.1, 0.0, 3.0), (3.0, 2.0, -4.0))
RATES = (0.1, 0.3)
CLEAR = 1e-5


def stays_under_noise(case: Case) -> Cell:
    """The cell of the column Flip: the check where it speaks of the loss, else the best policies of three answers on grids."""
    found = case.cell("Flip", "flip-robust", relative=True)
    if found.verdict is not Verdict.NOT_APPLICABLE or case.subject.alone:
        return found
    statement = "symmetric label noise does not move the best policy"
    if case.surrogate:
        return Cell("Flip", "-", Verdict.NOT_APPLICABLE, statement, reason=SURROGATE)
    subject, settled = case.subject, 0
    for p in _preferences():
        clean, _ = best_log_ratios(subject, p, LOG_REF)
        for rate in RATES:
            noisy = (1 - rate) * p + rate * p.T
            moved, least = best_log_ratios(subject, noisy, LOG_REF)
            further = best_log_ratios(subject, noisy, LOG_REF, reach=36.0)[1]
            gap = float(policy_risk(subject, clean[None], noisy, LOG_REF)[0]) - least
            if gap > CLEAR * (1 + abs(least)) and least - further < gap / 2:
                told = f"P(1>2) = {p[0, 1]:.4g}, P(1>3) = {p[0, 2]:.4g}, P(2>3) = {p[1, 2]:.4g}"
                problem = f"{told}, reference 0.2, 0.3, 0.5, uniform design, flip rate {rate}"
                got = f"log-ratios {moved.round(4).tolist()}, whose risk on noisy labels is smaller by {gap:.3g}"
                because = "noise moves the best policy"
                shown = Counterexample(problem, f"log-ratios {clean.round(4).tolist()}, as on clean labels", got, because)
                return Cell("Flip", "n", Verdict.REFUTED, statement, counterexample=shown)
            settled += least - further < 1e-3 * (1 + abs(least))
    if not settled:
        return Cell("Flip", "?", Verdict.UNDECIDED, statement, reason="no risk has a floor")
    told = f"grids of policies in steps of {reward_scale(subject) * 0.5:.3g} nats and finer"
    return Cell("Flip", "y", Verdict.HOLDS, statement, told, "measured, not proved")


def _preferences() -> list[np.ndarray]:
    """(3, 3) each: Bradley-Terry ones, weak and strong, then any."""
    rewards = np.array(REWARDS)
    found = [1 / (1 + np.exp(r[None] - r[:, None])) for r in rewards]
    for wins in np.random.default_rng(37).uniform(0.02, 0.98, size=(6, 3)):
        p = np.full((3, 3), 0.5)
        for (i, j), win in zip(((0, 1), (0, 2), (1, 2)), wins, strict=True):
            p[i, j], p[j, i] = win, 1 - win
        found.append(p)
    return found
