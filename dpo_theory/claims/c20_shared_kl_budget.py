r"""A KL budget shared by prompts is spent at one price.

Prompt weights rho > 0, finite rewards that are not constant on the support of some prompt, 0 < K < E_x[-log pi_ref(argmax_S r(x, .))].
Among all policies with E_x KL(pi || pi_ref) <= K the largest mean reward is reached by pi_beta alone, the optimum of eq. 4 with
one beta for every prompt, the one with E_x KL(pi_beta || pi_ref) = K. Spending the same KL on every prompt is strictly worse,
unless one beta happens to spend the same everywhere.

Why: E_x[R(pi_beta) - R(pi)] = beta (K_beta - K_pi) + beta E_x KL(pi || pi_beta): no reward is gained at equal budget. And
KL(pi_beta || pi_ref) falls continuously from its largest value to 0 as beta grows. The slope dR/dKL of each prompt's frontier is
beta: at different slopes, moving budget to the steeper prompt gains.
"""

import numpy as np
import sympy as sp

from bandits.problem import TabularBandit
from dpo_theory import optimal
from dpo_theory.claims.claim import Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, expectation, log_policy, log_ref, reward, sums_to_one
from dpo_theory.claims.pairs import random_log_policy
from dpo_theory.claims.table import table
from dpo_theory.proof import Row, Step


def derive():
    rewards, scores, others = table("r"), table("l"), table("p")
    ref, policy = (law - law.each(sp.exp).within().each(sp.log) for law in (scores, others))  # normalised in each context
    log_rho = log_policy

    def mean(of_context):
        return Row(lambda x: sp.exp(log_rho[x]) * of_context(x)).sum()

    def best(x):
        return optimal.optimal_log_policy(rewards[x], ref[x], beta)

    yield Step(
        "what the shared beta gains over any policy",
        mean(lambda x: expectation(best(x), rewards[x]) - expectation(policy[x], rewards[x])),
        beta * mean(lambda x: optimal.kl_divergence(best(x), ref[x]) - optimal.kl_divergence(policy[x], ref[x]))
        + beta * mean(lambda x: optimal.kl_divergence(policy[x], best(x))),
        "the gap identity in each context; the last term is >= 0, and 0 for pi_beta alone",
        sizes="every number of contexts n and answers M",
    )
    rate = sp.Symbol("lambda", positive=True)
    tilted = optimal.optimal_log_policy(reward, log_ref, 1 / rate)
    variance = expectation(tilted, reward**2) - expectation(tilted, reward) ** 2
    spent = sp.diff(optimal.kl_divergence(tilted, log_ref), rate)
    yield Step("what a smaller beta = 1/lambda spends", spent, rate * variance, "increasing, so some beta spends K")
    gained = sp.diff(expectation(tilted, reward), rate)
    yield Step("and gains", gained, variance, "dR/dKL = 1/lambda = beta in each context")
    centred = Row(lambda a: sp.exp(log_policy[a]) * (reward[a] - expectation(log_policy, reward)) ** 2).sum()
    again = expectation(log_policy, reward**2) - expectation(log_policy, reward) ** 2
    yield Step("a variance is a mean of squares", again, centred, "0 for constants alone", facts=(sums_to_one(log_policy),))


def certify(bandit, rng):
    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    rival = random_log_policy(bandit, rng)
    rho, finite = bandit.context_probs, np.where(np.isfinite(bandit.reward), bandit.reward, 0.0)
    gain = rho @ ((np.exp(best) - np.exp(rival)) * finite).sum(axis=-1)
    spent, other = (rho @ optimal.kl_divergence(law, bandit.log_ref) for law in (best, rival))
    apart = rho @ optimal.kl_divergence(rival, best)
    scale = 1 + np.abs(finite).max() + bandit.beta * (spent + other + apart)
    yield Measured("gain of the shared beta", gain, bandit.beta * (spent - other + apart), scale)
    if other > spent:  # closer to the reference until the budget is met: KL is convex, so this is enough
        with np.errstate(divide="ignore"):
            share = spent / other
            rival = np.log(share * np.exp(rival) + (1 - share) * np.exp(bandit.log_ref))
        allowed = np.isfinite(bandit.reward) | (np.exp(rival) == 0)
        if not allowed.all():
            return
    got = rho @ (np.exp(rival) * finite).sum(axis=-1)
    yield Measured("a rival within the budget", got, rho @ (np.exp(best) * finite).sum(axis=-1), scale, relation="<=")


def _of_price(bandit, price):
    """(mean rewards (X,), KL (X,)) of the optimum for one price."""
    policy = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, price)
    return (np.exp(policy) * bandit.reward).sum(axis=-1), optimal.kl_divergence(policy, bandit.log_ref)


def shared(bandit, budget):
    """(mean reward, beta) of the one beta whose mean KL is the budget."""
    from scipy.optimize import brentq

    price = np.exp(brentq(lambda log_price: bandit.context_probs @ _of_price(bandit, np.exp(log_price))[1] - budget, -9, 12, xtol=1e-14))
    return float(bandit.context_probs @ _of_price(bandit, price)[0]), float(price)


def equal(bandit, budget):
    """(mean reward, (X,) betas) when each prompt spends the budget by itself."""
    alone = [TabularBandit([1.0], bandit.reward[x : x + 1], bandit.log_ref[x : x + 1], bandit.beta) for x in range(bandit.n_contexts)]
    found = [shared(problem, budget) for problem in alone]
    return float(bandit.context_probs @ [value for value, _ in found]), np.array([price for _, price in found])


def two_prompts():
    """T1's reference twice, r = (1, 0, -1) and (.5, 0, -.3), equal weights."""
    log_ref = np.log([[0.5, 0.3, 0.2]] * 2)
    return TabularBandit([0.5, 0.5], [[1.0, 0.0, -1.0], [0.5, 0.0, -0.3]], log_ref, 1.0)


def search(bandit, rng):
    """A constrained search over all policies, which knows no beta."""
    from scipy.optimize import minimize

    problem = two_prompts().replace(context_probs=rng.dirichlet([3.0, 3.0]))
    budget = rng.uniform(0.05, 0.3)
    ref, rho = np.exp(problem.log_ref), problem.context_probs

    def policy(logits):
        weight = np.exp(logits.reshape(2, 3) - logits.max())
        return weight / weight.sum(axis=-1, keepdims=True)

    def slack(logits):
        law = policy(logits)
        return budget - rho @ (law * np.log(law / ref)).sum(axis=-1)

    def loss(logits):
        return -rho @ (policy(logits) * problem.reward).sum(axis=-1)

    found = minimize(
        loss,
        problem.log_ref.ravel(),
        method="SLSQP",
        constraints={"type": "ineq", "fun": slack},
        options={"ftol": 1e-12, "maxiter": 200},
    )
    value, price = shared(problem, budget)
    yield Measured("largest mean reward that a search finds", -found.fun, value, tolerance=1e-7)
    best = np.exp(optimal.optimal_log_policy(problem.reward, problem.log_ref, price))
    yield Measured("its policy", policy(found.x), best, tolerance=1e-3)  # flat: the square root of the value's accuracy
    apart, _ = equal(problem, budget)
    yield Measured("the same KL on every prompt", apart, value, relation="<")


def budget_too_large():
    bandit = two_prompts()
    most = bandit.context_probs @ _of_price(bandit, 1e-3)[1]
    return breaks(
        most < np.log(2) + 1e-9,
        problem="two prompts with ref = (.5, .3, .2), r = (1, 0, -1) and (.5, 0, -.3), K = 0.7 > -log .5",
        expected="a beta with mean KL 0.7",
        got=f"mean KL = {most:.4f} even at beta = 0.001",
        because="the most that pays is to take the best answer always, which costs -log pi_ref of it",
    )


def budget_per_prompt():
    bandit = two_prompts()
    value, prices = equal(bandit, 0.1)
    return breaks(
        prices[0] / prices[1] > 2 and value < shared(bandit, 0.1)[0] - 0.01,
        problem="two prompts with ref = (.5, .3, .2), r = (1, 0, -1) and (.5, 0, -.3); each may spend 0.1 nats",
        expected="one beta",
        got=f"beta = {prices.round(4).tolist()}, mean reward {value:.5f}",
        because="separate budgets have separate prices; sharing 0.1 on average gains",
    )


CLAIM = Claim(
    id="C20",
    aliases=("shared-kl-budget",),
    statement=__doc__,
    source=Source("derived here", "for eq. 3 of arXiv:2305.18290 as a constrained problem"),
    assumes=("K is less than what the best answers cost", "the budget is shared"),
    derive=derive,
    certify=certify,
    search=search,
    edges={"K is less than what the best answers cost": budget_too_large, "the budget is shared": budget_per_prompt},
)
