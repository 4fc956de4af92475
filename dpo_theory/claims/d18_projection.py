r"""The projection of eq. 8 and what it does.

    f(r)(x, y) = r(x, y) - beta log sum_y pi_ref(y|x) exp(r(x, y)/beta),    beta > 0, pi_ref > 0, r finite.

(a) f(r) ~ r.    (b) f(f(r)) = f(r).    (c) f(r + c(x)) = f(r).
(d) Its range is {r: eq. 9 holds} = {beta log pi/pi_ref: pi a positive policy}, and f(r) = beta log pi_r/pi_ref.
(e) The subtracted beta log Z is increasing in every reward; f is *not* coordinatewise monotone: raising one reward lowers f at
    all other actions.
(f) beta log Z is 1-Lipschitz and f is 2-Lipschitz in the sup norm. The local modulus is 2 (1 - min_y pi_r(y|x)) < 2.
(g) f is not linear, hence no orthogonal projection.
(h) f(r) -> r - max r as beta -> 0, and f(r) -> r - E_ref[r] as beta -> inf, in each context.
(i) E_ref[f(r)] = -beta KL(pi_ref || pi_r) <= 0 and E_{pi_r}[f(r)] = beta KL(pi_r || pi_ref) >= 0.

Why: r - f(r) = beta log Z for every action, and in a direction v the derivative of beta log Z is E_{pi_r}[v]. So f_k moves by
sum_y pi_r(y) (v_k - v_y): the term y = k is 0 and the others are at most 2 max|v|, with equality at v_k = 1, v_y = -1, which is
(f). For (h), pi_r <= 1 gives beta log Z >= r_k + beta log pi_ref(k) for every k, (e) gives beta log Z <= max r, and
beta log Z(beta) is the slope of log Z between s = 0 and s = 1/beta, whose limit is the derivative at s = 0.
"""

from itertools import product

import numpy as np
import sympy as sp

from dpo_theory import optimal
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, c, expectation, k, log_policy, log_ref, reward, sums_to_one, t
from dpo_theory.claims.pairs import random_log_policy
from dpo_theory.claims.rungs import full_support, score_terms
from dpo_theory.proof import Row, Step, row


def derive():
    v = row("v")
    positive = v.each(sp.exp)
    top, s = sp.symbols("m s", real=True)
    f = optimal.project_reward(reward, log_ref, beta)
    best = optimal.optimal_log_policy(reward, log_ref, beta)
    implied = optimal.implicit_reward(log_policy, log_ref, beta)
    log_z = optimal.log_partition(reward, log_ref, beta)
    ref_is_policy, is_policy = (sums_to_one(log_ref),), (sums_to_one(log_policy),)

    def slope(direction):
        return sp.diff(beta * optimal.log_partition(reward + t * direction, log_ref, beta), t).subs(t, 0)

    yield Step("(a) r - f(r) does not depend on the action", (reward - f)[k], beta * log_z, "eq. 8")
    yield Step("(b) idempotent", optimal.project_reward(f, log_ref, beta)[k], f[k], "log Z of f(r) is 0")
    yield Step("(c) one value per class", optimal.project_reward(reward + c, log_ref, beta)[k], f[k], "c cancels")
    yield Step("(d) f(r) satisfies eq. 9", optimal.log_partition(f, log_ref, beta), 0, "log of eq. 9")
    yield Step("(d) f(r) is an implicit reward", optimal.implicit_reward(best, log_ref, beta)[k], f[k], "pi = pi_r")
    yield Step(
        "(d) every implicit reward is in the range",
        optimal.project_reward(implied, log_ref, beta)[k],
        implied[k],
        "f leaves it alone",
        facts=is_policy,
    )
    yield Step("(e) beta log Z moves by E_pi[v]", slope(v), expectation(best, v), "its derivative in r_y is pi_r(y)")
    yield Step("(e) beta log Z is increasing", slope(positive), 0, "v > 0", relation=">")
    yield Step("(f) beta log Z is 1-Lipschitz above", 1, slope(1 - positive), "v <= 1", relation=">")
    yield Step("(f) beta log Z is 1-Lipschitz below", slope(positive - 1), -1, "v >= -1", relation=">")
    yield Step(
        "(e, f) f_k moves by the mean of v_k - v_y",
        sp.diff(optimal.project_reward(reward + t * v, log_ref, beta)[k], t).subs(t, 0),
        expectation(best, v[k] - v),
        "the term y = k is 0, the others at most 2 max|v|",
    )
    yield Step(
        "(h) beta log Z of a constant reward",
        beta * optimal.log_partition(Row(lambda _: top), log_ref, beta),
        top,
        "with (e), beta log Z <= max r",
        facts=ref_is_policy,
    )
    yield Step(
        "(h) beta log Z from one action",
        beta * log_z,
        reward[k] + beta * log_ref[k] - beta * best[k],
        "log pi_r <= 0, so beta log Z >= r_k + beta log pi_ref(k)",
    )
    sharpness = optimal.log_partition(reward, log_ref, 1 / s)
    yield Step("(h) log Z at s = 1/beta = 0", sharpness.subs(s, 0), 0, "pi_ref sums to 1", facts=ref_is_policy)
    yield Step(
        "(h) the derivative of log Z at s = 0",
        sp.diff(sharpness, s).subs(s, 0),
        expectation(log_ref, reward),
        "the limit of beta log Z as beta -> inf",
        facts=ref_is_policy,
    )
    yield Step(
        "(i) mean under the reference",
        expectation(log_ref, f),
        -beta * optimal.kl_divergence(log_ref, best),
        "f(r) = beta log pi_r/pi_ref; KL >= 0 is claim D03b",
    )
    yield Step("(i) mean under the optimal policy", expectation(best, f), beta * optimal.kl_divergence(best, log_ref), "as above")
    uniform, pair = np.array([-sp.log(2)] * 2), np.array([sp.log(3), sp.S.Zero])
    once, twice = (optimal.project_reward(m * pair, uniform, sp.S.One)[1] for m in (1, 2))
    yield Step(
        "(g) witness: ref = (1/2, 1/2), r = (log 3, 0), beta = 1", sp.exp(2 * once - twice), sp.Rational(5, 4),
        "linear would be 1", sizes="",
    )  # fmt: skip
    raised = optimal.project_reward(np.array([sp.log(3), sp.log(5)]), uniform, sp.S.One)[0]
    before = optimal.project_reward(pair, uniform, sp.S.One)[0]
    yield Step(
        "(e) witness: raising r_2 from 0 to log 5 lowers f_1", sp.exp(raised - before), sp.Rational(1, 2),
        "monotone would be >= 1", sizes="",
    )  # fmt: skip


def certify(bandit, rng):
    if not full_support(bandit):
        return
    r, log_ref, b = bandit.reward, bandit.log_ref, bandit.beta
    f, log_pi = optimal.project_reward(r, log_ref, b), optimal.optimal_log_policy(r, log_ref, b)
    pi, ref, terms = np.exp(log_pi), np.exp(log_ref), score_terms(bandit)
    shift = rng.normal(scale=3.0, size=(bandit.n_contexts, 1))
    yield Measured("(a) r - f(r) against its first entry", r - f, (r - f)[:, :1], terms)
    yield Measured("(b) f(f(r)) against f(r)", optimal.project_reward(f, log_ref, b), f, terms)
    yield Measured("(c) f(r + c(x))", optimal.project_reward(r + shift, log_ref, b), f, terms + np.abs(shift))
    yield Measured("(d) sum of ref exp(f/beta)", (ref * np.exp(f / b)).sum(axis=-1), 1.0, 1 + terms.max(axis=-1) / b)
    yield Measured("(d) f(r) against beta log pi/ref", f, b * (log_pi - log_ref), terms)
    yield from monotonicity(bandit, f, pi)
    yield from modulus(bandit, f, pi, random_log_policy(bandit, rng))
    yield Measured("(g) f(2r) below 2 f(r)", optimal.project_reward(2 * r, log_ref, b), 2 * f, terms, relation="<")
    yield from limits(bandit)
    size = (ref * terms).sum(axis=-1), (pi * terms).sum(axis=-1)
    yield Measured("(i) E_ref f", (ref * f).sum(axis=-1), b * (ref * (log_pi - log_ref)).sum(axis=-1), size[0])
    yield Measured("(i) E_pi f", (pi * f).sum(axis=-1), b * (pi * (log_pi - log_ref)).sum(axis=-1), size[1])


def monotonicity(bandit, f, pi):
    likely = np.arange(bandit.n_actions) == pi.argmax(axis=-1)[:, None]
    raised = optimal.project_reward(bandit.reward + likely, bandit.log_ref, bandit.beta)
    yield Measured("(e) f elsewhere, after one reward is raised by 1", raised[~likely], f[~likely], relation="<")


def modulus(bandit, f, pi, step):
    far = optimal.project_reward(bandit.reward + step, bandit.log_ref, bandit.beta)
    length, size = np.abs(step).max(axis=-1), np.abs(f).max(axis=-1) + np.abs(step).max(axis=-1)
    yield Measured("(f) f is 2-Lipschitz", np.abs(far - f).max(axis=-1), 2 * length, size, relation="<=")
    moved = np.abs((far - f) - step).max(axis=-1)
    yield Measured("(f) beta log Z is 1-Lipschitz", moved, length, size, relation="<=")
    signs = np.array(list(product((-1.0, 1.0), repeat=bandit.n_actions)))
    slopes = np.abs(signs[:, None, :] - (signs @ pi.T)[:, :, None])
    yield Measured("(f) local modulus over all sign vectors", slopes.max(axis=(0, 2)), 2 * (1 - pi.min(axis=-1)))


def limits(bandit):
    r, log_ref, b = bandit.reward, bandit.log_ref, bandit.beta
    top, spread = r.max(axis=-1, keepdims=True), np.ptp(r, axis=-1, keepdims=True)
    for cold in (b, b / 10):
        off = optimal.project_reward(r, log_ref, cold) - (r - top)
        most = -cold * np.where(r == top, log_ref, -np.inf).max(axis=-1, keepdims=True)
        yield Measured("(h) r - max r from below", -off, 0.0, np.abs(r) + spread, relation="<=")
        yield Measured("(h) r - max r from above", off, most, np.abs(r) + spread, relation="<=")
    mean = (np.exp(log_ref) * r).sum(axis=-1, keepdims=True)
    hot = 1000 * spread.max()
    off = optimal.project_reward(r, log_ref, hot) - (r - mean)
    yield Measured("(h) r - E_ref r within spread^2/(8 beta)", np.abs(off), spread**2 / (8 * hot), hot, relation="<=")


def unsupported():
    with np.errstate(divide="ignore", invalid="ignore"):
        log_ref = np.log(np.array([[0.5, 0.5, 0.0]]))
        log_ratio = (optimal.optimal_log_policy([[0.0, 0.0, 1.0]], log_ref, 1.0) - log_ref)[0]
    shifted = np.array([0.0, 0.0, 1.0]) - optimal.log_partition([[0.0, 0.0, 1.0]], log_ref, 1.0)
    return breaks(
        shifted[2] == 1.0 and np.isnan(log_ratio[2]),
        problem="ref = (1/2, 1/2, 0), r = (0, 0, 1), beta = 1",
        expected="(d): r - beta log Z = beta log pi_r/ref",
        got=f"{shifted.tolist()} and {log_ratio.tolist()}",
        because="off the support the log-ratio is 0/0",
    )


def negative_beta():
    r, ref, b = np.array([1.0, -1.0]), np.array([0.5, 0.5]), -1.0
    mean = float(ref @ (r - b * np.log(ref @ np.exp(r / b))))
    return breaks(
        mean > 0,
        problem="ref = (1/2, 1/2), r = (1, -1), beta = -1",
        expected="(i): E_ref f(r) <= 0",
        got=f"{mean:.6f}",
        because="beta KL changes its sign with beta; at beta = 0 the formula has no value",
    )


def forbidden_action():
    f = optimal.project_reward([[0.0, -np.inf]], np.log([[0.5, 0.5]]), 1e6)[0]
    return breaks(
        f[0] > 1e5,
        problem="ref = (1/2, 1/2), r = (0, -inf), beta = 1e6",
        expected="(h): f(r) has the limit r - E_ref r",
        got=f"f(r)_1 = {f[0]:.6g}, which is beta log 2",
        because="half of the reference stays forbidden however dear a nat is",
    )


CLAIM = Claim(
    id="D18",
    aliases=("eq8", "projection", "D18a", "D18b", "D18c", "D18d", "D18e", "D18f", "D18g", "D18h", "D18i"),
    statement=__doc__,
    source=Source(PAPER, "section 5.1, eq. 8"),
    assumes=("pi_ref(y|x) > 0", "beta > 0", "rewards are finite"),
    derive=derive,
    certify=certify,
    edges={"pi_ref(y|x) > 0": unsupported, "beta > 0": negative_beta, "rewards are finite": forbidden_action},
)
