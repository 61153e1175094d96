"""What the installation's own dashboard showed during a drill."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from contract.names import Names
from contract.sites import Site
from local.dashboard.draw import svg
from local.dashboard.read import Span, dashboard
from local.drill.journal import now
from local.drill.stacks import REGIONS
from local.drill.user import client
from local.gateway.control import Control
from local.gateway.outage import Mode
from local.gateway.process import LocalAws

PERIOD = 10
"""CloudWatch shows whole minutes; a drill is over after a few."""
BEFORE = timedelta(seconds=100)
"""So much from before the outage is shown."""


def picture(aws: LocalAws, names: Names, report: dict[str, Any]) -> str:
    """The dashboard as it is now, as SVG."""

    @cache
    def client_of(service: str, region: str) -> Any:  # noqa: ANN401
        return client(aws, service, region)

    outage = datetime.fromisoformat(report["outage_at"])
    span = Span(outage - BEFORE, now(), PERIOD)
    marks = [(outage, "outage"), (datetime.fromisoformat(report["unpaused_at"]), "un-paused")]
    with metrics_of_the_lost_region(aws.control):
        return svg(dashboard(client_of, REGIONS[Site.DR], names.dashboard, span), span, marks)


@contextmanager
def metrics_of_the_lost_region(control: Control) -> Iterator[None]:
    """What its CloudWatch knew before the outage: the drill is over, and nothing else returns.

    Where only an environment was lost, CloudWatch never went away.
    """
    for outage in control.state()["outages"]:
        if outage["mode"] == Mode.ENVIRONMENT:
            continue
        control.begin_outage(outage["region"], services=["s3"], mode=outage["mode"])
        try:
            yield
        finally:
            control.begin_outage(
                outage["region"],
                services=outage["services"],
                mode=outage["mode"],
                lose_environments=outage["lose_environments"],
            )
        return
    yield
