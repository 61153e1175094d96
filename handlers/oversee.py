"""Looks after what is not the owner: the other site, the open incident, the last drill."""

import json
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from contract import keys, metrics, state
from contract.lifecycle import SiteState
from contract.ownership import Ownership
from contract.pulse import Pulse
from contract.sites import Site, Strategy
from contract.state import IncidentKind, IncidentStatus, Step
from handlers.adapters import backups, fences, mirror, timeline
from handlers.adapters.answers import outcome_of
from handlers.adapters.metrics import publish
from handlers.adapters.objects import Bucket
from handlers.core import ownership, protection
from handlers.core.captured import Captured
from handlers.core.errors import (
    NoConfigurationError,
    OwnershipChangedError,
    StateConflictError,
)
from handlers.core.signals import Answer
from handlers.runtime import Event, Runtime, entry

logger = logging.getLogger(__name__)


def oversee(event: Event, runtime: Runtime) -> dict[str, Any]:
    """Once a minute: note that the old owner is fenced, say how protected the owner is, escalate.

    Returns:
        `state` of the owner, `standby`, what the other site is doing, and `gaps` in the protection.
    """
    del event
    record, _ = runtime.state.ownership()
    bucket = runtime.backups()
    pulses = {site: _pulse(bucket, site) for site in Site}
    record = _running(runtime, record, pulses[record.owner].pulse)
    record = _fenced(runtime, record, pulses[record.owner.other].pulse)
    _tell_of_fences(runtime, bucket, record)
    newest = runtime.state.get(state.OPEN_INCIDENT)
    found = _protection(runtime, bucket, record, pulses, newest)
    _publish(runtime, found, pulses, newest)
    _escalate(runtime, newest)
    return {
        "state": record.state.value,
        "standby": record.standby.value,
        "gaps": list(found.gaps),
    }


handler = entry(oversee)

_Item = dict[str, Any] | None
"""An item of the state table."""
_UNSOLVED = (IncidentStatus.OPEN, IncidentStatus.ATTENTION, IncidentStatus.FAILED)
"""An incident that nobody has brought to a good end."""


@dataclass(frozen=True, slots=True)
class _Heard:
    """A site's newest pulse, if it ever sent one, and for how long S3 has had it."""

    pulse: Pulse | None = None
    stored: timedelta | None = None

    def age(self, now: datetime) -> float | None:
        """Seconds, by S3's clock where it said them; None if there never was a pulse."""
        if self.pulse is None:
            return None
        age = now - datetime.fromisoformat(self.pulse.at) if self.stored is None else self.stored
        return max(0.0, age.total_seconds())


def _pulse(bucket: Bucket, site: Site) -> _Heard:
    found = bucket.read(keys.pulse(site))
    try:
        return _Heard() if found is None else _Heard(Pulse.from_json(found.body), found.age)
    except ValueError as error:
        logger.warning("the pulse of %s is not readable: %s", site, error)
        return _Heard()


def _running(runtime: Runtime, record: Ownership, owner: Pulse | None) -> Ownership:
    """Write down that the owner runs its DAGs, where its recovery ended before that.

    A person un-paused them; without this word no incident could ever begin again.
    """
    if (
        record.state is not SiteState.PROMOTING
        or not protection.is_running(record, owner)
        or _is_at_work(runtime, record.incident_id)
    ):
        return record
    at, incident_id = runtime.at(), record.incident_id
    try:
        moved = runtime.state.change_ownership(
            lambda current: ownership.finish(
                current, site=record.owner, incident_id=incident_id, at=at
            )
        )
    except (StateConflictError, OwnershipChangedError):
        return record  # the next minute sees what became of it
    mirror.write(runtime.backups(), moved)
    detail = {"noticed_by": "the pulse of the new owner"}
    timeline.announce(runtime.state, runtime.notices, incident_id, Step.ACTIVE, at, detail=detail)
    return moved


def _is_at_work(runtime: Runtime, incident_id: str) -> bool:
    found = runtime.state.incident(incident_id)
    return found.get("status") == IncidentStatus.OPEN and runtime.now() < datetime.fromisoformat(
        found["lease_until"]
    )


def _fenced(runtime: Runtime, record: Ownership, other: Pulse | None) -> Ownership:
    """Write down that the old owner is fenced, once it says so itself."""
    if record.standby is not SiteState.FENCE_PENDING or not protection.is_fenced(record, other):
        return record
    at = runtime.at()
    try:
        moved = runtime.state.change_ownership(
            lambda current: ownership.standby_becomes(current, SiteState.FENCED, at=at)
        )
    except StateConflictError:
        return record  # the next minute sees what became of it
    mirror.write(runtime.backups(), moved)
    return moved


def _tell_of_fences(runtime: Runtime, bucket: Bucket, record: Ownership) -> None:
    """Put what the old owner had to end into the incident that it lost the epoch by."""
    if not record.incident_id:
        return
    for key in bucket.keys(keys.fences(record.owner.other, record.epoch)):
        found = bucket.read(key)
        report = {} if found is None else json.loads(found.body)
        timeline.announce(
            runtime.state,
            runtime.notices,
            record.incident_id,
            Step.RUNS_ENDED,
            report.get("at", runtime.at()),
            key=key.rpartition("/")[2].removesuffix(".json"),
            detail={
                "report": key,
                "paused": len(report.get("paused", [])),
                "ended": len(report.get("ended", [])),
                "started": [f"{run['dag_id']}/{run['run_id']}" for run in report["started"][:50]],
            },
        )


def _protection(
    runtime: Runtime,
    bucket: Bucket,
    record: Ownership,
    pulses: dict[Site, _Heard],
    newest_incident: _Item,
) -> protection.Protection:
    config, now = runtime.config, runtime.now()
    recent = now - timedelta(seconds=2 * config.detection.backup_seconds)
    newest = backups.newest_complete_at(bucket, record.owner, recent=recent)
    owner, standby = pulses[record.owner].pulse, pulses[record.owner.other].pulse
    drift: list[str] = []
    if config.strategy is Strategy.ACTIVE_PASSIVE:
        drift = [*_drift(runtime, bucket, record), *protection.code_drift(owner, standby)]
    return protection.assess(
        record,
        strategy=config.strategy,
        backup_age=None if newest is None else (now - newest).total_seconds(),
        rpo_seconds=config.rpo_minutes * 60,
        pulse=standby,
        pulse_age=pulses[record.owner.other].age(now),
        pulse_seconds=config.detection.pulse_seconds,
        drift=drift,
        now=now,
        paused_since=_left_paused(runtime, bucket, record, owner, newest_incident),
    )


def _left_paused(
    runtime: Runtime, bucket: Bucket, record: Ownership, owner: Pulse | None, newest: _Item
) -> str:
    """Since when an owner is fenced that still owns, with no recovery at work on it; or empty."""
    if (
        newest is None
        or int(newest["epoch"]) != record.epoch
        or record.state is not SiteState.ACTIVE
        or owner is None
        or owner.active_dags
        or _is_at_work(runtime, newest["incident_id"])
    ):
        return ""
    return str(fences.standing(bucket, record.owner, record.epoch).get("at", ""))


def _drift(runtime: Runtime, bucket: Bucket, record: Ownership) -> list[str]:
    """How the standby differs from the owner as it was captured: the owner's Region may be lost."""
    place = runtime.config.place(record.owner.other)
    client = runtime.clients.mwaa(place.region, probe=True)
    there = outcome_of(lambda: client.get_environment(Name=place.environment)["Environment"])
    if there.answer is Answer.NOT_FOUND:
        return ["it does not exist"]
    kept = bucket.read(keys.captured_environment(record.owner))
    if there.answer is not Answer.OK or kept is None:
        return []
    try:
        owner = Captured.from_json(kept.body).environment
    except NoConfigurationError as error:
        logger.warning("%s", error)
        return []
    return protection.drift(owner, there.value, meant=runtime.config.target.options)


def _publish(
    runtime: Runtime, found: protection.Protection, pulses: dict[Site, _Heard], newest: _Item
) -> None:
    now = runtime.now()
    values: dict[str, float | None] = {
        metrics.PROTECTED: float(found.is_whole),
        metrics.STANDBY_AGE_SECONDS: found.standby_age,
        metrics.STANDBY_DRIFT: float(len(found.drift)),
        metrics.DRILL_AGE_DAYS: _drill_age_days(runtime),
        metrics.INCIDENT_OPEN: float((newest or {}).get("status") in _UNSOLVED),
        **{metrics.PULSE_AGE_SECONDS[site]: heard.age(now) for site, heard in pulses.items()},
    }
    client = runtime.clients.cloudwatch(runtime.config.dr.region)
    known = {name: (value, "None") for name, value in values.items() if value is not None}
    publish(client, runtime.config.name, now, known)


def _drill_age_days(runtime: Runtime) -> float:
    """Since the last drill; where there was none, since the first look."""
    last = runtime.state.get(state.LAST_DRILL)
    since = last["closed_at"] if last else _watched_since(runtime)
    return (runtime.now() - datetime.fromisoformat(since)).total_seconds() / 86_400


def _watched_since(runtime: Runtime) -> str:
    def first(stored: _Item) -> tuple[_Item, str]:
        if stored:
            return None, str(stored["since"])
        now = runtime.at()
        return {"since": now}, now

    return runtime.state.change(state.WATCHED, first)


def _escalate(runtime: Runtime, newest: _Item) -> None:
    """Tell the second circle, once, of an incident that nobody has brought to an end in time."""
    after = runtime.config.recovery.escalation_seconds
    if not after or newest is None:
        return
    if newest["status"] not in _UNSOLVED or state.kind_of(newest["incident_id"]) is (
        IncidentKind.DRILL
    ):
        return
    waited = (runtime.now() - datetime.fromisoformat(newest["opened_at"])).total_seconds()
    if waited < after:
        return
    detail = {"status": newest["status"], "minutes": round(waited / 60)}
    new = timeline.announce(
        runtime.state,
        runtime.notices,
        newest["incident_id"],
        Step.ESCALATED,
        runtime.at(),
        detail=detail,
    )
    if new:
        runtime.notices.escalate(
            f"{newest['incident_id']} is {newest['status']} after {detail['minutes']} minutes",
            detail,
        )
