"""The KL of completions is the sum of the KLs of next tokens, with prefixes from the policy.

    KL(pi || pi_ref) = sum_t E_{y_<t ~ pi} KL( pi(. | x, y_<t) || pi_ref(. | x, y_<t) )

One road adds up pi log(pi / pi_ref) over completions, the other adds up the KL of next tokens over prefixes.
"""

import torch

from dpo_theory.claims.claim import Measured
from dpo_theory.lm.enumerate import levels
from dpo_theory.lm.statements.statement import Statement
from dpo_theory.lm.sums import sequence_kl


def measure(setting):
    """The KL of completions against the sum over prefixes, for every prompt."""
    for prompt in setting.prompts:
        whole = sequence_kl(setting.policy, setting.ref, prompt, setting.length, eos=setting.eos)
        stepwise = 0.0
        with torch.no_grad():
            for level in levels([setting.policy, setting.ref], prompt, setting.length, eos=setting.eos):
                policy, ref = (log_probs.double() for log_probs in level.log_probs)
                each = (policy.exp() * (policy - ref)).sum(dim=1)
                stepwise += float((level.so_far[0].double().exp() * each).sum())
        yield Measured(f"KL after {len(prompt)} tokens", whole, stepwise, scale=1 + abs(stepwise))


STATEMENT = Statement("L03", __doc__, "claim D28, here on a transformer", measure)
