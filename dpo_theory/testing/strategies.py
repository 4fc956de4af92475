"""Hypothesis strategies: bounded, without subnormal numbers, and shrinking to the smallest instance that still fails."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from bandits.data import Comparisons, PairLogProbs
from bandits.problem import TabularBandit

__all__ = ["betas", "comparison_graphs", "log_probs", "pair_log_probs", "preference_problems"]

Array = NDArray[np.float64]
Size = int | tuple[int, int]


def betas(low: float = 0.01, high: float = 10.0) -> st.SearchStrategy[float]:
    """Rewards per nat between two bounds, 1 first.

    Raises:
        ValueError: not 0 < low <= high < inf.

    >>> from hypothesis import find
    >>> find(betas(), lambda beta: True)
    1.0
    """
    if not 0 < low <= high < np.inf:
        raise ValueError(f"low is {low} and high is {high}, expected 0 < low <= high < inf.")
    return st.floats(float(low), float(high), allow_subnormal=False)


@st.composite
def log_probs(draw: st.DrawFn, contexts: Size = (1, 3), actions: Size = (2, 5), *, spread: float = 16.0) -> Array:
    """(X, A) log-probabilities, rows normalised, every action supported; uniform first.

    Args:
        draw: given by Hypothesis.
        contexts, actions: X and A, or their bounds.
        spread: within a row two log-probabilities differ by at most this, nats.

    >>> from hypothesis import find
    >>> np.exp(find(log_probs(), lambda found: True))
    array([[0.5, 0.5]])
    """
    shape = draw(_size("contexts", contexts, 1)), draw(_size("actions", actions, 2))
    logits = draw(_matrix(shape, _numbers(0.0, spread)))
    return np.asarray(logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True))


@st.composite
def pair_log_probs(
    draw: st.DrawFn, pairs: Size = (1, 4), *, lowest: float = -64.0, tokens: bool = False, targets: bool = False
) -> PairLogProbs:
    """What a pair loss sees: log-probabilities of whole answers between `lowest` and 0 nats; one pair at 0 first.

    Args:
        draw: given by Hypothesis.
        pairs: N, or its bounds.
        lowest: the least log-probability, nats, < 0.
        tokens: also lengths, from 1 to 64.
        targets: also soft labels in [0, 1].

    >>> from hypothesis import find
    >>> find(pair_log_probs(pairs=1), lambda pairs: pairs.margin[0] >= 2).margin
    array([2.])
    """
    if not -np.inf < lowest < 0:
        raise ValueError(f"lowest is {lowest}, expected a finite number < 0.")
    n = draw(_size("pairs", pairs, 1))
    columns = [-draw(_vector(n, _numbers(0.0, -lowest))) + 0.0 for _ in range(4)]
    made = PairLogProbs(*columns)
    if tokens:
        lengths = [draw(_vector(n, st.integers(1, 64))) for _ in range(2)]
        made = made._replace(chosen_tokens=lengths[0], rejected_tokens=lengths[1])
    return made._replace(target=draw(_vector(n, _numbers(0.0, 1.0)))) if targets else made


@st.composite
def preference_problems(
    draw: st.DrawFn, contexts: Size = (1, 3), actions: Size = (2, 5), *, largest: float = 8.0, spread: float = 16.0, tokens: bool = False
) -> TabularBandit:
    """Bandits with finite rewards, a fully supported reference and positive context weights; rewards 0 and beta 1 first.

    Args:
        draw: given by Hypothesis.
        contexts, actions: X and A, or their bounds.
        largest: rewards lie between -largest and largest.
        spread: within a row two log-probabilities of the reference differ by at most this, nats.
        tokens: also lengths, from 1 to 64.

    >>> from hypothesis import find
    >>> find(preference_problems(), lambda bandit: True).reward
    array([[0., 0.]])
    """
    log_ref = draw(log_probs(contexts, actions, spread=spread))
    weights = draw(_vector(len(log_ref), st.integers(1, 9)))
    reward = draw(_matrix(log_ref.shape, _numbers(-largest, largest)))
    lengths = draw(_matrix(log_ref.shape, st.integers(1, 64))) if tokens else None
    return TabularBandit(weights / weights.sum(), reward + 0.0, log_ref, draw(betas()), lengths)


@st.composite
def comparison_graphs(
    draw: st.DrawFn,
    actions: Size = (2, 5),
    contexts: Size = (1, 2),
    *,
    comparisons: Size = (1, 12),
    strong: bool = False,
    weights: bool = False,
    targets: bool = False,
) -> Comparisons:
    """Comparisons of different actions; one of action 0 over action 1 first.

    Args:
        draw: given by Hypothesis.
        actions, contexts: A and X, or their bounds; not every action or context need be seen.
        comparisons: N, or its bounds, before a cycle is added.
        strong: add a cycle of wins through all the actions of each context: by Ford's condition the maximum-likelihood estimate exists.
        weights: also how often each was seen, from 1 to 9.
        targets: also soft labels in [0, 1]; 1 on an added cycle.

    >>> from hypothesis import find
    >>> find(comparison_graphs(), lambda data: True)[:3]
    (array([0]), array([0]), array([1]))
    """
    n_actions, n_contexts = draw(_size("actions", actions, 2)), draw(_size("contexts", contexts, 1))
    n = draw(_size("comparisons", comparisons, 0))
    pair = st.tuples(st.integers(0, n_contexts - 1), st.integers(0, n_actions - 1), st.integers(0, n_actions - 2))
    rows = [(x, w, other + (other >= w)) for x, w, other in draw(st.lists(pair, min_size=n, max_size=n))]
    drawn = len(rows)
    for x in range(n_contexts if strong else 0):
        order = draw(st.permutations(range(n_actions)))
        rows += [(x, w, order[(k + 1) % n_actions]) for k, w in enumerate(order)]
    context, chosen, rejected = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    weight = draw(_vector(len(rows), st.integers(1, 9))) if weights else None
    target = np.append(draw(_vector(drawn, _numbers(0.0, 1.0))), np.ones(len(rows) - drawn)) if targets else None
    return Comparisons(context, chosen, rejected, weight, target)


def _numbers(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_subnormal=False)


def _size(name: str, size: Size, least: int) -> st.SearchStrategy[int]:
    low, high = (size, size) if isinstance(size, int) else size
    if not least <= low <= high:
        raise ValueError(f"{name} is {size}, expected a whole number >= {least}, or two in order.")
    return st.integers(low, high)


def _vector(n: int, elements: st.SearchStrategy[Any]) -> st.SearchStrategy[Array]:
    return st.lists(elements, min_size=n, max_size=n).map(lambda found: np.array(found, dtype=np.float64))


def _matrix(shape: tuple[int, ...], elements: st.SearchStrategy[Any]) -> st.SearchStrategy[Array]:
    return _vector(int(np.prod(shape)), elements).map(lambda found: found.reshape(shape))
