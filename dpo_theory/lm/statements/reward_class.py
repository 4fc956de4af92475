"""Rewards that differ by a function of the prompt have the same optimum and the same preferences.

r'(x, y) = r(x, y) + f(x):    pi* unchanged,    log Z' = log Z + f / beta,    sigma(r'_w - r'_l) = sigma(r_w - r_l)
"""

import torch

from dpo_theory import optimal, preferences
from dpo_theory.claims.claim import Measured
from dpo_theory.lm.enumerate import every_completion
from dpo_theory.lm.statements.statement import Statement
from dpo_theory.lm.sums import log_partition


def measure(setting):
    """log Z, the optimum and the preferences under a shifted reward, for every prompt."""
    for shift, prompt in zip((3.0, -2.5, 0.7), setting.prompts, strict=True):

        def reward(tokens, prompt=prompt):
            return setting.reward(prompt, tokens)

        def shifted(tokens, reward=reward, shift=shift):
            return reward(tokens) + shift

        log_z, moved = (log_partition(setting.ref, prompt, setting.length, r, setting.beta, eos=setting.eos) for r in (reward, shifted))
        yield Measured("log Z' - log Z", moved - log_z, shift / setting.beta, scale=1 + abs(log_z) + abs(moved))
        with torch.no_grad():
            tokens, _, (log_ref,) = every_completion([setting.ref], prompt, setting.length, eos=setting.eos)
        one, other = (r(tokens).to(log_ref.dtype) for r in (reward, shifted))
        normalised = torch.log_softmax(log_ref.double()[None], dim=-1)
        best, same = (optimal.optimal_log_policy(r.double()[None], normalised, setting.beta) for r in (one, other))
        yield Measured("log pi*", same.cpu().numpy(), best.cpu().numpy(), scale=abs(best.cpu().numpy()) + 1 + abs(shift) / setting.beta)
        said, again = (preferences.bradley_terry(r[1:], r[:-1]) for r in (one, other))
        yield Measured("log P(chosen wins)", again.double().cpu().numpy(), said.double().cpu().numpy(), scale=1 + abs(shift))


STATEMENT = Statement("L05", __doc__, "Rafailov et al. 2023, arXiv:2305.18290, section 5.1, Lemmas 1 and 2; claims D15, D16", measure)
