"""The ladder: problems on which every claim and every check must stand, smallest first.

Two actions, a uniform reference, beta = 1, equal lengths, equal context weights: each hides a real bug. The first rungs are
small so that a counterexample is readable; the later ones have none of the five.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bandits.problem import TabularBandit

__all__ = ["T1", "Rung", "ladder", "random_bandit"]


@dataclass(frozen=True)
class Rung:
    """One problem of the ladder and what is special about it."""

    name: str
    bandit: TabularBandit


def _bandit(reward, ref, beta, contexts=None, tokens=None) -> TabularBandit:
    with np.errstate(divide="ignore"):
        log_ref = np.log(np.atleast_2d(ref))
    reward = np.atleast_2d(np.asarray(reward, dtype=float))
    contexts = np.full(len(reward), 1 / len(reward)) if contexts is None else contexts
    return TabularBandit(contexts, reward, log_ref, beta, tokens)


def T1() -> TabularBandit:
    """Three actions, ref = (.5, .3, .2), r = (1, 0, -1), beta = 1/2: the instance that worked examples use."""
    return _bandit([1, 0, -1], [0.5, 0.3, 0.2], 0.5)


def random_bandit(rng: np.random.Generator, *, contexts: int | None = None, actions: int | None = None) -> TabularBandit:
    """A problem with skewed references, unequal context weights and lengths, beta between 0.05 and 5.

    Args:
        rng: source of randomness.
        contexts: X; drawn from 2..4 when absent.
        actions: A; drawn from 3..6 when absent.
    """
    X = int(rng.integers(2, 5)) if contexts is None else contexts
    A = int(rng.integers(3, 7)) if actions is None else actions
    logits = rng.normal(scale=2.0, size=(X, A))
    log_ref = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    return TabularBandit(
        rng.dirichlet(np.full(X, 2.0)),
        rng.normal(scale=1.5, size=(X, A)),
        log_ref,
        float(np.exp(rng.uniform(np.log(0.05), np.log(5.0)))),
        rng.integers(1, 9, size=(X, A)).astype(float),
    )


def ladder(seed: int = 0, *, random: int = 12) -> tuple[Rung, ...]:
    """The rungs: fixed ones, then `random` ones drawn from the seed.

    >>> [rung.name for rung in ladder(random=1)][:3]
    ['two actions, uniform reference, beta 1', 'two actions, skewed reference', 'T1']
    """
    tiny = np.array([1e-300, 1e-12, 0.25, 0.75])
    fixed = (
        Rung("two actions, uniform reference, beta 1", _bandit([1, 0], [0.5, 0.5], 1.0)),
        Rung("two actions, skewed reference", _bandit([0, 1], [0.9, 0.1], 2.0)),
        Rung("T1", T1()),
        Rung("three actions, rewards against the reference", _bandit([-2, 0.5, 1], [0.7, 0.2, 0.1], 0.25)),
        Rung(
            "two contexts, unequal weights and lengths",
            _bandit([[1, 0, -1], [0, 2, 0.5]], [[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]], 0.3, [0.8, 0.2], [[1, 2, 4], [3, 1, 7]]),
        ),
        Rung("probabilities down to 1e-300", _bandit([3.0, -1.0, 0.5, 0.0], tiny / tiny.sum(), 0.7)),
        Rung(
            "rewards of a thousand nats",
            _bandit([[1000.0, -400.0, 0.0], [-1000.0, 3.0, 2.0]], [[0.2, 0.5, 0.3]] * 2, 1.3),
        ),
        Rung("a forbidden action", _bandit([[0.5, -np.inf, 1.0, -0.2]], [[0.1, 0.6, 0.2, 0.1]], 0.4)),
        Rung("an action without support", _bandit([[0.5, 2.0, 1.0, -0.2]], [[0.4, 0.0, 0.2, 0.4]], 0.6)),
    )
    streams = np.random.SeedSequence(seed).spawn(random)
    drawn = tuple(Rung(f"random {i}", random_bandit(np.random.default_rng(stream))) for i, stream in enumerate(streams))
    return fixed + drawn
