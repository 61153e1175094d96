"""Rules that keep an MWAA installation recoverable, for any Pulumi program on AWS.

Each module holds the rules of one area as constants over pure checks. `RULES` is all of them;
`POLICIES` is what the engine runs.
"""

from mwaa_dr_policy import (
    access,
    alarms,
    buckets,
    environment,
    excused,
    inventory,
    keys,
    lifecycle,
    logs,
    machines,
    network,
    objectives,
    pairs,
    recovery,
    replication,
    roles,
    tags,
    topics,
)
from mwaa_dr_policy.rule import Rule
from mwaa_dr_policy.wiring import policy_of

AREAS: dict[str, tuple[Rule, ...]] = {
    "Objectives": objectives.RULES,
    "Sites": inventory.RULES,
    "Buckets": (*buckets.RULES, *lifecycle.RULES),
    "Replication": replication.RULES,
    "Keys": keys.RULES,
    "Alarms": (*alarms.RULES, *topics.RULES),
    "Environments": (*environment.RULES, *pairs.RULES),
    "Network": network.RULES,
    "Access": (*access.RULES, *roles.RULES),
    "Recovery": (*recovery.RULES, *machines.RULES),
    "Logs and tags": (*logs.RULES, *tags.RULES),
    "Exceptions": excused.RULES,
}
"""Exceptions come last: they are judged by what the other rules excused."""
RULES: tuple[Rule, ...] = tuple(rule for rules in AREAS.values() for rule in rules)
POLICIES = [policy_of(rule) for rule in RULES]
