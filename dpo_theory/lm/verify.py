"""The claims and the checks of the toolkit, on a language model's own log-probabilities.

Three kinds of rows: statements about language models (`statements`), every claim of the registry that has a certificate on
bandits, with the model as the bandit, and every check of `check_loss` on pairs of the model's own completions.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from bandits.data import PairLogProbs
from dpo_theory.claims import registry
from dpo_theory.claims.claim import Measured
from dpo_theory.claims.runner import run
from dpo_theory.evidence import Counterexample, Evidence, Report, Verdict
from dpo_theory.instances import Rung
from dpo_theory.lm.instance import Instance, instance
from dpo_theory.lm.setting import Setting, tiny_setting
from dpo_theory.lm.statements.statement import NAMES, Statement, load

__all__ = ["DTYPES", "own_pairs", "verify_lm"]

DTYPES = {"float64": torch.float64, "float32": torch.float32, "bfloat16": torch.bfloat16}
CONTEXTS = (0.5, 0.3, 0.2)

# What a certificate costs grows with the number of completions, of pairs, or of triples and orders of them. Claims that are not named here
# compare completions two by two.
EACH_COMPLETION = frozenset(
    {
        *("D01", "D02b", "D03", "D03b", "D04", "D04b", "D04c", "D04e", "D05", "D16", "D17", "D19", "D20", "D21", "D22", "D22a", "D23"),
        *("D23b", "D24", "D24b", "D25b", "D25c", "D27", "D29", "D30", "D33"),
        *("C1", "C2", "C3", "C7", "C8", "C9", "C10", "C11", "C12", "C14", "C18", "C19", "C20"),
    }
)
EVERY_ORDER = frozenset(["D14", "D15", "D18", "D25"])


def verify_lm(
    setting: Setting | None = None,
    *,
    seed: int = 0,
    dtypes: Sequence[str] = ("float32", "bfloat16"),
    device: str = "cpu",
    claims: Sequence[str] | None = None,
    on_row: Callable[[Evidence, int, int], None] | None = None,
) -> Report:
    """Verify the theory on a language model, over all of its completions.

    Args:
        setting: the models, prompts and reward; by default two tiny transformers over 8 tokens, 4 of them a completion.
        seed: the seed of all randomness.
        dtypes: in which the statements are measured beside float64; reported, not judged.
        device: where the models are put.
        claims: ids of the claims of the registry to run; all that apply by default.
        on_row: called with (evidence, how many are done, how many there are) after each row.

    Returns:
        A Report; the rows of statements show their residuals in each dtype.

    >>> verify_lm(tiny_setting(vocab=4, length=2), claims=["D04"], dtypes=()).passed
    True
    """
    started = time.perf_counter()
    setting = tiny_setting(seed=seed) if setting is None else setting
    unknown = [name for name in dtypes if name not in DTYPES]
    if unknown:
        raise ValueError(f"dtype {unknown[0]!r} is unknown, expected some of {', '.join(DTYPES)}.")
    setting = setting.to(dtype=torch.float64, device=device)
    chosen = [claim for claim in map(registry.load, registry.ids() if claims is None else registry.resolve(claims)) if _applies(claim)]
    rows: list[Evidence] = []
    total = len(NAMES) + len(chosen) + 1

    def add(row: Evidence) -> None:
        rows.append(row)
        if on_row is not None:
            on_row(row, len(rows), total)

    for name in NAMES:
        add(_statement(load(name), setting, dtypes, seed))
    trees = _Trees(setting)
    for claim in chosen:
        found = trees.of(claim.id)
        rung = Rung(f"a language model with {found.bandit.n_actions:,} completions", found.bandit)
        row = run(claim, seed=seed, only=("certificate",), rungs=[rung])
        add(replace(row, sizes=f"{found.bandit.n_actions:,} completions"))
    add(_checks(setting, seed))
    name = f"{type(setting.policy).__name__}, {setting.ref.vocab} tokens, completions of up to {setting.length}"
    return Report(name, tuple(rows), total, seed, time.perf_counter() - started)


def _applies(claim: Any) -> bool:
    return claim.certify is not None and bool(inspect.signature(claim.certify).parameters) and claim.expects == "holds"


class _Trees:
    """The same models with all completions, with those of two tokens, and with those of one."""

    def __init__(self, setting: Setting) -> None:
        self.setting, self.made = setting, dict[int, Instance]()

    def of(self, id: str) -> Instance:
        length = self.setting.length if id in EACH_COMPLETION else 1 if id in EVERY_ORDER else min(2, self.setting.length)
        if length not in self.made:
            s = self.setting
            self.made[length] = instance(s.ref, s.prompts, length, s.reward, s.beta, eos=s.eos, context_probs=CONTEXTS)
        return self.made[length]


def _statement(statement: Statement, setting: Setting, dtypes: Sequence[str], seed: int) -> Evidence:
    began = time.perf_counter()
    measured = list(statement.measure(setting))
    worst = max(measured, key=_ratio)
    broken = next((m for m in measured if not m.met), None)
    others = []
    for name in dtypes:
        rounded = setting.to(dtype=DTYPES[name], device=str(setting.prompts[0].device))
        others.append(f"{name} {max(m.residual for m in statement.measure(rounded)):.1e}")
    return Evidence(
        id=statement.id,
        name=statement.name,
        kind="claim",
        statement=inspect.cleandoc(statement.statement),
        source=statement.source,
        declared=None,
        expected="holds",
        verdict=Verdict.HOLDS if broken is None else Verdict.REFUTED,
        failed=broken is not None,
        method="; ".join([f"float64 {worst.residual:.1e}", *others]),
        residual=worst.residual,
        tolerance=worst.tolerance,
        instances=len(measured),
        seed=seed,
        counterexample=None if broken is None else _counterexample(statement, broken),
        seconds=time.perf_counter() - began,
    )


def _ratio(measured: Measured) -> float:
    return measured.residual / (measured.tolerance or 1e-12)


def _counterexample(statement: Statement, broken: Measured) -> Counterexample:
    gap = np.abs(np.asarray(broken.got, dtype=float) - np.asarray(broken.expected, dtype=float))
    where = np.unravel_index(int(gap.argmax()), gap.shape) if gap.ndim else ()
    got, expected = np.broadcast_arrays(np.asarray(broken.got, dtype=float), np.asarray(broken.expected, dtype=float))
    module = next(name for name in NAMES if load(name) is statement)
    return Counterexample(
        broken.what,
        f"{expected[where]:.17g}",
        f"{got[where]:.17g}",
        f"residual {broken.residual:.3g}, tolerance {broken.tolerance:.1g}",
        "from dpo_theory.lm.setting import tiny_setting\nfrom dpo_theory.lm.statements.statement import load\n"
        f"for measured in load({module!r}).measure(tiny_setting()):\n    print(measured.what, measured.residual)",
    )


def own_pairs(setting: Setting, *, pairs: int = 256, seed: int = 0) -> PairLogProbs:
    """Pairs of the model's own completions, drawn from the policy without replacement within a pair, with their lengths; NumPy, float64.

    >>> pairs = own_pairs(tiny_setting(vocab=4, length=2), pairs=32)
    >>> pairs.margin.shape, bool((pairs.chosen_tokens != pairs.rejected_tokens).any())
    ((32,), True)
    """
    from dpo_theory.lm.enumerate import every_completion

    rng = np.random.default_rng(seed)
    columns: list[np.ndarray] = []
    shares = np.array_split(np.arange(pairs), len(setting.prompts))
    for prompt, share in zip(setting.prompts, shares, strict=True):
        with torch.no_grad():
            _, sizes, scored = every_completion([setting.policy, setting.ref], prompt, setting.length, eos=setting.eos)
        policy, ref, lengths = (x.double().cpu().numpy() for x in (*scored, sizes))
        first = rng.choice(len(policy), size=len(share), p=np.exp(policy) / np.exp(policy).sum())
        second = (first + rng.integers(1, len(policy), size=len(share))) % len(policy)
        columns.append(np.stack([policy[first], policy[second], ref[first], ref[second], lengths[first], lengths[second]]))
    return PairLogProbs(*np.concatenate(columns, axis=1))


def _checks(setting: Setting, seed: int) -> Evidence:
    """One row that sums up `check_loss` for DPO on the model's own pairs."""
    from dpo_theory.checks.runner import check_loss
    from dpo_theory.losses.dpo import DPO

    began = time.perf_counter()
    report = check_loss(DPO(beta=setting.beta), seed=seed, pairs=own_pairs(setting, seed=seed))
    worst = next((row for row in report if row.failed), None)
    return Evidence(
        id="checks",
        name="DPO passes every check on pairs of the model's own completions",
        kind="claim",
        statement="Every check of check_loss, measured on pairs that the policy writes itself.",
        source="",
        declared=None,
        expected="holds",
        verdict=Verdict.HOLDS if report.passed else Verdict.REFUTED,
        failed=not report.passed,
        method=f"{report.ran} checks: " + ", ".join(f"{count} {verdict}" for verdict, count in report.counts.items()),
        instances=report.ran,
        seed=seed,
        counterexample=None if worst is None else worst.counterexample,
        seconds=time.perf_counter() - began,
        reason="" if worst is None else f"{worst.id}: {worst.reason}",
        parts=report.rows,
    )
