"""`python -m components.alarms.document`: the table of alarms in docs/monitoring.md."""

from pathlib import Path

from components.alarms import Alarm, dr_rows, primary_rows
from components.alarms.row import ABOVE, AT_LEAST, BELOW, SILENCE_IS_BAD
from components.base import Place
from components.settings import in_file, parse
from contract.sites import Site, Strategy

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "monitoring.md"
BEGIN, END = "<!-- alarms: begin -->", "<!-- alarms: end -->"
SIGNS = {BELOW: "<", ABOVE: ">", AT_LEAST: "≥"}
FUNCTION = "AWS/Lambda"


def table() -> str:
    """Every alarm of an active-passive installation; backup-restore lacks the standby's three."""
    raw = in_file(ROOT / "Pulumi.dr.yaml")
    settings = parse({**raw, "strategy": Strategy.ACTIVE_PASSIVE.value})
    lines = [
        "| alarm | where | severity | fires when | why somebody is told | what to do |",
        "|---|---|---|---|---|---|",
    ]
    where: dict[tuple[str, str], list[str]] = {}
    for site, rows in ((Site.PRIMARY, primary_rows), (Site.DR, dr_rows)):
        for row in rows(Place(settings, site)):
            where.setdefault(_cells(row), []).append(site.value)
    for (subject, rest), sites in where.items():
        lines.append(f"| `{subject}` | {' and '.join(dict.fromkeys(sites))} | {rest} |")
    return "\n".join(lines)


def _cells(row: Alarm) -> tuple[str, str]:
    """The subject and everything behind the site; an alarm of both sites has one line."""
    subject, reason = row.subject, row.reason
    if row.namespace == FUNCTION:
        subject = "<step>-errors"
        reason = "A function failed three times in five minutes; there is one for each step."
    link = f"[{row.runbook}](runbook.md#{row.runbook})"
    return subject, f"{row.severity} | {_when(row)} | {reason} | {link}"


def _when(row: Alarm) -> str:
    text = (
        f"{row.namespace} `{row.metric}` {row.statistic} {SIGNS[row.comparison]} "
        f"{row.threshold:,.10g} in {row.needed} of {row.window} periods of {row.period} s"
    )
    return f"{text}, or silence" if row.missing == SILENCE_IS_BAD else text


def page(text: str) -> str:
    """The page with its table made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
