"""The optimum's next-token log-ratios are the reward, shaped by soft values; the root's soft value is beta log Z.

    V(s) = beta log sum_a pi_ref(a | s) exp( (r(s, a) + V(s a)) / beta ),    V = 0 after the end
    beta log pi*(a | s) / pi_ref(a | s) = r(s, a) + V(s a) - V(s),    V(root) = beta log Z

V comes by backward recursion over prefixes, log Z from a walk over completions, and pi*(a | s) by adding up the completions of
pi* that begin with s a.
"""

import torch

from dpo_theory.claims.claim import Measured
from dpo_theory.lm.enumerate import levels
from dpo_theory.lm.statements.statement import Statement
from dpo_theory.lm.sums import log_partition


def measure(setting):
    """The value of the root, and the shaped rewards at every depth, for every prompt."""
    for prompt in setting.prompts:
        with torch.no_grad():
            tree = levels([setting.ref], prompt, setting.length, eos=setting.eos)
        values = soft_values(setting, prompt, tree)

        def reward(tokens, prompt=prompt):
            return setting.reward(prompt, tokens)

        log_z = log_partition(setting.ref, prompt, setting.length, reward, setting.beta, eos=setting.eos)
        scale = 1 + abs(log_z)
        yield Measured("V(root) = beta log Z", float(values[0]) / setting.beta, log_z, scale=scale)

        alive = [t for t in range(setting.ref.vocab) if t != setting.eos]
        log_mass = optimal_prefix_log_mass(setting, prompt, tree)
        for depth in range(setting.length - 1):
            log_ratio = (log_mass[depth + 1] - log_mass[depth].repeat_interleave(len(alive))).view(-1, len(alive))
            log_ratio = log_ratio - tree[depth].log_probs[0].double()[:, alive]
            shaped = token_rewards(setting, prompt, tree[depth])[:, alive] + values[depth + 1].view(-1, len(alive)) - values[depth][:, None]
            found, expected = (setting.beta * log_ratio).cpu().numpy(), shaped.cpu().numpy()
            yield Measured(f"shaped reward at depth {depth}", found, expected, scale=scale * setting.beta + 10)


def token_rewards(setting, prompt, level):
    """(N, V) reward of each next token after each prefix."""
    depth = level.tokens.shape[1]
    last = level.tokens[:, -1] if depth else prompt[-1:].expand(1)
    return setting.rewards[depth][last + 1][:, 1:]


def soft_values(setting, prompt, tree):
    """(N,) soft value of every prefix, per depth, by backward recursion."""
    alive = [t for t in range(setting.ref.vocab) if t != setting.eos]
    values: list = [None] * len(tree)
    for depth in reversed(range(len(tree))):
        level = tree[depth]
        worth = token_rewards(setting, prompt, level).clone()
        if depth + 1 < len(tree):
            worth[:, alive] += values[depth + 1].view(-1, len(alive))
        values[depth] = setting.beta * torch.logsumexp(level.log_probs[0].double() + worth / setting.beta, dim=1)
    return values


def optimal_prefix_log_mass(setting, prompt, tree):
    """(N,) log of the probability, up to Z, that the optimum begins with each prefix, per depth: sums over the completions below it."""
    alive = [t for t in range(setting.ref.vocab) if t != setting.eos]
    below: list = [None] * len(tree)
    for depth in reversed(range(len(tree))):
        level = tree[depth]
        ends = torch.cat([level.tokens.repeat_interleave(setting.ref.vocab, 0), _every_token(setting, level)], dim=1)
        total = (level.so_far[0].double()[:, None] + level.log_probs[0].double()).reshape(-1) + setting.reward(prompt, ends) / setting.beta
        terms = total.view(len(level.tokens), -1)
        if depth + 1 < len(tree):
            stopped = terms[:, [setting.eos]] if setting.eos is not None else terms[:, :0]
            terms = torch.cat([stopped, below[depth + 1].view(-1, len(alive))], dim=1)
        below[depth] = torch.logsumexp(terms, dim=1)
    return below


def _every_token(setting, level):
    return torch.arange(setting.ref.vocab, device=level.tokens.device).repeat(len(level.tokens))[:, None]


STATEMENT = Statement("L06", __doc__, "Rafailov et al. 2024, arXiv:2404.12358", measure)
