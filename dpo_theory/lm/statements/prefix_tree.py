"""The prefix tree gives the log-probabilities that scoring each completion by itself gives.

The tree reads every prefix once, with the keys and values of its ancestors; the other road runs the model on prompt and completion, one
sequence a row, and adds up the log-probabilities of the completion's tokens.
"""

import torch

from dpo_theory.claims.claim import Measured
from dpo_theory.lm.enumerate import every_completion
from dpo_theory.lm.statements.statement import Statement


def measure(setting):
    """Log-probabilities by tree and one by one, for every prompt."""
    for prompt in setting.prompts:
        with torch.no_grad():
            tokens, _, (by_tree,) = every_completion([setting.policy], prompt, setting.length, eos=setting.eos)
            alone = one_by_one(setting.policy, prompt, tokens)
        got, expected = by_tree.double().cpu().numpy(), alone.double().cpu().numpy()
        yield Measured(f"log-probabilities after {len(prompt)} tokens", got, expected, scale=abs(expected) + 1)


def one_by_one(model, prompt, tokens):
    """(M,) log-probabilities of padded completions (M, T), by running the model on every sequence."""
    whole = torch.cat([prompt.expand(len(tokens), -1), tokens.clamp(min=0)], dim=1)
    next_token = model(whole[:, :-1])[:, len(prompt) - 1 :]
    chosen = next_token.gather(-1, tokens.clamp(min=0)[..., None])[..., 0]
    return torch.where(tokens >= 0, chosen, 0.0).sum(dim=1)


STATEMENT = Statement("L02", __doc__, "the chain rule", measure)
