"""The gradient of DPO through the parameters of the model is eq. 7.

    grad L = -beta E[ sigma(-z) ( grad log pi(y_w | x) - grad log pi(y_l | x) ) ],    z = beta (log-ratio of y_w - log-ratio of y_l)

One road is autograd through the loss; the other takes the weights sigma(-z) as numbers and pulls them back through the
log-probabilities alone.
"""

import torch

from bandits.data import PairLogProbs
from dpo_theory.claims.claim import Measured
from dpo_theory.lm.statements.prefix_tree import one_by_one
from dpo_theory.lm.statements.statement import Statement
from dpo_theory.losses.dpo import DPO


def measure(setting):
    """Both gradients over all parameters, for every prompt."""
    parameters = list(setting.policy.parameters())
    for prompt, (chosen, rejected) in zip(setting.prompts, some_pairs(setting), strict=True):
        scored = [one_by_one(setting.policy, prompt, tokens) for tokens in (chosen, rejected)]
        with torch.no_grad():
            ref = [one_by_one(setting.ref, prompt, tokens) for tokens in (chosen, rejected)]
            z = setting.beta * ((scored[0] - ref[0]) - (scored[1] - ref[1]))
            weight = torch.sigmoid(-z)
        loss = DPO(setting.beta)(PairLogProbs(*scored, *ref)).mean()
        through_loss = _flat(torch.autograd.grad(loss, parameters, retain_graph=True))
        by_formula = _flat(torch.autograd.grad(-setting.beta * (weight * (scored[0] - scored[1])).mean(), parameters))
        yield Measured(f"gradient after {len(prompt)} tokens", through_loss, by_formula, scale=abs(by_formula).max())


def some_pairs(setting, pairs=6):
    """For every prompt, chosen and rejected completions (pairs, T) of unequal length, padded with -1."""
    generator = torch.Generator().manual_seed(5)
    for _ in setting.prompts:
        both = torch.randint(setting.ref.vocab, (2, pairs, setting.length), generator=generator)
        if setting.eos is not None:
            ended = (both == setting.eos).int().cumsum(dim=-1) - (both == setting.eos).int() > 0
            both = torch.where(ended, -1, both)
        both = both.to(setting.rewards.device)
        yield both[0], both[1]


def _flat(gradients):
    return torch.cat([g.double().flatten() for g in gradients]).cpu().numpy()


STATEMENT = Statement("L07", __doc__, "Rafailov et al. 2023, arXiv:2305.18290, eq. 7 and A.4; claim D09", measure)
