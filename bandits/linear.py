"""Log-ratios linear in features: coordinates in which they are well scaled, and losses and values in those coordinates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from bandits.derivatives import derivatives, margin_derivatives
from bandits.door import Array, as_numpy
from bandits.problem import TabularBandit
from bandits.rows import Rows
from bandits.solution import Solution
from bandits.strengths import Curve

__all__ = ["Coordinates", "LinearLoss", "LinearSolution", "LinearValue", "centred", "coordinates", "linear_log_policy", "read_features"]

_EPS = np.finfo(np.float64).eps


@dataclass(frozen=True, eq=False)
class LinearSolution(Solution):
    """The end of a search over theta; what `Solution` holds, and in addition

    Args:
        theta: (D,), the shortest of those that are equally good; NaN when there is no minimiser.
        null_space: (R, D) orthonormal rows along which the objective is constant; empty when theta is unique.
        direction: (D,) along which the loss falls for ever, the widest margin growing by 1 nat; None where there is a minimiser.
        stationary: the other local optima reached, pairs of theta and the objective, best first.
    """

    theta: Array = field(default_factory=lambda: np.zeros(0))
    null_space: Array = field(default_factory=lambda: np.zeros((0, 0)))
    direction: Array | None = None
    stationary: tuple[tuple[Array, float], ...] = ()


def read_features(bandit: TabularBandit, features: Any) -> Array:
    """(X, A, D) features of `bandit`'s actions, looked at; those off the reference's support are set to 0.

    Raises:
        ValueError: the shape is not (X, A, D) with D >= 1, or a supported action has a feature that is not finite.
    """
    found, (x, a) = as_numpy("features", features), bandit.reward.shape
    if found.ndim != 3 or found.shape[:2] != (x, a) or found.shape[2] == 0:
        raise ValueError(f"features has shape {found.shape}, expected ({x}, {a}, D) with D >= 1: one vector per action.")
    bad = ~np.isfinite(found) & bandit.support[:, :, None]
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(f"features is {found[where]} at {where}, expected a finite number.")
    return np.where(bandit.support[:, :, None], found, 0.0)


def linear_log_policy(log_ref: Array, features: Array, theta: Array) -> Array:
    """(X, A) log-probabilities proportional to ref * exp(features @ theta)."""
    raw = log_ref + features @ theta
    top = raw.max(axis=1, keepdims=True)
    return np.asarray(raw - top - np.log(np.exp(raw - top).sum(axis=1, keepdims=True)))


def centred(bandit: TabularBandit, features: Array) -> Array:
    """(X, A, D) features minus their mean over the context's supported actions; 0 off the support."""
    held = bandit.support[:, :, None]
    mean = features.sum(axis=1, keepdims=True) / held.sum(axis=1, keepdims=True)
    return np.where(held, features - mean, 0.0)


class Coordinates(NamedTuple):
    """theta = basis @ z, without the directions that change nothing.

    Args:
        basis: (D, R); the differences they came from are orthonormal in z, and theta is the shortest of its class.
        null: (D - R, D) orthonormal rows along which no difference changes.
    """

    basis: Array
    null: Array


def coordinates(differences: Array) -> Coordinates:
    """Coordinates of the (N, D) differences.

    >>> found = coordinates(np.array([[3.0, 0.0], [4.0, 0.0]]))
    >>> found.basis.round(3).tolist(), np.abs(found.null).tolist()
    ([[0.2], [0.0]], [[0.0, 1.0]])
    """
    width = np.abs(differences).max(axis=0, initial=0.0)
    width = np.where(width > 0, width, 1.0)
    _, size, right = np.linalg.svd(differences / width, full_matrices=False)
    rank = int((size > max(differences.shape) * _EPS * size.max(initial=0.0)).sum())
    right = right[:rank] * np.where(right[:rank].sum(axis=1, keepdims=True) < 0, -1.0, 1.0)
    rest = np.linalg.qr(right.T, mode="complete")[0][:, rank:] / width[:, None]
    null = np.linalg.qr(rest)[0].T
    basis = (right / size[:rank, None] / width).T
    return Coordinates(basis - null.T @ (null @ basis), null)


@dataclass(frozen=True, eq=False)
class LinearLoss:
    """The weighted mean loss of rows, plus prior / 2 |theta|^2, as a function of z.

    Args:
        loss: one loss per row.
        rows: what it is called on; contexts count by `rows.share`.
        features: (X, A, R) features in z.
        penalty: (R, R) Hessian of the prior's term.
        by_margin: the loss is a function of the pairs' margins.
    """

    loss: Callable
    rows: Rows
    features: Array
    penalty: Array
    by_margin: bool

    @property
    def weight(self) -> Array:
        """(N,) weights that sum to 1."""
        return np.asarray(self.rows.weight * self.rows.share[self.rows.context])

    @property
    def steps(self) -> Array:
        """(N, R) features of a pair's chosen action minus those of the rejected."""
        rows = self.rows
        return np.asarray(self.features[rows.context, rows.actions[:, 0]] - self.features[rows.context, rows.actions[:, 1]])

    def __call__(self, z: Array) -> Curve:
        drag = self.penalty @ z
        value, gradient, hessian, magnitude = self._by_margin(z) if self.by_margin else self._by_policy(z)
        if not (np.isfinite(value) and np.isfinite(hessian).all()):
            return Curve(np.inf, gradient, hessian, np.inf)
        return Curve(value + float(z @ drag) / 2, gradient + drag, hessian + self.penalty, magnitude + float(z @ drag) / 2)

    def _by_margin(self, z: Array) -> Curve:
        value, slope, bend = self.along(self.steps @ z)
        weight, steps = self.weight, self.steps
        magnitude = float(weight @ np.abs(value)) + float(weight @ np.abs(slope))
        return Curve(float(weight @ value), steps.T @ (weight * slope), (steps.T * (weight * bend)) @ steps, magnitude)

    def along(self, margin: Array) -> tuple[Array, Array, Array]:
        """(N,) value, slope and curvature of each row's loss at (N,) margins."""
        policy = self.rows.ref.copy()
        policy[:, 0] += margin
        return margin_derivatives(self.loss, self.rows.see(policy))

    def _by_policy(self, z: Array) -> Curve:
        rows, weight = self.rows, self.weight
        log_policy = linear_log_policy(rows.bandit.log_ref, self.features, z)
        found = derivatives(self.loss, rows.see(log_policy[rows.context[:, None], rows.actions]))
        policy = np.exp(log_policy)
        mean = np.einsum("xa,xar->xr", policy, self.features)
        score = self.features[rows.context[:, None], rows.actions] - mean[rows.context][:, None, :]
        spread = np.einsum("xa,xar,xas->xrs", policy, self.features - mean[:, None], self.features - mean[:, None])
        pull = np.bincount(rows.context, weights=weight * found.gradient.sum(axis=1), minlength=len(policy))
        hessian = np.einsum("n,nki,nkl,nlj->ij", weight, score, found.hessian, score, optimize=True) - np.einsum("x,xij->ij", pull, spread)
        gradient = np.einsum("n,nk,nkr->r", weight, found.gradient, score, optimize=True)
        magnitude = float(weight @ np.abs(found.value)) + float(weight @ np.abs(found.gradient).sum(axis=1))
        return Curve(float(weight @ found.value), gradient, hessian, magnitude)

    def least_curvature(self, z: Array, radius: float) -> float:
        """Least eigenvalue of the Hessian within `radius` of z, each row's curvature taken at the ends and the middle of its reach.

        It is a lower bound where a row's curvature has no valley in its reach, such as that of a logistic or a squared loss.
        """
        margin, reach = self.steps @ z, radius * np.linalg.norm(self.steps, axis=1)
        bend = np.min([self.along(at)[2] for at in (margin - reach, margin, margin + reach)], axis=0)
        return float(np.linalg.eigvalsh((self.steps.T * (self.weight * bend)) @ self.steps + self.penalty)[0])


@dataclass(frozen=True, eq=False)
class LinearValue:
    """Minus the KL-regularised value of the policy of z.

    Args:
        bandit: the problem; rewards finite on the support.
        features: (X, A, R) features in z.
    """

    bandit: TabularBandit
    features: Array

    def __call__(self, z: Array) -> Curve:
        bandit, share = self.bandit, self.bandit.context_probs
        log_policy = linear_log_policy(bandit.log_ref, self.features, z)
        policy = np.exp(log_policy)
        gain = np.zeros_like(policy)
        held = bandit.support
        gain[held] = (bandit.reward - bandit.beta * log_policy)[held] + bandit.beta * bandit.log_ref[held]
        value = np.sum(policy * gain, axis=1)
        above = gain - value[:, None]
        score = self.features - np.einsum("xa,xar->xr", policy, self.features)[:, None]
        joint = share[:, None] * policy
        gradient = np.einsum("xa,xa,xar->r", joint, above, score, optimize=True)
        hessian = np.einsum("xa,xar,xas->rs", joint * (above - bandit.beta), score, score, optimize=True)
        return Curve(-float(share @ value), -gradient, -hessian, float(np.sum(joint * np.abs(gain))))
