"""Bradley-Terry on a sparse design against the best general solver that reaches a relative gradient of 1e-8."""

from __future__ import annotations

import choix
import numpy as np

from bandits import minimise_loss
from benchmarks.contest import Contest, Peer, take_turns
from benchmarks.likelihoods import pair_error, pair_gradient, relative_gradient
from benchmarks.problems import centred, pairs, uniform
from dpo_theory import DPO

_ASKED = 1e-8


def _lbfgs(data, items):
    from scipy.optimize import minimize

    start = np.zeros(items)
    limit = _ASKED / 2 * np.abs(pair_gradient(data, start)[1]).max()
    options = {"maxiter": 1000, "gtol": limit, "ftol": 0.0, "maxcor": 20}
    return minimize(lambda s: pair_gradient(data, s), start, jac=True, method="L-BFGS-B", options=options).x


def _sklearn(data, items, solver):
    from scipy.sparse import csr_array
    from sklearn.linear_model import LogisticRegression

    unique = data.aggregate()
    n = len(unique.chosen)
    label = np.arange(n) % 2  # half of the rows are stated the other way round: a classifier needs two classes
    sign = np.where(label == 1, 1.0, -1.0)
    entries = np.stack([sign, -sign], axis=1).reshape(-1)
    columns = np.stack([unique.chosen, unique.rejected], axis=1).reshape(-1)
    design = csr_array((entries, columns, np.arange(0, 2 * n + 1, 2)), shape=(n, items))
    if solver == "newton-cholesky":  # the last item stays at 0, or the Hessian is singular
        design = design[:, :-1]
    limit = _ASKED / 2 * np.abs(pair_gradient(data, np.zeros(items))[1]).max()
    model = LogisticRegression(C=np.inf, fit_intercept=False, solver=solver, tol=limit, max_iter=1000)
    found = model.fit(design, label, sample_weight=unique.weight).coef_[0]
    return np.concatenate([found, np.zeros(items - len(found))])


def run(quick: bool) -> Contest:
    items, number = (500, 50_000) if quick else (5000, 10**6)
    data, bandit, loss = pairs(items, number, seed=12), uniform(1, items), DPO(beta=1.0)

    def dense():
        wins = np.bincount(data.chosen * items + data.rejected, minlength=items * items).reshape(items, items).astype(float)
        return choix.ilsr_pairwise_dense(wins)

    sides = {
        "ours": lambda: minimise_loss(bandit, loss, data),
        "scipy L-BFGS-B": lambda: _lbfgs(data, items),
        "scikit-learn newton-cg": lambda: _sklearn(data, items, "newton-cg"),
        "scikit-learn newton-cholesky": lambda: _sklearn(data, items, "newton-cholesky"),
        "choix.ilsr_pairwise_dense": dense,
    }
    repeats = dict(zip(sides, (7, 3, 1, 1, 1), strict=True))
    seconds, found = take_turns(sides, repeats)
    peers = []
    for name in list(sides)[1:]:
        strength = np.asarray(found[name])
        reached = relative_gradient(data, strength)
        peers.append(Peer(name, seconds[name], repeats[name], pair_error(data, strength), bool(reached <= _ASKED)))
    ours = centred(found["ours"].log_policy)[0]
    return Contest(
        name="five_thousand",
        title=f"Bradley-Terry, {items:,} items, {number:,} pairs, relative gradient 1e-8",
        seconds=seconds["ours"],
        repeats=7,
        error=pair_error(data, ours),
        certified=found["ours"].certificate.distance_bound,
        peers=tuple(peers),
        kind="faster",
        floor=3,
        goal=5,
        notes={"our relative gradient": relative_gradient(data, ours)},
    )
