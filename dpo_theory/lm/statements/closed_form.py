"""The optimum over all completions is pi_ref exp(r / beta) / Z, and the gap of any policy is beta KL(pi || pi*).

    J(pi*) = beta log Z,    J(pi*) - J(pi) = beta KL(pi || pi*),    J(pi) = E_pi[r] - beta KL(pi || pi_ref)

The walk that finds log Z, the walk that finds J and KL(pi || pi_ref), and the walk that finds KL(pi || pi*) are three.
"""

import torch

from dpo_theory import optimal
from dpo_theory.claims.claim import Measured
from dpo_theory.lm.enumerate import every_completion
from dpo_theory.lm.statements.statement import Statement
from dpo_theory.lm.sums import expect, log_partition


def measure(setting):
    """Both identities, for every prompt."""
    both = [setting.policy, setting.ref]
    for prompt in setting.prompts:

        def reward(tokens, prompt=prompt):
            return setting.reward(prompt, tokens)

        def log_ratio(block):
            return block.log_probs[0].double() - block.log_probs[1].double()

        log_z = log_partition(setting.ref, prompt, setting.length, reward, setting.beta, eos=setting.eos)

        def to_optimum(block, log_z=log_z, reward=reward):
            return log_ratio(block) - reward(block.tokens) / setting.beta + log_z

        def worth(block, reward=reward):
            return reward(block.tokens)

        gain, kl = expect(both, prompt, setting.length, [worth, log_ratio], eos=setting.eos).tolist()
        (gap,) = expect(both, prompt, setting.length, [to_optimum], eos=setting.eos).tolist()
        best, value = setting.beta * log_z, gain - setting.beta * kl
        scale = 1 + abs(best) + abs(gain) + setting.beta * kl
        yield Measured("J(pi*) - J(pi) = beta KL(pi || pi*)", best - value, setting.beta * gap, scale=scale)

        with torch.no_grad():
            tokens, _, (log_ref,) = every_completion([setting.ref], prompt, setting.length, eos=setting.eos)
        rewards = reward(tokens)[None]
        log_ref = torch.log_softmax(log_ref.double()[None], dim=-1)
        formula = optimal.optimal_log_policy(rewards, log_ref, setting.beta)
        attained = (formula.exp() * (rewards - setting.beta * (formula - log_ref))).sum()
        yield Measured("J(pi*) = beta log Z", float(attained), best, scale=scale)


STATEMENT = Statement("L04", __doc__, "Rafailov et al. 2023, arXiv:2305.18290, eq. 3 and 4; claim D04", measure)
