"""An alarm for each part that can fail: machines, functions, rules, topics, replication."""

from collections.abc import Iterator

from components.alarms.row import ABOVE, AT_LEAST, FIVE, SILENCE_IS_FINE, Alarm, Runbook
from components.base import Place
from components.events import rules_in
from components.functions import wanted
from components.replication import dimensions, routes
from contract.machines import MACHINES, RECOVERY
from contract.objectives import REPLICATION_SECONDS
from contract.severity import Severity
from contract.sites import Site

_ENDS = (
    ("ExecutionsFailed", "failed"),
    ("ExecutionsTimedOut", "timed-out"),
    ("ExecutionsAborted", "aborted"),
)


def machine_rows(place: Place) -> Iterator[Alarm]:
    """An execution that ends badly. The monitor's silence pages; one lost minute does not."""
    for machine in MACHINES:
        recovers = machine == RECOVERY
        for metric, event in _ENDS:
            yield Alarm(
                subject=f"{machine}-{event}",
                severity=Severity.PAGE if recovers else Severity.TICKET,
                reason=f"An execution of the {machine} state machine {event.replace('-', ' ')}; "
                "its log and the incident's timeline say why.",
                runbook=Runbook.RECOVERY if recovers else Runbook.MONITOR,
                namespace="AWS/States",
                metric=metric,
                dimensions={
                    "StateMachineArn": place.names.state_machine_arn(machine, place.region)
                },
                statistic="Sum",
                comparison=AT_LEAST,
                threshold=1,
                missing=SILENCE_IS_FINE,
            )


def function_rows(place: Place) -> Iterator[Alarm]:
    for spec in wanted(place.settings):
        yield Alarm(
            subject=f"{spec.step}-errors",
            severity=Severity.TICKET,
            reason=f"The function {spec.step} failed three times in five minutes.",
            runbook=Runbook.MONITOR,
            namespace="AWS/Lambda",
            metric="Errors",
            dimensions={"FunctionName": place.names.function(spec.step)},
            statistic="Sum",
            comparison=AT_LEAST,
            threshold=3,
            missing=SILENCE_IS_FINE,
            period=FIVE,
        )


def rule_rows(place: Place) -> Iterator[Alarm]:
    """EventBridge counts what it could not hand over, in the rule's own Region."""
    for rule in rules_in(place, place.region):
        yield Alarm(
            subject=f"{rule.purpose}-rule",
            severity=Severity.TICKET,
            reason=f"EventBridge could not hand over an event: {rule.meaning}.",
            runbook=Runbook.TELLING,
            namespace="AWS/Events",
            metric="FailedInvocations",
            dimensions={"RuleName": place.names.rule(place.site, rule.purpose)},
            statistic="Sum",
            comparison=AT_LEAST,
            threshold=1,
            missing=SILENCE_IS_FINE,
            period=FIVE,
        )


def topic_rows(place: Place) -> Iterator[Alarm]:
    """A recipient that cannot be reached is told of at the other recipients."""
    names = place.names
    topics = {names.topic(place.site): "told"}
    if place.sorts_by_severity:
        topics[names.ticket_topic(place.site)] = "tickets"
    if place.site is Site.DR and place.escalation_arn:
        topics[names.escalation_topic] = "escalated"
    for topic, subject in topics.items():
        yield Alarm(
            subject=f"not-{subject}",
            severity=Severity.TICKET,
            reason=f"SNS could not deliver a message of {topic} to somebody who is to be told.",
            runbook=Runbook.TELLING,
            namespace="AWS/SNS",
            metric="NumberOfNotificationsFailed",
            dimensions={"TopicName": topic},
            statistic="Sum",
            comparison=AT_LEAST,
            threshold=1,
            missing=SILENCE_IS_FINE,
            period=FIVE,
        )


def replication_rows(place: Place) -> Iterator[Alarm]:
    """S3 counts failures in the source's Region and measures the lag in the destination's."""
    settings = place.settings
    for route in routes(settings):
        if route.source is place.site:
            yield Alarm(
                subject=f"replication-{route.kind}",
                severity=Severity.TICKET,
                reason=f"S3 could not copy {route.kind} to the other Region, and does not try "
                "again: the objects have the replication status FAILED.",
                runbook=Runbook.REPLICATION,
                namespace="AWS/S3",
                metric="OperationsFailedReplication",
                dimensions=dimensions(settings, route),
                statistic="Sum",
                comparison=AT_LEAST,
                threshold=1,
                missing=SILENCE_IS_FINE,
                period=FIVE,
            )
        else:
            yield Alarm(
                subject=f"replication-{route.kind}-late",
                severity=Severity.TICKET,
                reason=f"The {route.kind} here are more than {REPLICATION_SECONDS // 60} minutes "
                "behind those of the other Region.",
                runbook=Runbook.REPLICATION,
                namespace="AWS/S3",
                metric="ReplicationLatency",
                dimensions=dimensions(settings, route),
                statistic="Maximum",
                comparison=ABOVE,
                threshold=REPLICATION_SECONDS,
                missing=SILENCE_IS_FINE,
                period=FIVE,
                needed=3,
                window=3,
            )
