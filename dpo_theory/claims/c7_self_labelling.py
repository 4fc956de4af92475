r"""Self-labelling: soft labels change nothing, hard labels collapse the policy.

Let theta^ minimise a labelled DPO loss, z_u(theta) the scaled margins of further comparisons u without labels.

(a) Soft: label u with its own probability s(z_u(theta^)) (or average over labels drawn from it). Each added term has its only
    minimum in z_u at z_u(theta^), so theta^ stays a minimiser of labelled + self-labelled loss, for every class and weight.
(b) Hard: label u by the sign of z_u(theta^), z linear in theta. On comparisons with z_u(theta^) != 0 the added loss falls along
    c theta^, c > 0, with slope -sum |z_u| s(-c |z_u|) < 0, and tends to 0: alone it has no minimiser. Scaling theta by c is
    optimising the same reward with beta/c: the policy collapses to the answers of largest reward.

Why: the score of a Bernoulli model has mean 0 under its own probabilities; a label of certainty does not have it.
"""

import numpy as np
import sympy as sp

from bandits.data import PairLogProbs
from dpo_theory import optimal, preferences
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, k, log_ref, reward
from dpo_theory.claims.pairs import N
from dpo_theory.losses import dpo
from dpo_theory.proof import Row, Step, row


def derive():
    z, own = sp.symbols("z z0", real=True)
    win = sp.exp(preferences.bradley_terry(own, sp.S.Zero))
    cost = win * _cost(z) + (1 - win) * _cost(-z)
    yield Step("(a) a self-labelled term is stationary at its own margin", sp.diff(cost, z).subs(z, own), 0, "s(z0) = s(z0)", sizes="")
    yield Step("(a) and strictly convex in z: one minimum", sp.diff(cost, z, 2), 0, "s(z) s(-z)", relation=">", sizes="")
    c = sp.Symbol("c", positive=True)
    size = row("g", N).each(sp.exp)  # |z_u| > 0
    along = Row(lambda u: _cost(c * size[u]), N).sum()
    falling = Row(lambda u: size[u] * sp.exp(preferences.bradley_terry(sp.S.Zero, c * size[u])), N).sum()
    yield Step("(b) slope along c theta^", sp.diff(along, c), -falling, "|z_u| s(-c |z_u|) each", sizes="every N")
    yield Step("(b) it is negative", falling, 0, "positive factors", relation=">", sizes="every N")
    one = sp.Symbol("a", positive=True)
    yield Step("(b) each term tends to 0", sp.limit(_cost(c * one), c, sp.oo), 0, "log(1 + exp(-c a))", sizes="")
    yield Step(
        "(b) c times the reward at beta is the reward at beta/c",
        optimal.optimal_log_policy(c * reward, log_ref, beta)[k],
        optimal.optimal_log_policy(reward, log_ref, beta / c)[k],
        "only r/beta enters; beta -> 0 is the argmax (claim D04c)",
    )


def _cost(z):
    """The DPO loss of a comparison whose scaled margin is z."""
    return dpo.DPO(beta)(PairLogProbs(z / beta, sp.S.Zero, sp.S.Zero, sp.S.Zero))


def _loss(beta, z, win):
    """Mean DPO loss at scaled margins z under P(first wins) = win."""
    zero = np.zeros_like(z)
    right = dpo.DPO(beta)(PairLogProbs(z / beta, zero, zero, zero))
    wrong = dpo.DPO(beta)(PairLogProbs(zero, z / beta, zero, zero))
    return float(np.mean(win * right + (1 - win) * wrong))


def _sigmoid(z):
    return np.exp(-np.logaddexp(0.0, -z))


def certify(bandit, rng):
    z = rng.normal(scale=3.0, size=50)
    at_own = _loss(bandit.beta, z, _sigmoid(z))
    moved = [_loss(bandit.beta, z + rng.normal(scale=scale, size=50), _sigmoid(z)) for scale in (0.01, 1.0, 10.0)]
    yield Measured("(a) soft loss of theta^ against random moves", at_own, moved, relation="<")
    step = 1e-3 * rng.normal(size=50)
    slope = (_loss(bandit.beta, z + step, _sigmoid(z)) - _loss(bandit.beta, z - step, _sigmoid(z))) / 2
    cubic = np.mean(np.abs(step) ** 3)  # third derivative of softplus is at most 1/(6 sqrt 3)
    yield Measured(
        "(a) odd part of the soft loss around theta^ is cubic",
        abs(slope),
        cubic / (36 * np.sqrt(3)) + 1e-15 * (1 + at_own),
        relation="<=",
    )
    hard = [_loss(bandit.beta, factor * z, (z > 0).astype(float)) for factor in (1.0, 2.0, 8.0, 1e4)]
    yield Measured("(b) hard loss along 2, 8, 10000 times theta^", hard[1:], hard[:-1], relation="<")
    yield Measured("(b) it tends to 0, below the mean of exp(-c |z|)", hard[-1], np.exp(-1e4 * np.abs(z)).mean(), relation="<=")


def _data(rng, labelled=40, unlabelled=60, features=2):
    phi = rng.normal(size=(labelled + unlabelled, features))
    return phi[:labelled], rng.uniform(0.2, 0.8, size=labelled), phi[labelled:]


def _minimise(beta, *parts):
    from scipy.optimize import minimize

    def loss(theta):
        return sum(len(phi) * _loss(beta, phi @ theta, win) for phi, win in parts)

    return minimize(loss, np.zeros(parts[0][0].shape[1]), method="BFGS", options={"gtol": 1e-9}).x


def search(bandit, rng):
    phi, win, further = _data(rng)
    first = _minimise(bandit.beta, (phi, win))
    again = _minimise(bandit.beta, (phi, win), (further, _sigmoid(further @ first)))
    yield Measured("(a) theta after soft self-labelling", again, first, 1 + np.abs(first).max(), tolerance=1e-6)
    collapsed = _minimise(bandit.beta, (phi, win), (further, (further @ first > 0).astype(float)))
    yield Measured("(b) |theta| before and after hard self-labelling", np.linalg.norm(first), np.linalg.norm(collapsed), relation="<")


def _moved(win_of, problem, because):
    rng = np.random.default_rng(11)
    phi, win, further = _data(rng)
    first = _minimise(1.0, (phi, win))
    again = _minimise(1.0, (phi, win), (further, win_of(further @ first, rng)))
    return breaks(
        np.linalg.norm(again - first) > 0.1 * np.linalg.norm(first),
        problem=f"two features, 40 labelled comparisons, 60 more labelled by {problem}",
        expected=f"theta = {first.round(3).tolist()}",
        got=f"theta = {again.round(3).tolist()}",
        because=because,
    )


def another_model():
    return _moved(lambda z, rng: _sigmoid(2 * z), "s(2 z)", "these are another model's probabilities: that is distillation")


def drawn_once():
    return _moved(
        lambda z, rng: (rng.random(len(z)) < _sigmoid(z)).astype(float),
        "one draw each from s(z)",
        "the score has mean 0 only over the draw; each draw adds sampling noise",
    )


def bounded_margins():
    z = np.array([0.5, -1.0, 2.0])
    floor = _loss(1.0, 3 * np.sign(z), (z > 0).astype(float))
    return breaks(
        floor > 0.04,
        problem="margins 3 tanh(theta phi) with phi = (0.5, -1, 2), hard labels",
        expected="a loss that tends to 0",
        got=f"infimum {floor:.4f} = log(1 + exp(-3))",
        because="the class cannot scale its margins",
    )


CLAIM = Claim(
    id="C7",
    aliases=("self-labelling",),
    statement=__doc__,
    source=Source(PAPER, "sec. 7, self-labelling question; answer derived here"),
    assumes=("the probabilities are theta^'s own", "(a) soft labels, not one draw", "(b) z is linear in theta"),
    derive=derive,
    certify=certify,
    search=search,
    edges={
        "the probabilities are theta^'s own": another_model,
        "(a) soft labels, not one draw": drawn_once,
        "(b) z is linear in theta": bounded_margins,
    },
)
