"""Takes one reading: every signal, the verdict, and what the monitor should do about it."""

import logging
from datetime import datetime, timedelta
from typing import Any

from contract import events, metrics, state
from contract.ownership import Ownership
from contract.pulse import Pulse
from contract.sites import Site
from contract.verdict import METRIC_VALUE, SignalState, Verdict
from handlers.adapters import mirror
from handlers.adapters.answers import all_outcomes, outcome_of
from handlers.adapters.metrics import publish
from handlers.adapters.probes import Observation, observe
from handlers.core import code, declared, pacing, signals, verdict
from handlers.core.aws_events import NotedEvents
from handlers.core.code import Usual
from handlers.core.readings import Reading, Readings
from handlers.core.signals import Answer, Source
from handlers.core.verdict import Decision
from handlers.runtime import Event, Runtime, entry, required

logger = logging.getLogger(__name__)


def assess(event: Event, runtime: Runtime) -> dict[str, Any]:
    """Take the reading `index` of the monitor's execution that began at `started_at`."""
    config, now = runtime.config, runtime.now()
    record, _ = runtime.state.ownership()
    seen = observe(config, runtime.clients, record.owner, now)
    before, reading, decision = _remember(runtime, record, seen, now)
    _publish(runtime, reading, decision, seen)
    _mirror(runtime, record, seen)
    if before is not decision.verdict:
        _tell(runtime, before, decision, record)
    index = int(required(event, "index"))
    return {
        "verdict": decision.verdict.value,
        "reasons": list(decision.reasons),
        "owner": record.owner.value,
        "epoch": record.epoch,
        "recover": decision.verdict is Verdict.DOWN
        and config.recovery.automatic
        and record.owned_by(Site.PRIMARY),
        "capture": index == 0 and _is_worth_capturing(reading),
        "wait_seconds": pacing.until_next_reading(
            started_at=datetime.fromisoformat(required(event, "started_at")),
            index=index,
            interval_seconds=config.detection.reading_seconds,
            now=runtime.now(),
        ),
    }


handler = entry(assess)


def _reading(
    runtime: Runtime, record: Ownership, seen: Observation, usual: Usual | None, now: datetime
) -> tuple[Reading, Usual | None]:
    """The reading, and what the owner's environment usually loads from now on."""
    config = runtime.config
    place = config.place(record.owner)
    # In a partition of two Regions the DR Region is its own witness.
    others = dict.fromkeys((config.dr.region, config.witness_region))
    reach = signals.reachability(
        seen.services,
        subject=place.region,
        references=[region for region in others if region != place.region],
        home=config.dr.region,
    )
    pulse = signals.pulse(
        seen.pulse,
        environment=place.environment,
        limit_seconds=config.detection.pulse_seconds,
        now=now,
        stored=seen.pulse_stored,
    )
    fresh = _pulse(seen) if pulse.state is SignalState.GOOD else None
    loaded, usual = code.judge(fresh, usual, now)
    found = (
        signals.heartbeat(seen.heartbeat),
        signals.environment(seen.environment),
        pulse,
        signals.backup(seen.backup, limit_seconds=config.detection.backup_seconds, now=now),
        loaded,
        reach.region,
        reach.sight,
    )
    checks = tuple(
        declared.judge(check, seen.checks[check.name]) for check in config.detection.checks
    )
    assessed = verdict.assess(found, checks)
    reading = Reading(
        now, record.owner, record.epoch, assessed.verdict, assessed.reasons, found, checks
    )
    return reading, usual


def _pulse(seen: Observation) -> Pulse:
    return Pulse.from_json(seen.pulse.value)


def _is_worth_capturing(reading: Reading) -> bool:
    """A configuration is kept only while the environment that has it works."""
    wanted = (Source.ENVIRONMENT, Source.PULSE)
    return all(reading.state_of(source) is SignalState.GOOD for source in wanted)


def _alive_at(reading: Reading, seen: Observation) -> str:
    """The newest proof that the owner ran, "" if this reading has none."""
    if seen.pulse.answer is Answer.OK and reading.state_of(Source.PULSE) is not SignalState.UNKNOWN:
        return _pulse(seen).at
    return reading.at.isoformat() if reading.verdict is Verdict.HEALTHY else ""


def _remember(
    runtime: Runtime, record: Ownership, seen: Observation, now: datetime
) -> tuple[Verdict | None, Reading, Decision]:
    """Add a reading to the last ones; two monitors may do so at the same time.

    Returns:
        The verdict before, the reading, and what the last readings mean together.
    """
    detection = runtime.config.detection
    events = NotedEvents.from_item(runtime.state.get(state.EVENTS)).alarming(record.owner, now)

    def followed(
        stored: dict[str, Any] | None,
    ) -> tuple[dict[str, Any], tuple[Verdict | None, Reading, Decision]]:
        kept = Readings.from_item(stored)
        reading, usual = _reading(runtime, record, seen, kept.code, now)
        decision = verdict.decide((*kept.readings, reading), detection, now, events)
        new = kept.followed_by(
            reading,
            decision.verdict,
            _alive_at(reading, seen),
            keep=verdict.kept(detection),
            code=usual,
        )
        return new.to_item(), (kept.verdict, reading, decision)

    return runtime.state.change(state.READINGS, followed, told_by=("version",))


def _publish(runtime: Runtime, reading: Reading, decision: Decision, seen: Observation) -> None:
    """The metrics that the DR Region's alarms watch."""
    alive = SignalState.GOOD in (
        reading.state_of(Source.HEARTBEAT),
        reading.state_of(Source.PULSE),
    )
    values: dict[str, tuple[float, str]] = {
        metrics.PRIMARY_HEARTBEAT: (float(alive), "Count"),
        metrics.VERDICT: (float(METRIC_VALUE[decision.verdict]), "None"),
    }
    if seen.backup.answer is Answer.OK and seen.backup.value is not None:
        age = max(timedelta(0), reading.at - seen.backup.value).total_seconds()
        values[metrics.BACKUP_AGE_SECONDS] = (age, "Seconds")
    loaded = reading.state_of(Source.CODE)
    if loaded is not SignalState.UNKNOWN:
        pulse = _pulse(seen)
        values |= {
            metrics.CODE_SOUND: (float(loaded is SignalState.GOOD), "Count"),
            metrics.DAGS: (float(pulse.dags), "Count"),
            metrics.IMPORT_ERRORS: (float(pulse.import_errors), "Count"),
        }
    client = runtime.clients.cloudwatch(runtime.config.dr.region)
    published = outcome_of(lambda: publish(client, runtime.config.name, reading.at, values))
    if published.answer is not Answer.OK:
        # The alarms breach on missing data; the reading itself must not be lost for this.
        logger.error("the metrics were not published: %s", published.error)


def _mirror(runtime: Runtime, record: Ownership, seen: Observation) -> None:
    """Bring the mirrors up to date that could be read; the others have their turn later."""
    readable = {site: o.value for site, o in seen.mirrors.items() if o.answer is Answer.OK}
    buckets = {site: runtime.backups(site, probe=True) for site in readable}
    outcomes = all_outcomes(
        {
            site: lambda site=site: mirror.bring_up_to_date(buckets[site], record, readable[site])
            for site in readable
        },
        deadline_seconds=2 * runtime.config.detection.probe_seconds,
    )
    for site, outcome in outcomes.items():
        if outcome.answer is not Answer.OK:
            logger.warning("the mirror of %s was not written: %s", site, outcome.error)


def _tell(runtime: Runtime, before: Verdict | None, decision: Decision, record: Ownership) -> None:
    runtime.notices.event(
        events.DetailType.VERDICT_CHANGED,
        {
            "from": before,
            "to": decision.verdict,
            "reasons": list(decision.reasons),
            "owner": record.owner,
            "epoch": record.epoch,
        },
    )
