"""Who is told: a site's topic and its subscriptions."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from components.iam import Statement, document
from components.settings.tree import Notification
from contract.objects import ObjectRole


@dataclass(frozen=True, kw_only=True, slots=True)
class TopicArgs:
    """Where the topic belongs, which key encrypts it, and who listens."""

    place: Place
    topic: str
    key_arn: pulumi.Input[str]
    notifications: Sequence[Notification]


class AlertTopic(Component):
    """Alarms and incidents of a site go here.

    Produces these resources: sns.Topic, sns.TopicPolicy, sns.TopicSubscription.
    """

    arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: TopicArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        place = args.place
        topic = aws.sns.Topic(
            f"{name}-topic",
            region=place.region,
            name=args.topic,
            kms_master_key_id=args.key_arn,
            tags=place.tags(ObjectRole.ALERTS),
            opts=self.child(),
        )
        aws.sns.TopicPolicy(
            f"{name}-policy",
            region=place.region,
            arn=topic.arn,
            policy=document(_statements(place, place.names.arn("sns", place.region, args.topic))),
            opts=self.child(),
        )
        for index, one in enumerate(args.notifications):
            aws.sns.TopicSubscription(
                f"{name}-subscription-{index}",
                region=place.region,
                topic=topic.arn,
                protocol=one.protocol,
                # It may hold a token, and a person's address is nobody else's business.
                endpoint=pulumi.Output.secret(one.endpoint),
                opts=self.child(),
            )
        self.arn = topic.arn
        self.register_outputs({"arn": self.arn})


def publish_statements(place: Place, arn: str) -> list[Statement]:
    """Who publishes: the account's roles as far as their policies go, and the alarms."""
    account = place.settings.account
    root = f"arn:{place.names.partition}:iam::{account}:root"
    return [
        Statement(("sns:Publish",), (arn,), principals={"AWS": root}),
        Statement(
            ("sns:Publish",),
            (arn,),
            {"StringEquals": {"aws:SourceAccount": account}},
            principals={"Service": "cloudwatch.amazonaws.com"},
        ),
    ]


def _statements(place: Place, arn: str) -> list[Statement]:
    return [
        *publish_statements(place, arn),
        Statement(
            ("sns:Publish",),
            (arn,),
            {"Bool": {"aws:SecureTransport": "false"}},
            principals="*",
            effect="Deny",
        ),
    ]
