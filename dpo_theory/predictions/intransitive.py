r"""Preferences without a reward: DPO projects them, the design decides onto what, and Nash policies do not see the design.

DPO's strengths q_i proportional to (pi_i / pi_ref,i)^beta solve sum_j w_ij (q_i / (q_i + q_j) - p_ij) = 0: the KL projection onto
Bradley-Terry under the weights w. IPO's log-ratios h solve sum_j w_ij (h_i - h_j - (2 p_ij - 1) / (2 tau)) = 0. For a product design
w_ij = mu_i mu_j both order the answers by Borda counts b_i = sum_j mu_j p_ij, and IPO's policy is proportional to pi_ref exp(b / tau).
One cycle, p_12 = .9, p_13 = .3, p_23 = .8: all pairs alike, DPO's strengths are (3/7, 2/7, 2/7); each pair in turn compared more often
gives another order. A circle of equal chances leaves DPO and IPO at the reference. The Nash policy of the plain game on three answers
is proportional to (p_23 - 1/2, 1/2 - p_13, p_12 - 1/2) in a cycle, and an answer that beats all others when there is one; with a price
beta on leaving the reference it solves pi proportional to pi_ref exp(P pi / beta).

Why: claims E13 (without Bradley-Terry the weights matter), D02 (the projection), C9.
"""

from __future__ import annotations

import numpy as np

from bandits.experiments.engine.records import Records
from dpo_theory.claims.claim import Measured, Source
from dpo_theory.predictions.prediction import Prediction
from dpo_theory.predictions.shelf import methods

BORDA = ("all alike", "product")


def judge(records: Records):
    """Both projections, Borda's order, the cycle's numbers, and the equilibria."""
    policies, told = records.where(kind="policy"), _problems(records)
    beta = records.header["settings"]["beta"]
    dpo, ipo, nash, plain = (policies.where(method=name) for name in ("dpo", "ipo", "nash", "nash, no kl"))
    yield Measured("dpo: the projection's equations", _flat(_dpo_residual(row, told) for row in dpo), 0.0, tolerance=1e-9)
    yield Measured("ipo: its equations", _flat(_ipo_residual(row, told, beta) for row in ipo), 0.0, tolerance=1e-9)
    for name, mine in (("dpo", dpo), ("ipo", ipo)):
        agreed = mine.where(case="random", design=BORDA).column("as_borda")
        yield Measured(f"{name}, product designs: Borda's order in every problem", agreed.astype(float), 1.0)
    product = ipo.where(design=BORDA)
    closed = _flat(_borda_policy(told[_key(row)], beta) for row in product)
    yield Measured("ipo, product designs: pi_ref exp(b / tau)", _flat(row["policy"] for row in product), closed, tolerance=1e-9)
    cycle = dpo.where(case="cycle")
    if _usual(records):
        alike = cycle.where(design="all alike").rows[0]["strengths"]
        yield Measured("the cycle, all pairs alike: strengths (3, 2, 2) / 7", alike, [3 / 7, 2 / 7, 2 / 7], tolerance=1e-9)
        orders = len(set(map(tuple, (row["ranks"] for row in cycle))))
        yield Measured("the cycle: four designs, four orders", orders, 4)
    for name, mine in (("dpo", dpo), ("ipo", ipo)):
        row = mine.where(case="circle", design="all alike").rows[0]
        yield Measured(
            f"{name}: a circle of equal chances leaves the reference", row["policy"], np.exp(told[_key(row)]["log_ref"]), tolerance=1e-9
        )
    three = plain.where(case=("cycle", "circle"))
    yield Measured(
        "nash, no kl: the game's closed form",
        _flat(row["policy"] for row in three),
        _flat(_game(told[_key(row)]) for row in three),
        tolerance=1e-9,
    )
    yield Measured(
        "nash: its fixed point", _flat(_reply(row, told, beta) for row in nash), _flat(row["policy"] for row in nash), tolerance=1e-9
    )
    for name, mine in (("nash", nash), ("nash, no kl", plain)):
        spread = np.array(
            [np.ptp([row["policy"] for row in mine.where(case=case, seed=seed)], axis=0).max() for case, seed in _cases(records)]
        )
        yield Measured(f"{name}: the same under every design", spread, 0.0, tolerance=1e-9)
    unbeaten = [row["policy"][_unbeaten(told[_key(row)])] for row in plain if _unbeaten(told[_key(row)]) is not None]
    yield Measured("nash, no kl: an answer that beats all others is played alone", unbeaten, 1.0, tolerance=1e-9)


def wrong(records: Records):
    """The design does not matter; DPO finds the Nash policy; Borda's order under any weights; the unbeaten answer always first."""
    policies = records.where(kind="policy")
    dpo = policies.where(method="dpo")
    cycle = dpo.where(case="cycle")
    yield Measured("the cycle: one order", len(set(map(tuple, (row["ranks"] for row in cycle)))), 1)
    plain = policies.where(method="nash, no kl", case="cycle")
    yield Measured(
        "the cycle: dpo is the Nash policy", _flat(r["policy"] for r in cycle), _flat(r["policy"] for r in plain), tolerance=1e-3
    )
    some = dpo.where(case="random", design="any weights").column("as_borda")
    yield Measured("dpo: Borda's order under any weights", some.astype(float), 1.0)
    first = dpo.where(case="random").column("unbeaten_first")
    yield Measured("dpo: an answer that beats all others comes first", first[~np.isnan(first)], 1.0)


def _key(row):
    return row["case"], row["seed"], row["design"]


def _problems(records: Records):
    """Weights, preferences, reference and opponents by case, seed and design."""
    names = ("weights", "beats", "log_ref", "opponents")
    return {_key(row): {name: np.array(row[name]) for name in names} for row in records.where(kind="problem")}


def _cases(records: Records):
    return dict.fromkeys((row["case"], row["seed"]) for row in records.where(kind="problem"))


def _flat(rows):
    return np.concatenate([np.ravel(np.array(row, dtype=float)) for row in rows])


def _usual(records: Records) -> bool:
    settings = records.header["settings"]
    return [*settings["cycle"], settings["often"]] == [0.9, 0.3, 0.8, 10.0]


def _dpo_residual(row, told):
    problem, q = told[_key(row)], np.array(row["strengths"])
    weights = problem["weights"] / problem["weights"].sum()
    return (weights * (q[:, None] / (q[:, None] + q[None, :]) - problem["beats"])).sum(axis=1)


def _ipo_residual(row, told, tau: float):
    problem = told[_key(row)]
    weights = problem["weights"] / problem["weights"].sum()
    ratio = np.log(row["policy"]) - problem["log_ref"]
    return (weights * (ratio[:, None] - ratio[None, :] - (2 * problem["beats"] - 1) / (2 * tau))).sum(axis=1)


def _borda_policy(problem, tau: float):
    raw = problem["log_ref"] + problem["beats"] @ problem["opponents"] / tau
    return np.exp(raw - np.logaddexp.reduce(raw))


def _game(problem):
    beats = problem["beats"]
    raw = np.array([beats[1, 2] - 0.5, 0.5 - beats[0, 2], beats[0, 1] - 0.5])
    return raw / raw.sum()


def _reply(row, told, beta: float):
    problem = told[_key(row)]
    raw = problem["log_ref"] + problem["beats"] @ np.array(row["policy"]) / beta
    return np.exp(raw - np.logaddexp.reduce(raw))


def _unbeaten(problem):
    """The answer that beats all others, or None."""
    found = np.flatnonzero((problem["beats"] + np.eye(len(problem["beats"])) > 0.5).all(axis=1))
    return int(found[0]) if len(found) else None


PREDICTION = Prediction(
    study="intransitive",
    statement=__doc__,
    source=Source(
        "Azar et al. 2023, arXiv:2310.12036", "IPO's optimum; Munos et al. 2023, arXiv:2312.00886, for Nash; the rest derived here"
    ),
    claims=("E13", "D02", "C9"),
    judge=judge,
    wrong=wrong,
    methods=lambda: methods(("dpo", "ipo", "nash", "nash, no kl")),
)
