"""`python -m local.dashboard`: a deployed dashboard of the local AWS, or of any, as a picture."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import click
from botocore.config import Config

from local.dashboard.draw import svg
from local.dashboard.read import Span, dashboard

PATIENT = Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 1})
"""A Region that is lost must not keep the picture of the other one waiting."""


@click.command(help=__doc__)
@click.option("--name", required=True, help="The dashboard's name, such as analytics-dr.")
@click.option("--region", required=True, help="The Region it is in.")
@click.option("--minutes", default=60.0, show_default=True, help="How far back it looks.")
@click.option("--period", default=60, show_default=True, help="Seconds that a point stands for.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("build/dashboard.svg"))
def main(*, name: str, region: str, minutes: float, period: int, out: Path) -> None:
    clients: dict[tuple[str, str], Any] = {}

    def client_of(service: str, place: str) -> Any:  # noqa: ANN401
        if (service, place) not in clients:
            clients[service, place] = boto3.client(service, region_name=place, config=PATIENT)  # pyright: ignore[reportCallIssue, reportArgumentType]
        return clients[service, place]

    end = datetime.now(UTC)
    span = Span(end - timedelta(minutes=minutes), end, period)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(svg(dashboard(client_of, region, name, span), span))
    click.echo(out)


if __name__ == "__main__":
    main()
