"""The population risk of a margin loss at one preference probability, and where it is smallest."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from dpo_theory.checks.deciding import at_margins, margin_slopes

__all__ = ["best_margins", "fitted_beta", "reward_scale"]


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
    grid, values = _table(subject)
    risk = probability * values + (1 - probability) * values[::-1]
    return grid[risk <= risk.min() + subject.tolerance(1e-12) * (1 + np.abs(risk.min()))]


@lru_cache(maxsize=8)
def _table(subject) -> tuple[np.ndarray, np.ndarray]:
    """Margins, symmetric about 0, and the losses there."""
    grid = np.linspace(-60, 60, 2401 if subject.alone else 4801) * reward_scale(subject)
    return grid, at_margins(subject, grid)


def best_scores(subject, preferences: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores of three answers, the last 0, that minimise the risk of a function of the margin, by grids that zoom in.

    Args:
        subject: the loss.
        preferences: (3, 3) P(i beats j); every pair is compared equally often.

    Returns:
        scores (S, 2) of the first two answers on the last grid that kept the whole scene, their risks (S,), and the
        scores (2,) of the smallest risk found by zooming.
    """
    reach, centre = 12.0 * reward_scale(subject), np.zeros(2)
    scene = None
    for _ in range(5):
        axis = np.linspace(-reach, reach, 49)
        scores = centre + np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
        risk = _risk(subject, scores, preferences)
        scene = (scores, risk) if scene is None else scene
        centre, reach = scores[int(np.argmin(risk))], reach / 8
    return (*scene, centre)


def _risk(subject, scores: np.ndarray, preferences: np.ndarray) -> np.ndarray:
    full = np.concatenate([scores, np.zeros((len(scores), 1))], axis=1)
    total = np.zeros(len(scores))
    for i, j in ((0, 1), (0, 2), (1, 2)):
        margin, where = np.unique(full[:, i] - full[:, j], return_inverse=True)
        total += (preferences[i, j] * at_margins(subject, margin) + preferences[j, i] * at_margins(subject, -margin))[where]
    return total
