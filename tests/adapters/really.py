"""Trainers that are really constructed, on a tiny model in memory: what an adapter has to agree with."""

import functools
import warnings

import torch

from bandits.data import PairLogProbs

WORDS = ["<pad>", "<eos>", "<unk>", *"abcdefgh"]
ROWS = [
    {"prompt": "a b", "chosen": " c d e", "rejected": " f g"},
    {"prompt": "h", "chosen": " a", "rejected": " b c d e"},
    {"prompt": "c c", "chosen": " e f", "rejected": " a a a"},
]


@functools.lru_cache(maxsize=1)
def tokenizer():
    """Words of one letter."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.WordLevel({word: k for k, word in enumerate(WORDS)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>")


def model(seed):
    """A causal model in float64 with large random weights, so that policy and reference differ."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    sizes = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2}
    config = LlamaConfig(vocab_size=len(WORDS), **sizes, pad_token_id=0, bos_token_id=None, eos_token_id=1, initializer_range=0.8)
    return LlamaForCausalLM(config).double().eval()


def in_double(network):
    """The log-probabilities that TRL's head gives the loss are float32; the same numbers as float64 keep its rounding out of the loss."""
    forward = network.forward

    def doubled(*args, **kwargs):
        out = forward(*args, **kwargs)
        if getattr(out, "log_probs", None) is not None:
            out.log_probs = out.log_probs.double()
            doubled.last = out.log_probs.detach()
        return out

    network.forward = doubled
    return doubled


def trainer(cls, config, folder, *, rows=ROWS, reference=True, **options):
    """A trainer on a few rows, one batch."""
    from datasets import Dataset

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        args = config(
            output_dir=str(folder), use_cpu=True, bf16=False, report_to=[], gradient_checkpointing=False,
            per_device_train_batch_size=len(rows), remove_unused_columns=False, disable_dropout=True, **options,
        )  # fmt: skip
        models = {"ref_model": model(1)} if reference else {}
        made = cls(model=model(0), args=args, train_dataset=Dataset.from_list(rows), processing_class=tokenizer(), **models)
        made.model.eval()
    return made


def log_probs(network, ids, mask, completion):
    """(B,) summed log-probabilities of the completions, by a softmax of the logits."""
    with torch.no_grad():
        logits = network(input_ids=ids, attention_mask=mask).logits.double()
    tokens = torch.log_softmax(logits[:, :-1], dim=-1).gather(2, ids[:, 1:, None]).squeeze(2)
    return (tokens * completion[:, 1:]).sum(dim=1)


def pairs(policy, ref, completion):
    """The pairs of a batch whose first half is chosen."""
    counts = completion.sum(dim=1)
    half = len(counts) // 2
    columns = (policy[:half], policy[half:], ref[:half], ref[half:], counts[:half], counts[half:])
    return PairLogProbs(*columns)
