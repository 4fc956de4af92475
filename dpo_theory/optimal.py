"""The KL-regularised optimum: eq. 3, 4, 5 and 8 of the DPO paper.

Every formula reads NumPy arrays, torch tensors and SymPy symbols alike; the last axis is the actions.
Source of the equation numbers: Rafailov et al. 2023, arXiv:2305.18290.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bandits.door import (
    as_numpy,
    require_beta,
    require_log_probs,
    require_reward,
    require_same_shape,
    require_support,
)
from dpo_theory._xp import arrays, expect, is_symbolic, largest, logsumexp

__all__ = [
    "implicit_reward",
    "kl_divergence",
    "log_partition",
    "objective",
    "optimal_log_policy",
    "project_reward",
]


def log_partition(reward: Any, log_ref: Any, beta: Any) -> Any:
    r"""log Z(x) = log sum_y pi_ref(y|x) exp(r(x, y) / beta).

    Args:
        reward: (X, A) rewards; -inf on a proper subset of the supported actions.
        log_ref: (X, A) log-probabilities, rows normalised; -inf where there is no support.
        beta: reward per nat, > 0.

    Returns:
        (X,) log Z in nats; beta times it is the optimal value of eq. 3.

    Raises:
        ValueError: a row of `log_ref` is not normalised, a reward is NaN or +inf, a row has no action left, beta <= 0,
            or the shapes differ.

    Source: eq. 4. Verified by claims `D04`, `D23b`.

    >>> log_partition(np.array([[1.0, 0.0, -1.0]]), np.log([[0.5, 0.3, 0.2]]), beta=0.5).round(4)
    array([1.3917])
    """
    reward, log_ref, beta = _admit(reward, log_ref, beta)
    return logsumexp(log_ref + reward / beta)


def optimal_log_policy(reward: Any, log_ref: Any, beta: Any) -> Any:
    r"""log pi*(y|x) = log pi_ref(y|x) + r(x, y) / beta - log Z(x), the unique maximiser of eq. 3.

    Args:
        reward: (X, A) rewards; -inf on a proper subset of the supported actions.
        log_ref: (X, A) log-probabilities, rows normalised; -inf where there is no support.
        beta: reward per nat, > 0.

    Returns:
        (X, A) log-probabilities, same array type as `reward`.

    Raises:
        ValueError: as `log_partition`.

    Source: eq. 4 and App. A.1. Verified by claim `D04`.

    >>> np.exp(optimal_log_policy(np.array([[1.0, 0.0, -1.0]]), np.log([[0.5, 0.3, 0.2]]), beta=0.5)).round(4)
    array([[0.9187, 0.0746, 0.0067]])
    """
    reward, log_ref, beta = _admit(reward, log_ref, beta)
    score = log_ref + reward / beta
    return score - logsumexp(score, keepdims=True)


def implicit_reward(log_policy: Any, log_ref: Any, beta: Any) -> Any:
    r"""beta log pi(y|x) / pi_ref(y|x): the reward for which `log_policy` is optimal, in the representative with log Z = 0.

    Args:
        log_policy: (X, A) log-probabilities, rows normalised; -inf gives reward -inf.
        log_ref: (X, A) log-probabilities, rows normalised, finite everywhere.
        beta: reward per nat, > 0.

    Returns:
        (X, A) rewards, same array type as `log_policy`.

    Raises:
        ValueError: a row is not normalised, `log_ref` has -inf, beta <= 0, or the shapes differ.

    Source: eq. 5 and Theorem 1. Verified by claims `D05`, `D17`.

    >>> implicit_reward(np.log([[0.75, 0.25]]), np.log([[0.5, 0.5]]), beta=1.0).round(3)
    array([[ 0.405, -0.693]])
    """
    if not is_symbolic(log_policy, log_ref, beta):
        require_beta(beta)
        policy = require_log_probs("log_policy", log_policy)
        ref = require_support("log_ref", log_ref, "the log-ratio is 0/0 there")
        require_same_shape(log_policy=policy, log_ref=ref)
        log_policy, log_ref, beta = arrays(log_policy, log_ref, beta)
    return beta * (log_policy - log_ref)


def project_reward(reward: Any, log_ref: Any, beta: Any) -> Any:
    r"""f(r) = r - beta log sum_y pi_ref(y|x) exp(r(x, y) / beta), the representative of r's class with log Z = 0.

    Args:
        reward: (X, A) rewards; -inf on a proper subset.
        log_ref: (X, A) log-probabilities, rows normalised, finite everywhere.
        beta: reward per nat, > 0.

    Returns:
        (X, A) rewards in the same class: f(r) = beta log pi_r / pi_ref.

    Raises:
        ValueError: `log_ref` has -inf (the representative is unique only under full support), or as `log_partition`.

    Source: eq. 8, Proposition 1. Verified by claims `D18`, `D20`.

    >>> project_reward(np.array([[1.0, 0.0, -1.0]]), np.log([[0.5, 0.3, 0.2]]), beta=0.5).round(4)
    array([[ 0.3042, -0.6958, -1.6958]])
    """
    reward, log_ref, beta = _admit(reward, log_ref, beta)
    if not is_symbolic(reward, log_ref, beta):
        require_support("log_ref", log_ref, "no policy represents the reward of an action that it cannot take")
    return reward - beta * logsumexp(log_ref + reward / beta, keepdims=True)


def kl_divergence(log_policy: Any, log_ref: Any) -> Any:
    r"""KL(pi(.|x) || pi_ref(.|x)) = sum_y pi(y|x) log pi(y|x) / pi_ref(y|x).

    Args:
        log_policy: (X, A) log-probabilities, rows normalised.
        log_ref: (X, A) log-probabilities, rows normalised.

    Returns:
        (X,) nats; inf where the policy leaves the support of the reference.

    Raises:
        ValueError: a row is not normalised, or the shapes differ.

    Source: eq. 3. Verified by claim `D03b`.

    >>> kl_divergence(np.log([[0.75, 0.25]]), np.log([[0.5, 0.5]])).round(4)
    array([0.1308])
    """
    if not is_symbolic(log_policy, log_ref):
        require_same_shape(log_policy=require_log_probs("log_policy", log_policy), log_ref=require_log_probs("log_ref", log_ref))
        log_policy, log_ref = arrays(log_policy, log_ref)
    with np.errstate(invalid="ignore"):  # -inf - -inf off both supports, where the weight is 0
        return expect(log_policy, log_policy - log_ref)


def objective(log_policy: Any, reward: Any, log_ref: Any, beta: Any) -> Any:
    r"""J(pi)(x) = E_pi[r(x, y)] - beta KL(pi || pi_ref) in each context.

    Args:
        log_policy: (X, A) log-probabilities, rows normalised.
        reward: (X, A) rewards; -inf on a proper subset.
        log_ref: (X, A) log-probabilities, rows normalised.
        beta: reward per nat, > 0.

    Returns:
        (X,) values in units of reward; -inf where the policy leaves the support or takes a forbidden action.

    Raises:
        ValueError: as `log_partition`, or a row of `log_policy` is not normalised.

    Source: eq. 3. Verified by claim `D04`.

    >>> objective(np.log([[0.6, 0.3, 0.1]]), np.array([[1.0, 0.0, -1.0]]), np.log([[0.5, 0.3, 0.2]]), beta=0.5).round(4)
    array([0.48])
    """
    reward, log_ref, beta = _admit(reward, log_ref, beta)
    if not is_symbolic(log_policy, reward, log_ref, beta):
        require_same_shape(log_policy=require_log_probs("log_policy", log_policy), log_ref=as_numpy("log_ref", log_ref))
        log_policy, reward, log_ref, beta = arrays(log_policy, reward, log_ref, beta)
    return expect(log_policy, reward) - beta * kl_divergence(log_policy, log_ref)


def _admit(reward: Any, log_ref: Any, beta: Any) -> tuple[Any, Any, Any]:
    if is_symbolic(reward, log_ref, beta):
        return reward, log_ref, beta
    require_beta(beta)
    ref = require_log_probs("log_ref", log_ref)
    shown = as_numpy("reward", reward)
    require_same_shape(reward=shown, log_ref=ref)
    require_reward("reward", shown, ref)
    admitted = arrays(reward, log_ref, beta)
    price = float(as_numpy("beta", beta))
    with np.errstate(over="ignore"):
        too_large = np.isfinite(shown) & (np.abs(shown / price) > min(largest(array) for array in admitted[:2]))
    if too_large.any():
        where = tuple(int(i) for i in np.argwhere(too_large)[0])
        raise ValueError(
            f"reward / beta overflows: reward is {shown[where]:.3g} at {where} and beta is {price:.3g}. "
            "Subtract each row's maximum from the reward, which does not change the optimal policy, or raise beta."
        )
    return admitted
