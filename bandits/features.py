"""Policies log-linear in features, pi proportional to pi_ref exp(features theta): the DPO and the RLHF optimum of that class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from bandits.data import Comparisons, Rankings
from bandits.door import Array, as_numpy
from bandits.linear import Coordinates, LinearLoss, LinearSolution, LinearValue, centred, coordinates, linear_log_policy, read_features
from bandits.maximise import maximise_value
from bandits.probe import LossShape, falls_for_ever, inspect_loss, reads_target
from bandits.problem import TabularBandit
from bandits.rows import Rows, read_rows
from bandits.separation import separating_direction
from bandits.solution import Certificate, Status
from bandits.stationary import Settled, settle

__all__ = ["LinearSolution", "maximise_value_linear", "minimise_loss_linear"]

_EPS = np.finfo(np.float64).eps
_STARTS = 12
_APART = 1e-6


def minimise_loss_linear(
    bandit: TabularBandit,
    loss: Callable,
    features: Any,
    data: Comparisons | Rankings | None = None,
    *,
    design: Any = None,
    preferences: Any = None,
    prior: float = 0.0,
    tol: float = 1e-14,
    max_steps: int = 300,
) -> LinearSolution:
    r"""argmin over theta of the mean loss of pi proportional to pi_ref exp(features theta), by Newton's method with exact derivatives.

    Args:
        bandit: the problem; the loss sees its reference, and the reward only through `preferences`.
        loss: any smooth callable PairLogProbs -> (N,), or RankedLogProbs -> (N,) for Rankings, one loss per row.
        features: (X, A, D), in nats per unit of theta. A linear reward of weights beta theta has the same margins.
        data: Comparisons (weight and target honoured), Rankings, or None for the exact population.
        design, preferences: of the population, as in `minimise_loss`.
        prior: precision of a Gaussian prior on theta; the objective is the mean loss plus prior / 2 |theta|^2.
        tol: the search stops when no step is longer than this, relative to 1 + the length of the margins.
        max_steps: then the status is not_converged.

    Returns:
        LinearSolution with status
        optimal, the policy is the minimiser (theta too, unless `null_space` names directions that change no policy);
        flat, a minimiser, whose policy still changes along `null_space`, of which it is the shortest theta;
        no_minimiser, theta NaN, and `direction`, along which no comparison's margin falls and some rises;
        several_minima, the best of those in `stationary`, for a loss that is not convex in theta;
        not_converged.
        The certificate's bounds are the gradient over the strong convexity around theta.

    Raises:
        ValueError: as for `minimise_loss`; features of another shape; a loss of straight pieces; prior < 0.

    Source: Rafailov et al. 2023, arXiv:2305.18290, eq. 7, for a policy class that is not tabular.

    >>> bandit = TabularBandit([1.0], [[1.0, 0.0, -1.0]], np.log([[0.5, 0.3, 0.2]]), beta=0.5)
    >>> logistic = lambda pairs: np.logaddexp(0.0, -0.5 * pairs.margin)
    >>> minimise_loss_linear(bandit, logistic, [[[1.0], [0.0], [-1.0]]]).theta.round(12).tolist()
    [2.0]
    >>> data = Comparisons([0, 0], [0, 0], [1, 2])
    >>> str(minimise_loss_linear(bandit, logistic, [[[1.0], [0.0], [-1.0]]], data).status)
    'no_minimiser'
    """
    if not callable(loss):
        raise ValueError(f"loss is {loss!r}, expected a callable: PairLogProbs -> (N,).")
    if data is not None and (design is not None or preferences is not None):
        raise ValueError("data was given together with design or preferences, which describe the population. Pass one of the two.")
    found = read_features(bandit, features)
    precision = float(as_numpy("prior", prior))
    if not (np.isfinite(precision) and precision >= 0):
        raise ValueError(f"prior is {prior}, expected a finite precision >= 0.")
    soft = not isinstance(data, Rankings) and reads_target(loss, bandit.tokens is not None)
    rows = read_rows(bandit, data, design, preferences, soft=soft)
    shape = inspect_loss(loss, rows)
    shape = shape if shape.length > 0 else replace(shape, length=1.0)  # a slope of 0 at the reference sets no length
    if shape.kinked:
        raise ValueError("the loss has straight pieces, expected a smooth one. Smooth it, or use minimise_loss on the tabular class.")
    differences = _compared(rows, found) if shape.shift_invariant else _all_differences(rows, found)
    frame = coordinates(differences)
    if precision == 0 and shape.shift_invariant and shape.convex:
        direction = _runaway(loss, rows, found, differences, shape)
        if direction is not None:
            return _no_minimiser(bandit, found, direction, frame)
    by_margin = shape.shift_invariant and not rows.ranked
    model = LinearLoss(loss, rows, found @ frame.basis, precision * frame.basis.T @ frame.basis, by_margin)
    convex = shape.shift_invariant and shape.convex
    length = shape.length * np.sqrt(max(len(differences), 1))
    ends = [
        settle(model, start, radius=8 * length, far=1e5 * length + 1e4, tol=tol, max_steps=max_steps)
        for start in _spread(frame.basis.shape[1], 1 if convex else _STARTS, length)
    ]
    if precision > 0:
        frame = frame._replace(null=np.zeros((0, found.shape[2])))
    return _read(bandit, found, frame, model, ends, LinearLoss(loss, rows, found, precision * np.eye(found.shape[2]), by_margin), convex)


def maximise_value_linear(
    bandit: TabularBandit, features: Any, *, starts: int = _STARTS, tol: float = 1e-14, max_steps: int = 300
) -> LinearSolution:
    r"""argmax over theta of E_pi[r] - beta KL(pi || pi_ref) with pi proportional to pi_ref exp(features theta), from several starts.

    The value need not be concave in theta. The supremum is attained: near the edge of the simplex the KL's slope is infinite.

    Args:
        bandit: the problem; rewards finite wherever the reference has support, since no policy of the class avoids an action.
        features: (X, A, D), in nats per unit of theta.
        starts: how many; 0, the regression of r / beta on the features, and others drawn from a fixed seed.
        tol, max_steps: as in `minimise_loss_linear`.

    Returns:
        LinearSolution. optimal when every start that came to rest did so at one maximum, several_minima when there are others, in
        `stationary`; that the class holds none higher is proved only as far as the certificate goes: its gap bound and
        distance bound are those to the optimum over all policies, by weak duality, and so vanish when the class contains it.

    Raises:
        ValueError: features of another shape, or a supported action with reward -inf.

    Source: the objective is Rafailov et al. 2023, arXiv:2305.18290, eq. 3.

    >>> bandit = TabularBandit([1.0], [[1.0, 0.0, -1.0]], np.log([[0.5, 0.3, 0.2]]), beta=0.5)
    >>> found = maximise_value_linear(bandit, [[[1.0], [0.0], [-1.0]]])
    >>> found.theta.round(9).tolist(), found.certificate.gap_bound < 1e-12
    ([2.0], True)
    """
    found = read_features(bandit, features)
    forbidden = bandit.support & (bandit.reward == -np.inf)
    if forbidden.any():
        where = tuple(int(i) for i in np.argwhere(forbidden)[0])
        raise ValueError(
            f"reward is -inf at {where}, which every log-linear policy reaches. Take the action out of the reference's support."
        )
    if int(starts) != starts or starts < 1:
        raise ValueError(f"starts is {starts}, expected a whole number >= 1.")
    level = centred(bandit, found)
    heard = level[(bandit.context_probs > 0)[:, None] & bandit.support]
    frame = coordinates(heard)
    model = LinearValue(bandit, level @ frame.basis)
    wish = np.where(bandit.support, bandit.reward, 0.0)[(bandit.context_probs > 0)[:, None] & bandit.support] / bandit.beta
    wanted = (heard @ frame.basis).T @ wish
    length = max(float(np.linalg.norm(wanted)), np.sqrt(len(heard)))
    points = [*_spread(frame.basis.shape[1], max(starts - 1, 1), length), wanted][:starts]
    ends = [settle(model, start, radius=length, tol=tol, max_steps=max_steps) for start in points]
    best, others = _ranked(ends, frame, lambda end: -end.found.value)
    theta = frame.basis @ best.at
    log_policy = linear_log_policy(bandit.log_ref, level, theta)
    free = maximise_value(bandit)
    gap = max(free.value + free.certificate.gap_bound - bandit.value(log_policy), 0.0)
    seen = bandit.support & (bandit.context_probs > 0)[:, None]
    apart = float(np.abs(log_policy[seen] - free.log_policy[seen]).max()) + free.certificate.distance_bound
    status = Status.NOT_CONVERGED if not best.minimum else Status.SEVERAL_MINIMA if others else Status.OPTIMAL
    reason = (
        f"stationary, reached from {sum(end.done for end in ends)} of {len(ends)} starts; the bounds are to the optimum over all policies"
    )
    gradient = LinearValue(bandit, level)(theta).gradient
    return LinearSolution(
        log_policy=log_policy,
        value=bandit.value(log_policy),
        gradient_norm=float(np.abs(gradient).max()),
        steps=sum(end.steps for end in ends),
        status=status,
        certificate=Certificate(float(gap), apart, reason, (status,) * bandit.n_contexts, minima=_policies(bandit, level, others)),
        theta=theta,
        null_space=frame.null,
        stationary=others,
    )


def _compared(rows: Rows, features: Array) -> Array:
    """(N, D) features of each row's action minus those of the next one in it: for a pair, chosen minus rejected."""
    seen = features[rows.context[:, None], rows.actions]
    return (seen[:, :-1] - seen[:, 1:]).reshape(-1, features.shape[2])


def _all_differences(rows: Rows, features: Array) -> Array:
    return centred(rows.bandit, features)[(rows.share > 0)[:, None] & rows.bandit.support]


def _runaway(loss: Callable, rows: Rows, features: Array, differences: Array, shape: LossShape) -> Array | None:
    """(D,) along which no margin falls, some rises, and with them the loss falls for ever; None where there is none."""
    level = np.zeros((0, features.shape[2]))
    winners = differences
    if rows.target is not None:
        level = differences[(rows.target > 0) & (rows.target < 1)]
        winners = np.where(rows.target[:, None] == 0, -differences, differences)[(rows.target == 0) | (rows.target == 1)]
    direction = separating_direction(winners, level)
    if direction is None:
        return None
    gain = np.abs(differences @ direction).reshape(len(rows), -1).max(axis=1)
    direction, rising = direction / gain.max(), np.flatnonzero(gain > 1e-9 * gain.max())
    return direction if falls_for_ever(loss, rows.take(rising), features @ direction, shape.length) else None


def _no_minimiser(bandit: TabularBandit, features: Array, direction: Array, frame: Coordinates) -> LinearSolution:
    reason = (
        "along a direction of theta no comparison's margin falls and some rises: the loss falls for ever, so no policy attains the infimum"
    )
    statuses = (Status.NO_MINIMISER,) * bandit.n_contexts
    certificate = Certificate(np.nan, np.nan, reason, statuses, direction=features @ direction)
    lost = np.full(len(direction), np.nan)
    return LinearSolution(
        np.full(bandit.reward.shape, np.nan),
        np.nan,
        np.nan,
        0,
        Status.NO_MINIMISER,
        certificate,
        theta=lost,
        null_space=frame.null,
        direction=direction,
    )


def _spread(size: int, count: int, length: float) -> list[Array]:
    """The origin, and `count` - 1 points around it, from near to far."""
    rng = np.random.default_rng(0)
    scales = length * np.geomspace(0.3, 3.0, max(count - 1, 1)) / np.sqrt(max(size, 1))
    return [np.zeros(size), *(scale * rng.normal(size=size) for scale in scales[: count - 1])]


def _ranked(ends: list[Settled], frame: Coordinates, objective: Callable) -> tuple[Settled, tuple[tuple[Array, float], ...]]:
    """The best end, and the other minima that were reached, one of each."""
    resting = [end for end in ends if end.minimum]
    if not resting:
        return min(ends, key=lambda end: end.found.value), ()
    order = sorted(resting, key=lambda end: end.found.value)
    kept = [order[0]]
    for end in order[1:]:
        if all(np.linalg.norm(end.at - other.at) > _APART * (1 + np.linalg.norm(other.at)) for other in kept):
            kept.append(end)
    return kept[0], tuple((frame.basis @ end.at, objective(end)) for end in kept[1:])


def _policies(bandit: TabularBandit, features: Array, others: tuple[tuple[Array, float], ...]) -> tuple[Array, ...]:
    return tuple(linear_log_policy(bandit.log_ref, features, theta) for theta, _ in others)


def _read(
    bandit: TabularBandit, features: Array, frame: Coordinates, model: LinearLoss, ends: list[Settled], plain: LinearLoss, convex: bool
) -> LinearSolution:
    best, others = _ranked(ends, frame, lambda end: end.found.value)
    theta = frame.basis @ best.at
    level = centred(bandit, features)
    loose = np.abs(level @ frame.null.T).max(initial=0.0) > 1e-10 * max(np.abs(level).max(), 1e-300)
    gap, radius = _certified(model, best) if convex and best.done else (np.nan, np.nan)
    reach = 2 * np.linalg.norm(level @ frame.basis, axis=2).max() if frame.basis.size else 0.0
    empty = best.done and bool((best.curvature <= 0).any())
    if not best.minimum:
        status, reason = Status.NOT_CONVERGED, "the steps did not come to rest in a minimum"
    elif others and not convex:
        status, reason = Status.SEVERAL_MINIMA, "the loss is not convex in theta: several starts reached several minima"
    elif loose or empty:
        status, reason = Status.FLAT, "the comparisons leave some directions of theta free that change the policy"
        reason = reason if loose else "the loss has no curvature there in some direction of theta"
    else:
        status, reason = Status.OPTIMAL, "the gradient over the strong convexity in a ball around theta"
        reason = reason if convex else "the loss is not convex in theta; every start that came to rest did so here"
    minima = _policies(bandit, features, others)
    return LinearSolution(
        log_policy=linear_log_policy(bandit.log_ref, features, theta),
        value=best.found.value,
        gradient_norm=float(np.abs(plain(theta).gradient).max()),
        steps=sum(end.steps for end in ends),
        status=status,
        certificate=Certificate(float(gap), float(reach * radius), reason, (status,) * bandit.n_contexts, minima=minima),
        theta=theta,
        null_space=frame.null,
        stationary=() if convex else others,
    )


def _certified(model: LinearLoss, end: Settled) -> tuple[float, float]:
    """Bounds of the loss above its minimum and of the distance in z, from the gradient and its rounding.

    For rankings the curvature is taken to fall by no more than half within the bound, which is then small against it.
    """
    if len(end.at) == 0:
        return 8 * _EPS * end.found.magnitude, 0.0
    norm, least = float(np.linalg.norm(end.found.gradient)) + 8 * _EPS * end.found.magnitude, float(end.curvature[0])
    if least <= 0:
        return np.nan, np.inf
    radius = 2 * norm / least
    least = model.least_curvature(end.at, radius) if model.by_margin else least / 2
    if not (least > 0 and norm / least <= radius):
        return np.nan, np.inf
    return norm**2 / (2 * least) + 8 * _EPS * end.found.magnitude, norm / least
