"""Whether a loss of the owner, now, could be recovered from within the objectives."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contract.agent_config import SECTION
from contract.lifecycle import SiteState
from contract.ownership import Ownership
from contract.pulse import Pulse
from contract.sites import Site, Strategy

SAME = (
    "AirflowVersion",
    "EnvironmentClass",
    "MaxWebservers",
    "MaxWorkers",
    "MinWebservers",
    "MinWorkers",
    "PluginsS3Path",
    "RequirementsS3Path",
    "Schedulers",
)
"""What two environments of one installation must have in common, as GetEnvironment names it."""


@dataclass(frozen=True, slots=True)
class Protection:
    """What was found.

    Args:
        gaps: why a recovery would not keep the objectives; empty if nothing stands against it.
        standby_age: seconds since the snapshot that the standby holds; None where none stands by.
        drift: properties in which the standby differs from the owner.
    """

    gaps: tuple[str, ...]
    standby_age: float | None
    drift: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        return not self.gaps


def is_running(record: Ownership, owner: Pulse | None) -> bool:
    """Whether the owner says, of this very epoch, that DAGs are un-paused."""
    return owner is not None and owner.epoch == record.epoch and owner.active_dags > 0


def is_fenced(record: Ownership, pulse: Pulse | None) -> bool:
    """Whether the site without the epoch has said so itself, with every DAG paused."""
    return (
        pulse is not None
        and pulse.site is record.owner.other
        and pulse.epoch == record.epoch
        and pulse.active_dags == 0
    )


def assess(
    record: Ownership,
    *,
    strategy: Strategy,
    backup_age: float | None,
    rpo_seconds: float,
    pulse: Pulse | None,
    pulse_seconds: float,
    drift: Iterable[str],
    now: datetime,
    pulse_age: float | None = None,
    paused_since: str = "",
) -> Protection:
    """What stands against a recovery from the owner's loss.

    Args:
        backup_age: seconds since the owner's newest complete backup in the DR Region.
        pulse: the other site's newest pulse; None if it never sent one.
        pulse_seconds: a pulse older than this is stale.
        pulse_age: seconds since that pulse; None for what its sender's clock says.
        paused_since: when a recovery that is over fenced the owner and left it so; ISO 8601.
    """
    gaps: list[str] = []
    if paused_since:
        gaps.append(
            f"every DAG of {record.owner} is paused since a recovery fenced it at {paused_since}; "
            "un-pause there what was active, or start the next move"
        )
    if record.owned_by(Site.DR):
        gaps.append("the DR site owns the epoch: nothing watches over it from another Region")
    if backup_age is None:
        gaps.append("the owner has no complete backup")
    elif backup_age > rpo_seconds:
        gaps.append(f"the newest backup is {backup_age:.0f} s old, {rpo_seconds:g} s allowed")
    if strategy is not Strategy.ACTIVE_PASSIVE:
        return Protection(tuple(gaps), None, ())
    if record.standby is not SiteState.STANDBY:
        gaps.append(f"{record.owner.other} is {record.standby} and follows nobody")
    silent = _age(pulse.at, now) if pulse is not None and pulse_age is None else pulse_age
    age = None if pulse is None else _held_for(pulse, silent)
    if silent is None or silent > pulse_seconds:
        gaps.append(f"the agent of {record.owner.other} is silent")
    elif age is None:
        gaps.append(f"{record.owner.other} holds no backup yet")
    elif age > rpo_seconds:
        gaps.append(f"{record.owner.other} holds a state of {age:.0f} s ago")
    found = tuple(drift)
    gaps += [f"{record.owner.other} differs: {one}" for one in found]
    return Protection(tuple(gaps), age, found)


def drift(
    owner: Mapping[str, Any], standby: Mapping[str, Any], *, meant: Collection[str]
) -> list[str]:
    """How two environments differ, as GetEnvironment tells of them.

    Args:
        meant: Airflow options that differ on purpose.
    """
    mine, other = ({key: one.get(key) for key in SAME} for one in (owner, standby))
    for values, one in ((mine, owner), (other, standby)):
        options = one.get("AirflowConfigurationOptions") or {}
        values |= {
            f"option {key}": value
            for key, value in options.items()
            if key not in meant and not key.startswith(f"{SECTION}.")
        }
    return [
        f"{key} is {other.get(key)!r}, not {mine.get(key)!r}"
        for key in sorted({*mine, *other})
        if mine.get(key) != other.get(key)
    ]


def code_drift(owner: Pulse | None, standby: Pulse | None) -> list[str]:
    """How the code that two sites run differs, as far as their pulses tell."""
    if owner is None or standby is None or owner.dags == standby.dags:
        return []
    return [f"{standby.dags} DAGs, not {owner.dags}"]


def _age(at: str, now: datetime) -> float | None:
    return (now - datetime.fromisoformat(at)).total_seconds() if at else None


def _held_for(pulse: Pulse, silent: float | None) -> float | None:
    """Seconds since the snapshot that a standby holds; None if it holds none.

    Both times are the site's own: how its clock differs from others' drops out.
    """
    if not pulse.holds or silent is None:
        return None
    told = datetime.fromisoformat(pulse.at) - datetime.fromisoformat(pulse.holds)
    return told.total_seconds() + silent
