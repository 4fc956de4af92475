r"""With all pairs compared, flips turn no order round below a rate of 1/2; on a chain they do, at a rate known exactly.

Flips at rate e turn p into p~ = p + e - 2 p e. All pairs alike: the order of DPO, cDPO, robust DPO and IPO is that of the mean of p~,
hence the reward's below e = 1/2 and its inverse above. On a chain of answers every link is fitted, and the ends have the margin

    DPO: sum logit p~,    cDPO(a): DPO at rate e + a - 2 e a,    robust DPO(a): DPO with 1 - 2e replaced by (1 - 2e)/(1 - 2a),
    IPO: (1 - 2e) sum (2p - 1) / (2 tau),    hinge: sum sign(p - 1/2),

where the logit of a long step shrinks faster than those of two short ones. DPO's ends change places at the root e* in (0, 1/2) of
prod p~ = prod (1 - p~), cDPO's at (e* - a)/(1 - 2a), robust DPO's at e* + a - 2 e* a; IPO's and the hinge's order does not depend on
e. Robust DPO at e = a is DPO on clean labels, its n times regret tends to tr(C L^+ M L^+) / (2 beta) with M of weights
p~(1 - p~)/(1 - 2a)^2; below the rate at which some link has p~ = 1 - a it has no minimiser.

Why: claims C9 (noise breaks Bradley-Terry), E13 (then the design matters), D07b (links are fitted exactly).
"""

from __future__ import annotations

from fractions import Fraction
from math import prod

import numpy as np

from bandits.experiments.engine.records import Records
from dpo_theory import optimal
from dpo_theory.claims.claim import Measured, Source
from dpo_theory.predictions.prediction import Prediction, from_sample
from dpo_theory.predictions.shelf import methods

TOLD = 0.1  # the rate that cDPO and robust DPO on the shelf are told
BY_MEANS = ("dpo", "cdpo", "robust dpo", "ipo")


def judge(records: Records):
    """Orders, margins, thresholds, and the price of correcting for the noise."""
    order = records.where(kind="order")
    below, above = ([rate for rate in order.values("rate") if low < rate < high] for low, high in ((-1, 0.5), (0.5, 2)))
    for name in BY_MEANS:
        mine = order.where(method=name)
        yield Measured(f"{name}, all pairs: the reward's order below 1/2", _known(mine.where(rate=below).column("in_order")), 1.0)
        if above:
            yield Measured(f"{name}, all pairs: its inverse above", _known(mine.where(rate=above).column("in_order")), 0.0)
    clean = _known(order.where(method="robust dpo", rate=TOLD).column("regret"))
    yield Measured("robust dpo at the rate that it was told: no regret", clean, 0.0, tolerance=1e-9)
    for name, margin in (("dpo", _dpo), ("cdpo", _cdpo), ("robust dpo", _robust), ("ipo", _ipo), ("hinge", _hinge)):
        mine = records.where(kind="chain", method=name)
        expected = [margin(_links(records), row["rate"]) for row in mine]
        yield Measured(f"{name}: margin between the ends of the chain", _or_zero(mine.column("margin")), _or_zero(expected), tolerance=1e-8)
        gone = np.isnan(np.array(expected, dtype=float)) != np.isnan(mine.column("margin"))
        yield Measured(f"{name}: a minimiser where there should be one, and only there", gone.sum(), 0)
    for name, back in THRESHOLDS.items():
        found = _threshold(records, name)
        yield Measured(f"{name}: the order of the ends turns within 1e-9 of the root", _turns(records, back, found), 1, exact=True)
    for name in ("ipo", "hinge"):
        yield Measured(f"{name}: it turns at no rate below 1/2", _threshold(records, name) is None, True)
    sample = records.where(kind="sample", rate=TOLD)
    if len(sample):
        robust, plain = (sample.where(method=name) for name in ("robust dpo", "dpo"))
        n = records.header["settings"]["n"]
        ratios = [n * row["regret"] / _limit(row, records) for row in robust if row["regret"] is not None]
        yield from_sample("robust dpo: n x regret / limit", ratios, 1.0, detects=0.5)
        saved = [other["regret"] - row["regret"] for row, other in zip(robust, plain, strict=True) if row["regret"] is not None]
        yield from_sample("and less regret than dpo", saved, 0.0, detects=0.05, relation=">=")


def wrong(records: Records):
    """The chain turns at 1/2 as all pairs do; robust DPO costs nothing; the hinge forgives every design."""
    yield Measured("dpo: the ends keep their order below 1/2", _threshold(records, "dpo") is None, True)
    links = _links(records)
    chain = records.where(kind="chain", method="dpo")
    yield Measured("dpo on a chain: the clean margin", chain.column("margin"), [_dpo(links, 0.0)] * len(chain), tolerance=1e-3)
    hinge = records.where(kind="chain", method="hinge")
    below = hinge.column("margin")[hinge.column("rate") < 0.5]
    yield Measured("hinge: the ends of the chain are in order below 1/2", 0.0, below, relation="<")
    sample = records.where(kind="sample", rate=TOLD, method="robust dpo")
    if len(sample):
        n = records.header["settings"]["n"]
        plain = [n * row["regret"] / _limit(row, records, inflated=False) for row in sample if row["regret"] is not None]
        yield from_sample("robust dpo: n x regret as on clean labels", plain, 1.0, detects=0.5)


def _known(numbers):
    return numbers[~np.isnan(numbers)]


def _or_zero(numbers):
    return np.nan_to_num(np.array(numbers, dtype=float), nan=0.0)


def _links(records: Records) -> list[Fraction]:
    """P(first beats second) of each link of the chain."""
    return [Fraction(won) / (Fraction(won) + Fraction(lost)) for won, lost in records.header["settings"]["odds"]]


def _noisy(links, rate):
    return [p + rate - 2 * p * rate for p in links]


def _dpo(links, rate):
    return float(sum(np.log(float(p)) - np.log1p(-float(p)) for p in _noisy(links, rate)))


def _cdpo(links, rate):
    return _dpo(links, rate + TOLD - 2 * rate * TOLD)


def _robust(links, rate):
    told = [(float(p) - TOLD) / (1 - 2 * TOLD) for p in _noisy(links, rate)]
    return float(sum(np.log(p) - np.log1p(-p) for p in told)) if all(0 < p < 1 for p in told) else float("nan")


def _ipo(links, rate):
    return float(sum((2 * p - 1) / 2 for p in _noisy(links, rate)))


def _hinge(links, rate):
    return float(sum(np.sign(float(p) - 0.5) for p in _noisy(links, rate)))


def _effective_cdpo(rate: Fraction) -> Fraction:
    told = Fraction(1, 10)
    return rate + told - 2 * rate * told


def _effective_robust(rate: Fraction) -> Fraction:
    told = Fraction(1, 10)
    return (rate - told) / (1 - 2 * told)


THRESHOLDS = {"dpo": lambda rate: rate, "cdpo": _effective_cdpo, "robust dpo": _effective_robust}


def _threshold(records: Records, name: str):
    (row,) = records.where(kind="threshold", method=name)
    return row["threshold"]


def _turns(records: Records, effective, found) -> int:
    """1 if prod p~ - prod (1 - p~) has opposite signs 1e-9 to the left and to the right of `found`, in exact fractions, else 0."""
    if found is None:
        return 0
    signs = []
    for rate in (Fraction(found) - Fraction(1, 10**9), Fraction(found) + Fraction(1, 10**9)):
        told = _noisy(_links(records), effective(rate))
        signs.append(prod(told) - prod(1 - p for p in told))
    return int(signs[0] * signs[1] < 0)


def _limit(row, records: Records, *, inflated: bool = True) -> float:
    """tr(C L^+ M L^+) / (2 beta) of one problem, all pairs alike."""
    beta, rate = records.header["settings"]["beta"], row["rate"]
    reward, log_ref = np.array(row["reward"]), np.array(row["log_ref"])
    best = np.exp(optimal.optimal_log_policy(reward[None], log_ref[None], beta))[0]
    win = np.exp(-np.logaddexp(0.0, reward[None, :] - reward[:, None]))
    seen = win + rate - 2 * win * rate
    share = 2 / (len(reward) * (len(reward) - 1))
    information = _laplacian(share * win * (1 - win))
    spread = _laplacian(share * seen * (1 - seen) / (1 - 2 * rate) ** 2) if inflated else information
    inverse = np.linalg.pinv(information)
    return float(np.trace((np.diag(best) - np.outer(best, best)) @ inverse @ spread @ inverse) / (2 * beta))


def _laplacian(weight):
    weight = weight - np.diag(np.diag(weight))
    return np.diag(weight.sum(axis=1)) - weight


PREDICTION = Prediction(
    study="label_noise",
    statement=__doc__,
    source=Source("Ray Chowdhury, Kini, Natarajan 2024, arXiv:2403.00409", "the thresholds are derived here"),
    claims=("C9", "E13", "D07b"),
    judge=judge,
    wrong=wrong,
    methods=lambda: methods(("dpo", "cdpo", "robust dpo", "ipo", "hinge")),
)
