"""One Hypothesis profile for all tests: the same examples on every run in CI, new ones on every run at a desk."""

import os

from hypothesis import settings

IN_CI = bool(os.environ.get("CI"))

settings.register_profile("ci", derandomize=True, database=None, deadline=None, print_blob=True, max_examples=100)
settings.register_profile("desk", deadline=None, print_blob=True, max_examples=50)
settings.load_profile("ci" if IN_CI else "desk")


def pytest_report_header(config):
    """How the examples of this run are drawn, and how to draw them again."""
    seed = config.getoption("--hypothesis-seed", default=None)
    if IN_CI:
        return "hypothesis: the examples follow from the tests (CI is set)"
    return f"hypothesis: seed {seed}" if seed is not None else "hypothesis: new examples; a failure prints how to repeat it"
