"""The probabilities of all completions sum to one.

Completions are the sequences of T tokens without the end token, and those of at most T tokens whose last is the end token.
"""

import numpy as np

from dpo_theory.claims.claim import Measured
from dpo_theory.lm.enumerate import count_completions, walk
from dpo_theory.lm.statements.statement import Statement
from dpo_theory.lm.sums import log_sum


def measure(setting):
    """The log of the total mass for both models and every prompt, and how many completions were seen."""
    got = [
        float(log_sum([model], prompt, setting.length, [lambda block: block.log_probs[0]], eos=setting.eos))
        for model in (setting.policy, setting.ref)
        for prompt in setting.prompts
    ]
    yield Measured("log of the total probability", np.array(got), 0.0)
    seen = sum(len(block.tokens) for block in walk([setting.ref], setting.prompts[0], setting.length, eos=setting.eos))
    yield Measured("completions seen", seen, count_completions(setting.ref.vocab, setting.length, eos=setting.eos), tolerance=0.0)


STATEMENT = Statement("L01", __doc__, "definition of a causal language model", measure)
