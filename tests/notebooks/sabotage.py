"""Faults in the formulas that the notebooks teach: (notebook, function, what is written, what is put there)."""

from dpo_theory import optimal, preferences, rewards
from dpo_theory.lm import sums
from dpo_theory.losses.cdpo import CDPO
from dpo_theory.losses.dpo import DPO
from dpo_theory.losses.plackett_luce import PlackettLuceDPO

SABOTAGE = (
    ("01_optimal_policy", optimal.optimal_log_policy, "score = log_ref + reward / beta", "score = log_ref + reward * beta"),
    ("01_optimal_policy", optimal.log_partition, "logsumexp(log_ref + reward / beta)", "logsumexp(log_ref - reward / beta)"),
    ("01_optimal_policy", optimal.kl_divergence, "log_policy - log_ref)", "log_ref - log_policy)"),
    ("02_reward_to_preference", preferences.bradley_terry, "chosen_reward - rejected_reward)", "2 * (chosen_reward - rejected_reward))"),
    ("02_reward_to_preference", preferences.bradley_terry, "chosen_reward - rejected_reward)", "rejected_reward - chosen_reward)"),
    ("03_dpo_loss_and_gradient", DPO.__call__, "softplus(-self.beta", "softplus(self.beta"),
    ("03_dpo_loss_and_gradient", DPO.gradient, "return -pull, pull", "return pull, -pull"),
    ("03_dpo_loss_and_gradient", DPO.weight, "sigmoid(-self.beta", "sigmoid(self.beta"),
    ("04_reward_classes", optimal.project_reward, "reward - beta * logsumexp", "reward - logsumexp"),
    ("04_reward_classes", rewards.same_class, "np.all(high - low <= tolerance", "np.any(high - low <= tolerance"),
    (
        "05_plackett_luce",
        preferences.plackett_luce,
        "total(ranked_rewards - tail_logsumexp(ranked_rewards))",
        "total(-ranked_rewards - tail_logsumexp(-ranked_rewards))",
    ),
    ("05_plackett_luce", PlackettLuceDPO.__call__, "self.beta *", "2 * self.beta *"),
    ("06_dpo_and_rlhf", DPO.__call__, "softplus(-self.beta", "softplus(-2 * self.beta"),
    ("07_reward_kl_frontier", optimal.kl_divergence, "expect(log_policy, log_policy - log_ref)", "expect(log_ref, log_ref - log_policy)"),
    ("07_reward_kl_frontier", optimal.optimal_log_policy, "score = log_ref + reward / beta", "score = log_ref + reward / (2 * beta)"),
    ("08_check_your_own_loss", DPO.__call__, "softplus(-self.beta", "softplus(-1 / self.beta"),
    ("08_check_your_own_loss", CDPO.__call__, "+ self.epsilon", "+ 0.5 * self.epsilon"),
    ("09_installed_trainers", DPO.__call__, "softplus(-self.beta", "softplus(-1 / self.beta"),
    ("10_language_model", DPO.__call__, "softplus(-self.beta", "softplus(-2 * self.beta"),
    ("10_language_model", sums.log_partition, "/ beta", "* beta"),
    ("11_human_preferences", DPO.__call__, "softplus(-self.beta", "softplus(-2 * self.beta"),
    ("11_human_preferences", optimal.optimal_log_policy, "score = log_ref + reward / beta", "score = log_ref + reward * beta"),
    ("11_human_preferences", optimal.implicit_reward, "return beta * (log_policy", "return (log_policy"),
)
