"""`dpo-theory schema`: the JSON Schema of everything that is printed as JSON."""

from __future__ import annotations

import argparse

from dpo_theory.cli._output import add_output_options, check_output, emit

__all__ = ["configure", "run"]


class Document:
    """The schema, as it is written."""

    def to_json(self) -> str:
        """As JSON."""
        from dpo_theory.report.json import dump
        from dpo_theory.report.schema import SCHEMA

        return dump(SCHEMA)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_output_options(parser, ("json",))
    parser.set_defaults(format="json")


def run(args: argparse.Namespace) -> int:
    """Print the schema."""
    check_output(args)
    emit(Document(), args)
    return 0
