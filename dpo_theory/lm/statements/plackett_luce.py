"""At the optimum, Plackett-Luce DPO on K completions is the Plackett-Luce likelihood of their rewards: Z cancels.

L(pi*; y_1 > ... > y_K) = -log P(y_1 > ... > y_K | r),    and exp(-L) sums to 1 over the K! orders, for every policy
"""

from itertools import permutations

import torch

from bandits.data import RankedLogProbs
from dpo_theory import optimal, preferences
from dpo_theory.claims.claim import Measured
from dpo_theory.lm.enumerate import every_completion
from dpo_theory.lm.statements.statement import Statement
from dpo_theory.losses.plackett_luce import PlackettLuceDPO

K = 4


def measure(setting):
    """The loss at the optimum, and the sum over orders for the policy, for every prompt."""
    loss = PlackettLuceDPO(setting.beta)
    orders = torch.tensor(list(permutations(range(K))), device=setting.rewards.device)
    for prompt in setting.prompts:
        with torch.no_grad():
            tokens, _, (log_policy, log_ref) = every_completion([setting.policy, setting.ref], prompt, setting.length, eos=setting.eos)
            reward = setting.reward(prompt, tokens).to(log_ref.dtype)
            normalised = torch.log_softmax(log_ref.double()[None], dim=-1)
            best = optimal.optimal_log_policy(reward.double()[None], normalised, setting.beta)[0].to(log_ref.dtype)
            picked = torch.linspace(0, len(tokens) - 1, K, device=orders.device).long()[orders]
            by_policy = loss(RankedLogProbs(best[picked], log_ref[picked])).double().cpu().numpy()
            by_reward = -preferences.plackett_luce(reward[picked]).double().cpu().numpy()
            total = torch.logsumexp(-loss(RankedLogProbs(log_policy[picked], log_ref[picked])).double(), dim=0)
        yield Measured(f"loss at the optimum after {len(prompt)} tokens", by_policy, by_reward, scale=1 + abs(by_reward))
        yield Measured("log of the sum over orders", float(total), 0.0)


STATEMENT = Statement("L09", __doc__, "Rafailov et al. 2023, arXiv:2305.18290, A.3; claims D24, D25", measure)
