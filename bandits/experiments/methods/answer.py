"""What a method is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from bandits.data import Comparisons
from bandits.door import Array, require_log_probs, require_same_shape
from bandits.experiments.engine.problems import join_data, join_problems, split_data, split_rows
from bandits.problem import TabularBandit
from bandits.solution import Solution, worst_status

__all__ = ["Answer", "answers"]


class Answer(NamedTuple):
    """What a method found for one problem.

    Args:
        log_policy: (X, A) log-probabilities; None when there is none.
        status: `ok`, or why the search stopped, as `Solution.status` names it.
    """

    log_policy: Array | None
    status: str


def answers(
    method: Callable[..., Any],
    problems: Sequence[TabularBandit],
    data: Sequence[Comparisons | None] | Comparisons | None = None,
    rngs: Sequence[np.random.Generator] | None = None,
) -> list[Answer]:
    """A method's answer to each of P problems.

    A method is any callable (problem, data, rng) -> log-policy: an (X, A) array, a Solution, an Answer, or None when there is no
    policy to give. One that has a true attribute `packs` treats contexts apart and is called once, on all problems as one, with the
    first stream.

    Args:
        method: the method.
        problems: P problems; of one beta and number of actions when the method packs.
        data: what each was told, or one data set of the joined problem; None for the exact population.
        rngs: a stream for each; may be left out for methods that draw nothing.

    Raises:
        ValueError: the method returned something else, or rows that are not log-probabilities.

    >>> bandit = TabularBandit([1.0], [[1.0, 0.0]], np.log([[0.5, 0.5]]), beta=1.0)
    >>> answers(lambda problem, data, rng: problem.log_ref, [bandit])[0].status
    'ok'
    """
    if getattr(method, "packs", False):
        told = data if data is None or isinstance(data, Comparisons) else join_data(problems, data)
        found = method(join_problems(problems), told, rngs[0] if rngs else None)
        return _split(found, problems, method)
    if isinstance(data, Comparisons):
        data = split_data(problems, data)
    each = [None] * len(problems) if data is None else data
    streams = [None] * len(problems) if rngs is None else list(rngs)
    return [_read(method(*asked), asked[0], method) for asked in zip(problems, each, streams, strict=True)]


def _split(found: Any, problems: Sequence[TabularBandit], method: Any) -> list[Answer]:
    if not isinstance(found, Solution):
        return [_read(rows, problem, method) for rows, problem in zip(split_rows(problems, np.asarray(found)), problems, strict=True)]
    statuses = found.certificate.statuses or (found.status,) * len(found.log_policy)
    there = np.asarray(~np.isnan(found.log_policy).any(axis=1))
    if len(problems) == len(found.log_policy):
        each = zip(found.log_policy[:, None], there.tolist(), statuses, strict=True)
        return [Answer(rows if known else None, str(status)) for rows, known, status in each]
    whole = split_rows(problems, there)
    parts = zip(split_rows(problems, found.log_policy), split_rows(problems, statuses), whole, strict=True)
    return [Answer(rows if known.all() else None, str(worst_status(tuple(stopped)))) for rows, stopped, known in parts]


def _read(found: Any, problem: TabularBandit, method: Any) -> Answer:
    if found is None:
        return Answer(None, "none")
    if isinstance(found, Answer):
        return found
    if isinstance(found, Solution):
        return Answer(None if np.isnan(found.log_policy).any() else found.log_policy, str(found.status))
    name = f"what {getattr(method, '__name__', repr(method))} returned"
    log_policy = require_log_probs(name, found)
    require_same_shape(**{"reward": problem.reward, name: log_policy})
    return Answer(log_policy, "ok")
