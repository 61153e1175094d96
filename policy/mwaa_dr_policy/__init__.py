"""Rules that keep an MWAA installation recoverable, for any Pulumi program on AWS.

Each module holds the rules of one area as constants over pure checks. `RULES` is all of them;
`POLICIES` is what the engine runs.
"""

from mwaa_dr_policy import access, alarms, buckets, environment, recovery, replication
from mwaa_dr_policy.rule import Rule
from mwaa_dr_policy.wiring import policy_of

AREAS: dict[str, tuple[Rule, ...]] = {
    "Buckets": buckets.RULES,
    "Replication": replication.RULES,
    "Alarms": alarms.RULES,
    "Environments": environment.RULES,
    "Access": access.RULES,
    "Recovery": recovery.RULES,
}
RULES: tuple[Rule, ...] = tuple(rule for rules in AREAS.values() for rule in rules)
POLICIES = [policy_of(rule) for rule in RULES]
