"""`mwaa-dr rerun`: what the outage interrupted or put in doubt, and running it again."""

from collections.abc import Sequence
from typing import Any

import click
from rich.console import Console

from cli import show
from cli.explain import explained
from cli.mailbox import Mailbox, UnansweredError
from cli.options import database_url
from cli.place import Options, Place, resolve
from contract.orders import OrderKind, OrderStatus
from contract.reruns import RerunRequest, RunName
from mwaa_dr_metadata.database import engine_from_url
from mwaa_dr_metadata.rerun_request import answer

WAIT_SECONDS = 180
"""The agent runs each minute and needs a few seconds; a busy scheduler may skip one."""
LISTED = {
    "dag_id": "DAG",
    "run_id": "run",
    "run_type": "type",
    "due_at": "due",
    "state": "state",
    "to_do": "tasks to do",
    "done": "done",
}


@click.command()
@click.argument("runs", nargs=-1, metavar="[DAG_ID[/RUN_ID]]...")
@click.option("--list", "list_", is_flag=True, help="List, change nothing.  [default]")
@click.option("--all", "all_", is_flag=True, help="Run all interrupted runs again.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, change nothing.")
@click.option("--force", is_flag=True, help="Also named runs that are not as the import left them.")
@click.option("--whole", is_flag=True, help="Also the tasks of these runs that are done.")
@click.option(
    "--wait", type=click.FloatRange(min=0), default=WAIT_SECONDS, show_default=True,
    metavar="SECONDS",
    help="How long the site's agent may take; with 0, list from what the import said.",
)  # fmt: skip
@database_url(required=False)
@click.option(
    "--snapshot-at", default="", metavar="TIME",
    help="Of the restored backup.  [default: as the import or the database says]",
)  # fmt: skip
@click.option(
    "--outage-at", default="", metavar="TIME",
    help="The old owner's last sign of life.  [default: as the incident says]",
)  # fmt: skip
@click.option("--json", "json_", is_flag=True, help="Print JSON instead of tables.")
@click.pass_obj
def rerun(
    options: Options, *, runs: tuple[str, ...], list_: bool, all_: bool, dry_run: bool,
    force: bool, whole: bool, wait: float, database_url: str | None, snapshot_at: str,
    outage_at: str, json_: bool,
) -> None:  # fmt: skip
    """List runs that the outage interrupted or put in doubt, or run them again.

    A run goes on where it was cut off: tasks that succeeded stay as they are, the others begin
    again and have as many tries as before. Newer runs that wait for it give their place up. Twice
    is once.

    The site that owns the DAGs is asked through its agent; with --database-url the database is
    worked on directly.
    """
    asked = [RunName.parse(text) for text in runs]
    if list_ and (asked or all_):
        raise click.UsageError("--list lists everything; leave out the runs and --all")
    if all_ and (asked or force):
        raise click.UsageError("--all means all interrupted runs: without names, and not --force")
    listing = not (asked or all_)
    if not (listing or wait or database_url):
        raise click.UsageError("--wait 0 only lists; the agent needs time to run anything again")
    try:
        request = RerunRequest(
            snapshot_at, outage_at, None if all_ else asked, force, whole, dry_run or listing
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if database_url:
        with explained(database_url):
            found = answer(engine_from_url(database_url), request)
    else:
        place = resolve(options.name, options.region, options.account)
        found = _ask(place, request, wait, listing=listing, quiet=json_)
    if json_:
        show.as_json(found)
    else:
        _show(found, listing=listing)
    if found["report"]["left"] and not listing:
        raise click.exceptions.Exit(1)


def _ask(
    place: Place, request: RerunRequest, wait: float, *, listing: bool, quiet: bool
) -> dict[str, Any]:
    """The answer of the owner's agent; for a list also what the import's report can tell."""
    mailbox = Mailbox(place)
    ownership = mailbox.ownership()
    imported = mailbox.import_report(ownership) if ownership.incident_id else None
    if imported is None:
        raise click.ClickException(
            f"The owner, {ownership.owner}, was not promoted with a restored backup, so nothing "
            "here says what was interrupted. After an import by hand use --database-url."
        )
    if listing and not wait:
        return _from_import(imported)
    request = RerunRequest(
        request.snapshot_at or imported["snapshot_at"],
        request.outage_at or mailbox.outage_at(ownership.incident_id),
        request.runs,
        request.force,
        request.whole,
        request.dry_run,
    )
    console = Console(stderr=True, quiet=quiet)
    try:
        with console.status(f"waiting for the agent of {ownership.owner}"):
            ack = mailbox.ask(OrderKind.RERUN, ownership, request.to_payload(), wait)
    except UnansweredError as error:
        if listing:
            click.echo(f"{error}; this is what the import said", err=True)
            return _from_import(imported)
        raise click.ClickException(
            f"{str(error)[:1].upper()}{str(error)[1:]}. Look at `mwaa-dr status` whether it "
            "lives, and try again."
        ) from None
    if ack.status is not OrderStatus.SUCCEEDED:
        reason = (ack.error or {}).get("message", "it did not say why")
        raise click.ClickException(f"The agent of {ownership.owner} refused: {reason}.")
    return ack.result


def _from_import(report: dict[str, Any]) -> dict[str, Any]:
    """What was interrupted, as it was right after the import; at-risk runs it cannot know."""
    return {
        "snapshot_at": report["snapshot_at"],
        "report": {
            "runs": [],
            "tasks": 0,
            "put_back": [],
            "left": [],
            "paused": [],
            "dry_run": True,
        },
        "interrupted": [
            {
                "dag_id": run["dag_id"],
                "run_id": run["run_id"],
                "state": f"was {run['state_before']}",
                "to_do": len(run["tasks"]),
            }
            for run in report["interrupted"]
        ],
        "at_risk": None,
    }


def _show(found: dict[str, Any], *, listing: bool) -> None:
    if listing:
        _table("interrupted, and nobody has dealt with them", found["interrupted"])
        if found["at_risk"] is not None:
            _table("made here, and perhaps begun by the old owner too", found["at_risk"])
        if found["interrupted"]:
            show.line("`mwaa-dr rerun --all`, or with their names, runs interrupted ones again")
        return
    report = found["report"]
    would = "would be " if report["dry_run"] else ""
    done = [(f"{would}queued again", run) for run in report["runs"]]
    done += [(f"{would}put back, since it waits", run) for run in report["put_back"]]
    done += [(f"left: {run['reason']}", run) for run in report["left"]]
    show.table(
        f"{len(report['runs'])} runs, {report['tasks']} tasks begin again",
        ("DAG", "run", "what"),
        [(run["dag_id"], run["run_id"] or "-", what) for what, run in done],
    )
    if report["paused"]:
        show.line(f"they wait until their DAGs are un-paused: {', '.join(report['paused'])}")


def _table(title: str, runs: Sequence[dict[str, Any]]) -> None:
    if not runs:
        show.line(f"{title}: none")
        return
    columns = [name for name in LISTED if any(name in run for run in runs)]
    show.table(
        f"{title}: {len(runs)}",
        [LISTED[name] for name in columns],
        [tuple("-" if run.get(name) is None else run[name] for name in columns) for run in runs],
    )
