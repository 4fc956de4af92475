"""Methods to compare: callables (problem, data, rng) -> log-policy. Whatever has this shape is a method."""
