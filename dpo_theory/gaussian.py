"""The KL-regularised optimum over continuous answers: Gaussian reference, linear or quadratic reward.

An answer y has d coordinates. Every formula reads NumPy arrays and SymPy symbols alike, the latter as object arrays of shape
(d,) and (d, d); nothing is validated on symbols.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from bandits.door import as_numpy, require_beta
from dpo_theory._matrices import array, inverse, log_det, log_two_pi, same_dimension, symmetric
from dpo_theory._xp import is_symbolic

__all__ = [
    "Gaussian",
    "Quadratic",
    "critical_beta",
    "expected_reward",
    "frontier_reward",
    "implicit_reward",
    "kl_divergence",
    "log_density",
    "log_partition",
    "optimal_gaussian",
]


class Gaussian(NamedTuple):
    """The normal law of an answer: mean (d,), covariance (d, d) symmetric and positive definite."""

    mean: Any
    covariance: Any


class Quadratic(NamedTuple):
    """The reward r(y) = constant + linear . y - y . curvature y / 2.

    Args:
        linear: (d,) slope at y = 0.
        curvature: (d, d) symmetric, of any sign; None for a linear reward.
        constant: the reward at y = 0.

    >>> Quadratic([1.0], [[2.0]], 3.0)([[0.0], [1.0]])
    array([3., 3.])
    """

    linear: Any
    curvature: Any = None
    constant: Any = 0.0

    def __call__(self, y: Any) -> Any:
        """(..., d) answers -> (...) rewards."""
        linear, curvature = _reward(self)
        y = array("y", y)
        return self.constant + y @ linear - ((y @ curvature) * y).sum(axis=-1) / 2

    @classmethod
    def centred(cls, centre: Any, curvature: Any) -> Quadratic:
        """The reward -(y - centre) . curvature (y - centre) / 2: centre (d,), curvature (d, d)."""
        centre, curvature = array("centre", centre), array("curvature", curvature)
        return cls(curvature @ centre, curvature, -(centre @ curvature @ centre) / 2)


def log_density(gaussian: Gaussian, y: Any) -> Any:
    r"""log N(y; mean, covariance).

    Args:
        gaussian: the law.
        y: (..., d) answers.

    Returns:
        (...) log-densities in nats.

    Raises:
        ValueError: the covariance is not positive definite, or the shapes differ.

    >>> round(float(log_density(Gaussian([0.0], [[1.0]]), [0.0])), 4)
    -0.9189
    """
    mean, covariance = _gaussian("gaussian", gaussian)
    away = array("y", y) - mean
    squared = ((away @ inverse(covariance)) * away).sum(axis=-1)
    log_volume = log_det(covariance) + len(mean) * log_two_pi(covariance)
    return -(squared + log_volume) / 2


def critical_beta(reward: Quadratic, ref: Gaussian) -> Any:
    r"""beta_c = max(0, lambda_max(-Sigma^{1/2} Q Sigma^{1/2})): Z is finite exactly for beta > beta_c.

    Args:
        reward: with curvature Q.
        ref: with covariance Sigma.

    Returns:
        One number >= 0; 0 where the reward is concave. Symbols only for d = 1.

    Raises:
        ValueError: the covariance is not positive definite, the curvature not symmetric, or the shapes differ.

    Source: derived here. Verified by claim `C2`.

    >>> round(float(critical_beta(Quadratic([0.0], [[-0.2]]), Gaussian([0.3], [[1.96]]))), 4)
    0.392
    """
    _, covariance, _, curvature = _pair(reward, ref)
    if is_symbolic(covariance, curvature):
        import sympy as sp

        ((variance,),), ((bend,),) = covariance, curvature  # d = 1
        return sp.Max(0, -bend * variance)
    root = np.linalg.cholesky(covariance)
    return max(0.0, float(np.linalg.eigvalsh(-root.T @ curvature @ root)[-1]))


def optimal_gaussian(reward: Quadratic, ref: Gaussian, beta: Any) -> Gaussian:
    r"""The maximiser of E_pi[r] - beta KL(pi || ref): N(m + V g / beta, V), V = (Sigma^-1 + Q / beta)^-1, g = a - Q m.

    Args:
        reward: slope a, curvature Q.
        ref: mean m, covariance Sigma.
        beta: reward per nat, above `critical_beta(reward, ref)`.

    Returns:
        The optimal policy, itself Gaussian.

    Raises:
        ValueError: beta <= 0 or at or below the critical value (Z diverges), or as `critical_beta`.

    Source: derived here. Verified by claims `C1`, `C2`.

    >>> optimal_gaussian(Quadratic([0.9]), Gaussian([0.3], [[1.96]]), beta=0.7).mean.round(4)
    array([2.82])
    """
    mean, covariance, slope, curvature = _admit(reward, ref, beta)
    narrowed = covariance @ inverse(_tilt(covariance, curvature, beta))
    return Gaussian(mean + narrowed @ (slope - curvature @ mean) / beta, (narrowed + narrowed.T) / 2)


def log_partition(reward: Quadratic, ref: Gaussian, beta: Any) -> Any:
    r"""log Z = log E_ref exp(r / beta) = r(m) / beta + g . V g / (2 beta^2) - log det(I + Q Sigma / beta) / 2.

    Args:
        reward: slope a, curvature Q.
        ref: mean m, covariance Sigma.
        beta: reward per nat, above `critical_beta(reward, ref)`.

    Returns:
        log Z in nats; beta times it is the optimal value.

    Raises:
        ValueError: as `optimal_gaussian`.

    Source: derived here. Verified by claims `C1`, `C2`.

    >>> round(float(0.7 * log_partition(Quadratic([0.9]), Gaussian([0.3], [[1.96]]), beta=0.7)), 4)
    1.404
    """
    mean, covariance, slope, curvature = _admit(reward, ref, beta)
    tilt = _tilt(covariance, curvature, beta)
    pull = slope - curvature @ mean
    gain = pull @ covariance @ inverse(tilt) @ pull / (2 * beta**2)
    return reward(mean) / beta + gain - log_det(tilt) / 2


def implicit_reward(policy: Gaussian, ref: Gaussian, beta: Any) -> Quadratic:
    r"""beta log pi(y) / ref(y): the quadratic reward for which `policy` is optimal, with log Z = 0.

    Args:
        policy: mean mu, precision Lambda.
        ref: mean m, precision P.
        beta: reward per nat, > 0.

    Returns:
        The reward with curvature beta (Lambda - P) and slope beta (Lambda mu - P m).

    Raises:
        ValueError: a covariance is not positive definite, beta <= 0, or the shapes differ.

    Source: derived here. Verified by claim `C3`.

    >>> implicit_reward(Gaussian([2.82], [[1.96]]), Gaussian([0.3], [[1.96]]), beta=0.7).linear.round(4)
    array([0.9])
    """
    mean, covariance = _gaussian("policy", policy)
    centre, spread = _gaussian("ref", ref)
    same_dimension(mean, centre)
    if not is_symbolic(beta):
        require_beta(beta)
    precision, base = ((matrix + matrix.T) / 2 for matrix in (inverse(covariance), inverse(spread)))
    squares = mean @ precision @ mean - centre @ base @ centre
    volumes = log_det(covariance) - log_det(spread)
    return Quadratic(beta * (precision @ mean - base @ centre), beta * (precision - base), -beta * (squares + volumes) / 2)


def kl_divergence(policy: Gaussian, ref: Gaussian) -> Any:
    r"""KL(policy || ref) = (tr(P V) - d - log det(P V) + (mu - m) . P (mu - m)) / 2, P the precision of the reference.

    Args:
        policy: mean mu, covariance V.
        ref: mean m, covariance P^-1.

    Returns:
        Nats, >= 0.

    Raises:
        ValueError: a covariance is not positive definite, or the shapes differ.

    >>> round(float(kl_divergence(Gaussian([2.82], [[1.96]]), Gaussian([0.3], [[1.96]]))), 4)
    1.62
    """
    mean, covariance = _gaussian("policy", policy)
    centre, spread = _gaussian("ref", ref)
    same_dimension(mean, centre)
    precision, away = inverse(spread), mean - centre
    volumes = log_det(covariance) - log_det(spread)
    return ((precision * covariance).sum() - len(mean) - volumes + away @ precision @ away) / 2


def expected_reward(policy: Gaussian, reward: Quadratic) -> Any:
    r"""E_pi[r] = r(mu) - tr(Q V) / 2.

    Args:
        policy: mean mu, covariance V.
        reward: curvature Q.

    Returns:
        The mean reward.

    Raises:
        ValueError: the covariance is not positive definite, the curvature not symmetric, or the shapes differ.

    >>> expected_reward(Gaussian([1.0], [[4.0]]), Quadratic([1.0], [[0.5]]))
    np.float64(-0.25)
    """
    mean, covariance, _, curvature = _pair(reward, policy)
    return reward(mean) - (curvature * covariance).sum() / 2


def frontier_reward(kl: Any, reward: Quadratic, ref: Gaussian) -> Any:
    r"""R(K) = r(m) + sqrt(2 K a . Sigma a): the largest mean of a linear reward over all laws with KL(pi || ref) <= K.

    Args:
        kl: K in nats, >= 0; any shape.
        reward: linear, slope a.
        ref: mean m, covariance Sigma.

    Returns:
        The mean reward, of the shape of `kl`.

    Raises:
        ValueError: K is negative, the reward has curvature, or as `critical_beta`.

    Source: derived here. Verified by claim `C1`.

    >>> round(float(frontier_reward(1.62, Quadratic([0.9]), Gaussian([0.3], [[1.96]]))), 4)
    2.538
    """
    mean, covariance, slope, curvature = _pair(reward, ref)
    if is_symbolic(covariance, slope, kl):
        import sympy as sp

        return reward(mean) + sp.sqrt(2 * kl * (slope @ covariance @ slope))
    if np.any(curvature != 0):
        raise ValueError(f"reward has curvature {curvature.tolist()}, expected a linear reward: tilt with optimal_gaussian.")
    budget = as_numpy("kl", kl)
    if not np.all(budget >= 0):
        raise ValueError(f"kl is {kl}, expected nats >= 0.")
    return reward(mean) + np.sqrt(2 * budget * (slope @ covariance @ slope))


def _tilt(covariance: Any, curvature: Any, beta: Any) -> Any:
    """I + Q Sigma / beta: how much narrower the optimum is than the reference."""
    return np.eye(len(covariance), dtype=int) + curvature @ covariance / beta


def _admit(reward: Quadratic, ref: Gaussian, beta: Any) -> tuple[Any, Any, Any, Any]:
    found = _pair(reward, ref)
    if not is_symbolic(beta, *found):
        require_beta(beta)
        lowest = critical_beta(reward, ref)
        if not float(beta) > lowest:
            raise ValueError(
                f"beta is {beta}, at or below the critical {lowest:.6g}: Z diverges and no policy is optimal. "
                "Raise beta, or narrow the reference."
            )
    return found


def _pair(reward: Quadratic, ref: Gaussian) -> tuple[Any, Any, Any, Any]:
    """(mean, covariance, slope, curvature), looked at and of one dimension."""
    mean, covariance = _gaussian("the Gaussian", ref)
    slope, curvature = _reward(reward)
    same_dimension(mean, slope)
    return mean, covariance, slope, curvature


def _reward(reward: Quadratic) -> tuple[Any, Any]:
    linear = array("reward.linear", reward.linear)
    if linear.ndim != 1:
        raise ValueError(f"reward.linear has shape {linear.shape}, expected (d,).")
    if reward.curvature is None:
        return linear, np.zeros((len(linear), len(linear)), dtype=int)
    return linear, symmetric("reward.curvature", array("reward.curvature", reward.curvature), len(linear))


def _gaussian(name: str, gaussian: Gaussian) -> tuple[Any, Any]:
    mean = array(f"{name}.mean", gaussian.mean)
    if mean.ndim != 1:
        raise ValueError(f"{name}.mean has shape {mean.shape}, expected (d,).")
    covariance = symmetric(f"{name}.covariance", array(f"{name}.covariance", gaussian.covariance), len(mean))
    if not is_symbolic(covariance):
        lowest = float(np.linalg.eigvalsh(covariance)[0])
        if not lowest > 0:
            raise ValueError(
                f"{name}.covariance has the eigenvalue {lowest:.6g}, expected positive definite: "
                "the law has no density. Drop the directions that do not vary."
            )
    return mean, covariance
