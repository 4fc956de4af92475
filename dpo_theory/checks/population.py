"""The population risk of a margin loss at one preference probability, and where it is smallest."""

from __future__ import annotations

import numpy as np

from dpo_theory.checks.deciding import at_margins

__all__ = ["best_margins", "reward_scale"]


def reward_scale(subject) -> float:
    """Nats of margin per unit of scaled margin: 1/beta where the loss has a positive option beta or tau, else 1."""
    for name in ("beta", "tau"):
        value = subject.parameters.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            return 1.0 / float(value)
    return 1.0


def best_margins(subject, probability: float) -> np.ndarray:
    """Margins on a fine grid at which p l(m) + (1 - p) l(-m) is smallest, up to rounding; the ends mean: no minimiser."""
    grid = np.linspace(-60, 60, 4801) * reward_scale(subject)
    values = at_margins(subject, grid)
    risk = probability * values + (1 - probability) * values[::-1]
    return grid[risk <= risk.min() + 1e-12 * (1 + np.abs(risk.min()))]
