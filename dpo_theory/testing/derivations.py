"""The derivation of a claim, shown in a notebook: its steps call the shipped formulas, and a step that does not close is marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dpo_theory.report.derivation import Derivation as Written
from dpo_theory.report.derivation import Line

__all__ = ["Derivation", "derivation"]


@dataclass(frozen=True, repr=False)
class Derivation:
    """A derivation that displays itself.

    Args:
        title: id and name of the claim.
        lines: the steps that are shown.
        open_steps: what those steps say that are not proved; empty where the derivation stands.
    """

    title: str
    lines: tuple[Line, ...]
    open_steps: tuple[str, ...]

    @property
    def proved(self) -> bool:
        """Every step that is shown is closed by the prover."""
        return not self.open_steps

    @property
    def verdict(self) -> str:
        """How the steps stand, in a sentence."""
        if self.proved:
            return f"{len(self.lines)} of {len(self.lines)} steps are proved, from the formulas that run."
        return f"Not proved: {'; '.join(self.open_steps)}."

    def __str__(self) -> str:
        steps = (f"{number}. {line.claim}\n    {line.text}" for number, line in enumerate(self.lines, start=1))
        return "\n".join([self.title, *steps, self.verdict])

    def __repr__(self) -> str:
        return str(self)

    def _repr_latex_(self) -> str:
        steps = "".join(rf"\text{{{_words(line.claim)}}}:\quad & {line.latex} \\ " for line in self.lines)
        return rf"$$\begin{{aligned}} {steps}\end{{aligned}}$$"

    def _repr_html_(self) -> str:
        from dpo_theory.report.html import escape, styled

        return styled(f"<h4>{escape(self.title)}</h4>{Written(self.lines).to_html()}<p>{escape(self.verdict)}</p>")


def derivation(name: str, steps: Sequence[int] | None = None) -> Derivation:
    """The derivation of a claim, run now: every step is written from the shipped formulas, proved, and replayed on numbers.

    Args:
        name: id or alias of the claim.
        steps: the numbers of the steps to show, the first is 1; all of them by default.

    Returns:
        A Derivation; a notebook shows its formulas without network.

    Raises:
        UnknownClaim: no claim is called so.
        ValueError: the claim has no derivation, or no step of that number.

    >>> found = derivation("eq5")
    >>> found.proved, [line.claim for line in found.lines]
    (True, ['eq. 5', 'log Z of an implicit reward', 'pi is optimal for its implicit reward'])
    """
    from dpo_theory.claims import registry

    claim = registry.load(registry.resolve([name])[0])
    if claim.derive is None:
        raise ValueError(f"{claim.id} has no derivation: its evidence is measured. `dpo-theory show {claim.id}` shows it.")
    written = Written.of(claim)
    if written.stopped:
        return Derivation(f"{claim.id}: {claim.name}", written.lines, (f"the derivation stopped, {written.stopped}",))
    derived = tuple(claim.derive())
    chosen = tuple(range(1, len(derived) + 1)) if steps is None else tuple(steps)
    wrong = [number for number in chosen if not 1 <= number <= len(derived)]
    if wrong:
        raise ValueError(f"{claim.id} has no step {wrong[0]}; its steps are 1 to {len(derived)}.")
    judged = [(derived[number - 1].claim, derived[number - 1].judge()) for number in chosen]
    open_steps = tuple(said for said, outcome in judged if not outcome.proved)
    return Derivation(f"{claim.id}: {claim.name}", tuple(written.lines[number - 1] for number in chosen), open_steps)


def _words(said: str) -> str:
    from dpo_theory.report.shown import latex

    return latex(said)
