"""From rows to counts: every row is checked, none is dropped in silence, and memory grows with distinct rows only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bandits.door import Array
from dpo_theory.fitting.columns import Columns, Layout, find_layout
from dpo_theory.fitting.counting import Tally
from dpo_theory.fitting.names import alike, listed
from dpo_theory.fitting.preferences import Preferences
from dpo_theory.fitting.rankings import read_long, read_wide
from dpo_theory.fitting.sources import open_table
from dpo_theory.fitting.table import Chunk, Table, refuse
from dpo_theory.fitting.vocabulary import Vocabulary
from dpo_theory.fitting.weights import positive_weights

__all__ = ["read"]

POOLED = "all prompts"
_WORDS = {"left": 0, "right": 1, "tie": 2}


def read(source: Any, columns: Columns | None = None) -> Preferences:
    """Preferences from a file or table.

    Args:
        source: as `open_table`.
        columns: names of columns; the usual ones by default.

    Raises:
        ValueError: a row or column is not what it should be; the message names the file and line.

    >>> read({"left": ["a", "b"], "right": ["b", "a"], "winner": ["tie", "left"]}).ties.weight.tolist()
    [1.0]
    """
    table = open_table(source)
    layout = find_layout(table.header, columns or Columns(), table.name)
    contexts, items = Vocabulary(), Vocabulary()
    if layout.kind in ("long", "wide"):
        reader = read_long if layout.kind == "long" else read_wide
        rankings, rows = reader(table, layout, contexts, items)
        wins, ties = Tally().comparisons(), Tally().ties()
    else:
        won, tied, rows = Tally(), Tally(), 0
        for chunk in table.chunks(layout.names):
            rows += chunk.size
            _count(table, layout, chunk, contexts, items, won, tied)
        wins, ties, rankings = won.comparisons(), tied.ties(), ()
    if rows == 0:
        raise ValueError(f"{table.name} has column names but no rows.")
    if len(items) < 2:
        raise ValueError(f"{table.name} mentions one item only, {next(iter(items))!r}: nothing is compared with it.")
    names = tuple(contexts) or (POOLED,)
    notes = (*_notes(layout, contexts, items), *table.remarks)
    found = Preferences(table.name, names, tuple(items), wins, ties, rankings, rows, notes)
    if not np.isfinite(found.observations):
        raise ValueError(f"{table.name}: the weights add up to more than a float can hold. Divide them by a common factor.")
    return found


def _notes(layout: Layout, contexts: Vocabulary, items: Vocabulary) -> tuple[str, ...]:
    notes = []
    if "weight" in layout.roles:
        notes.append(f"The column {layout.roles['weight']} is taken as how often each row was seen.")
    if layout.unused:
        notes.append(f"Columns not read: {listed(layout.unused)}.")
    for kind, names in (("contexts", contexts), ("items", items)):
        if (pair := alike(names)) is not None:
            notes.append(f"Names of {kind} that differ only in spaces or capitals are kept apart, such as {pair[0]!r} and {pair[1]!r}.")
    return tuple(notes)


def _count(table: Table, layout: Layout, chunk: Chunk, contexts: Vocabulary, items: Vocabulary, won: Tally, tied: Tally) -> None:
    roles = layout.roles
    context = contexts.codes(table, chunk, roles["prompt"])[:, 0] if "prompt" in roles else np.zeros(chunk.size, dtype=np.int64)
    weight = positive_weights(table, chunk, roles.get("weight"))
    first, second = ("chosen", "rejected") if layout.kind == "pairs" else ("left", "right")
    left, right = items.codes(table, chunk, roles[first], roles[second]).T
    same = left == right
    if same.any():
        row = int(np.flatnonzero(same)[0])
        name = chunk.columns[roles[first]][row]
        raise refuse(table, chunk.start + row, f"{name!r} is compared with itself", "Such a row says nothing: remove it.")
    if layout.kind == "pairs":
        won.add(context, left, right, weight)
        return
    outcome = _outcomes(table, layout, chunk, items)
    tie, right_won = outcome == 2, outcome == 1
    tied.add(context[tie], np.minimum(left, right)[tie], np.maximum(left, right)[tie], weight[tie])
    chosen, rejected = np.where(right_won, right, left), np.where(right_won, left, right)
    won.add(context[~tie], chosen[~tie], rejected[~tie], weight[~tie])


def _outcomes(table: Table, layout: Layout, chunk: Chunk, items: Vocabulary) -> Array:
    """(N,) 0 left won, 1 right won, 2 tie; a winner is `left`, `right`, `tie` or the name of an item."""
    texts = chunk.columns[layout.roles["winner"]]
    words = Vocabulary()
    codes = words.codes(table, chunk, layout.roles["winner"])[:, 0]
    outcome = np.array([_WORDS.get(word, -1) for word in words])[codes]
    sides = chunk.columns[layout.roles["left"]], chunk.columns[layout.roles["right"]]
    if any(word in items for word in _WORDS):
        _refuse_two_readings(table, chunk, texts, sides)
    for row in map(int, np.flatnonzero(outcome < 0)):
        try:
            outcome[row] = (sides[0][row], sides[1][row]).index(texts[row])
        except ValueError:
            raise refuse(
                table, chunk.start + row, f"the winner is {texts[row]!r}, which is neither {sides[0][row]!r} nor {sides[1][row]!r}",
                "Write left, right, tie, or the name of one of the two.",
            ) from None  # fmt: skip
    return outcome


def _refuse_two_readings(table: Table, chunk: Chunk, texts: Sequence[str], sides: tuple[Sequence[str], Sequence[str]]) -> None:
    """A winner `left` on a row whose right item has that name, and the like, says two things."""
    for row, (text, *pair) in enumerate(zip(texts, *sides, strict=True)):
        if text in pair and _WORDS.get(text, pair.index(text)) != pair.index(text):
            found = f"the winner is {text!r}, which is an outcome and the name of an item"
            raise refuse(table, chunk.start + row, found, "Rename the item.")
