"""What the owners of existing things have to add: the stack's output `ownersAdd`.

Nobody's policy is changed behind their back, and a policy that two programs write is never right.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from components.base import Place
from components.iam import Statement
from components.keys import account_statement, service_statements
from components.plan import agent_config
from components.retention import Retention
from components.rules import dag_rule_statements, dag_rules
from components.settings.existing import OWNER
from components.topic import publish_statements
from contract.sites import Site

OUTPUT = "ownersAdd"


def owners_add(
    place: Place,
    *,
    role_policies: Mapping[str, Sequence[Statement]],
    dag_retention: Sequence[Retention],
) -> dict[str, Any]:
    """By setting below `existing.<site>`: what its owner adds, as AWS's API takes it.

    Args:
        place: the site.
        role_policies: the statements of the execution role by concern.
        dag_retention: how long old versions in the DAG bucket have to stay.
    """
    existing = place.existing
    found: dict[str, Any] = {}
    if place.site is Site.PRIMARY and place.settings.existing.primary.environment:
        found["environment"] = {"airflowConfigurationOptions": agent_config(place).to_options()}
    if existing.execution_role_arn:
        found["executionRoleArn"] = {
            "statements": [
                one.to_dict() for statements in role_policies.values() for one in statements
            ]
        }
    if existing.data_key_arn:
        needed = [account_statement(place), *service_statements(place)]
        found["dataKeyArn"] = {"statements": [one.to_dict() for one in needed]}
    if existing.topic_arn:
        found["topicArn"] = {
            "statements": [one.to_dict() for one in publish_statements(place, existing.topic_arn)]
        }
    if existing.topic_key_arn:
        found["topicKeyArn"] = {
            "statements": [one.to_dict() for one in service_statements(place)[1:]]
        }
    if existing.dag_bucket:
        found["dagBucket"] = {
            "leastNoncurrentDays": {one.prefix: one.noncurrent_days for one in dag_retention}
        }
        if existing.replication_rules == OWNER:
            found["dagBucket"] |= {
                "replicationRules": dag_rules(place),
                "replicationRoleStatements": dag_rule_statements(place),
            }
    return found
