import io

import pytest

from dpo_theory.cli._progress import Progress
from tests.unit.cli.conftest import Terminal
from tests.unit.report.reports import row


def drawn(stream, seconds):
    times = iter([0.0, *seconds])
    with Progress(stream, clock=lambda: next(times)) as progress:
        for done, _ in enumerate(seconds, start=1):
            progress(row(f"D{done:02}"), done, 3)
    return stream.getvalue()


def test_a_long_run_says_how_far_it_is_and_leaves_nothing():
    told = drawn(Terminal(), [1.0, 2.5, 130.0])
    assert told.split("\r")[1] == "2 of 3, 2 s, D02 PROVED"
    assert told.split("\r")[2] == "3 of 3, 130 s, D03 PROVED"
    assert told.endswith("\r" + " " * len("3 of 3, 130 s, D03 PROVED") + "\r")


@pytest.mark.parametrize(("stream", "seconds"), [(Terminal(), [0.1, 1.9]), (io.StringIO(), [5.0, 9.0])])
def test_a_short_run_or_a_pipe_gets_nothing(stream, seconds):
    assert drawn(stream, seconds) == ""
