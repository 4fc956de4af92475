"""Ten thousand small problems at once against a loop over a library, and against broadcast Newton steps."""

from __future__ import annotations

import choix
import numpy as np

from bandits import minimise_loss
from benchmarks.contest import Contest, Peer, take_turns
from benchmarks.problems import centred, many_contexts, uniform
from dpo_theory import DPO

_LOOPED = 500  # contexts of the loops that are timed; their time is scaled to all


def broadcast_newton(data, contexts: int, actions: int) -> np.ndarray:
    """Bradley-Terry in every context by numpy.linalg.solve on a stack of matrices, from the raw pairs."""
    cell = (data.context * actions + data.chosen) * actions + data.rejected
    wins = np.bincount(cell, minlength=contexts * actions**2).reshape(contexts, actions, actions).astype(float)
    both = wins + wins.transpose(0, 2, 1)
    strength = np.zeros((contexts, actions))
    each = np.arange(actions - 1)
    for _ in range(50):
        share = 1 / (1 + np.exp(strength[:, None, :] - strength[:, :, None]))
        gradient = (both * share).sum(axis=2) - wins.sum(axis=2)
        bend = both * share * (1 - share)
        hessian = -bend[:, :-1, :-1]
        hessian[:, each, each] += bend.sum(axis=2)[:, :-1]
        step = np.linalg.solve(hessian, gradient[:, :-1, None])[:, :, 0]
        largest = np.abs(step).max(axis=1, keepdims=True)
        strength[:, :-1] -= step * np.minimum(1, 2 / np.maximum(largest, 1e-300))
        if largest.max() < 1e-9:
            break
    return strength


def run(quick: bool) -> Contest:
    contexts, actions, each = (300, 8, 60) if quick else (10_000, 8, 60)
    data, bandit, loss = many_contexts(contexts, actions, each, seed=14), uniform(contexts, actions), DPO(beta=1.0)
    chosen, rejected = data.chosen.reshape(contexts, each), data.rejected.reshape(contexts, each)
    looped = min(_LOOPED, contexts)
    raw = [list(zip(chosen[k].tolist(), rejected[k].tolist(), strict=True)) for k in range(looped)]

    def dense():
        found = []
        for k in range(looped):
            wins = np.bincount(chosen[k] * actions + rejected[k], minlength=actions**2).reshape(actions, actions).astype(float)
            found.append(choix.ilsr_pairwise_dense(wins, max_iter=10_000))
        return np.array(found)

    sides = {
        "ours": lambda: minimise_loss(bandit, loss, data),
        "broadcast numpy.linalg.solve": lambda: broadcast_newton(data, contexts, actions),
        "loop over choix.ilsr_pairwise": lambda: np.array([choix.ilsr_pairwise(actions, one, max_iter=10_000) for one in raw]),
        "loop over choix.ilsr_pairwise_dense": dense,
    }
    repeats = dict(zip(sides, (7, 7, 3, 3), strict=True))
    seconds, found = take_turns(sides, repeats)
    exact = broadcast_newton(data, contexts, actions)
    exact = exact - exact.mean(axis=1, keepdims=True)
    ours = centred(found["ours"].log_policy)
    peers, ratios = [], {}
    for name in list(sides)[1:]:
        strength = np.asarray(found[name])
        strength = strength - strength.mean(axis=1, keepdims=True)
        time = seconds[name] * (contexts / looped if name.startswith("loop") else 1)
        peers.append(Peer(name, time, repeats[name], float(np.abs(strength - exact[: len(strength)]).max())))
        ratios[name] = time / seconds["ours"]
    return Contest(
        name="many_contexts",
        title=f"{contexts:,} contexts of {actions} actions, {each} pairs each",
        seconds=seconds["ours"],
        repeats=7,
        error=float(np.abs(ours - exact).max()),
        certified=found["ours"].certificate.distance_bound,
        peers=tuple(peers),
        kind="faster",
        floor=3,
        goal=None,
        notes={
            "ratios": ratios,
            "floors": {"loop over choix.ilsr_pairwise": 500, "loop over choix.ilsr_pairwise_dense": 120},
            "contexts looped over": looped,
        },
    )
