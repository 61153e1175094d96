"""`mwaa-dr report`: one incident from its first reading to its figures."""

from collections.abc import Iterator
from typing import Any

import click
from botocore.exceptions import BotoCoreError, ClientError

from cli import forecast, show, store
from cli.place import Place, pass_place
from contract import state
from contract.sites import Site
from contract.state import kind_of
from mwaa_dr_metadata import Forecast

SHOWN = 20
"""DAGs of the forecast that are shown; the JSON has them all."""

FIGURES = {
    "detection_seconds": "outage to incident",
    "recovery_seconds": "incident to un-paused",
    "rto_unpaused_seconds": "outage to un-paused",
    "rpo_seconds": "backup to outage",
}


@click.command()
@click.argument("incident", required=False)
@click.option("--json", "json_", is_flag=True, help="Print JSON instead of tables.")
@pass_place
def report(place: Place, incident: str | None, json_: bool) -> None:
    """The timeline and the figures of INCIDENT (default: the newest), and what was foretold."""
    found = _find(place, incident)
    foretold, fences = _foretold(place, found), _fences(place, found)
    timeline = show.in_order(found["timeline"])
    if json_:
        show.as_json({**found, "timeline": timeline, "forecast": foretold, "fences": fences})
        return
    rows = [
        ("kind", kind_of(found["incident_id"])),
        ("status", found["status"]),
        ("from", f"{found['owner']}, epoch {found['epoch']}"),
        ("to", found["target"]),
        ("last sign of life", show.ago(found["outage_at"])),
        ("opened", show.ago(found["opened_at"])),
        ("closed", show.ago(found["closed_at"])),
        ("because", "; ".join(found["reasons"]) or "-"),
        ("ended with", found["reason"] or "-"),
        *((FIGURES.get(name, name), f"{value:.0f} s") for name, value in found["figures"].items()),
    ]
    show.table(found["incident_id"], ("", ""), rows)
    show.table(
        "timeline",
        ("at", "step", "detail"),
        [(entry["at"][:23], entry["step"], show.short(entry["detail"])) for entry in timeline],
    )
    if foretold is not None:
        _show_forecast(foretold)
    if fences:
        show.table(
            f"what {found['owner']} stopped since it lost epoch {found['epoch']}",
            ("at", "DAG", "run", "was", "tasks under way", "begun after the loss"),
            [row for report in fences for row in _stopped(report)],
        )


def _foretold(place: Place, incident: dict[str, Any]) -> dict[str, Any] | None:
    """The forecast in the answer of the site that was restored; None while there is none."""
    try:
        report = store.import_report(place, Site(incident["target"]), incident["incident_id"])
    except (BotoCoreError, ClientError) as error:
        # The rest of the report needs only the state table.
        click.echo(f"the forecast cannot be read: {error}", err=True)
        return None
    return None if report is None else report.get("forecast")


def _show_forecast(foretold: dict[str, Any]) -> None:
    if "dags" in foretold:
        forecast.shown(Forecast.from_dict(foretold).cut(SHOWN))
    else:
        show.line(f"forecast: {foretold['headline']}")


def _fences(place: Place, found: dict[str, Any]) -> list[dict[str, Any]]:
    """What the old owner said of its fence; nobody was fenced for good where nothing moved."""
    if found["owner"] == found["target"]:
        return []
    try:
        return list(store.fences(place, Site(found["owner"]), found["epoch"] + 1))
    except (BotoCoreError, ClientError) as error:
        click.echo(f"what was fenced cannot be read: {error}", err=True)
        return []


def _stopped(report: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """A row per DAG that was paused and per run that was ended."""
    at, late = report["at"][:19], {(run["dag_id"], run["run_id"]) for run in report["started"]}
    for run in report["ended"]:
        begun = "YES" if (run["dag_id"], run["run_id"]) in late else "no"
        yield at, run["dag_id"], run["run_id"], run["state"], str(len(run["tasks"])), begun
    for dag_id in report["paused"]:
        yield at, dag_id, "-", "un-paused", "-", "-"


def _find(place: Place, incident: str | None) -> dict[str, Any]:
    if incident is None:
        newest = store.item(place, state.OPEN_INCIDENT)
        if newest is None:
            raise click.ClickException("there was no incident")
        incident = str(newest["incident_id"])
    found = store.item(place, state.incident(incident))
    if found is None:
        raise click.ClickException(f"there is no incident {incident}")
    return found
