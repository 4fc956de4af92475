"""Reports to render: one of each kind of row, and any that Hypothesis can think of."""

from hypothesis import strategies as st

from dpo_theory.evidence import Counterexample, Evidence, Report, Verdict

WITNESS = Counterexample("beta = 1 | r = <0, 1>", "a & b", "nan", "`pi_ref` is forgotten", "import math\nprint(math.nan)")
ENVIRONMENT = {"dpo-theory": "0.1.0", "python": "3.11"}


def row(id="D04", verdict=Verdict.PROVED, *, failed=False, expected="holds", **fields):
    said = {"name": f"statement of {id}", "kind": "claim", "statement": "A.\n\n    x = y", "source": "eq. 4", "declared": None}
    return Evidence(id=id, verdict=verdict, failed=failed, expected=expected, **{**said, **fields})


def part(kind, verdict=Verdict.HOLDS, **fields):
    return row("D04", verdict, kind=kind, statement="", source="", expected=None, **fields)


SAMPLE = Report(
    "the mathematics of DPO",
    (
        row("D04", method="proof: 5 steps, certificate: 21 instances", sizes="every n", residual=2e-15, tolerance=1e-12),
        row("E1", Verdict.REFUTED, expected="refuted", counterexample=WITNESS),
        row("D09", Verdict.REFUTED, failed=True, counterexample=WITNESS, residual=float("inf"), tolerance=1e-12, instances=3),
        row("D11", Verdict.SKIPPED, reason="python-flint is not installed"),
        row("D12", Verdict.UNDECIDED, failed=True, reason="the rules leave x - y"),
    ),
    of=5,
    seed=0,
    seconds=1.25,
    environment=ENVIRONMENT,
)
ALL_WELL = Report("the mathematics of DPO", SAMPLE.rows[:2], of=2, seed=0, environment=ENVIRONMENT)

words = st.text(max_size=30)
numbers = st.none() | st.floats(allow_subnormal=False)
counterexamples = st.builds(Counterexample, words, words, words, words, words)


def _evidence(kinds, parts):
    return st.builds(
        Evidence,
        id=words,
        name=words,
        kind=st.sampled_from(kinds),
        statement=words,
        source=words,
        declared=st.sampled_from([None, "has", "lacks"]),
        expected=st.sampled_from([None, "holds", "refuted"]),
        verdict=st.sampled_from(list(Verdict)),
        failed=st.booleans(),
        method=words,
        sizes=words,
        residual=numbers,
        tolerance=numbers,
        instances=st.integers(0, 10**6),
        seed=st.none() | st.integers(0, 2**64),
        counterexample=st.none() | counterexamples,
        seconds=st.floats(0, 1e4),
        reason=words,
        parts=parts,
    )


_parts = st.lists(_evidence(["proof", "certificate", "search", "edge"], st.just(())), max_size=2).map(tuple)
_rows = st.lists(_evidence(["claim", "contract", "property"], _parts), max_size=4).map(tuple)


@st.composite
def reports(draw):
    """Any report, complete or interrupted."""
    rows = draw(_rows)
    missing = draw(st.integers(0, 3))
    seed, seconds = draw(st.none() | st.integers(0, 2**64)), draw(st.floats(0, 1e4))
    return Report(draw(words), rows, len(rows) + missing, seed, seconds, ENVIRONMENT)
