"""What is there already: read, checked and used, never changed.

Produces no resource of its own: the engine reads what the settings name, in the Region of its site,
so that the `dr` stack still asks nothing of the primary Region. A role is not even read: IAM's
control plane may be out of reach when the `dr` stack has to be updated.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from components.environment import DAG_PATH
from components.rules import dag_rule_statements, dag_rules
from components.settings.existing import OWNER

KMS = ("aws:kms", "aws:kms:dsse")


class ExistingError(pulumi.RunError):
    """Something that exists cannot be used as it is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExistingBucketArgs:
    """A DAG bucket that somebody else made.

    Args:
        place: the site it belongs to.
        linked: whether this stack is the one that sets up its replication.
    """

    place: Place
    linked: bool


class ExistingBucket(Component):
    """A DAG bucket that is versioned, in its Region, and encrypted with a key we may use."""

    bucket: pulumi.Output[str]
    arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: ExistingBucketArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        place = args.place
        found = aws.s3.Bucket.get(
            f"{name}-bucket", place.dag_bucket, region=place.region, opts=self.child()
        )
        self.bucket = pulumi.Output.all(
            region=found.bucket_region,
            # As inputs they are deprecated, and the properties would say so in every preview.
            versioning=pulumi.get(found, "versioning"),
            encryption=pulumi.get(found, "server_side_encryption_configuration"),
            replication=pulumi.get(found, "replication_configuration"),
        ).apply(lambda seen: _checked_bucket(args, seen))
        self.arn = self.bucket.apply(place.names.bucket_arn)
        self.register_outputs({"bucket": self.bucket, "arn": self.arn})


def _checked_bucket(args: ExistingBucketArgs, found: Mapping[str, Any]) -> str:
    place = args.place
    where = f"mwaa-dr:existing.{place.site}.dagBucket: {place.dag_bucket!r}"
    if found["region"] != place.region:
        raise ExistingError(
            f"{where} is in {found['region']}; name one in {place.region}, since MWAA loads DAGs "
            "from its own Region"
        )
    if not (found["versioning"] or {}).get("enabled"):
        raise ExistingError(
            f"{where} is not versioned; turn versioning on: MWAA and replication need it, and "
            "without old versions there is no way back to yesterday's DAGs"
        )
    foreign = _foreign_key(found["encryption"], place.existing.data_key_arn)
    if foreign:
        raise ExistingError(
            f"{where} encrypts with {foreign}, which is not the site's data key; set "
            f"mwaa-dr:existing.{place.site}.dataKeyArn to the bucket's key, or let the bucket use "
            "SSE-S3: replication, recovery and environment are given the data key alone"
        )
    if args.linked:
        _check_rules(place, where, found["replication"])
    return place.dag_bucket


def _foreign_key(encryption: Any, key: str | None) -> str:  # noqa: ANN401 - pulumi-aws's output
    rule = (encryption or {}).get("rule") or {}
    default = rule.get("apply_server_side_encryption_by_default") or {}
    if default.get("sse_algorithm") not in KMS:
        return ""
    own = default.get("kms_master_key_id") or "the AWS managed key aws/s3"
    same = key is not None and own in (key, key.rpartition("/")[2])
    return "" if same else own


def _check_rules(place: Place, where: str, replication: Any) -> None:  # noqa: ANN401
    """Whether the bucket's replication configuration has exactly one owner."""
    there = {str(rule.get("id")) for rule in (replication or {}).get("rules") or []}
    rules = dag_rules(place)
    ours = {rule["ID"] for rule in rules}
    if place.existing.replication_rules == OWNER:
        missing = sorted(ours - there)
        if missing:
            pulumi.log.warn(
                f"{where} lacks the replication rule {', '.join(missing)}: paste it from the "
                "stack's output ownersAdd; until then DAGs do not reach the other site"
            )
    elif there - ours:
        raise ExistingError(
            f"{where} has replication rules already ({', '.join(sorted(there - ours))}), and two "
            "owners of one bucket's replication configuration undo each other's for ever. Paste "
            "the rules below into it, allow its role the statements below, and set "
            f"mwaa-dr:existing.{place.site}.replicationRules to owner\n"
            f"rules: {json.dumps(rules, indent=2)}\n"
            f"statements: {json.dumps(dag_rule_statements(place), indent=2)}"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ExistingKeyArgs:
    """The data key of a site that somebody else made."""

    place: Place
    arn: str


class ExistingKey(Component):
    """A key that can encrypt what S3, DynamoDB, SNS, Logs and MWAA keep."""

    arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: ExistingKeyArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        found = aws.kms.get_key_output(key_id=args.arn, region=args.place.region)
        self.arn = pulumi.Output.all(
            enabled=found.enabled, usage=found.key_usage, spec=found.customer_master_key_spec
        ).apply(lambda seen: _checked_key(args, **seen))
        self.register_outputs({"arn": self.arn})


def _checked_key(args: ExistingKeyArgs, *, enabled: bool, usage: str, spec: str) -> str:
    where = f"mwaa-dr:existing.{args.place.site}.dataKeyArn: {args.arn!r}"
    if not enabled:
        raise ExistingError(f"{where} is disabled or about to be deleted; name one that is in use")
    if (usage, spec) != ("ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT"):
        raise ExistingError(
            f"{where} is of {spec} for {usage}; name a symmetric one for encryption"
        )
    return args.arn


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedArgs:
    """The ARN of something that is used and not read."""

    arn: str


class Named(Component):
    """A role or a topic that somebody else made."""

    arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: NamedArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        self.arn = pulumi.Output.from_input(args.arn)
        self.register_outputs({"arn": self.arn})


@dataclass(frozen=True, kw_only=True, slots=True)
class ExistingEnvironmentArgs:
    """The primary environment that somebody else made.

    Args:
        place: the primary site.
        options: the Airflow configuration options that its owner has to set.
    """

    place: Place
    options: Mapping[str, str]


class ExistingEnvironment(Component):
    """An environment that loads from the named bucket, runs as the named role, and is told of us.

    Missing options are no error: the owner sets them after the first update, which makes what they
    name.
    """

    arn: pulumi.Output[str]
    webserver_url: pulumi.Output[str]

    def __init__(
        self, name: str, args: ExistingEnvironmentArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        place = args.place
        found = aws.mwaa.Environment.get(
            f"{name}-environment", place.environment, region=place.region, opts=self.child()
        )
        checked = pulumi.Output.all(
            bucket=found.source_bucket_arn,
            role=found.execution_role_arn,
            path=found.dag_s3_path,
            options=found.airflow_configuration_options,
        ).apply(lambda seen: _checked_environment(args, **seen))
        self.arn = pulumi.Output.unsecret(
            pulumi.Output.all(found.arn, checked).apply(lambda seen: str(seen[0]))
        )
        self.webserver_url = found.webserver_url
        self.register_outputs({"arn": self.arn, "webserver_url": self.webserver_url})


def _checked_environment(
    args: ExistingEnvironmentArgs,
    *,
    bucket: str,
    role: str,
    path: str,
    options: Mapping[str, str] | None,
) -> bool:
    place = args.place
    where = f"mwaa-dr:existing.primary.environment: {place.environment!r}"
    for key, wanted, seen in (
        ("dagBucket", place.names.bucket_arn(place.dag_bucket), bucket),
        ("executionRoleArn", place.existing.execution_role_arn, role),
    ):
        if seen != wanted:
            raise ExistingError(f"{where} uses {seen}; set mwaa-dr:existing.primary.{key} to that")
    if path.strip("/") != DAG_PATH:
        raise ExistingError(
            f"{where} loads DAGs from {path!r}; only {DAG_PATH!r} is supported, since the recovery "
            "DAGs lie there at both sites"
        )
    held = options or {}
    missing = sorted(key for key, value in args.options.items() if held.get(key) != value)
    if missing:
        pulumi.log.warn(
            f"{where} lacks the Airflow options {', '.join(missing)}: its owner adds those of the "
            "stack's output ownersAdd with UpdateEnvironment, which takes all options at once, the "
            "environment's own too; until then it proves no life and makes no backups"
        )
    return not missing
