"""The callback in really constructed trainers on a tiny model in memory."""

import copy
import os
import warnings

import pytest

try:
    import transformers
    import trl
except ImportError:
    if os.environ.get("CI"):
        raise
    pytest.skip("needs pip install 'dpo-theory[trl]'", allow_module_level=True)

import torch

from dpo_theory.evidence import VerificationError
from dpo_theory.monitor.trl_callback import DPOTheoryCallback

WORDS = ["the", "a", "cat", "dog", "sat", "ran", "fast", "slow", "well", "badly"]
PAIRS = [
    ("the cat", "sat well", "ran badly"),
    ("a dog", "ran fast", "sat slow badly"),
    ("the dog", "sat", "ran the cat"),
    ("a cat", "slow", "fast"),
]


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        for kind in (UserWarning, FutureWarning, DeprecationWarning, PendingDeprecationWarning):
            warnings.simplefilter("ignore", kind)
        yield


def tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = {word: k for k, word in enumerate(["<pad>", "<eos>", "<unk>", *WORDS])}
    plain = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    plain.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=plain, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>")


def model(seed=0):
    torch.manual_seed(seed)
    config = transformers.LlamaConfig(
        vocab_size=16, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2,
        max_position_embeddings=32, pad_token_id=0, eos_token_id=1, bos_token_id=1,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config)


def trainer(tmp_path, *, callback=None, policy=None, reference=None, **options):
    from datasets import Dataset

    settings = {
        "output_dir": str(tmp_path), "max_steps": 4, "per_device_train_batch_size": 4, "logging_steps": 1, "learning_rate": 1e-2,
        "beta": 0.5,        "report_to": [], "save_strategy": "no", "use_cpu": True, "disable_tqdm": True,
        "bf16": False, "gradient_checkpointing": False,
    }  # fmt: skip
    policy = policy or model()
    data = Dataset.from_list([{"prompt": p, "chosen": " " + c, "rejected": " " + r} for p, c, r in PAIRS])
    return trl.DPOTrainer(
        model=policy, ref_model=reference or copy.deepcopy(policy), args=trl.DPOConfig(**{**settings, **options}), train_dataset=data,
        processing_class=tokenizer(), callbacks=[callback] if callback else None,
    )  # fmt: skip


def test_a_right_run_is_silent(tmp_path):
    callback = DPOTheoryCallback(on_failure="raise")
    made = trainer(tmp_path)
    callback.attach(made)
    made.train()
    assert callback.batches == 4
    assert callback.report().passed, str(callback.report())
    assert callback.report()["jensen"].instances >= 4
    assert len(callback._reference) == 1, "the pairs did not come again"


def test_the_log_alone_is_enough(tmp_path):
    callback = DPOTheoryCallback(on_failure="raise")
    trainer(tmp_path, callback=callback, gradient_accumulation_steps=2, max_steps=2).train()
    assert callback.batches == 0
    assert callback.report()["margin"].instances == 2


def test_a_policy_that_is_not_the_reference(tmp_path):
    made = trainer(tmp_path, reference=model(seed=5), beta=5.0)
    DPOTheoryCallback(on_failure="raise").attach(made)
    with pytest.raises(VerificationError, match="first-loss: batch 1, step 0"):
        made.train()


def test_a_reference_that_is_the_policy(tmp_path):
    made = trainer(tmp_path)
    made.ref_model = made.model
    with pytest.raises(VerificationError, match="reference-apart"):
        DPOTheoryCallback(on_failure="raise").attach(made)


def test_a_reference_that_is_trained(tmp_path):
    made = trainer(tmp_path)
    callback = DPOTheoryCallback().attach(made)
    inner = made.compute_loss

    def drifting(*args, **kwargs):
        if made.state.global_step:
            with torch.no_grad():
                for weight in made.ref_model.parameters():
                    weight.add_(0.05 * torch.randn_like(weight))
        return inner(*args, **kwargs)

    made.compute_loss = drifting
    with pytest.warns(RuntimeWarning, match="reference-constant"):
        made.train()
    assert "reference-constant" in callback.warned


def test_a_loss_that_is_scaled(tmp_path):
    made = trainer(tmp_path)
    inner = made.compute_loss
    made.compute_loss = lambda *args, **kwargs: inner(*args, **kwargs) / 2
    DPOTheoryCallback(on_failure="raise").attach(made)
    with pytest.raises(VerificationError, match=r"log 2 / 2"):
        made.train()


def test_other_losses_are_judged_by_what_holds_for_them(tmp_path):
    callback = DPOTheoryCallback(on_failure="raise")
    made = trainer(tmp_path, loss_type="hinge")
    callback.attach(made)
    made.train()
    assert not callback.dpo
    assert callback.report()["margin"].instances == 4


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="expected 'warn' or 'raise'"):
        DPOTheoryCallback(on_failure="shout")
    with pytest.raises(ValueError, match="no DPOTrainer"):
        DPOTheoryCallback().attach(object())
