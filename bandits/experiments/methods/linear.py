"""Policies log-linear in features that minimise a loss, for many problems in one solve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from bandits.data import Comparisons
from bandits.door import Array
from bandits.experiments.engine.problems import join_data, join_problems, split_rows
from bandits.features import minimise_loss_linear
from bandits.problem import TabularBandit
from bandits.solution import Status

__all__ = ["Fitted", "fit_linear"]


class Fitted(NamedTuple):
    """What was found for one problem; NaN throughout where the loss has no minimiser.

    Args:
        theta: (D,), the shortest of those that are equally good.
        log_policy: (X, A).
    """

    theta: Array
    log_policy: Array


def fit_linear(
    problems: Sequence[TabularBandit], loss: Callable[..., Any], features: Sequence[Array], data: Sequence[Comparisons]
) -> list[Fitted]:
    """argmin over theta of the mean loss of pi proportional to pi_ref exp(features theta), for each of P problems.

    The problems are solved as one whose theta is all of theirs, each problem's features standing in columns of their own. Where one of
    them has no minimiser, each is solved alone.

    Args:
        problems: P problems of one beta and number of actions.
        loss: PairLogProbs -> (N,), smooth.
        features: P arrays (X, A, D).
        data: P data sets.

    Raises:
        ValueError: as `minimise_loss_linear`, or a search did not come to rest.

    >>> bandit = TabularBandit([1.0], [[1.0, 0.0]], np.log([[0.5, 0.5]]), beta=1.0)
    >>> data = Comparisons([0, 0], [0, 1], [1, 0], [3, 1])
    >>> found = fit_linear([bandit] * 2, lambda pairs: np.logaddexp(0.0, -pairs.margin), [np.array([[[1.0], [0.0]]])] * 2, [data] * 2)
    >>> [one.theta.round(6).tolist() for one in found]
    [[1.098612], [1.098612]]
    """
    size, ends = features[0].shape[-1], np.cumsum([problem.n_contexts for problem in problems])
    wide = np.zeros((ends[-1], problems[0].n_actions, size * len(problems)))
    for i, (one, end) in enumerate(zip(features, ends, strict=True)):
        wide[end - len(one) : end, :, i * size : (i + 1) * size] = one
    found = minimise_loss_linear(join_problems(problems), loss, wide, join_data(problems, data))
    if found.status == Status.NO_MINIMISER and len(problems) > 1:
        parts = [fit_linear([problem], loss, [one], [seen]) for problem, one, seen in zip(problems, features, data, strict=True)]
        return [part for (part,) in parts]
    if found.status not in (Status.OPTIMAL, Status.FLAT, Status.NO_MINIMISER):
        raise ValueError(f"the search over theta ended {found.status}: {found.certificate.reason}.")
    return [Fitted(*parts) for parts in zip(found.theta.reshape(-1, size), split_rows(problems, found.log_policy), strict=True)]
