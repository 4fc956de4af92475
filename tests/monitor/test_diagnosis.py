"""Logs of right and wrong runs: simulated by the loss itself, so that every identity holds unless it is broken on purpose."""

import json

import numpy as np
import pytest

from dpo_theory.cli import main
from dpo_theory.evidence import Verdict
from dpo_theory.monitor import diagnose, read_log

LOG2 = float(np.log(2.0))


def run(steps=12, seed=0, drift=0.04):
    """Records of a DPO run, keys of TRL: means over 8 pairs."""
    rng = np.random.default_rng(seed)
    found = []
    for k in range(steps):
        chosen = rng.normal(drift * k / 2, 0.1, 8) * (k > 0)
        rejected = rng.normal(-drift * k / 2, 0.1, 8) * (k > 0)
        margin = chosen - rejected
        found.append(
            {
                "step": 10 * k + 1, "epoch": k / 10, "grad_norm": 1.0, "learning_rate": 1e-6,
                "loss": float(np.logaddexp(0, -margin).mean()), "rewards/chosen": float(chosen.mean()),
                "rewards/rejected": float(rejected.mean()),
                "rewards/margins": float(margin.mean()), "rewards/accuracies": float((margin > 0).mean()),
                "logps/chosen": float(-100 + 10 * chosen.mean()), "logps/rejected": float(-120 + 10 * rejected.mean()),
            }
        )  # fmt: skip
    return found


def changed(**columns):
    return [{**record, **{key.replace("__", "/"): value(record) for key, value in columns.items()}} for record in run()]


def failed(history, **options):
    return [row.id for row in diagnose(history, **options).failed]


@pytest.mark.parametrize("seed", range(5))
def test_a_right_run_passes(seed):
    report = diagnose(run(seed=seed))
    assert report.passed, str(report)
    assert not any(row.verdict == Verdict.REFUTED for row in report)


BROKEN = {
    "first-loss": (changed(loss=lambda r: 4 * r["loss"]), "4 times log 2"),
    "margin": (changed(rewards__margins=lambda r: -r["rewards/margins"]), "exchanged"),
    "jensen": (changed(loss=lambda r: r["loss"] * (1 if r["step"] == 1 else 0.6)), "length-normalised"),
    "loss-and-accuracy": (changed(rewards__accuracies=lambda r: 100 * r["rewards/accuracies"]), "percentage"),
    "logps-negative": (changed(logps__chosen=lambda r: 100.0), "negative log-likelihoods"),
    "finite": (changed(loss=lambda r: float("nan") if r["step"] > 50 else r["loss"]), "step 41 was finite"),
    "accuracy-moves": (changed(rewards__accuracies=lambda r: 0.5), "both orders"),
    "rewards-move": (
        changed(rewards__chosen=lambda r: 0.0, rewards__rejected=lambda r: 0.0, rewards__margins=lambda r: 0.0, loss=lambda r: LOG2),
        "the reference is the policy itself",
    ),
    "loss-moves": (changed(loss=lambda r: LOG2 + 1e-5), "does not move"),
}


@pytest.mark.parametrize("rule", BROKEN)
def test_each_fault_is_told(rule):
    history, said = BROKEN[rule]
    report = diagnose(history)
    assert rule in [row.id for row in report.failed]
    assert said in report[rule].counterexample.because
    assert report.exit_code == 1


@pytest.mark.parametrize(
    ("first", "said"),
    [(1.0, "hinge"), (2 * LOG2, "2 log 2"), (0.8466, "DiscoPOP"), (LOG2 / 4, "log 2 / 4"), (8 * LOG2, "8 times"), (3.0, "another loss")],
)
def test_the_first_loss_names_its_family(first, said):
    row = diagnose([{"step": 1, "loss": first, "rewards/margins": 0.0}])["first-loss"]
    assert row.failed
    assert said in row.counterexample.because


def test_a_policy_that_is_not_the_reference():
    history = run()
    history[0] |= {"rewards/chosen": 0.4, "rewards/rejected": -0.1, "rewards/margins": 0.5, "loss": 0.5}
    assert "not the reference" in diagnose(history)["first-loss"].counterexample.because


def test_another_loss_is_not_judged_by_dpo():
    history = changed(loss=lambda r: 25.0)
    assert set(failed(history)) == {"first-loss", "loss-and-accuracy"}
    assert failed(history, dpo=False) == []


def test_falling_likelihoods_are_explained_and_no_fault():
    history = changed(logps__chosen=lambda r: -100 - r["step"], logps__rejected=lambda r: -100 - 2 * r["step"])
    report = diagnose(history)
    assert report.passed
    assert report["likelihoods-rise"].verdict == Verdict.REFUTED
    assert "no fault" in report["likelihoods-rise"].counterexample.because


def test_gaps_and_repetitions_are_told():
    history = run()
    found = diagnose([*history[:4], *history[6:9], history[8], *history[2:4]])["steps-follow"]
    assert not found.failed
    assert "nothing between steps 31 and 61, records 4 and 5" in found.counterexample.got
    assert "step 81 twice" in found.counterexample.got
    assert "back from step 81 to 21" in found.counterexample.got


def test_llama_factory_and_openrlhf():
    factory = [
        {"current_steps": r["step"], "total_steps": 200, "loss": r["loss"], "accuracy": r["rewards/accuracies"], "lr": 1e-6} for r in run()
    ]
    assert failed(factory) == []
    openrlhf = [
        {"train/global_step": r["step"], "train/loss": r["loss"], "train/acc": r["rewards/accuracies"],
         "train/chosen_reward": r["rewards/chosen"], "train/reject_reward": r["rewards/rejected"]} for r in run()
    ]  # fmt: skip
    report = diagnose(openrlhf)
    assert report.passed
    assert report["jensen"].instances == 12
    assert "jensen" in failed([{**r, "train/loss": 0.01} for r in openrlhf])


def written(path, history, form):
    if form == "state":
        path.write_text(json.dumps({"global_step": 5, "log_history": [*history, {"step": 120, "train_runtime": 3.0, "train_loss": 0.3}]}))
    elif form == "list":
        path.write_text(json.dumps(history))
    elif form == "lines":
        path.write_text("\n".join(map(json.dumps, history)) + "\n")
    else:
        path.write_text("loading\n  3%|#   | 1/30\n" + "\n".join(str({k: f"{v:.5g}" for k, v in r.items()}) for r in history))
    return path


@pytest.mark.parametrize("form", ["state", "list", "lines", "printed"])
def test_every_form_of_log_is_read_alike(form, tmp_path):
    path = written(tmp_path / "log.json", run(), form)
    assert len(read_log(path).records) == 12
    assert diagnose(path).passed
    assert failed(written(path, BROKEN["margin"][0], form)) == ["margin"]


def test_damaged_lines_are_told_with_their_number(tmp_path, capsys):
    lines = list(map(json.dumps, run()))
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join([*lines[:3], '{"loss": 0.6', "\x00\x00", *lines[3:], "[1, 2]", '{"eval_loss": 0.6}', lines[-1][:20]]))
    report = diagnose(path)
    assert [row.id for row in report.failed] == ["readable"]
    assert "line 4: cut off; line 5: no JSON object; line 15: no JSON object; line 17: cut off" in report["readable"].counterexample.got
    assert main(["diagnose", str(path)]) == 1
    assert "line 4: cut off" in capsys.readouterr().out


def test_exit_codes(tmp_path, capsys):
    good, empty, nothing = written(tmp_path / "a.jsonl", run(), "lines"), tmp_path / "b.jsonl", tmp_path / "c.jsonl"
    empty.write_text("\n")
    nothing.write_text('{"eval_runtime": 3}\n')
    assert main(["diagnose", str(good)]) == 0
    assert main(["diagnose", str(written(tmp_path / "d.jsonl", BROKEN["jensen"][0], "lines"))]) == 1
    assert main(["diagnose", str(tmp_path / "none.jsonl")]) == 2
    assert main(["diagnose", str(empty)]) == 2
    assert main(["diagnose", str(nothing)]) == 3
    assert "there is no file" in capsys.readouterr().err
    assert main(["diagnose", str(good), "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "dpo-theory/report"
    assert document["passed"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"log_history": [{"loss": 0.6', "cut off or damaged"),
        ('{"log_history": []}', "is empty: nothing was logged"),
        ('{"log_history": 3}', "expected a list of records"),
        ("no log at all", "holds no record"),
        ("[1, 2]", "holds no record"),
    ],
)
def test_files_that_are_no_logs_are_refused(text, message, tmp_path):
    path = tmp_path / "log"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_log(path)
