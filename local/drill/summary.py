"""`python -m local.drill.summary [REPORT ...]`: puts drills into the table of `docs/drills.md`.

A drill replaces the row of an earlier one of its kind; the other rows stay.
"""

import argparse
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from local.drill.outages import DISTURBANCES
from local.gateway.outage import Mode
from local.markdown import table
from local.paths import BUILD, ROOT

PAGE = ROOT / "docs" / "drills.md"
BEGIN, END = "<!-- drills -->", "<!-- end -->"
HEAD = (
    *("strategy", "what was lost", "Airflow", "noticed", "then un-paused", "AWS adds"),
    *("median DAG again", "last DAG again", "RPO", "in flight", "lost, doubled", "checker"),
)
KIND = 3
"""The first columns tell one kind of drill from another."""


def row(report: Mapping[str, Any]) -> tuple[str, ...]:
    """One drill, as cells; times in seconds on the machine that it ran on."""
    runs, rto = report["runs"], report["rto_seconds"]
    outage, detected, unpaused = (
        datetime.fromisoformat(report[name]) for name in ("outage_at", "detected_at", "unpaused_at")
    )
    waits = [step for step in report["steps"] if step["emulated"]]
    waited = sum(_seconds(step) for step in waits)
    comeback = report.get("comeback")
    lost = [(runs["lost"], runs["doubled"])]
    lost += [(comeback["failback"]["runs"][key] for key in ("lost", "doubled"))] if comeback else []
    return (
        report["strategy"],
        _what(report),
        report["airflow_version"],
        f"{(detected - outage).total_seconds():.0f} s",
        f"{(unpaused - detected).total_seconds() - waited:.0f} s",
        ", ".join(_minutes(step["emulated"]["aws_takes_seconds"]) for step in waits) or "-",
        f"{rto['p50']:.0f} s",
        f"{rto['max']:.0f} s",
        f"{report['rpo_seconds']:.0f} s",
        str(len(runs["in_flight"])),
        "; back: ".join(f"{a}, {b}" for a, b in lost),
        "agrees" if report["verified"] else "objects",
    )


def _what(report: Mapping[str, Any]) -> str:
    outage, regions = report["outage"], report["regions"]
    if outage in DISTURBANCES:
        said = f"{outage}, then the Region ({Mode.HANG})"
    elif outage == Mode.ENVIRONMENT:
        said = "the environment alone"
    else:
        said = f"the Region ({outage})"
    said += ", one Region" if regions["primary"] == regions["dr"] else ""
    past = report.get("past", {}).get("task_instance", 0)
    said += f", a past of {past:,} task instances" if past else ""
    said += ", private web servers" if report.get("private") else ""
    clocks = report.get("clocks_ahead")
    return said + (f", {_apart(clocks)}" if clocks else "")


def _apart(clocks: Mapping[str, float]) -> str:
    return (
        f"Airflow's clock {clocks['airflow']:+.0f} s, the functions' {clocks['functions']:+.0f} s"
    )


def _seconds(step: Mapping[str, Any]) -> float:
    began, ended = (datetime.fromisoformat(step[key]) for key in ("started_at", "ended_at"))
    return (ended - began).total_seconds()


def _minutes(seconds: Iterable[float]) -> str:
    return " to ".join(f"{one / 60:.0f}" for one in seconds) + " min"


def merged(page: str, rows: Iterable[tuple[str, ...]]) -> str:
    """The page with these rows in its table.

    Raises:
        ValueError: the page has no place for the table.
    """
    before, mark, rest = page.partition(BEGIN)
    old, end, after = rest.partition(END)
    if not (mark and end):
        raise ValueError(f"{PAGE.name}: {BEGIN} or {END} is missing, between which the table is")
    lines = [line for line in old.splitlines() if line.startswith("| ")][2:]
    known = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]
    latest = {cells[:KIND]: cells for cells in (*known, *rows)}
    made = table(HEAD, [latest[kind] for kind in sorted(latest)])
    return f"{before}{BEGIN}\n{made}\n{END}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reports", nargs="*", type=Path)
    chosen = parser.parse_args().reports or sorted((BUILD / "drill").glob("*/report.json"))
    PAGE.write_text(
        merged(PAGE.read_text(), [row(json.loads(path.read_text())) for path in chosen])
    )


if __name__ == "__main__":
    main()
