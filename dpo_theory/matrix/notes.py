"""Where published tables or papers say otherwise, or say less: what resolves it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["NOTES", "Note", "note"]


@dataclass(frozen=True)
class Note:
    """One sentence about one cell, or about the same column of several losses.

    Args:
        losses: labels.
        column: its name.
        shown: what the cell has to show for the note to be true of it.
        text: the sentence.
    """

    losses: tuple[str, ...]
    column: str
    shown: str
    text: str


IN_LOG_PI = (
    "Convex in the two log-probabilities; log pi is concave in logits, and where the loss grows with one of them, or weighs them "
    "unequally, a line of logits shows it."
)

NOTES = (
    Note(("RobustDPO",), "BT", "n", "On labels flipped at its rate, for which it is made, its mean is DPO's loss: see the next line."),
    Note(("RobustDPO",), "=RLHF", "n", "On labels flipped at its rate, for which it is made, its mean is DPO's loss: see the next line."),
    Note(
        ("RobustDPO", "RobustDPO, labels flipped"), "Flip", "n",
        "Flips at the rate that it is told leave the optimum of clean labels (BT and =RLHF of the line of flipped labels); flips that it "
        "is not told of move it.",
    ),
    Note(("IPO",), "Van", "n", "Zero at the target 1/(2 tau), and growing without end beyond it: the column asks for the limit."),
    Note(
        ("TruncatedQuadratic",), "Intr", "not Borda",
        "Borda while all margins of the optimum lie inside the truncation, where it is SquaredGPO; the counterexample has one beyond.",
    ),
    Note(("NCA", "BCOPair", "SPPO", "SimPO"), "Cvx", "in log pi", IN_LOG_PI),
    Note(
        ("InfoNCA",), "BT", "n",
        "On pairs the rewards are 1 and 0 whoever wins oftener: the soft label is s(1/alpha) for every pair. With rewards of their own, "
        "K answers are at rest at beta (h_i - h_j) = (r_i - r_j) / alpha.",
    ),
    Note(
        ("InfoNCA",), "=RLHF", "n",
        "On pairs the rewards are 1 and 0 whoever wins oftener; with rewards of their own and alpha = 1 the optimum is that of RLHF.",
    ),
    Note(("InfoNCA",), "Van", "n", "Soft labels: the pull does not vanish, it turns round. With hard labels it is DPO: next line."),
    Note(("SimPO",), "Tr", "n", "Unchanged at equal lengths; at unequal ones the same number weighs 1/|y| on each side."),
    Note(
        ("ForwardKLDPO", "JensenShannonDPO", "AlphaDivergenceDPO", "ChiPO", "SquaredPO"), "Cvx", "n",
        "Convex in the margin of f'(pi / pi_ref), not in logits.",
    ),
    Note(("InfoNCA",), "Mon", "n", "Soft labels: beyond the margin 1/(alpha beta) the loss rises again. With hard labels it is DPO."),
    Note(
        ("APODown",), "Flip", "y",
        "At P(chosen wins) = p > 1/2 the risk of a pair is at least 1 - p, and comes near it only with h_w - h_l to infinity and both to "
        "minus infinity: noise below one half changes the bound, not the way there.",
    ),
    Note(
        ("SPPO",), "Van", "n",
        "Quadratic in each log-ratio: the pull is zero at the target and grows without end beyond it.",
    ),
    Note(("AOT",), "=RLHF", "-", "Its value depends on which pairs share a batch: there is no population loss of one pair to minimise."),
    Note(
        ("XPO",), "Mon", "y",
        "The bonus falls on the reference's own answer, here the rejected one; where that is the chosen one it is not monotone: next line.",
    ),
    Note(
        ("Unlikelihood(alpha=1.0)",), "Flip", "y",
        "At alpha = 1 the losses of a pair and of the exchanged pair cancel: noise scales the risk by 1 - 2 eps. It has no floor.",
    ),
    Note(("Unlikelihood(alpha=1.5)",), "Flip", "?", "No risk that was tried has a floor: there is no best policy for noise to move."),
    Note(
        ("RDPO",), "Intr", "not Borda",
        "Borda for the rewards shifted by alpha |y|; answers of unequal length are ranked by win rate and length.",
    ),
    Note(("RDPO",), "=RLHF", "n", "The optimum is that of the reward with its length term; at equal lengths it is DPO's."),
    Note(
        ("HolderDPO",), "BT", "n",
        "At gamma = 1 it is Savage's loss up to scale and offset, and proper; from gamma = 2 on it forgets far pairs and resists flips.",
    ),
    Note(("HolderDPO(gamma=1.0)",), "Flip", "n", "Redescending, but proper: the best margin follows the noisy probability."),
)  # fmt: skip


def note(label: str, column: str, shown: str) -> str:
    """The note on a cell, or an empty string."""
    return next((n.text for n in NOTES if label in n.losses and n.column == column and shown == n.shown), "")
