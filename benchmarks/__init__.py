"""Exact optima against dedicated libraries: A against B in one process and one run. `python -m benchmarks.run`."""
