"""`mwaa-dr metadata forecast`: what Airflow would run in the first hour after a promotion."""

from datetime import UTC, datetime

import click

from cli import show
from cli.desk import Desk, at_desk
from cli.metadata import with_in_flight, with_site, with_to
from cli.options import Moment
from contract.sites import InFlightRule, Site
from mwaa_dr_metadata import Forecast, forecast_backup, load_manifest


@click.command("forecast")
@at_desk(database=None)
@with_site
@with_to
@with_in_flight
@click.option(
    "--promoted-at", type=Moment(), metavar="TIME",
    help="When the DAGs are un-paused (ISO 8601, UTC unless it says otherwise).  [default: now]",
)  # fmt: skip
@click.option(
    "--outage-at", type=Moment(), metavar="TIME",
    help="When the old owner was gone: what fell due later cannot have run there.  [default: "
    "nobody knows, so whatever fell due before the promotion may repeat]",
)  # fmt: skip
def forecast(
    desk: Desk, *, site: Site | None, to: str | None, in_flight: InFlightRule,
    promoted_at: datetime | None, outage_at: datetime | None,
) -> None:  # fmt: skip
    """Say what Airflow will run in the hour after a promotion with a backup.

    Per DAG: the runs that its schedule makes, those among them that the old owner may have made
    already, those that nobody makes, and those that were cut off. Nothing is written, and no
    database is needed.
    """
    backup = desk.vault.choose(to, site)
    found = forecast_backup(
        desk.vault.storage,
        desk.vault.sealer_for(load_manifest(desk.vault.storage, backup.manifest_key)),
        backup.manifest_key,
        in_flight,
        promoted_at or datetime.now(UTC),
        outage_at=outage_at,
    )
    if desk.quiet:
        show.as_json(found.to_dict())
    else:
        shown(found)


def shown(found: Forecast) -> None:
    """A table and a headline."""
    heading, *rows = found.table()
    show.table(
        f"forecast from {found.promoted_at[:16]} to {found.until[:16]} UTC, in-flight rule "
        f"{found.in_flight}",
        heading,
        rows,
    )
    if found.left_out:
        show.line(f"and {found.left_out} DAGs more")
    show.line(str(found.totals))
