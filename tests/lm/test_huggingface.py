import json

import pytest
import torch

from dpo_theory.cli import main
from dpo_theory.lm import HuggingFaceLM, every_completion, load_folder
from dpo_theory.lm.score import read_examples
from dpo_theory.lm.statements.prefix_tree import one_by_one

pytest.importorskip("transformers", reason="needs transformers: pip install 'dpo-theory[hf]'")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
WORDS = ("<end>", "a", "b", "c", "d", "e", "f", "g")


def gpt2(vocab=8):
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=vocab, n_positions=32, n_embd=16, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0, initializer_range=0.5
    )
    return GPT2LMHeadModel(config)


def tokenizer(words=WORDS):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<end>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<end>", unk_token="<end>")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("model")
    gpt2().save_pretrained(path)
    tokenizer().save_pretrained(path)
    return path


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs.jsonl"
    rows = [{"prompt": "a b", "chosen": "c d e <end>", "rejected": "f"}, {"prompt": "g", "chosen": "a", "rejected": "b c d"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_tree_of_a_hugging_face_model_is_right():
    lm, prompt = HuggingFaceLM(gpt2().double()), torch.tensor([1, 2, 3])
    with torch.no_grad():
        tokens, _, (log_probs,) = every_completion([lm], prompt, 3, eos=0, nodes_at_once=10)
        assert torch.allclose(log_probs, one_by_one(lm, prompt, tokens), atol=1e-12)
        assert abs(float(log_probs.logsumexp(0))) < 1e-12
    assert len({tuple(row) for row in tokens.tolist()}) == len(tokens) == 1 + 7 + 49 + 343


def test_score_writes_what_the_model_says(folder, pairs, tmp_path, capsys):
    out = tmp_path / "scores.jsonl"
    assert main(["lm", "score", str(pairs), "--model", str(folder), "--ref", str(folder), "--dtype", "float64", "-o", str(out)]) == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert "3 of 4 completions do not end with the end token; it was added" in capsys.readouterr().err
    assert [row["chosen_tokens"] for row in rows] == [4, 2]
    assert [row["margin"] for row in rows] == [0.0, 0.0]
    lm, words = load_folder(folder, dtype=torch.float64)
    with torch.no_grad():
        expected = one_by_one(lm, torch.tensor(words("a b")["input_ids"]), torch.tensor([words("c d e <end>")["input_ids"]]))
    assert rows[0]["chosen_logp"] == pytest.approx(float(expected[0]), abs=1e-12)


def test_without_a_reference_there_are_no_rewards(folder, pairs, capsys):
    assert main(["lm", "score", str(pairs), "--model", str(folder), "--no-eos"]) == 0
    row = json.loads(capsys.readouterr().out.splitlines()[0])
    assert "margin" not in row
    assert row["rejected_tokens"] == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 1 is not JSON"),
        ("[1]", "line 1 holds list"),
        ('{"prompt": "a", "chosen": "b"}', "line 1 has no 'rejected'"),
        ('{"prompt": "a", "chosen": "", "rejected": "b"}', "chosen is empty"),
        ('{"prompt": "a", "chosen": [{"role": "x"}], "rejected": "b"}', "chosen is list, expected text"),
    ],
)
def test_bad_lines_are_named(line, said):
    with pytest.raises(ValueError, match=said):
        list(read_examples([line], "pairs.jsonl"))


def test_a_folder_that_is_no_model(tmp_path, pairs, capsys):
    assert main(["lm", "score", str(pairs), "--model", str(tmp_path / "absent")]) == 2
    assert "is no folder" in capsys.readouterr().err
    assert main(["lm", "score", str(pairs), "--model", str(tmp_path)]) == 2
    assert "holds no config.json" in capsys.readouterr().err


def test_a_broken_model_folder(tmp_path, pairs, capsys):
    (tmp_path / "config.json").write_text('{"model_type": "no-such-model"}')
    assert main(["lm", "score", str(pairs), "--model", str(tmp_path)]) == 2
    assert "does not load as a causal language model" in capsys.readouterr().err


def test_a_tokenizer_of_another_model(tmp_path, pairs, capsys):
    gpt2(vocab=5).save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    assert main(["lm", "score", str(pairs), "--model", str(tmp_path)]) == 2
    assert "has 8 tokens, the model 5" in capsys.readouterr().err


def test_logits_that_are_not_numbers(tmp_path, pairs, capsys):
    model = gpt2()
    with torch.no_grad():
        model.transformer.wte.weight[3, 0] = float("nan")
    model.save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    assert main(["lm", "score", str(pairs), "--model", str(tmp_path)]) == 2
    assert "not a number" in capsys.readouterr().err


def test_nothing_to_score(tmp_path, folder, capsys):
    (tmp_path / "none.jsonl").write_text("\n")
    assert main(["lm", "score", str(tmp_path / "none.jsonl"), "--model", str(folder)]) == 3
    assert "nothing was scored" in capsys.readouterr().err
    assert main(["lm", "score", str(tmp_path / "absent.jsonl"), "--model", str(folder)]) == 2
