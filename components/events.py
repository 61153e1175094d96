"""AWS's own events on their way to the monitor: they shorten its window, they prove nothing.

An event reaches only the bus of its own Region, so rules there hand it on to the DR Region's bus,
and rules on that bus hand it to the function that notes it. Public AWS Health events reach one
backup Region as well (AWS Health user guide, "Creating EventBridge rules for AWS Region coverage"):
if the lost Region cannot hand its own event on, that one still does.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from components.iam import RoleArgs, ServiceRole, Statement
from contract import aws_events
from contract.functions import NOTE_EVENT
from contract.objects import ObjectRole
from contract.sites import Site

BACKUP_REGIONS = {
    "aws": {"us-west-2": "us-east-1", "": "us-west-2"},
    "aws-cn": {"cn-north-1": "cn-northwest-1", "cn-northwest-1": "cn-north-1"},
    # The user guide names none for GovCloud.
    "aws-us-gov": {},
}
"""By partition: where public Health events of a Region arrive besides; `""` is every other."""
RETRIES: aws.cloudwatch.EventTargetRetryPolicyArgsDict = {
    "maximum_retry_attempts": 20,
    "maximum_event_age_in_seconds": 3600,
}
"""An event that is an hour late says nothing about now."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One rule of EventBridge.

    Args:
        site: whose stack it belongs to.
        purpose: the end of its name.
        meaning: what it does, for its description and its alarm.
        notes: whether it hands events to the function, else to the DR Region's bus.
    """

    site: Site
    region: str
    purpose: str
    meaning: str
    pattern: Mapping[str, Any]
    notes: bool = False


def backup_region(partition: str, region: str) -> str:
    """Where public Health events of `region` arrive besides; empty if nowhere."""
    known = BACKUP_REGIONS[partition]
    return known.get(region, known.get("", ""))


def rules(place: Place) -> Iterator[Rule]:
    """Every rule of an installation, both stacks' and every Region's."""
    settings = place.settings
    primary, dr = settings.primary_region, settings.dr_region
    backup = backup_region(settings.partition, primary)
    if primary != dr:  # else the events are on the DR bus already, and would go round for ever
        yield Rule(
            site=Site.PRIMARY,
            region=primary,
            purpose="status-changes",
            meaning="status changes of MWAA environments go to the DR Region",
            pattern=aws_events.STATUS_CHANGES,
        )
        yield Rule(
            site=Site.PRIMARY,
            region=primary,
            purpose="health",
            meaning="AWS Health events of the primary Region go to the DR Region",
            pattern=aws_events.health([primary]),
        )
    if backup not in ("", primary, dr):
        yield Rule(
            site=Site.DR,
            region=backup,
            purpose="health-backup",
            meaning="AWS Health events of the primary Region go to the DR Region from the Region "
            "where AWS publishes them besides",
            pattern=aws_events.health([primary]),
        )
    yield Rule(
        site=Site.DR,
        region=dr,
        purpose="note-status",
        meaning="status changes of MWAA environments are noted for the monitor",
        pattern=aws_events.STATUS_CHANGES,
        notes=True,
    )
    yield Rule(
        site=Site.DR,
        region=dr,
        purpose="note-health",
        meaning="AWS Health events of both Regions are noted for the monitor",
        pattern=aws_events.health(sorted({primary, dr})),
        notes=True,
    )


def rules_of(place: Place) -> list[Rule]:
    """The rules that a site's stack deploys, in whatever Region."""
    return [rule for rule in rules(place) if rule.site is place.site]


def rules_in(place: Place, region: str) -> list[Rule]:
    """Those of them in one Region."""
    return [rule for rule in rules_of(place) if rule.region == region]


@dataclass(frozen=True, kw_only=True, slots=True)
class EventsArgs:
    """Whose rules, and who notes events.

    Args:
        function_arn: of the function that notes events; only the DR site has it.
    """

    place: Place
    function_arn: pulumi.Input[str] | None = None


class AwsEvents(Component):
    """A site's rules, each with its one target.

    Produces these resources: cloudwatch.EventRule, cloudwatch.EventTarget, iam.Role,
    iam.RolePolicy, lambda.Permission.
    """

    def __init__(
        self, name: str, args: EventsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        self._name, self._args = name, args
        wanted = rules_of(args.place)
        role = self._role() if not all(rule.notes for rule in wanted) else None
        for rule in wanted:
            made = self._rule(rule)
            if rule.notes and args.function_arn:
                self._note(rule, made, args.function_arn)
            elif role:
                self._forward(rule, made, role)
        self.register_outputs({})

    def _bus(self) -> str:
        names, settings = self._args.place.names, self._args.place.settings
        return names.arn("events", settings.dr_region, "event-bus/default")

    def _role(self) -> ServiceRole:
        return ServiceRole(
            f"{self._name}-access",
            RoleArgs(
                place=self._args.place,
                purpose="forward-events",
                role=ObjectRole.MONITOR,
                services=("events.amazonaws.com",),
                policies={"access": [Statement(("events:PutEvents",), (self._bus(),))]},
            ),
            opts=self.child(),
        )

    def _rule(self, rule: Rule) -> aws.cloudwatch.EventRule:
        place = self._args.place
        return aws.cloudwatch.EventRule(
            f"{self._name}-{rule.purpose}",
            region=rule.region,
            name=place.names.rule(place.site, rule.purpose),
            description=f"{place.settings.name}: {rule.meaning}",
            event_pattern=json.dumps(rule.pattern, sort_keys=True),
            tags=place.tags(ObjectRole.MONITOR),
            opts=self.child(),
        )

    def _forward(self, rule: Rule, made: aws.cloudwatch.EventRule, role: ServiceRole) -> None:
        aws.cloudwatch.EventTarget(
            f"{self._name}-{rule.purpose}-target",
            region=rule.region,
            rule=made.name,
            target_id="dr-bus",
            arn=self._bus(),
            role_arn=role.arn,
            retry_policy=RETRIES,
            opts=self.child(depends_on=[role]),
        )

    def _note(
        self, rule: Rule, made: aws.cloudwatch.EventRule, function: pulumi.Input[str]
    ) -> None:
        permission = aws.lambda_.Permission(
            f"{self._name}-{rule.purpose}-permission",
            region=rule.region,
            statement_id=rule.purpose,
            action="lambda:InvokeFunction",
            function=function,
            principal="events.amazonaws.com",
            source_arn=made.arn,
            opts=self.child(),
        )
        aws.cloudwatch.EventTarget(
            f"{self._name}-{rule.purpose}-target",
            region=rule.region,
            rule=made.name,
            target_id=NOTE_EVENT,
            arn=function,
            retry_policy=RETRIES,
            opts=self.child(depends_on=[permission]),
        )
