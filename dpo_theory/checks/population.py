"""The population risk of a margin loss at one preference probability, and where it is smallest."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations, permutations

import numpy as np

from bandits.data import PairLogProbs
from dpo_theory.checks.deciding import at_margins, margin_slopes

__all__ = ["APART", "EDGE", "best_log_ratios", "best_margins", "best_scores", "fitted_beta", "margin_table", "policy_risk", "reward_scale"]


EDGE = 60.0
LENGTHS = (2.0, 30.0, 4.0, 8.0)  # in tokens, of the answers of `best_log_ratios`
APART = 0.02  # relative distance from which two margins of the table are two


def fitted_beta(subject) -> float | None:
    """The option beta; else the only beta at which the loss can be Bradley-Terry: log(l'(-1) / l'(1)).

    None where both slopes do not fall.
    """
    beta = subject.parameters.get("beta")
    if isinstance(beta, int | float) and not isinstance(beta, bool) and beta > 0:
        return float(beta)
    up, down = margin_slopes(subject, [1.0, -1.0])
    if not (up < 0 and down < up):
        return None
    fitted = float(np.log(down / up))
    short = float(f"{fitted:.6g}")
    return short if abs(short - fitted) <= subject.tolerance(1e-11) * fitted else fitted


def reward_scale(subject) -> float:
    """Nats of margin per unit of scaled margin: 1/beta or 1/tau where the loss has that option or looks like it, else 1."""
    tau = subject.parameters.get("tau")
    if isinstance(tau, int | float) and not isinstance(tau, bool) and tau > 0:
        return 1.0 / float(tau)
    beta = fitted_beta(subject)
    return 1.0 if beta is None else 1.0 / beta


def best_margins(subject, probability: float) -> np.ndarray:
    """Margins on a fine grid at which p l(m) + (1 - p) l(-m) is smallest, up to rounding; the ends mean: no minimiser."""
    grid, values = margin_table(subject)
    risk = probability * values + (1 - probability) * values[::-1]
    return grid[risk <= risk.min() + subject.tolerance(1e-12) * (1 + np.abs(risk.min()))]


@lru_cache(maxsize=8)
def margin_table(subject) -> tuple[np.ndarray, np.ndarray]:
    """Margins to 60 nats of scaled margin, symmetric about 0, neighbours half a percent apart, and the losses there."""
    steps = np.linspace(-12, 12, 2401 if subject.alone else 4801)
    grid = EDGE * np.sinh(steps) / np.sinh(12) * reward_scale(subject)
    return grid, at_margins(subject, grid)


def best_scores(subject, preferences: np.ndarray, above: tuple[int, int, float] | None = None) -> tuple[np.ndarray, float]:
    """Scores that minimise the risk of a function of the margin, every pair compared equally often: grids that zoom in.

    Args:
        subject: the loss.
        preferences: (A, A) P(i beats j), A of 3 or 4.
        above: (i, j, by) only scores with score_i >= score_j + by.

    Returns:
        scores (A,), the last 0, and their risk.
    """
    size = len(preferences)
    points = {3: 49, 4: 25}[size]
    reach, centre = 12.0 * reward_scale(subject), np.zeros(size - 1)
    best = np.zeros(size), np.inf
    for _ in range(6):
        axes = [np.linspace(-reach, reach, points) + c for c in centre]
        scores = np.stack([*(part.reshape(-1) for part in np.meshgrid(*axes, indexing="ij")), np.zeros(points ** (size - 1))], axis=1)
        if above is not None:
            scores = scores[scores[:, above[0]] >= scores[:, above[1]] + above[2] - 1e-12]
        risk = _risk(subject, scores, preferences)
        if risk.min() < best[1]:
            best = scores[int(np.argmin(risk))], float(risk.min())
        centre, reach = best[0][:-1], reach / 6
    return best


def best_log_ratios(
    subject, preferences: np.ndarray, log_ref: np.ndarray, above: tuple[int, int, float] | None = None, reach: float = 12.0
) -> tuple[np.ndarray, float]:
    """The same for a loss that sees more than the margin: scores are log-ratios of a policy up to a constant, answers have unequal lengths.

    Args:
        subject: the loss.
        preferences: (A, A) P(i beats j), A of 3 or 4.
        log_ref: (A,).
        above: (i, j, by) only scores with score_i >= score_j + by.
        reach: of the first grid, in nats of scaled margin.
    """
    size = len(preferences)
    points = {3: 49, 4: 21}[size]
    steps, centre = np.sinh(np.linspace(-6, 6, points)) / np.sinh(6), np.zeros(size - 1)
    reach *= reward_scale(subject)
    best = np.zeros(size), np.inf
    for _ in range(8):
        axes = [reach * steps + c for c in centre]
        scores = np.stack([*(part.reshape(-1) for part in np.meshgrid(*axes, indexing="ij")), np.zeros(points ** (size - 1))], axis=1)
        if above is not None:
            scores = scores[scores[:, above[0]] >= scores[:, above[1]] + above[2] - 1e-12]
        risk = policy_risk(subject, scores, preferences, log_ref)
        if risk.min() < best[1]:
            best = scores[int(np.argmin(risk))], float(risk.min())
        centre, reach, steps = best[0][:-1], reach / 4, np.linspace(-1, 1, points)
    return best


def policy_risk(subject, scores: np.ndarray, preferences: np.ndarray, log_ref: np.ndarray) -> np.ndarray:
    """(N,) the risk of the policies with log-ratios `scores` (N, A), up to a constant each; every pair compared equally often."""
    logits = scores + log_ref
    log_policy = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    pairs = permutations(range(len(preferences)), 2)
    return sum(preferences[i, j] * _losses_of(subject, log_policy, log_ref, i, j) for i, j in pairs)


def _losses_of(subject, log_policy: np.ndarray, log_ref: np.ndarray, i: int, j: int) -> np.ndarray:
    floor = np.minimum(log_policy, -1e-12)
    lengths = (np.full(len(floor), LENGTHS[k]) for k in (i, j))
    ref = np.broadcast_to(log_ref, floor.shape)
    return subject.values(PairLogProbs(floor[:, i], floor[:, j], ref[:, i], ref[:, j], *lengths))


def _risk(subject, scores: np.ndarray, preferences: np.ndarray) -> np.ndarray:
    total = np.zeros(len(scores))
    for i, j in combinations(range(len(preferences)), 2):
        margin, where = np.unique((scores[:, i] - scores[:, j]).round(12), return_inverse=True)
        total += (preferences[i, j] * at_margins(subject, margin) + preferences[j, i] * at_margins(subject, -margin))[where]
    return total
