"""SNS: every publication is kept readable, and functions are called as AWS calls them.

- mail, SMS and chat subscriptions are only recorded: nothing leaves this machine for them;
- functions get the real topic ARN, message id and time, and do not make Publish wait.
"""

import json
import time
from datetime import UTC, datetime
from typing import Any

from moto.sns.models import Subscription, Topic

from local.gateway.deliveries import Deliveries, Delivery
from local.gateway.notifications import Notification
from local.gateway.patching import replace
from local.gateway.world import World


def apply(world: World, deliveries: Deliveries) -> None:
    def recorded(original: Any) -> Any:  # noqa: ANN401
        def publish(self: Any, message: str, subject: str | None = None, **rest: Any) -> str:  # noqa: ANN401
            message_id = original(self, message, subject=subject, **rest)
            subscriptions, _ = self.sns_backend.list_subscriptions_by_topic(topic_arn=self.arn)
            world.notifications.add(
                Notification(
                    time=time.time(),
                    region=self.sns_backend.region_name,
                    topic=self.arn,
                    subject=subject,
                    message=message,
                    recipients=tuple(f"{s.protocol}:{s.endpoint}" for s in subscriptions),
                )
            )
            return message_id

        return publish

    def delivered(original: Any) -> Any:  # noqa: ANN401
        def publish(
            self: Any,  # noqa: ANN401
            message: str,
            message_id: str,
            subject: str | None = None,
            message_attributes: dict[str, Any] | None = None,
            **rest: Any,  # noqa: ANN401
        ) -> None:
            if self.protocol != "lambda":
                original(
                    self,
                    message,
                    message_id,
                    subject=subject,
                    message_attributes=message_attributes,
                    **rest,
                )
                return
            matcher = self._filter_policy_matcher
            if matcher is not None and not matcher.matches(message_attributes, message):
                return
            if rest.get("message_structure") == "json":
                message = self._parse_message_structure(message, self.protocol)
            record = {
                "EventSource": "aws:sns",
                "EventVersion": "1.0",
                "EventSubscriptionArn": self.arn,
                "Sns": {
                    "Type": "Notification",
                    "MessageId": message_id,
                    "TopicArn": self.topic.arn,
                    "Subject": subject,
                    "Message": message,
                    "Timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
                    "MessageAttributes": message_attributes or {},
                },
            }
            deliveries.submit(
                Delivery(
                    source=self.topic.arn,
                    region=self.topic.sns_backend.region_name,
                    service="sns",
                    arn=self.endpoint,
                    payload=json.dumps({"Records": [record]}),
                )
            )

        return publish

    replace(Topic, "publish", recorded)
    replace(Subscription, "publish", delivered)
