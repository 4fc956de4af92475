"""`dpo-theory lm`: the same claims and checks on language models, over all of their completions."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from dpo_theory.cli._output import add_output_options, check_output, emit
from dpo_theory.cli._progress import Progress
from dpo_theory.cli.verify import seed

__all__ = ["configure", "run"]

EXAMPLES = """\
examples:
  dpo-theory lm verify                                    every claim that applies, on a tiny transformer
  dpo-theory lm verify --vocab 5 --length 3 --no-eos      other sizes; completions of fixed length
  dpo-theory lm train --loss 'IPO(tau=0.5)'               where a loss takes the policy, exactly
  dpo-theory lm train --data rlhf --trainable head        the exact policy gradient in a restricted class
  dpo-theory lm score pairs.jsonl --model FOLDER --ref FOLDER -o scores.jsonl
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EXAMPLES
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    verify = actions.add_parser("verify", help="the claims and the checks on a language model", allow_abbrev=False)
    _sizes(verify, 8, 4, 0.3)
    add_output_options(verify, ("text", "json", "junit", "markdown", "html"))
    train = actions.add_parser("train", help="train a tiny model, with its distance to the optimum known exactly", allow_abbrev=False)
    _sizes(train, 4, 3, 0.9)
    train.add_argument(
        "--loss", default=None, metavar="LOSS", help="a pair loss of the library, as in 'IPO(tau=0.5)'; default DPO with --beta"
    )
    train.add_argument("--data", choices=("population", "all-pairs", "sampled", "rlhf"), default="population")
    train.add_argument("--pairs", type=_positive, default=64, metavar="N", help="sampled pairs for each prompt")
    train.add_argument("--steps", type=_positive, default=100, metavar="N")
    train.add_argument("--every", type=_positive, default=10, metavar="N", help="steps between two lines of the table")
    train.add_argument("--optimiser", choices=("lbfgs", "adam"), default="lbfgs")
    train.add_argument(
        "--trainable", choices=("all", "head"), default="all", help="head: a log-linear class, which cannot reach the optimum"
    )
    add_output_options(train, ("text", "json"))
    score = actions.add_parser("score", help="log-probabilities, implicit rewards and margins of texts", allow_abbrev=False)
    score.add_argument("file", metavar="FILE", help="JSON lines with prompt, chosen and rejected; - reads standard input")
    score.add_argument("--model", required=True, metavar="FOLDER", help="a local Hugging Face folder")
    score.add_argument("--ref", metavar="FOLDER", help="the reference; without it there are no rewards")
    score.add_argument("--beta", type=float, default=0.1, metavar="B", help="reward per nat (default 0.1)")
    score.add_argument("--no-eos", action="store_true", help="do not add the end token to completions that lack it")
    score.add_argument("-o", "--output", metavar="FILE", help="write JSON lines to FILE")
    _where(score, "float32")


def _sizes(parser: argparse.ArgumentParser, vocab: int, length: int, beta: float) -> None:
    parser.add_argument("--vocab", type=_positive, default=vocab, metavar="V", help=f"tokens (default {vocab})")
    parser.add_argument("--length", type=_positive, default=length, metavar="T", help=f"most tokens in a completion (default {length})")
    parser.add_argument("--no-eos", action="store_true", help="completions of exactly T tokens; by default token 0 ends one")
    parser.add_argument("--beta", type=float, default=beta, metavar="B", help=f"reward per nat (default {beta})")
    parser.add_argument("--seed", type=seed, default=0, metavar="N", help="the seed of all randomness (default 0)")
    parser.add_argument(
        "--budget", type=float, default=600.0, metavar="S", help="refuse what would take longer than S seconds (default 600)"
    )
    _where(parser, "float64")


def _where(parser: argparse.ArgumentParser, dtype: str) -> None:
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, ...; auto takes a GPU where there is one")
    parser.add_argument("--dtype", choices=("float64", "float32", "bfloat16"), default=dtype, help=f"of the model (default {dtype})")


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number >= 1.")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Run the action."""
    if args.action == "score":
        return _score(args)
    check_output(args)
    setting = _setting(args)
    return _verify(args, setting) if args.action == "verify" else _train(args, setting)


def _device(name: str) -> str:
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {name!r} cannot be used: {str(error).splitlines()[0]} Pass --device cpu.") from None
    return name


def _setting(args: argparse.Namespace) -> Any:
    import torch

    from dpo_theory.lm.budget import require_budget
    from dpo_theory.lm.setting import tiny_setting

    if not args.beta > 0:
        raise ValueError(f"--beta is {args.beta}, expected a positive number of reward per nat.")
    width = 64 if args.action == "verify" else 32
    setting = tiny_setting(
        vocab=args.vocab, length=args.length, eos=None if args.no_eos else 0, beta=args.beta, seed=args.seed, width=width
    ).to(dtype=getattr(torch, args.dtype), device=_device(args.device))
    by_itself = (len(setting.prompts[-1]) + args.length) * width * 16 * setting.rewards.element_size()  # a completion, scored alone
    require_budget(setting.ref, setting.prompts[-1], args.length, eos=setting.eos, keep=True, bytes_each=by_itself, seconds=args.budget)
    return setting


def _verify(args: argparse.Namespace, setting: Any) -> int:
    from dpo_theory.lm.verify import DTYPES, verify_lm

    if args.dtype != "float64":
        raise ValueError(f"--dtype {args.dtype}: verification is judged in float64 and shows {', '.join(list(DTYPES)[1:])} beside it.")
    with Progress(sys.stderr) as progress:
        report = verify_lm(setting, seed=args.seed, device=str(setting.prompts[0].device), on_row=progress)
    emit(report, args)
    return report.exit_code


def _train(args: argparse.Namespace, setting: Any) -> int:
    from dpo_theory.lm.train import train

    loss = None if args.loss is None else _loss(args.loss)
    with Progress(sys.stderr) as progress:

        def show(snapshot: Any, steps: int) -> None:
            progress.show(f"KL to the optimum {snapshot.kl_to_optimum:.2e}", snapshot.step, steps)

        done = train(
            setting, loss, data=args.data, pairs=args.pairs, steps=args.steps, optimiser=args.optimiser, trainable=args.trainable,
            every=args.every, seed=args.seed, on_step=show,
        )  # fmt: skip
    emit(done, args)
    return 0


def _loss(text: str) -> Any:
    from bandits.data import PairLogProbs
    from dpo_theory.cli import _target

    loss: Any = _target.prepared(*_target.load(text))
    if getattr(loss, "takes", PairLogProbs) is not PairLogProbs:
        raise ValueError(f"{text} takes {loss.takes.__name__}: training compares completions two by two. Pass a pair loss.")
    return loss


def _score(args: argparse.Namespace) -> int:
    import json

    import torch

    from dpo_theory.lm.score import read_examples

    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        import transformers
    except ModuleNotFoundError:
        raise ValueError("scoring needs transformers: pip install 'dpo-theory[hf]'") from None
    transformers.utils.logging.disable_progress_bar()
    from dpo_theory.lm.huggingface import load_folder
    from dpo_theory.lm.score import score

    if args.file != "-" and not Path(args.file).is_file():
        raise ValueError(f"there is no file {args.file}.")
    device, dtype = _device(args.device), getattr(torch, args.dtype)
    lines = sys.stdin if args.file == "-" else Path(args.file).read_text(encoding="utf-8").splitlines()
    examples = list(read_examples(lines, "standard input" if args.file == "-" else args.file))
    if not examples:
        print(f"dpo-theory lm: {args.file} holds no examples; nothing was scored.", file=sys.stderr)
        return 3
    model, tokenizer = load_folder(args.model, dtype=dtype, device=device)
    ref = None if args.ref is None else load_folder(args.ref, dtype=dtype, device=device)[0]
    records = []
    with Progress(sys.stderr) as progress:
        for record in score(examples, model, tokenizer, ref, beta=args.beta, append_eos=not args.no_eos):
            records.append(record)
            progress.show(f"line {record['line']}", len(records), len(examples))
    text = "".join(json.dumps({"schema": "dpo-theory/lm-score", "schema_version": 1, **record}) + "\n" for record in records)
    _note_missing_ends(records, tokenizer, args.no_eos)
    if args.output in (None, "-"):
        sys.stdout.write(text)
    else:
        Path(args.output).write_text(text, encoding="utf-8")
        print(f"written to {args.output}", file=sys.stderr)
    return 0


def _note_missing_ends(records: list[dict[str, Any]], tokenizer: Any, left_alone: bool) -> None:
    open_ended = sum(not record[f"{side}_ended"] for record in records for side in ("chosen", "rejected"))
    if tokenizer.eos_token_id is None:
        print("note: the tokenizer has no end token; completions are scored without one.", file=sys.stderr)
    elif open_ended:
        done = "they are scored without it (--no-eos)" if left_alone else "it was added (--no-eos leaves it out)"
        print(f"note: {open_ended} of {2 * len(records)} completions do not end with the end token; {done}.", file=sys.stderr)
