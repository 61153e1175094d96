"""Topics: an alarm that reaches nobody is no alarm."""

import json
from collections.abc import Iterator

from mwaa_dr_policy import documents
from mwaa_dr_policy.graph import Resource, Stack
from mwaa_dr_policy.kinds import ALARM, COMPOSITE_ALARM, KEY, SUBSCRIPTION, TOPIC, TOPIC_POLICY
from mwaa_dr_policy.options import OTHER_STACK
from mwaa_dr_policy.rule import Option, Settings, Severity, StackRule
from mwaa_dr_policy.values import any_of, items

_CLOUDWATCH = "cloudwatch.amazonaws.com"
_ELSEWHERE = Option(
    key="subscribedElsewhere",
    default=[],
    description="Names of topics that somebody subscribes to outside of any program.",
    schema={"type": "array", "items": {"type": "string"}},
)


def _gets_alarms(topic: Resource, stack: Stack, _: Settings) -> bool:
    return any_of(
        [
            (alarm, action)
            for alarm in stack.of(ALARM, COMPOSITE_ALARM)
            for action in items(alarm.props, "alarmActions")
        ],
        lambda pair: stack.mentions(pair[0], "alarmActions", pair[1], topic),
    )


def _unheard(topic: Resource, stack: Stack, settings: Settings) -> Iterator[str]:
    if settings[_ELSEWHERE.key] and topic.physical_name in settings[_ELSEWHERE.key]:
        return
    if not any_of(
        stack.of(SUBSCRIPTION), lambda subscription: stack.refers(subscription, "topic", topic)
    ):
        yield "alarms go to this topic, and the program subscribes nobody to it"


ALARM_SUBSCRIBED = StackRule(
    name="mwaa-dr-alarm-subscribed",
    description="A topic that gets alarms has a subscription.",
    why="An alarm that reaches a topic without subscribers reaches nobody.",
    remedy=(
        "Add a TopicSubscription; if somebody subscribes outside the program, name the topic in "
        "`subscribedElsewhere`."
    ),
    severity=Severity.HIGH,
    types=(TOPIC,),
    options=(_ELSEWHERE, OTHER_STACK),
    applies=_gets_alarms,
    check=_unheard,
)


def _refuses(topic: Resource, stack: Stack, _: Settings) -> Iterator[str]:
    key = topic.props.get("kmsMasterKeyId")
    if isinstance(key, str) and key == "alias/aws/sns":
        yield "CloudWatch may not use the key alias/aws/sns that encrypts it"
    for one in stack.of(KEY):
        if stack.refers(topic, "kmsMasterKeyId", one) and not _opens_for_alarms(one):
            yield f"the policy of its key {one.name} does not let {_CLOUDWATCH} use it"
    policies = stack.attached(TOPIC_POLICY, "arn", topic)
    try:
        if policies and not any_of(policies, _lets_alarms_in):
            yield f"its policy does not let {_CLOUDWATCH} publish"
    except json.JSONDecodeError as error:
        yield f"its policy is not JSON ({error})"


def _opens_for_alarms(key: Resource) -> bool:
    document = key.get("policy")
    return bool(document) and any(
        statement.allows("kms:GenerateDataKey") and _CLOUDWATCH in statement.principals
        for statement in documents.readable(document)
    )


def _lets_alarms_in(policy: Resource) -> bool:
    document = policy.get("policy")
    return bool(document) and any(
        statement.allows("sns:Publish")
        and any(name in (_CLOUDWATCH, "*") for name in statement.principals)
        for statement in documents.statements(document)
    )


ALARM_DELIVERABLE = StackRule(
    name="mwaa-dr-alarm-deliverable",
    description="A topic that gets alarms accepts them.",
    why=(
        "CloudWatch drops an alarm that a topic's key or policy refuses: it shows as sent and "
        "arrives nowhere."
    ),
    remedy=(
        "Encrypt with a customer managed key whose policy lets cloudwatch.amazonaws.com use it, "
        "and allow sns:Publish to cloudwatch.amazonaws.com in the TopicPolicy."
    ),
    severity=Severity.HIGH,
    types=(TOPIC,),
    options=(OTHER_STACK,),
    applies=_gets_alarms,
    check=_refuses,
)

RULES = (ALARM_SUBSCRIBED, ALARM_DELIVERABLE)
