"""Tells people and EventBridge. What cannot be told is logged: a recovery never waits for it."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contract import events
from handlers.adapters.answers import AWS_ERRORS

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sns import SNSClient

logger = logging.getLogger(__name__)

SUBJECT_LENGTH = 100
"""Longest subject that SNS takes; it must be ASCII on one line too."""


@dataclass(frozen=True, slots=True)
class Notices:
    """The DR Region's topics and default event bus.

    Args:
        escalation_arn: of those who are told later; empty if there are none.
    """

    sns: "SNSClient"
    events: "EventBridgeClient"
    topic_arn: str
    escalation_arn: str
    installation: str

    def tell(self, subject: str, detail: Mapping[str, Any]) -> bool:
        """Send a message to the topic; return whether that worked."""
        return self._send(self.topic_arn, subject, detail)

    def escalate(self, subject: str, detail: Mapping[str, Any]) -> bool:
        """Send a message to those who are told later; return whether that worked."""
        return bool(self.escalation_arn) and self._send(self.escalation_arn, subject, detail)

    def _send(self, topic: str, subject: str, detail: Mapping[str, Any]) -> bool:
        line = f"[mwaa-dr {self.installation}] {subject}"
        ascii_line = "".join(c if " " <= c <= "~" else "?" for c in line)
        try:
            self.sns.publish(
                TopicArn=topic,
                Subject=ascii_line[:SUBJECT_LENGTH],
                Message=f"{subject}\n\n{json.dumps(detail, indent=1, sort_keys=True, default=str)}",
            )
        except AWS_ERRORS:
            logger.exception("the topic did not take the message %r", subject)
            return False
        return True

    def event(self, detail_type: str, detail: Mapping[str, Any]) -> bool:
        """Put an event on the default bus; return whether that worked."""
        body = {"installation": self.installation, **detail}
        try:
            answer = self.events.put_events(
                Entries=[
                    {
                        "Source": events.SOURCE,
                        "DetailType": detail_type,
                        "Detail": json.dumps(body, sort_keys=True, default=str),
                    }
                ]
            )
        except AWS_ERRORS:
            logger.exception("EventBridge did not take the event %r", detail_type)
            return False
        if answer.get("FailedEntryCount"):
            logger.error("EventBridge refused the event %r: %s", detail_type, answer["Entries"])
            return False
        return True
