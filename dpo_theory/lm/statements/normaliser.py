"""With r - beta log Z as reward the weight of the policy gradient has mean zero and vanishes at the optimum.

    A(y) = r(y) - beta log Z - beta log pi(y) / pi_ref(y):    E_pi[A] = -beta KL(pi || pi*),    A = 0 for every y at pi = pi*

so that at the optimum the estimator with the normaliser has no variance, on every completion.
"""

import torch

from dpo_theory import optimal
from dpo_theory.claims.claim import Measured
from dpo_theory.lm.enumerate import every_completion
from dpo_theory.lm.statements.statement import Statement
from dpo_theory.lm.sums import log_partition


def measure(setting):
    """The advantage at the optimum, and its mean under the policy, for every prompt."""
    for prompt in setting.prompts:

        def reward(tokens, prompt=prompt):
            return setting.reward(prompt, tokens)

        log_z = log_partition(setting.ref, prompt, setting.length, reward, setting.beta, eos=setting.eos)
        with torch.no_grad():
            tokens, _, (log_policy, log_ref) = every_completion([setting.policy, setting.ref], prompt, setting.length, eos=setting.eos)
        rewards, log_policy, log_ref = reward(tokens), log_policy.double(), log_ref.double()
        best = optimal.optimal_log_policy(rewards[None], torch.log_softmax(log_ref[None], dim=-1), setting.beta)[0]
        left = rewards - setting.beta * log_z - setting.beta * (best - log_ref)
        scale = 1 + abs(setting.beta * log_z) + abs(rewards).max().item() + setting.beta * abs(best).max().item()
        yield Measured("advantage at the optimum", left.cpu().numpy(), 0.0, scale=scale)
        mean = (log_policy.exp() * (rewards - setting.beta * log_z - setting.beta * (log_policy - log_ref))).sum()
        kl = (log_policy.exp() * (log_policy - best)).sum()
        yield Measured("mean advantage", float(mean), -setting.beta * float(kl), scale=scale)


STATEMENT = Statement("L10", __doc__, "Rafailov et al. 2023, arXiv:2305.18290, section 5.2; claims D22, D22b", measure)
