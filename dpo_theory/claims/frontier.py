"""How far a policy lies below the reward-KL frontier."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar

from bandits.door import Array
from dpo_theory import optimal

__all__ = ["shortfall", "slope"]


def shortfall(rewards: Array, log_ref: Array, log_policy: Array) -> float:
    """min over beta of beta KL + beta log Z(beta) - E[r]: what the frontier offers more at the policy's KL (claim D29)."""
    mean, kl = np.exp(log_policy) @ rewards, optimal.kl_divergence(log_policy, log_ref)

    def bound(log_price: float) -> float:
        price = float(np.exp(log_price))
        return float(price * (kl + optimal.log_partition(rewards, log_ref, price)) - mean)

    return float(minimize_scalar(bound, bounds=(-6.0, 8.0), method="bounded", options={"xatol": 1e-10}).fun)


def slope(rewards: Array, log_ratio: Array) -> tuple[float, float]:
    """Slope of log pi/pi_ref in r between the worst and the best answer, and how far the others lie off that line."""
    low, high = np.argmin(rewards), np.argmax(rewards)
    tilt = (log_ratio[high] - log_ratio[low]) / (rewards[high] - rewards[low])
    return float(tilt), float(np.abs(log_ratio - log_ratio[low] - tilt * (rewards - rewards[low])).max())
