"""`mwaa-dr failover`, `failback` and `drill`: move the ownership, or rehearse it, and look on."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from cli import control, show, store
from cli.follow import follow
from cli.place import Place, pass_place
from cli.preview import preview
from cli.report import FIGURES
from contract.state import IncidentKind, IncidentStatus

T = TypeVar("T")


def _common(command: Callable[..., T]) -> Callable[..., T]:
    """The options of every move."""
    options = (
        click.option("--yes", is_flag=True, help="Do not ask for confirmation."),
        click.option("--dry-run", is_flag=True, help="Say what would happen, change nothing."),
        click.option("--no-wait", is_flag=True, help="Start it and return; `report` looks on."),
        click.option("--json", "json_", is_flag=True, help="Print JSON instead of tables."),
    )

    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@click.option(
    "--to", metavar="BACKUP",
    help="Go back to this backup: an id, or a time its snapshot may not be later than.",
)  # fmt: skip
@click.option(
    "--planned", is_flag=True, help="The owner works: hand everything over, lose nothing."
)
@click.option("--same-site", is_flag=True, help="The owner itself goes back; needs --to.")
@_common
@pass_place
def failover(place: Place, *, to: str | None, planned: bool, same_site: bool, **how: bool) -> None:
    """Make the other site the owner, or take the owner back to an older backup.

    Without options the owner counts as lost: what it did since its newest backup is lost with it,
    unless it still answers. With --planned it is fenced, drained and exported first. With --to the
    other site takes over from an older backup; with --to and --same-site the owner goes back in
    place, for metadata that was spoilt.

    Exits with 0 only when it succeeded.
    """
    if planned and (to or same_site):
        raise click.UsageError("--planned hands over the newest state; leave out --to, --same-site")
    if same_site and not to:
        raise click.UsageError("--same-site goes back in place; say to which backup with --to")
    kind = (
        IncidentKind.PLANNED_FAILOVER
        if planned
        else IncidentKind.RESTORE
        if same_site
        else IncidentKind.FAILOVER
    )
    _move(place, kind, store.chosen(place, to)[0].backup_id if to else "", **how)


@click.command()
@_common
@pass_place
def failback(place: Place, **how: bool) -> None:
    """Hand everything from the DR site back to the primary site.

    What the primary site did alone after it had lost the ownership is exported and reconciled
    first: the DR site wins, rows that only the primary has are kept.

    Exits with 0 only when it succeeded.
    """
    _move(place, IncidentKind.FAILBACK, "", **how)


@click.command()
@_common
@pass_place
def drill(place: Place, **how: bool) -> None:
    """Rehearse a failover: restore at the standby, un-pause nothing, remove what it made.

    Production and the ownership stay as they are; a real incident interrupts a drill.

    Exits with 0 only when it succeeded.
    """
    _move(place, IncidentKind.DRILL, "", **how)


def _move(
    place: Place, kind: IncidentKind, wanted: str, *, yes: bool, dry_run: bool, no_wait: bool,
    json_: bool,
) -> None:  # fmt: skip
    seen = store.ownership(place)
    wish = control.Wish(kind, seen, wanted)
    ahead = preview(place, kind, seen, control.ask(place, wish, dry_run=True))
    if dry_run and json_:
        show.as_json({**ahead.to_dict(), "dry_run": True})
        return
    if not json_:
        show.table(ahead.title(), ("", ""), ahead.rows())
    if dry_run:
        show.line("nothing was changed")
        return
    if not yes:
        click.confirm(f"{ahead.title()}. Go on?", abort=True, err=True)
    opened = control.ask(place, wish, dry_run=False)
    incident_id = opened["incident_id"]
    control.start(place, opened)
    if no_wait:
        if json_:
            show.as_json({"incident_id": incident_id, "status": IncidentStatus.OPEN})
        else:
            show.line(f"{incident_id} is under way; `mwaa-dr report {incident_id}` looks on")
        return
    found = follow(place, incident_id, quiet=json_)
    if json_:
        show.as_json({**found, "timeline": show.in_order(found["timeline"])})
    else:
        _result(found)
    if found["status"] != IncidentStatus.SUCCEEDED:
        raise click.exceptions.Exit(1)


def _result(found: dict[str, Any]) -> None:
    show.table(
        found["incident_id"],
        ("", ""),
        [
            ("status", found["status"]),
            ("ended with", found["reason"] or "-"),
            *((FIGURES.get(name, name), f"{at:.0f} s") for name, at in found["figures"].items()),
        ],
    )
