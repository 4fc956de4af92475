r"""Gold turns exactly where its covariance with the proxy, under the current policy, changes sign.

Along pi_lambda proportional to pi_ref exp(lambda rhat), lambda = 1 / beta: dE[g]/dlambda = Cov(g, rhat). Told the proxy's labels DPO is
pi_lambda, so it over-optimises exactly as RLHF does. For gold of variance s^2 and an independent error, the slope at the reference is
s^2 (1 - sum pi_ref^2) on average: gold rises at first, whatever the error. Normal answers, proxy y, gold y - kappa y^2 / 2:
E g = d (sqrt 2 - kappa d) - kappa / 2 with d = sqrt(KL), and the turn is at lambda = 1 / kappa.

Why: claims C8 (over-optimisation in closed form), C10 (envelope), D07b (DPO is RLHF), D29 (the frontier).
"""

from __future__ import annotations

import numpy as np

from bandits.experiments.engine.records import Records
from dpo_theory import gaussian, optimal
from dpo_theory.claims.claim import Measured, Source
from dpo_theory.gaussian import Gaussian, Quadratic
from dpo_theory.predictions.prediction import Prediction, from_sample
from dpo_theory.predictions.shelf import methods

BESIDE = 1e-5  # of the turning rate, on either side of it


def judge(records: Records):
    """The path, its slope, the turn, DPO on it, the mean slope at the start, and the normal law."""
    told, path = _problems(records), records.where(kind="path", case="random")
    policies = [_policy(told[_key(row)], row["rate"]) for row in path]
    tables = [told[_key(row)] for row in path]
    gold = [policy @ table["gold"] for policy, table in zip(policies, tables, strict=True)]
    yield Measured("gold along the path, by search and by formula", path.column("gold"), gold, tolerance=1e-9)
    slopes = [_covariance(policy, table["gold"], table["proxy"]) for policy, table in zip(policies, tables, strict=True)]
    yield Measured("its slope is Cov(gold, proxy)", path.column("slope"), slopes, 1 + np.abs(slopes), tolerance=1e-6)
    turns = records.where(kind="turn", case="random", how="turns")
    before, after = (_beside(turns, told, side) for side in (1 - BESIDE, 1 + BESIDE))
    yield Measured("just before the turn Cov(gold, proxy) > 0", -before, 0.0, relation="<")
    yield Measured("just after it Cov(gold, proxy) < 0", after, 0.0, relation="<")
    grid = {key: max(row["gold"] for row in rows) for key, rows in _grouped(path).items()}
    yield Measured("nowhere on the path is more gold", [grid[_key(row)] for row in turns], turns.column("gold"), 1.0, 1e-12, "<=")
    dpo = records.where(kind="method", method="dpo")
    expected = [_policy(told[_key(row)], row["rate"]) @ told[_key(row)]["gold"] for row in dpo]
    yield Measured("dpo on the proxy's labels has the path's gold", dpo.column("gold"), expected, tolerance=1e-9)
    spread = records.header["settings"]["spread"]
    if records.header["problem"] == "random":
        for error in path.values("error"):
            start = path.where(rate=0.0, error=error)
            room = [spread**2 * (1 - np.exp(2 * told[_key(row)]["log_ref"]).sum()) for row in start]
            detects = 0.3 * (1 + error)
            yield from_sample(f"mean slope at the reference, error {error:g}", start.column("slope") / room, 1.0, detects=detects)
    yield from _normal(records)


def _normal(records: Records):
    """The law d (a - b d) on the line of normal answers."""
    path, kappa = records.where(kind="path", case="gaussian"), records.header["settings"]["kappa"]
    law, moved = [], path.where(rate=tuple(rate for rate in path.values("rate") if rate > 0))
    for row in moved:
        best = gaussian.optimal_gaussian(Quadratic([1.0]), Gaussian([0.0], [[1.0]]), 1 / row["rate"])
        law.append(float(gaussian.expected_reward(best, Quadratic([1.0], [[kappa]]))))
    yield Measured("normal answers: gold by the closed form", moved.column("gold"), law, 1 + np.abs(law), tolerance=1e-9)
    away = np.sqrt(path.column("kl"))
    parabola = away * (np.sqrt(2) - kappa * away) - kappa / 2
    yield Measured("normal answers: d (sqrt 2 - kappa d) - kappa / 2", path.column("gold"), parabola, 1 + np.abs(parabola), tolerance=1e-6)
    (turn,) = records.where(kind="turn", case="gaussian")
    yield Measured("normal answers: the turn is at 1 / kappa", np.nan if turn["rate"] is None else turn["rate"], 1 / kappa, 1 / kappa, 1e-6)


def wrong(records: Records):
    """Gold follows the proxy; IPO is on the same path; gold does not rise at first; the normal turn is at 2 / kappa."""
    told, path = _problems(records), records.where(kind="path", case="random")
    slopes = [_covariance(_policy(told[_key(row)], row["rate"]), *2 * (told[_key(row)]["proxy"],)) for row in path]
    yield Measured("gold's slope is Var(proxy)", path.column("slope"), slopes, tolerance=1e-3)
    ipo = records.where(kind="method", method="ipo")
    expected = [_policy(told[_key(row)], row["rate"]) @ told[_key(row)]["gold"] for row in ipo]
    yield Measured("ipo at tau = beta has the path's gold", ipo.column("gold"), expected, tolerance=1e-3)
    start = path.where(rate=0.0, error=path.values("error")[0])
    yield from_sample("an error keeps gold from rising at first", start.column("slope"), 0.0, detects=0.5)
    kappa = records.header["settings"]["kappa"]
    (turn,) = records.where(kind="turn", case="gaussian")
    yield Measured("normal answers: the turn is at 2 / kappa", turn["rate"], 2 / kappa, 1 / kappa, tolerance=1e-3)


def _key(row):
    return row["seed"], row["error"]


def _problems(records: Records):
    """Proxy, gold and reference by seed and error."""
    return {_key(row): {name: np.array(row[name]) for name in ("proxy", "gold", "log_ref")} for row in records.where(kind="problem")}


def _grouped(records: Records):
    found: dict = {}
    for row in records:
        found.setdefault(_key(row), []).append(row)
    return found


def _policy(table, rate: float):
    """pi_ref exp(rate rhat), normalised."""
    if rate == 0:
        return np.exp(table["log_ref"])
    return np.exp(optimal.optimal_log_policy(table["proxy"][None], table["log_ref"][None], 1 / rate))[0]


def _covariance(policy, first, second) -> float:
    return float(policy @ ((first - policy @ first) * (second - policy @ second)))


def _beside(turns: Records, told, side: float):
    """Cov(gold, proxy) at the turning rates times `side`, over the spreads of the two."""
    found = []
    for row in turns:
        table = told[_key(row)]
        found.append(_covariance(_policy(table, row["rate"] * side), table["gold"], table["proxy"]))
    return np.array(found)


PREDICTION = Prediction(
    study="over_optimisation",
    statement=__doc__,
    source=Source("Gao, Schulman, Hilton 2022, arXiv:2210.10760", "the law d (a - b d); its exact turn is derived here"),
    claims=("C8", "C10", "D07b", "D29"),
    judge=judge,
    wrong=wrong,
    methods=lambda: methods(("dpo", "ipo")),
)
