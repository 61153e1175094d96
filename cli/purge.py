"""`mwaa-dr metadata purge`: deletes old rows of Airflow's database, as `airflow db clean` does."""

from datetime import UTC, datetime, timedelta

import click

from cli import bars, show
from cli.explain import explained
from cli.options import database_url
from mwaa_dr_metadata.database import engine_from_url
from mwaa_dr_metadata.purge import purge as run
from mwaa_dr_metadata.purge_rules import RULES


@click.command()
@database_url(required=True)
@click.option(
    "--older-than", "days", type=click.IntRange(min=1), required=True, metavar="DAYS",
    help="Rows younger than this stay.",
)  # fmt: skip
@click.option(
    "--table", "tables", multiple=True, type=click.Choice(sorted(rule.table for rule in RULES)),
    metavar="TABLE", help="Only this table, with what hangs on its rows; may be repeated.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Count, and delete nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "json_", is_flag=True, help="Print JSON and nothing else.")
def purge(
    database_url: str, *, days: int, tables: tuple[str, ...], dry_run: bool, yes: bool, json_: bool
) -> None:
    """Delete what is older than DAYS: the semantics of `airflow db clean`, and a little safer.

    What scheduling needs stays, however old it is: unfinished runs, and the latest ones of each
    DAG. Nothing is archived: take a backup first. Another call goes on where this one stopped.
    """
    older_than = datetime.now(UTC) - timedelta(days=days)
    if not (yes or dry_run or json_):
        click.confirm(f"Delete rows from before {older_than:%Y-%m-%d %H:%M} UTC?", abort=True)
    with explained(database_url), bars.shown("purge", quiet=json_) as progress:
        report = run(
            engine_from_url(database_url),
            older_than,
            tables=tables or None,
            dry_run=dry_run,
            progress=progress,
        )
    if json_:
        show.as_json(report.to_dict())
    else:
        verb = "would go" if dry_run else "deleted"
        show.table(f"older than {days} days", ("table", verb), sorted(report.rows.items()))
        show.line(f"{report.total} rows {verb} in {report.seconds} s; {report.left} are in use")
    if not report.complete:
        raise click.ClickException("the time was up before everything was looked at; call it again")
