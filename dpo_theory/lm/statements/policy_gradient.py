"""The exact policy gradient is the gradient of the exact objective through the parameters.

    grad J = E_pi[ (r - beta log pi / pi_ref - b) grad log pi ]    for every baseline b(x)

One road differentiates sum_y pi(y) (r - beta log pi / pi_ref), the other pulls the weights pi (r - beta log pi / pi_ref - b)
back through log pi.
"""

import torch

from dpo_theory.claims.claim import Measured
from dpo_theory.lm.enumerate import every_completion
from dpo_theory.lm.statements.dpo_gradient import _flat
from dpo_theory.lm.statements.statement import Statement

BASELINE = 1.7


def measure(setting):
    """Both gradients over all parameters, for every prompt; completions of three tokens at most."""
    parameters = list(setting.policy.parameters())
    length = min(setting.length, 3)
    for prompt in setting.prompts:
        tokens, _, (log_policy, log_ref) = every_completion([setting.policy, setting.ref], prompt, length, eos=setting.eos)
        log_ref = log_ref.detach()
        reward = setting.reward(prompt, tokens).to(log_ref.dtype)
        objective = (log_policy.exp() * (reward - setting.beta * (log_policy - log_ref))).sum()
        direct = _flat(torch.autograd.grad(objective, parameters, retain_graph=True))
        with torch.no_grad():
            weight = log_policy.exp() * (reward - setting.beta * (log_policy - log_ref) - BASELINE)
        pulled = _flat(torch.autograd.grad((weight * log_policy).sum(), parameters))
        yield Measured(f"gradient after {len(prompt)} tokens", pulled, direct, scale=abs(direct).max() + abs(weight).sum().item())


STATEMENT = Statement("L08", __doc__, "Rafailov et al. 2023, arXiv:2305.18290, eq. 3; Williams 1992", measure)
