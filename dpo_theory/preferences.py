"""Models of human choice: log-likelihoods of a comparison and of a ranking."""

from __future__ import annotations

from typing import Any

import numpy as np

from bandits.door import as_numpy, require_same_shape
from dpo_theory._xp import arrays, is_symbolic, log_sigmoid, tail_logsumexp, total

__all__ = ["bradley_terry", "plackett_luce"]


def bradley_terry(chosen_reward: Any, rejected_reward: Any) -> Any:
    r"""log P(chosen beats rejected) = log s(r_w - r_l).

    Args:
        chosen_reward: (N,) rewards of the chosen answers.
        rejected_reward: (N,) rewards of the rejected answers.

    Returns:
        (N,) log-probabilities, <= 0.

    Raises:
        ValueError: a reward is NaN or infinite (deterministic preferences are not Bradley-Terry), or the shapes differ.

    Source: Rafailov et al. 2023, arXiv:2305.18290, eq. 1. Verified by claim `D01`.

    >>> bradley_terry(np.array([1.0, -1e4]), np.array([0.0, 0.0])).round(4)
    array([-3.133e-01, -1.000e+04])
    """
    if not is_symbolic(chosen_reward, rejected_reward):
        chosen = _finite("chosen_reward", chosen_reward)
        rejected = _finite("rejected_reward", rejected_reward)
        require_same_shape(chosen_reward=chosen, rejected_reward=rejected)
        chosen_reward, rejected_reward = arrays(chosen_reward, rejected_reward)
    return log_sigmoid(chosen_reward - rejected_reward)


def plackett_luce(ranked_rewards: Any) -> Any:
    r"""log P(ranking) = sum_k [ r_k - log sum_{j >= k} exp(r_j) ], best first.

    Args:
        ranked_rewards: (N, K) rewards in the order of the ranking, best first.

    Returns:
        (N,) log-probabilities, <= 0; with K = 2 the Bradley-Terry model.

    Raises:
        ValueError: a reward is NaN or infinite, or there is no last axis.

    Source: Rafailov et al. 2023, arXiv:2305.18290, eq. 18. Verified by claims `D24`, `D25`.

    >>> np.exp(plackett_luce(np.array([[1.0, 0.0, -1.0], [-1.0, 0.0, 1.0]]))).round(4)
    array([0.4863, 0.0242])
    """
    if not is_symbolic(ranked_rewards):
        shown = _finite("ranked_rewards", ranked_rewards)
        if shown.ndim == 0 or shown.shape[-1] == 0:
            raise ValueError(f"ranked_rewards has shape {shown.shape}, expected (N, K) with K >= 1, best first.")
        (ranked_rewards,) = arrays(ranked_rewards)
    return total(ranked_rewards - tail_logsumexp(ranked_rewards))


def _finite(name: str, value: Any) -> Any:
    array = as_numpy(name, value)
    bad = ~np.isfinite(array)
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(
            f"{name} is {array[where]} at {where}, expected a finite reward: a preference that is certain has no finite reward difference."
        )
    return array
