r"""The RL objective is strictly concave.

    J(pi) = E_pi[r] - beta KL(pi || pi_ref)

is strictly concave on the policies pi << pi_ref, boundary included, for beta > 0 and r finite; off them it is -inf (log 1/0 = inf).

Why: for the mixture m = a pi + (1 - a) pi',
J(m) - a J(pi) - (1 - a) J(pi') = beta [ a KL(pi || m) + (1 - a) KL(pi' || m) ], which is > 0 for pi != pi' by D03b.
In the interior the second derivative along v is -beta sum v_i^2 / pi_i. Both are shown in one context and add over contexts.
"""

import numpy as np
import sympy as sp

from bandits.problem import TabularBandit
from dpo_theory import optimal
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, expectation, log_policy, log_ref, reward, t
from dpo_theory.proof import Row, Step, row

SHARE = sp.Symbol("alpha", positive=True)


def derive():
    other, direction = row("s"), row("v")

    def value(log_probs):
        return optimal.objective(log_probs, reward, log_ref, beta)

    mixture = Row(lambda i: sp.log(SHARE * sp.exp(log_policy[i]) + (1 - SHARE) * sp.exp(other[i])))
    yield Step(
        "what mixing gains",
        value(mixture) - SHARE * value(log_policy) - (1 - SHARE) * value(other),
        beta * (SHARE * expectation(log_policy, log_policy - mixture) + (1 - SHARE) * expectation(other, other - mixture)),
        "E[r] and log pi_ref are linear in pi, only pi log pi is left",
        values=lambda size, rng: {SHARE: int(rng.integers(1, 9)) / 9},
    )
    moved = Row(lambda i: sp.log(sp.exp(log_policy[i]) + t * direction[i]))
    curvature = sp.diff(value(moved), t, 2).subs(t, 0)
    bend = Row(lambda i: direction[i] ** 2 * sp.exp(-log_policy[i])).sum()
    yield Step("second derivative along v", curvature, -beta * bend, "(p log p)'' = 1/p")
    yield Step("it is negative unless v = 0", -curvature, relation=">=", why="squares over probabilities")


def certify(bandit, rng):
    allowed = np.isfinite(bandit.reward) & bandit.support
    if not allowed.all():
        missing = ~bandit.support.all(axis=-1)
        if missing.any():
            uniform = np.full_like(bandit.reward, -np.log(bandit.n_actions))
            yield Measured("J off the support", _value(bandit, uniform)[missing], -np.inf)
        return
    policies = np.log(rng.dirichlet(np.ones(bandit.n_actions), size=(2, bandit.n_contexts)))
    share = rng.uniform(0.1, 0.9)
    mixture = np.logaddexp(np.log(share) + policies[0], np.log1p(-share) + policies[1])
    weights = (share, 1 - share)
    gain = _value(bandit, mixture) - sum(a * _value(bandit, q) for a, q in zip(weights, policies, strict=True))
    expected = bandit.beta * sum(a * np.sum(np.exp(q) * (q - mixture), axis=-1) for a, q in zip(weights, policies, strict=True))
    scale = 1 + np.abs(bandit.reward).max(axis=-1) + bandit.beta * np.abs(bandit.log_ref).max(axis=-1)
    yield Measured("J(mixture) - mixture of J", gain, expected, scale)
    yield Measured("J(mixture) exceeds the mixture of J", 0.0, gain, scale, relation="<")


def _value(bandit, log_policy):
    return optimal.objective(log_policy, bandit.reward, bandit.log_ref, bandit.beta)


def no_price():
    reward, policies = np.array([1.0, 0.0]), np.array([[0.8, 0.2], [0.4, 0.6]])
    middle, mean = policies.mean(axis=0) @ reward, (policies @ reward).mean()
    return breaks(
        abs(middle - mean) < 1e-15,
        problem="r = (1, 0), beta = 0, pi = (.8, .2) and (.4, .6)",
        expected="J at the midpoint exceeds the mean of the two",
        got=f"{middle} and {mean}",
        because="without the KL term J is linear",
    )


def off_support():
    bandit = TabularBandit([1.0], [[0.0, 0.0, 5.0]], [[np.log(0.5), np.log(0.5), -np.inf]], 1.0)
    values = [float(_value(bandit, np.log([p]))[0]) for p in ([0.4, 0.4, 0.2], [0.3, 0.3, 0.4])]
    return breaks(
        all(value == -np.inf for value in values),
        problem="ref = (1/2, 1/2, 0), pi = (.4, .4, .2) and (.3, .3, .4)",
        expected="strict concavity between the two",
        got=f"J = {values}",
        because="a policy that leaves the support of the reference has an infinite KL",
    )


def forbidden_action():
    bandit = TabularBandit([1.0], [[0.0, 0.0, -np.inf]], np.log([[0.4, 0.4, 0.2]]), 1.0)
    values = [float(_value(bandit, np.log([p]))[0]) for p in ([0.4, 0.4, 0.2], [0.3, 0.3, 0.4], [0.35, 0.35, 0.3])]
    return breaks(
        all(value == -np.inf for value in values),
        problem="r = (0, 0, -inf), two policies that take the third action, and their midpoint",
        expected="strict concavity between the two",
        got=f"J = {values}",
        because="J is -inf on all of them",
    )


CLAIM = Claim(
    id="D03",
    aliases=("eq3", "rl-objective"),
    statement=__doc__,
    source=Source(PAPER, "eq. 3"),
    assumes=("beta > 0", "pi << pi_ref", "r is finite"),
    derive=derive,
    certify=certify,
    edges={"beta > 0": no_price, "pi << pi_ref": off_support, "r is finite": forbidden_action},
)
