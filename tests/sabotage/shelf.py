"""Faults patched into the shipped formulas, and the claims that must stop holding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bandits.data import PairLogProbs
from dpo_theory import _xp, optimal, preferences, rewards
from dpo_theory.losses.dpo import DPO, _detached
from dpo_theory.losses.plackett_luce import PlackettLuceDPO


@dataclass(frozen=True)
class Fault:
    """`old` becomes `new` in the function; each claim named must stop holding."""

    name: str
    function: Callable[..., Any]
    old: str
    new: str
    claims: tuple[str, ...]


SHELF = (
    Fault("reference forgotten in the optimum", optimal.optimal_log_policy, "log_ref + reward / beta", "reward / beta", ("D04",)),
    Fault("beta inverted in the optimum", optimal.optimal_log_policy, "reward / beta", "reward * beta", ("D04",)),
    Fault("normaliser dropped", optimal.optimal_log_policy, "score - logsumexp(score, keepdims=True)", "score", ("D04",)),
    Fault("sign of the reward swapped", optimal.optimal_log_policy, "log_ref + reward / beta", "log_ref - reward / beta", ("D04",)),
    Fault("partition function without the reference", optimal.log_partition, "log_ref + reward / beta", "reward / beta", ("D04",)),
    Fault("beta inverted in the partition function", optimal.log_partition, "reward / beta", "reward * beta", ("D04", "D23b")),
    Fault("reference counted twice", optimal.log_partition, "log_ref + reward / beta", "2 * log_ref + reward / beta", ("D04",)),
    Fault(
        "logarithm to base 2",
        _xp.logsumexp,
        "namespace(x).logsumexp(x, keepdims)",
        "namespace(x).logsumexp(x, keepdims) / 0.6931471805599453",
        ("D04",),
    ),
    Fault("implicit reward without the reference", optimal.implicit_reward, "(log_policy - log_ref)", "log_policy", ("D05",)),
    Fault("beta inverted in the implicit reward", optimal.implicit_reward, "beta * (", "1 / beta * (", ("D05",)),
    Fault("sign of the implicit reward", optimal.implicit_reward, "log_policy - log_ref)", "log_ref - log_policy)", ("D05", "D06")),
    Fault(
        "projection forgotten",
        optimal.project_reward,
        "reward - beta * logsumexp(log_ref + reward / beta, keepdims=True)",
        "reward",
        ("D18", "D20"),
    ),
    Fault("beta missing in the projection", optimal.project_reward, "reward - beta * logsumexp", "reward - logsumexp", ("D18",)),
    Fault("projection without the reference", optimal.project_reward, "log_ref + reward / beta", "reward / beta", ("D18",)),
    Fault("KL with its sign swapped", optimal.kl_divergence, "log_policy - log_ref)", "log_ref - log_policy)", ("D03b", "D04")),
    Fault("KL taken under the reference", optimal.kl_divergence, "expect(log_policy, ", "expect(log_ref, ", ("D03b",)),
    Fault("KL rewarded instead of charged", optimal.objective, "reward) - beta *", "reward) + beta *", ("D04",)),
    Fault("KL free of charge", optimal.objective, "beta * kl_divergence", "kl_divergence", ("D04",)),
    Fault(
        "chosen and rejected swapped",
        preferences.bradley_terry,
        "chosen_reward - rejected_reward)",
        "rejected_reward - chosen_reward)",
        ("D01",),
    ),
    Fault("loss instead of log-likelihood", preferences.bradley_terry, "return log_sigmoid(", "return -log_sigmoid(", ("D01",)),
    Fault(
        "one factor of Plackett-Luce missing",
        preferences.plackett_luce,
        "total(ranked_rewards - tail_logsumexp(ranked_rewards))",
        "total((ranked_rewards - tail_logsumexp(ranked_rewards))[..., 1:])",
        ("D24",),
    ),
    Fault(
        "every choice made among all answers",
        preferences.plackett_luce,
        "tail_logsumexp(ranked_rewards))",
        "tail_logsumexp(ranked_rewards)[..., :1])",
        ("D24",),
    ),
    Fault("rankings read worst first", _xp.tail_logsumexp, "tail_logsumexp(x)\n", "tail_logsumexp(-x)\n", ("D24", "D25")),
    Fault("DPO pushes the rejected answer", DPO.__call__, "-self.beta", "self.beta", ("D07", "D09")),
    Fault("DPO without the reference", DPO.__call__, "pairs.margin", "(pairs.policy_chosen - pairs.policy_rejected)", ("D07", "D06")),
    Fault("DPO without beta", DPO.__call__, "-self.beta * pairs.margin", "-pairs.margin", ("D07",)),
    Fault("beta inverted in DPO", DPO.__call__, "-self.beta * pairs.margin", "-pairs.margin / self.beta", ("D07",)),
    Fault("beta twice in DPO", DPO.__call__, "-self.beta *", "-self.beta * self.beta *", ("D07",)),
    Fault("gradient weight of the right pairs", DPO.weight, "-self.beta", "self.beta", ("D09", "D10")),
    Fault("gradient without beta", DPO.gradient, "self.beta * self.weight", "self.weight", ("D09",)),
    Fault("gradient of the wrong sign, as printed in A.4", DPO.gradient, "return -pull, pull", "return pull, -pull", ("D09", "D26")),
    Fault("rewards left in the graph", _detached, "value.detach() if", "value if", ("D27",)),
    Fault("logged rewards without the reference", DPO.rewards, "pairs.chosen_log_ratio", "pairs.policy_chosen", ("D27",)),
    Fault("ranking loss without beta", PlackettLuceDPO.__call__, "self.beta * ranked.log_ratio", "ranked.log_ratio", ("D25",)),
    Fault("ranking loss without the reference", PlackettLuceDPO.__call__, "ranked.log_ratio", "ranked.policy", ("D25",)),
    Fault("top-k truncation ignored", PlackettLuceDPO.__call__, "if self.top is None", "if True", ("D25b",)),
    Fault("margin added", PairLogProbs.margin.fget, '"rejected", self.rejected', '"rejected", -self.rejected', ("D07",)),
    Fault(
        "rewards compared over all contexts",
        rewards.same_class,
        "np.max(difference, axis=-1,",
        "np.max(difference, axis=None,",
        ("D14",),
    ),
    Fault(
        "support ignored",
        optimal.optimal_log_policy,
        "score = log_ref + reward / beta",
        "score = (log_ref if is_symbolic(log_ref) else np.maximum(log_ref, -30.0)) + reward / beta",
        ("D04", "D04b"),
    ),
    Fault("softplus that overflows", _xp.NumPy.softplus, "np.logaddexp(0.0, x)", "np.log1p(np.exp(x))", ("D27",)),
    Fault(
        "softplus that turns linear at 20",
        _xp.Torch.softplus,
        "-torch.nn.functional.logsigmoid(-x)",
        "torch.nn.functional.softplus(x)",
        ("D27",),
    ),
)  # fmt: skip
