"""Problems from fixed seeds whose optimum is asserted to exist, and references for their solutions."""

from __future__ import annotations

import numpy as np

from bandits import Comparisons, Rankings, TabularBandit, comparison_graph

__all__ = ["centred", "many_contexts", "pairs", "rankings", "uniform"]


def uniform(contexts: int, actions: int, beta: float = 1.0) -> TabularBandit:
    """A uniform reference without reward: log-ratios are Bradley-Terry strengths over beta."""
    shape = (contexts, actions)
    return TabularBandit(np.full(contexts, 1 / contexts), np.zeros(shape), np.full(shape, -np.log(actions)), beta=beta)


def centred(log_policy: np.ndarray) -> np.ndarray:
    """(X, A) strengths of mean 0."""
    return log_policy - log_policy.mean(axis=1, keepdims=True)


def pairs(items: int, number: int, seed: int) -> Comparisons:
    """Random pairs, standard normal strengths, Bradley-Terry outcomes; one context."""
    rng = np.random.default_rng(seed)
    strength = rng.normal(size=items)
    left = rng.integers(items, size=number)
    right = (left + rng.integers(1, items, size=number)) % items
    wins = rng.random(number) < 1 / (1 + np.exp(strength[right] - strength[left]))
    data = Comparisons(np.zeros(number, dtype=np.int64), np.where(wins, left, right), np.where(wins, right, left))
    graph = comparison_graph(data, items, n_contexts=1)
    assert (graph.exists & graph.connected).all(), "no finite estimate exists: take another seed"
    return data


def many_contexts(contexts: int, actions: int, each: int, seed: int) -> Comparisons:
    """`each` random pairs in every context; contexts without a finite estimate are drawn again."""
    rng = np.random.default_rng(seed)
    chosen, rejected = (np.zeros((contexts, each), dtype=np.int64) for _ in range(2))
    open_ = np.arange(contexts)
    context = np.repeat(np.arange(contexts), each)
    while len(open_):
        rows = np.arange(len(open_))[:, None]
        strength = rng.normal(size=(len(open_), actions))
        left = rng.integers(actions, size=(len(open_), each))
        right = (left + rng.integers(1, actions, size=left.shape)) % actions
        wins = rng.random(left.shape) < 1 / (1 + np.exp(strength[rows, right] - strength[rows, left]))
        chosen[open_], rejected[open_] = np.where(wins, left, right), np.where(wins, right, left)
        data = Comparisons(context, chosen.reshape(-1), rejected.reshape(-1))
        graph = comparison_graph(data, actions, n_contexts=contexts)
        open_ = np.flatnonzero(~(graph.exists & graph.connected))
    return data


def rankings(items: int, number: int, length: int, seed: int) -> Rankings:
    """Plackett-Luce rankings of random subsets, standard normal strengths; one context."""
    rng = np.random.default_rng(seed)
    strength = rng.normal(size=items)
    subsets = np.concatenate([rng.random((1000, items)).argpartition(length, axis=1)[:, :length] for _ in range(-(-number // 1000))])
    subsets = subsets[:number]
    order = np.argsort(-(strength[subsets] + rng.gumbel(size=subsets.shape)), axis=1)
    data = Rankings(np.zeros(number, dtype=np.int64), np.take_along_axis(subsets, order, axis=1))
    graph = comparison_graph(data, items, n_contexts=1)
    assert (graph.exists & graph.connected).all(), "no finite estimate exists: take another seed"
    return data
