"""What the numbers of a run must satisfy, record by record; averages over micro-batches keep every one of these."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

from dpo_theory.checks.check import Finding, holds, not_applicable
from dpo_theory.monitor.log import Log, Record
from dpo_theory.monitor.row import broken

__all__ = ["RULES"]

LOG2 = math.log(2.0)
ROUNDED = 2e-3  # logs are rounded, and steps averaged with unequal weights
MANY = 5  # records from which on "for ever" is said
OTHER = "it speaks of the DPO loss, and another loss was declared"
FIRST_VALUES = (
    (1.0, "1: the first value of the hinge and APO losses"),
    (0.8466, "0.8466: the first value of DiscoPOP"),
    (0.5108, "0.5108: the first value of EXO at label smoothing 0.1"),
    (2 * LOG2, "2 log 2: that of NCA and BCO, or two accumulated micro-batches summed"),
)


def readable(log: Log, dpo: bool) -> Finding:
    """Every line can be read."""
    if log.broken:
        listed = "; ".join(f"line {line}: {why}" for line, why in log.broken[:10])
        more = f"; {len(log.broken) - 10} more" if len(log.broken) > 10 else ""
        because = "a run that was killed while writing, two processes writing one file, or other output in between"
        return broken(
            f"{len(log.broken)} of {len(log.broken) + len(log.records) + log.others} lines", "one object each", listed + more, because
        )
    return holds(len(log.records) + log.others, 0.0, 0.0)


def finite(log: Log, dpo: bool) -> Finding:
    """Every number is finite."""
    for record in log.records:
        for key, value in record.numbers.items():
            if not math.isfinite(value):
                before = [other for other in log.records if other.line < record.line]
                last = f"; {before[-1].where} was finite" if before else ""
                because = "overflow in half precision, log(0) where log_softmax is not used, an empty completion, or a rate too high" + last
                return broken(f"{record.where}: {key}", "a finite number", str(value), because)
    return holds(len(log.records), 0.0, 0.0) if log.records else not_applicable("no records")


def first_loss(log: Log, dpo: bool) -> Finding:
    """The first loss is log 2 = 0.693: before training the policy is the reference."""
    if not dpo:
        return not_applicable(OTHER)
    rows = log.column("loss")
    if not rows:
        return not_applicable("no loss is logged")
    record, loss = rows[0]
    if record.step is not None and record.step > 100:
        return not_applicable(f"the log begins at step {record.step:g}")
    rewards = [abs(value) for key in ("chosen", "rejected", "margin") if (value := record[key]) is not None]
    moved = max(rewards, default=0.0)
    early = record.step is not None and record.step <= 1
    if rewards and early and moved > 0.05:
        because = "the policy is not the reference before training: another checkpoint, dropout left on, or other precision or masks"
        return broken(record.where, "rewards of 0", f"up to {moved:.4g}", because, residual=moved)
    allowed = 0.01 + moved if rewards else 0.1
    off = abs(loss - LOG2)
    if not off <= allowed:
        return broken(record.where, "0.693 (log 2)", f"{loss:.4g}", _instead(loss), residual=off)
    return holds(1, off, allowed, method=f"{loss:.4g} at {record.where}")


def margin(log: Log, dpo: bool) -> Finding:
    """The margin is the chosen reward less the rejected reward."""
    seen, worst = 0, 0.0
    for record in log.records:
        chosen, rejected, told = record["chosen"], record["rejected"], record["margin"]
        if chosen is None or rejected is None or told is None:
            continue
        seen += 1
        off = abs(told - (chosen - rejected))
        if off > ROUNDED * (1 + abs(chosen) + abs(rejected)):
            swapped = abs(told - (rejected - chosen)) <= ROUNDED * (1 + abs(chosen) + abs(rejected))
            because = "chosen and rejected are exchanged" if swapped else "they are averaged over other pairs, or over a part of the batch"
            return broken(record.where, f"{chosen - rejected:.6g}", f"{told:.6g}", because, residual=off)
        worst = max(worst, off)
    return holds(seen, worst, ROUNDED) if seen else not_applicable("rewards and margins are not logged together")


def jensen(log: Log, dpo: bool) -> Finding:
    """The loss is at least -log sigmoid(margin): the mean of a convex function is above the function of the mean (Jensen)."""
    if not dpo:
        return not_applicable(OTHER)
    seen, closest = 0, math.inf
    for record in log.records:
        loss, told = record["loss"], _margin(record)
        if loss is None or told is None or not math.isfinite(loss) or not math.isfinite(told):
            continue
        seen += 1
        least = _softplus(-told)
        closest = min(closest, loss - least)
        if loss < least - ROUNDED * (1 + least):
            because = (
                "no mean of -log sigmoid(margin) is so low: the loss is length-normalised, weighted or smoothed, divided by accumulated "
                "gradients once too often, or the margins are logged before beta"
            )
            return broken(record.where, f">= {least:.4g} at margin {told:.4g}", f"{loss:.4g}", because, residual=least - loss)
    return holds(seen, max(0.0, -closest), ROUNDED) if seen else not_applicable("loss and margin are not logged together")


def loss_and_accuracy(log: Log, dpo: bool) -> Finding:
    """Each pair that is ranked wrongly costs at least log 2; if all are ranked rightly the loss is below log 2."""
    if not dpo:
        return not_applicable(OTHER)
    seen = 0
    for record in log.records:
        loss, accuracy, told = record["loss"], record["accuracy"], _margin(record)
        if loss is None or accuracy is None or not math.isfinite(loss):
            continue
        seen += 1
        if not -1e-9 <= accuracy <= 1 + 1e-9:
            return broken(record.where, "an accuracy between 0 and 1", f"{accuracy:.6g}", "a percentage, or a sum over the batch")
        if loss < (1 - accuracy) * LOG2 - 0.02:
            because = "the accuracy and the loss are not those of one batch, or the loss is not -log sigmoid(margin)"
            return broken(record.where, f">= {(1 - accuracy) * LOG2:.4g} at accuracy {accuracy:.4g}", f"{loss:.4g}", because)
        if accuracy == 1 and (loss > LOG2 + ROUNDED or (told is not None and told < -ROUNDED)):
            because = (
                "every pair is said to be ranked rightly: chosen and rejected are exchanged in one place, or a term is added to the loss"
            )
            return broken(record.where, "a loss below 0.693 and a positive margin at accuracy 1", f"{loss:.4g}, {told}", because)
    return holds(seen, 0.0, 0.02) if seen else not_applicable("loss and accuracy are not logged together")


def logps_negative(log: Log, dpo: bool) -> Finding:
    """Log-probabilities are at most 0."""
    rows = [*log.column("logps_chosen"), *log.column("logps_rejected")]
    for record, value in rows:
        if value > 1e-3:
            return broken(record.where, "<= 0", f"{value:.6g}", "negative log-likelihoods, or logits that were not normalised")
    return holds(len(rows), 0.0, 1e-3) if rows else not_applicable("no log-probabilities are logged")


def rewards_move(log: Log, dpo: bool) -> Finding:
    """Rewards leave zero once training has begun."""
    rows = [
        (r, max(abs(r["chosen"] or 0.0), abs(r["rejected"] or 0.0), abs(r["margin"] or 0.0))) for r in log.records if _margin(r) is not None
    ]
    later = rows[1:]
    if len(later) < MANY - 1:
        return not_applicable(f"fewer than {MANY} records with rewards")
    if all(size == 0 for _, size in later):
        because = (
            "the reference is the policy itself (one object, or an adapter that is not switched off), the policy gets no gradient, "
            "or the learning rate is 0"
        )
        return broken(f"{later[0][0].where} to {later[-1][0].where}", "rewards other than 0", "exactly 0 in every record", because)
    return holds(len(later), 0.0, 0.0)


def loss_moves(log: Log, dpo: bool) -> Finding:
    """The loss leaves log 2."""
    if not dpo:
        return not_applicable(OTHER)
    rows = log.column("loss")[1:]
    if len(rows) < MANY - 1:
        return not_applicable(f"fewer than {MANY} records with a loss")
    if all(abs(loss - LOG2) < 1e-3 for _, loss in rows):
        because = (
            "the policy does not move: learning rate 0 or in warm-up, frozen parameters, chosen and rejected the same text, or the "
            "reference following the policy"
        )
        return broken(f"{rows[0][0].where} to {rows[-1][0].where}", "a loss that leaves 0.693", "0.693 in every record", because)
    return holds(len(rows), 0.0, 1e-3)


def accuracy_moves(log: Log, dpo: bool) -> Finding:
    """The reward accuracy is not the same exact number for ever."""
    rows = log.column("accuracy")
    if len(rows) < MANY:
        return not_applicable(f"fewer than {MANY} records with an accuracy")
    values = {value for _, value in rows}
    if values in ({0.5}, {0.0}):
        (value,) = values
        because = (
            "chosen and rejected are the same text after truncation, so that every margin is a tie"
            if value == 0
            else "pairs stand in both orders, or ties are counted half: chosen and rejected are not told apart"
        )
        return broken(f"{len(rows)} records", "an accuracy that moves", f"exactly {value:g} in every record", because)
    return holds(len(rows), 0.0, 0.0)


def likelihoods_rise(log: Log, dpo: bool) -> Finding:
    """The chosen answers do not lose likelihood along with the rejected ones."""
    chosen, rejected = log.column("logps_chosen"), log.column("logps_rejected")
    if len(chosen) < 2 * MANY or len(rejected) < 2 * MANY:
        return not_applicable(f"fewer than {2 * MANY} records with log-probabilities")
    falls = [_mean(rows[-MANY:]) - _mean(rows[:MANY]) for rows in (chosen, rejected)]
    noise = max(_spread(rows[:MANY]) for rows in (chosen, rejected))
    if all(fall < -max(noise, 1e-3) for fall in falls):
        because = (
            "no fault: the loss sees the margin only, and the rejected falls faster (displacement). If the chosen should not fall, add a "
            "likelihood term (RPO, DPOP), or use a loss that sees it (NCA, APO)"
        )
        return broken(
            f"{chosen[0][0].where} to {chosen[-1][0].where}", "not both falling", f"{falls[0]:+.4g} and {falls[1]:+.4g} nats", because
        )
    return holds(len(chosen), 0.0, 0.0)


def steps_follow(log: Log, dpo: bool) -> Finding:
    """Steps rise evenly, without gaps or repetitions."""
    steps = [(record, record.step) for record in log.records if record.step is not None]
    if len(steps) < 3:
        return not_applicable("fewer than three records tell their step")
    gaps = [after[1] - before[1] for before, after in itertools.pairwise(steps) if after[1] > before[1]]
    usual = sorted(gaps)[len(gaps) // 2] if gaps else 1.0
    found = []
    for (before, low), (after, high) in itertools.pairwise(steps):
        if high < low:
            found.append(f"back from step {low:g} to {high:g} at record {after.line}")
        elif high == low and before.numbers.keys() & after.numbers.keys():
            found.append(f"step {high:g} twice, records {before.line} and {after.line}")
        elif high - low > 1.5 * usual:
            found.append(f"nothing between steps {low:g} and {high:g}, records {before.line} and {after.line}")
    if found:
        because = "a run that was resumed, two runs in one file, or lines that were lost"
        return broken(f"{len(found)} places", f"a record every {usual:g} steps", "; ".join(found[:10]), because)
    return holds(len(steps), 0.0, 0.0)


_FAULTS = (
    readable, finite, first_loss, margin, jensen, loss_and_accuracy, logps_negative, rewards_move, loss_moves, accuracy_moves,
)  # fmt: skip
_NOTES = (likelihoods_rise, steps_follow)
RULES: tuple[tuple[Callable[[Log, bool], Finding], bool], ...] = (*((r, True) for r in _FAULTS), *((r, False) for r in _NOTES))


def _margin(record: Record) -> float | None:
    chosen, rejected = record["chosen"], record["rejected"]
    return record["margin"] if chosen is None or rejected is None else chosen - rejected


def _instead(loss: float) -> str:
    for value, what in FIRST_VALUES:
        if abs(loss - value) < 0.01:
            return what
    whole = loss / LOG2
    if whole > 1.5 and abs(whole - round(whole)) < 0.03:
        return f"{round(whole)} times log 2: the sum over {round(whole)} accumulated micro-batches or pairs, not their mean"
    if 0 < whole < 0.75 and abs(1 / whole - round(1 / whole)) < 0.03:
        return f"log 2 / {round(1 / whole)}: divided by accumulated gradients or the batch size once too often"
    return "not -log sigmoid of a margin that starts at 0: another loss (then declare it), a term added, or another reference"


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def _mean(rows: list[tuple[Record, float]]) -> float:
    return sum(value for _, value in rows) / len(rows)


def _spread(rows: list[tuple[Record, float]]) -> float:
    middle = _mean(rows)
    return math.sqrt(sum((value - middle) ** 2 for _, value in rows) / len(rows))
