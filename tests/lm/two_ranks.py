"""Started by torchrun in the tests: sums over all completions, shared by the ranks; rank 0 prints them."""

import json
import sys

import torch

from dpo_theory.lm.ranks import join_ranks
from dpo_theory.lm.setting import tiny_setting
from dpo_theory.lm.sums import log_partition, sequence_kl


def numbers(ranks):
    """log Z and KL for every prompt."""
    setting, found = tiny_setting(vocab=5, length=4), []
    for prompt in setting.prompts:
        shared = {"eos": setting.eos, "nodes_at_once": 40, "ranks": ranks}
        found.append(log_partition(setting.ref, prompt, 4, lambda tokens, p=prompt: setting.reward(p, tokens), setting.beta, **shared))
        found.append(sequence_kl(setting.policy, setting.ref, prompt, 4, **shared))
    return found


if __name__ == "__main__":
    ranks = join_ranks()
    found = numbers(ranks)
    if ranks.rank == 0:
        sys.stdout.write(json.dumps({"size": ranks.size, "numbers": found}) + "\n")
    if ranks.size > 1:
        torch.distributed.destroy_process_group()
