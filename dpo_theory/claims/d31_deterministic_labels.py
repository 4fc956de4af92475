r"""Labels that a classifier decides leave DPO without an optimum.

If the answer with the larger score always wins (the IMDb experiment labels by p(positive | y)), then for every beta > 0

    L_DPO(pi) > 0 at every pi > 0,    and    L_DPO -> 0 along h = t u, t -> inf, for every u that orders the answers as the labels do.

The infimum 0 is not attained, such preferences are not Bradley-Terry, and beta only rescales h: no optimum exists that could be
the RLHF optimum at this beta, and the reward-KL points of DPO depend on where training stops. C(4, 2) = 6 pairs per prefix.

Why: every pair's loss is log(1 + e^{-z}) > 0 and falls in z; along t u every margin grows.
"""

from itertools import combinations

import numpy as np
import sympy as sp

from bandits.data import PairLogProbs
from bandits.solve import minimise_loss
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, t
from dpo_theory.claims.pairs import h_chosen, h_rejected
from dpo_theory.claims.rungs import full_support
from dpo_theory.losses import dpo
from dpo_theory.proof import Step


def derive():
    gap = sp.Symbol("g", positive=True)
    seen = PairLogProbs(h_chosen, h_rejected, 0, 0)
    along = dpo.DPO(beta)(PairLogProbs(t * gap, 0, 0, 0))
    yield Step("no policy has loss 0", sp.exp(dpo.DPO(beta)(seen)), 1, "e^L = 1 + e^{-z}", sizes="", relation=">")
    yield Step("the loss falls along t u", -sp.diff(along, t), 0, "g = u_w - u_l > 0 for every pair", sizes="", relation=">")
    yield Step("down to 0", sp.limit(along, t, sp.oo), 0, "for every pair, so for their mean", sizes="")
    yield Step(
        "beta only rescales the log-ratios",
        dpo.DPO(beta)(seen),
        dpo.DPO(sp.S.One)(PairLogProbs(beta * h_chosen, beta * h_rejected, 0, 0)),
        "h of one beta gives h of another",
        sizes="",
    )
    yield Step("pairs of four completions", sp.Integer(len(list(combinations(range(4), 2)))), 6, "per prefix", sizes="")


def _decided(bandit):
    """(X, A, A) 1 where i has the larger reward, 1/2 where they are equal."""
    return (np.sign(bandit.reward[:, :, None] - bandit.reward[:, None, :]) + 1) / 2


def certify(bandit, rng):
    if not full_support(bandit):
        return
    x, better, worse = np.nonzero(_decided(bandit) == 1)
    order = np.argsort(np.argsort(bandit.reward, axis=-1), axis=-1)
    rise = np.cumsum(rng.uniform(0.1, 1.0, size=bandit.n_actions))[order] / bandit.beta
    levels = []
    for stretch in (1.0, 2.0, 4.0, 8.0):
        zero = np.zeros(len(x))
        pairs = PairLogProbs(stretch * rise[x, better], stretch * rise[x, worse], zero, zero)
        levels.append(dpo.DPO(bandit.beta)(pairs))
    yield Measured("every pair's loss, further along the ray", levels[1:], levels[:-1], relation="<")
    yield Measured("and still above 0", 0.0, levels[-1], relation="<")


def search(bandit, rng):
    if full_support(bandit):
        found = minimise_loss(bandit, dpo.DPO(bandit.beta), preferences=_decided(bandit))
        yield Measured("contexts in which the search finds a minimiser", np.isfinite(found.log_policy).all(axis=-1).sum(), 0)


def _mean_loss(wins, h):
    """Mean DPO loss over the ordered pairs (i, j) with probability wins[i, j], uniform reference, beta = 1."""
    i, j = np.nonzero(wins)
    zero = np.zeros(len(i))
    return float(wins[i, j] @ dpo.DPO(1.0)(PairLogProbs(h[i], h[j], zero, zero)))


def random_labels():
    wins = np.array([[0.0, 0.9], [0.1, 0.0]])
    near, far = (_mean_loss(wins, np.array([h, 0.0])) for h in (np.log(9.0), 20.0))
    return breaks(
        near < far,
        problem="two answers, the first wins 9 times in 10; beta = 1, uniform ref",
        expected="the loss falls along h = t (1, 0)",
        got=f"{near:.4f} at t = log 9, {far:.4f} at t = 20",
        because="the rare win of the other answer grows without bound in loss: there is an optimum",
    )


def labels_in_a_circle():
    wins = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    at_ref = _mean_loss(wins, np.zeros(3))
    rays = [_mean_loss(wins, 3 * np.array(u)) for u in ((1, 0, 0), (1, 0, -1), (0, 1, -1), (-1, 0, 1), (1, 1, 0), (-1, 0, 0))]
    return breaks(
        min(rays) > at_ref,
        problem="1 always beats 2, 2 always beats 3, 3 always beats 1; beta = 1, uniform ref",
        expected="the loss falls along some ray",
        got=f"{at_ref:.4f} at the reference, at least {min(rays):.4f} along six rays",
        because="labels without an order pull every answer both ways: the reference is the optimum",
    )


CLAIM = Claim(
    id="D31",
    aliases=("imdb-labels",),
    statement=__doc__,
    source=Source(PAPER, "section 6.1 and App. C.1: sentiment labels by a classifier"),
    assumes=("labels are certain", "labels follow one order"),
    derive=derive,
    certify=certify,
    search=search,
    edges={"labels are certain": random_labels, "labels follow one order": labels_in_a_circle},
)
