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
    """Alarms and incidents of a site go here."""

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
            policy=document(_statements(place, args.topic)),
            opts=self.child(),
        )
        for index, one in enumerate(args.notifications):
            aws.sns.TopicSubscription(
                f"{name}-subscription-{index}",
                region=place.region,
                topic=topic.arn,
                protocol=one.protocol,
                endpoint=one.endpoint,
                opts=self.child(),
            )
        self.arn = topic.arn
        self.register_outputs({"arn": self.arn})


def _statements(place: Place, name: str) -> list[Statement]:
    account = place.settings.account
    topic = (place.names.arn("sns", place.region, name),)
    root = f"arn:{place.names.partition}:iam::{account}:root"
    return [
        Statement(("sns:Publish",), topic, principals={"AWS": root}),
        Statement(
            ("sns:Publish",),
            topic,
            {"StringEquals": {"aws:SourceAccount": account}},
            principals={"Service": "cloudwatch.amazonaws.com"},
        ),
        Statement(
            ("sns:Publish",),
            topic,
            {"Bool": {"aws:SecureTransport": "false"}},
            principals="*",
            effect="Deny",
        ),
    ]
