"""The ways in which things go wrong in a drill."""

from dataclasses import dataclass
from typing import Any

from contract.sites import Site
from contract.verdict import Verdict
from local.drill.journal import Journal, now
from local.drill.stacks import REGIONS, Stacks
from local.drill.waiting import DrillError, Patience, wait_until
from local.drill.watch import Watch
from local.gateway.outage import Mode

LOSSES = (Mode.HANG, Mode.REFUSE, Mode.ERROR, Mode.FLAPPING, Mode.ENVIRONMENT)
"""The owner is lost; all but the last take its whole Region along."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Something that looks like a loss and is none: the owner goes on working.

    Args:
        mode, services: of the primary Region's outage.
    """

    mode: Mode
    services: tuple[str, ...] = ()


DISTURBANCES = {
    "throttle": Disturbance(Mode.THROTTLE),
    "cloudwatch": Disturbance(Mode.HANG, ("cloudwatch",)),
}
"""After one of them the Region is really lost: the drill shows both, that nothing moves too early
and that something moves then."""
OUTAGES = (*(mode.value for mode in LOSSES), *DISTURBANCES)
SECONDS = 60
"""How long a disturbance lasts: many times what a loss takes to be noticed."""


def begin(stacks: Stacks, mode: Mode) -> str:
    """Lose the owner; say what was lost."""
    region, control = REGIONS[Site.PRIMARY], stacks.aws.control
    if mode is Mode.ENVIRONMENT:
        name = stacks.names.environment(Site.PRIMARY)
        control.begin_outage(region, mode=mode.value, environment=name)
        return f"the environment {name} is lost"
    control.begin_outage(region, mode=mode.value, lose_environments=True)
    return f"{region} is lost ({mode})"


def disturb(stacks: Stacks, watch: Watch, journal: Journal, name: str) -> dict[str, Any]:
    """Let a disturbance come and go; say what the monitor made of it.

    Raises:
        DrillError: the monitor took it for a loss, or did not notice it.
    """
    what, region = DISTURBANCES[name], REGIONS[Site.PRIMARY]
    began, seen = now(), set[str]()

    def look() -> None:
        found = watch.verdict().split()
        seen.update(found[-1:])
        if Verdict.DOWN in seen or watch.incident():
            raise DrillError(f"{name} was taken for a loss: {found}, {watch.incident()}")

    def over() -> bool:
        look()
        return (now() - began).total_seconds() > SECONDS

    def well() -> bool:
        look()
        return watch.verdict().split()[-1:] == [Verdict.HEALTHY]

    with journal.step(f"{name} in {region}: nothing moves"):
        stacks.aws.control.begin_outage(
            region, mode=what.mode.value, services=list(what.services) or None
        )
        wait_until(f"{name} was over", over, seconds=2 * SECONDS)
        stacks.aws.control.end_outage(region)
        if Verdict.DEGRADED not in seen:
            raise DrillError(f"{name} was not noticed: the verdicts were {sorted(seen)}")
        wait_until(
            f"the verdict was {Verdict.HEALTHY} again",
            well,
            seconds=120 * Patience.factor,
            missing=watch.verdict,
        )
    return {"disturbance": name, "seconds": SECONDS, "verdicts": sorted(seen)}
