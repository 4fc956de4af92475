import json

import pytest
import torch

from dpo_theory.cli import main


def test_verify_reports_and_exits_with_the_verdict(capsys):
    assert main(["lm", "verify", "--vocab", "4", "--length", "2"]) == 0
    assert "All as expected" in capsys.readouterr().out


def test_train_writes_json(capsys):
    assert main(["lm", "train", "--vocab", "3", "--length", "2", "--steps", "2", "--every", "1", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "dpo-theory/lm-train"
    assert [s["step"] for s in found["snapshots"]] == [0, 1, 2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["verify", "--vocab", "64", "--length", "12"], "the largest length that fits is"),
        (["verify", "--dtype", "float32"], "judged in float64"),
        (["verify", "--vocab", "2"], "at least 3"),
        (["train", "--beta", "0"], "--beta is 0.0"),
        (["train", "--loss", "KTO"], "pass a pair loss"),
        (["train", "--loss", "NoLoss"], "NoLoss"),
        (["verify", "--device", "nowhere"], "cannot be used"),
    ],
)
def test_bad_input_gives_one_message(arguments, said, capsys):
    assert main(["lm", *arguments]) == 2
    error = capsys.readouterr().err
    assert said.lower() in error.lower()
    assert "Traceback" not in error


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here: the walk was verified on the CPU only")
def test_the_walk_on_a_gpu_agrees_with_the_cpu():
    from dpo_theory.lm.setting import tiny_setting
    from dpo_theory.lm.sums import sequence_kl

    here = tiny_setting(vocab=6, length=4)
    there = here.to(dtype=torch.float64, device="cuda")
    for cold, hot in zip(here.prompts, there.prompts, strict=True):
        left = sequence_kl(here.policy, here.ref, cold, 4, eos=0)
        assert sequence_kl(there.policy, there.ref, hot, 4, eos=0) == pytest.approx(left, abs=1e-12)
