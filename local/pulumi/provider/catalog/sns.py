"""SNS topics, their policies and subscriptions: attribute by attribute, all of them text."""

import json

from local.pulumi.provider import tags
from local.pulumi.provider.model import Naming, Part, Resource, Scope, Tagging
from local.pulumi.provider.regular import Deletes, properties
from local.pulumi.provider.wire import Value, Values

TOPIC = (
    "contentBasedDeduplication",
    "deliveryPolicy",
    "displayName",
    "kmsMasterKeyId",
    "policy",
    "signatureVersion",
    "tracingConfig",
)
SUBSCRIPTION = (
    "deliveryPolicy",
    "filterPolicy",
    "filterPolicyScope",
    "rawMessageDelivery",
    "redrivePolicy",
    "subscriptionRoleArn",
)
FIFO = ".fifo"


def _attribute(name: str) -> str:
    return name[0].upper() + name[1:]


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _create_topic(scope: Scope, values: Values) -> str:
    attributes = {
        _attribute(name): _text(values[name])
        for name in (*TOPIC, "fifoTopic")
        if values.get(name) not in (None, "", False)
    }
    if values["fifoTopic"] and not values["name"].endswith(FIFO):
        raise ValueError(f"the name of a FIFO topic must end with {FIFO}, given {values['name']!r}")
    return scope.call(
        "CreateTopic",
        Name=values["name"],
        Attributes=attributes,
        **tags.at_creation(scope, "CreateTopic", values),
    )["TopicArn"]


def _write_topic(scope: Scope, values: Values) -> None:
    for name in sorted(scope.changed.intersection(TOPIC)):
        scope.call(
            "SetTopicAttributes",
            TopicArn=scope.id,
            AttributeName=_attribute(name),
            AttributeValue=_text(values.get(name, "")),
        )


def _read_topic(scope: Scope) -> Values | None:
    attributes = scope.call("GetTopicAttributes", TopicArn=scope.id)["Attributes"]
    return {
        "fifoTopic": False,
        **properties(scope, attributes, {}),
        "arn": scope.id,
        "name": scope.id.rsplit(":", 1)[1],
    }


def _owner_policy(arn: str) -> str:
    """What AWS gives a topic at first: its own account may do everything with it."""
    account = arn.split(":")[4]
    actions = (
        *("GetTopicAttributes", "SetTopicAttributes", "AddPermission", "RemovePermission"),
        *("DeleteTopic", "Subscribe", "ListSubscriptionsByTopic", "Publish"),
    )
    statement = {
        "Sid": "__default_statement_ID",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": [f"SNS:{action}" for action in actions],
        "Resource": arn,
        "Condition": {"StringEquals": {"AWS:SourceOwner": account}},
    }
    return json.dumps(
        {"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]}
    )


def _put_policy(scope: Scope, arn: str, policy: str) -> None:
    scope.call("SetTopicAttributes", TopicArn=arn, AttributeName="Policy", AttributeValue=policy)


def _create_policy(scope: Scope, values: Values) -> str:
    _put_policy(scope, values["arn"], values["policy"])
    return values["arn"]


def _write_policy(scope: Scope, values: Values) -> None:
    _put_policy(scope, scope.id, values["policy"])


def _read_policy(scope: Scope) -> Values | None:
    attributes = scope.call("GetTopicAttributes", TopicArn=scope.id)["Attributes"]
    return {
        "arn": scope.id,
        "owner": attributes.get("Owner", ""),
        "policy": attributes.get("Policy", ""),
    }


def _delete_policy(scope: Scope) -> None:
    _put_policy(scope, scope.id, _owner_policy(scope.id))


def _subscribe(scope: Scope, values: Values) -> str:
    attributes = {_attribute(name): _text(values[name]) for name in SUBSCRIPTION if name in values}
    return scope.call(
        "Subscribe",
        TopicArn=values["topic"],
        Protocol=values["protocol"],
        Endpoint=values["endpoint"],
        Attributes=attributes,
        ReturnSubscriptionArn=True,
    )["SubscriptionArn"]


def _write_subscription(scope: Scope, values: Values) -> None:
    for name in sorted(scope.changed.intersection(SUBSCRIPTION)):
        scope.call(
            "SetSubscriptionAttributes",
            SubscriptionArn=scope.id,
            AttributeName=_attribute(name),
            AttributeValue=_text(values.get(name, "")),
        )


def _read_subscription(scope: Scope) -> Values | None:
    answer = scope.call("GetSubscriptionAttributes", SubscriptionArn=scope.id)["Attributes"]
    names = {"topic": "TopicArn", "ownerId": "Owner", "arn": "SubscriptionArn"}
    return properties(scope, answer, names)


RESOURCES = (
    Resource(
        type="aws:sns/topic:Topic",
        service="sns",
        create=_create_topic,
        read=_read_topic,
        delete=Deletes("DeleteTopic", {"TopicArn": "{id}"}),
        fixed=("fifoTopic", "name", "namePrefix"),
        parts=(Part(TOPIC, _write_topic, created=True),),
        defaults={"fifoTopic": False},
        chosen=("policy", "signatureVersion", "tracingConfig"),
        json=("deliveryPolicy", "policy"),
        naming=Naming(limit=256),
        identity=("name",),
        tagging=Tagging(),
    ),
    Resource(
        type="aws:sns/topicPolicy:TopicPolicy",
        service="sns",
        create=_create_policy,
        read=_read_policy,
        delete=_delete_policy,
        fixed=("arn",),
        parts=(Part(("policy",), _write_policy, created=True),),
        json=("policy",),
        identity=("arn",),
    ),
    Resource(
        type="aws:sns/topicSubscription:TopicSubscription",
        service="sns",
        create=_subscribe,
        read=_read_subscription,
        delete=Deletes("Unsubscribe", {"SubscriptionArn": "{id}"}),
        fixed=("endpoint", "protocol", "topic"),
        parts=(Part(SUBSCRIPTION, _write_subscription, created=True),),
        chosen=("filterPolicyScope", "rawMessageDelivery"),
        json=("deliveryPolicy", "filterPolicy", "redrivePolicy"),
        identity=("endpoint", "protocol", "topic"),
    ),
)
