"""JUnit XML, as continuous integration reads it: one test case per row."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from dpo_theory.report.cells import cells, clean, flat, summary
from dpo_theory.report.text import absences, failures

if TYPE_CHECKING:
    from dpo_theory.evidence import Evidence, Report

__all__ = ["render"]


def render(report: Report) -> str:
    """The report as a test suite. Rows that were asked for and not reached make one error, so that no shorter run is green."""
    missing = report.asked - len(report.rows)
    counts = {
        "tests": len(report.rows) + (missing > 0),
        "failures": len(report.failed),
        "errors": int(missing > 0),
        "skipped": sum(not row.verdict.ran and not row.failed for row in report.rows),
        "time": f"{report.seconds:.3f}",
    }
    attributes = {name: str(value) for name, value in counts.items()}
    suites = ET.Element("testsuites", {"name": "dpo-theory", **attributes})
    suite = ET.SubElement(suites, "testsuite", {"name": flat(report.subject), **attributes})
    properties = ET.SubElement(suite, "properties")
    known = {"seed": str(report.seed), "ran": f"{report.ran} of {report.asked} ran", **report.environment}
    for name, value in known.items():
        ET.SubElement(properties, "property", name=flat(name), value=flat(value))
    for row in report.rows:
        _case(suite, row, report)
    if missing > 0:
        case = ET.SubElement(suite, "testcase", classname="dpo-theory", name="the run is complete", time="0.000")
        ET.SubElement(case, "error", type="incomplete", message=summary(report))
    ET.indent(suites)
    return ET.tostring(suites, encoding="us-ascii", xml_declaration=True).decode("ascii") + "\n"


def _case(suite: ET.Element, row: Evidence, report: Report) -> None:
    name = f"{flat(row.id)} {flat(row.name)}"
    case = ET.SubElement(suite, "testcase", classname=f"dpo-theory.{flat(row.kind)}", name=name, time=f"{row.seconds:.3f}")
    _, _, verdict, evidence, residual, tolerance, _ = cells(row)
    if row.failed:
        failure = ET.SubElement(case, "failure", type=row.verdict.value, message=flat(f"{verdict}. {row.reason}"))
        failure.text = failures(_alone(report, row))
    elif not row.verdict.ran:
        ET.SubElement(case, "skipped", type=row.verdict.value, message=flat(row.reason))
    said = [verdict, evidence, f"residual {residual}" if residual else "", f"tolerance {tolerance}" if tolerance else ""]
    said.append(absences(_alone(report, row)))
    ET.SubElement(case, "system-out").text = clean("\n".join(filter(None, said)))


def _alone(report: Report, row: Evidence) -> Report:
    from dataclasses import replace

    return replace(report, rows=(row,), of=None)
