"""What goes together where something exists already: exactly one of existing and created."""

from collections.abc import Iterator

from components.settings.existing import OWNER
from components.settings.tree import Settings
from contract.sites import Site, Strategy

EXECUTION_POLICIES = "execution_policy_arns"
FILES = ("plugins_file", "requirements_file", "startup_script_file")


def environment(s: Settings) -> Iterator[str]:
    """An environment is described, or named, never both."""
    name = s.existing.primary.environment
    described = s.environment.model_fields_set - {EXECUTION_POLICIES}
    if not name:
        if s.environment.airflow_version is None:
            yield (
                "environment.airflowVersion: is missing; give a version that MWAA can create, like "
                "2.10.3, or name an environment that is there in existing.primary.environment"
            )
        return
    for key, value in (
        ("dagBucket", s.existing.primary.dag_bucket),
        ("executionRoleArn", s.existing.primary.execution_role_arn),
    ):
        if not value:
            yield (
                f"existing.primary.{key}: is missing; give the one that {name} uses "
                "(existing.primary.environment)"
            )
    if "primary" in s.network.model_fields_set:
        yield f"network.primary: {name} has its network; leave it out"
    for file in FILES:
        if getattr(s.code, file):
            yield (
                f"code.{_camel(file)}: {name} is configured by its owner, with object versions of "
                "the owner's; leave it out"
            )
    if s.strategy is Strategy.ACTIVE_PASSIVE:
        if s.environment.airflow_version is None:
            yield (
                "environment.airflowVersion: is missing; under active-passive `environment` "
                f"describes the one that stands by: give what {name} has"
            )
    elif described:
        yield (
            f"environment: {', '.join(sorted(_camel(key) for key in described))} describe an "
            f"environment that is made, but existing.primary.environment is {name!r}; leave them "
            "out, since a recovery takes over what it captured"
        )


def regions(s: Settings) -> Iterator[str]:
    """A site's things are in its Region, and but for topics in its account."""
    for site in Site:
        existing, region = s.existing.of(site), s.region(site)
        for key, arn, own_account in (
            ("dataKeyArn", existing.data_key_arn, True),
            ("executionRoleArn", existing.execution_role_arn, True),
            ("topicArn", existing.topic_arn, False),
            ("topicKeyArn", existing.topic_key_arn, False),
        ):
            if not arn:
                continue
            _, partition, service, where, account, _ = arn.split(":", 5)
            wanted = f"{s.partition}:{service}:{region if service != 'iam' else ''}"
            if f"{partition}:{service}:{where}" != wanted:
                yield (
                    f"existing.{site}.{key}: {arn!r} is not allowed; use one that starts with "
                    f"arn:{wanted}:"
                )
            elif own_account and account != s.account:
                yield f"existing.{site}.{key}: {arn!r} is not allowed; use one of {s.account}"


def combinations(s: Settings) -> Iterator[str]:
    """Settings that would do nothing, or the same thing twice."""
    if s.code.seed and not s.code.replication:
        yield "code.seed: goes with code.replication true only; leave it out"
    both = [s.existing.of(site) for site in Site]
    for site, existing in zip(Site, both, strict=True):
        if existing.topic_key_arn and not existing.topic_arn:
            yield f"existing.{site}.topicKeyArn: goes with existing.{site}.topicArn only"
        if existing.replication_rules == OWNER and not (existing.dag_bucket and s.code.replication):
            yield (
                f"existing.{site}.replicationRules: 'owner' goes with existing.{site}.dagBucket "
                "and code.replication only; leave it out"
            )
    buckets = [existing.dag_bucket for existing in both if existing.dag_bucket]
    if len(set(buckets)) < len(buckets):
        yield (
            f"existing.dr.dagBucket: {buckets[0]!r} is the primary site's; each site needs its own"
        )
    if s.notifications and all(existing.topic_arn for existing in both):
        yield (
            "notifications: goes with topics that this program makes; subscribe to those of "
            "existing.primary.topicArn and existing.dr.topicArn yourself"
        )
    if s.environment.execution_policy_arns and all(one.execution_role_arn for one in both):
        yield (
            "environment.executionPolicyArns: goes with execution roles that this program makes; "
            "attach them to existing.primary.executionRoleArn and existing.dr.executionRoleArn "
            "yourself"
        )


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
