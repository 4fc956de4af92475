r"""Latent variables: a reward on the answer alone leaves the rest as the reference has it.

Let an answer be a pair y = (a, z), such as an image and the path of a diffusion that made it, with a reward r(a). Then

(a) pi*(z|a) = pi_ref(z|a), and the marginal of pi* is the optimum of the marginal problem: reward r(a), reference pi_ref(a);
    both problems have the same Z.
(b) KL(pi(a) || pi_ref(a)) <= KL(pi(a, z) || pi_ref(a, z)): the difference is the mean of KL(pi(z|a) || pi_ref(z|a)) under pi(a).
(c) Diffusion-DPO: -log s(E_z X) <= E_z[-log s(X)] for every random margin X with a mean, with equality iff X is constant. The
    loss over single steps bounds the loss over paths from above.

Why: the tilt exp(r(a)/beta) does not see z; the chain rule of KL; and -log s is strictly convex (Jensen).
"""

import numpy as np
import sympy as sp

from bandits.data import PairLogProbs
from dpo_theory import optimal
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, i, j, k, reward
from dpo_theory.claims.table import table
from dpo_theory.losses import dpo
from dpo_theory.proof import Row, Step

SIZES = "every n and M"


def derive():
    ref, policy = table("l"), table("p")  # unnormalised logs: every pair of laws is one of these up to a constant
    ref, policy = (law - sp.log(law.each(sp.exp).sum()) for law in (ref, policy))
    yield Step("a joint reference", ref.each(sp.exp).sum(), 1, "normalised", sizes=SIZES)
    marginal_ref, marginal = (law.each(sp.exp).within().each(sp.log) for law in (ref, policy))
    joint_reward = ref * 0 + reward
    best = optimal.optimal_log_policy(joint_reward, ref, beta)
    alone = optimal.optimal_log_policy(reward, marginal_ref, beta)
    log_z = optimal.log_partition(reward, marginal_ref, beta)
    yield Step("(a) one Z", optimal.log_partition(joint_reward, ref, beta), log_z, "the tilt does not see z", sizes=SIZES)
    yield Step("(a) the marginal of pi*", best.each(sp.exp).within()[k], sp.exp(alone[k]), "sum over z", sizes=SIZES)
    inside = best.at(i, j) - sp.log(best.each(sp.exp).within()[i])
    yield Step("(a) log pi*(z|a) = log pi_ref(z|a)", inside, ref.at(i, j) - marginal_ref[i], "the tilt cancels", sizes=SIZES)
    conditional, conditional_ref = policy - marginal, ref - marginal_ref
    within = (policy.each(sp.exp) * (conditional - conditional_ref)).sum()
    yield Step(
        "(b) chain rule",
        optimal.kl_divergence(policy, ref),
        optimal.kl_divergence(marginal, marginal_ref) + within,
        "the last term is a mean of KL divergences, each >= 0 (claim D03b)",
        sizes=SIZES,
    )
    yield Step(
        "(b) that mean, answer by answer",
        within,
        (marginal.each(sp.exp) * Row(lambda a: _kl_within(conditional, conditional_ref, a))).sum(),
        "p(a, z) = p(a) p(z|a)",
        sizes=SIZES,
    )
    yield from _jensen()


def _kl_within(conditional, conditional_ref, a):
    return optimal.kl_divergence(conditional[a], conditional_ref[a])


def _jensen():
    x, mean = sp.symbols("x m", real=True)
    loss = dpo.DPO(beta)

    def cost(margin):
        return loss(PairLogProbs(margin, sp.S.Zero, sp.S.Zero, sp.S.Zero))

    yield Step("(c) the loss is strictly convex in the margin", sp.diff(cost(x), x, 2), 0, "beta^2 s(z) s(-z)", relation=">", sizes="")
    slope = sp.diff(cost(x), x).subs(x, mean)
    above = cost(x) - cost(mean) - slope * (x - mean)
    yield Step("(c) above its tangent at the mean: touches there", above.subs(x, mean), 0, "", sizes="")
    yield Step("(c) with the slope of the tangent", sp.diff(above, x).subs(x, mean), 0, "so it lies above; take means", sizes="")


def certify(bandit, rng):
    states = int(rng.integers(2, 5))
    logits = rng.normal(scale=1.5, size=(2, *bandit.reward.shape, states))
    ref, policy = logits - np.logaddexp.reduce(logits.reshape(2, bandit.n_contexts, -1), axis=-1)[:, :, None, None]
    marginal_ref, marginal = (np.logaddexp.reduce(law, axis=-1) for law in (ref, policy))
    flat = (bandit.n_contexts, -1)
    tilted = np.repeat(bandit.reward, states, axis=-1)
    best = optimal.optimal_log_policy(tilted, ref.reshape(flat), bandit.beta).reshape(ref.shape)
    alone = optimal.optimal_log_policy(bandit.reward, marginal_ref, bandit.beta)
    size = 1 + np.abs(np.where(np.isfinite(bandit.reward), bandit.reward, 0)).max() / bandit.beta
    yield Measured("marginal of pi*", np.exp(best).sum(axis=-1), np.exp(alone), size)
    taken = np.isfinite(alone)
    inside = np.exp(best[taken] - np.logaddexp.reduce(best[taken], axis=-1, keepdims=True))
    yield Measured("pi*(z|a)", inside, np.exp(ref - marginal_ref[..., None])[taken], size)
    joint, outer = optimal.kl_divergence(policy.reshape(flat), ref.reshape(flat)), optimal.kl_divergence(marginal, marginal_ref)
    conditional = (np.exp(policy) * (policy - ref)).sum(axis=-1) - np.exp(marginal) * (marginal - marginal_ref)
    yield Measured("KL of the marginal", outer, joint, 1.0, relation="<=")
    yield Measured("chain rule", joint - outer, conditional.sum(axis=-1), 10.0)
    margins, weight = rng.normal(scale=3.0, size=40), rng.dirichlet(np.ones(40))
    zero, loss = np.zeros(40), dpo.DPO(bandit.beta)
    steps = weight @ loss(PairLogProbs(margins, zero, zero, zero))
    path = loss(PairLogProbs(weight @ margins, 0.0, 0.0, 0.0))
    yield Measured("(c) loss of the mean margin", path, steps, relation="<")


def reward_on_the_latent():
    reward, ref = np.array([[1.0, 0.0, 0.0, 0.0]]), np.log(np.full((1, 4), 0.25))  # (a, z) = 11, 12, 21, 22
    best = np.exp(optimal.optimal_log_policy(reward, ref, 1.0)).reshape(2, 2)
    return breaks(
        abs(best[0, 0] / best[0].sum() - 0.5) > 0.2,
        problem="a and z of two values each, uniform reference, reward 1 on (a, z) = (1, 1) alone, beta = 1",
        expected="pi*(z|a = 1) = (1/2, 1/2)",
        got=f"{(best[0] / best[0].sum()).round(4).tolist()}",
        because="this reward sees z",
    )


def constant_margin():
    zero, loss = np.zeros(3), dpo.DPO(0.5)
    steps = loss(PairLogProbs(np.full(3, 1.7), zero, zero, zero)).mean()
    path = float(loss(PairLogProbs(1.7, 0.0, 0.0, 0.0)))
    return breaks(
        abs(steps - path) < 1e-15,
        problem="(c) three steps of margin 1.7 each, beta = 1/2",
        expected="a loss over steps strictly above the loss over the path",
        got=f"both {path:.6f}",
        because="Jensen's inequality is an equality for a constant",
    )


CLAIM = Claim(
    id="C19",
    aliases=("latent-variables", "diffusion-dpo"),
    statement=__doc__,
    source=Source(PAPER, "sec. 7, other modalities; (c) is the bound of Diffusion-DPO, Wallace et al. 2023, arXiv:2311.12908"),
    assumes=("the reward sees the answer alone", "(c) for a strict bound: the margin varies"),
    derive=derive,
    certify=certify,
    edges={
        "the reward sees the answer alone": reward_on_the_latent,
        "(c) for a strict bound: the margin varies": constant_margin,
    },
)
