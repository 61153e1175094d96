"""What each grant of `contract.functions` means in IAM: the narrowest statements, as data."""

from collections.abc import Callable
from dataclasses import dataclass

import pulumi

from components.base import Place
from components.iam import KEY_READ, KEY_TABLE, KEY_WRITE, Conditions, Statement, by_alias
from components.plan import execution_role_arn, may_be_private
from contract import events
from contract.checks import CheckKind
from contract.functions import HASTEN, Grant
from contract.keys import STARTUP_SCRIPTS, startup_script
from contract.machines import RECOVERY
from contract.metrics import NAMESPACE
from contract.sites import Site
from contract.state import IncidentKind

READ = ("s3:GetObject", "s3:GetObjectVersion")


@dataclass(frozen=True, kw_only=True, slots=True)
class DrKeys:
    """ARNs of keys that the `dr` stack made."""

    data: pulumi.Input[str]


@dataclass(frozen=True, slots=True)
class Granted:
    """Statements that are known in a preview, and those with a key's ARN that is not."""

    access: tuple[Statement, ...] = ()
    keys: tuple[Statement, ...] = ()


def granted(grant: Grant, dr: Place, keys: DrKeys) -> Granted:
    """The statements of one grant for a function at the DR site."""
    return _MEANING[grant](dr, keys)


def _bucket(place: Place, bucket: str) -> str:
    return place.names.bucket_arn(bucket)


def _in_regions(place: Place) -> Conditions:
    s = place.settings
    regions = sorted({s.primary_region, s.dr_region, s.witness_region})
    return {"StringEquals": {"aws:RequestedRegion": regions}}


def _primary_key(dr: Place, actions: tuple[str, ...]) -> Statement:
    existing = dr.other.existing.data_key_arn
    if existing:
        return Statement(actions, (existing,))
    key, condition = by_alias(dr.other, dr.names.data_alias(Site.PRIMARY))
    return Statement(actions, (key,), condition)


def _observe(dr: Place, keys: DrKeys) -> Granted:
    del keys
    return Granted(
        (
            Statement(
                (
                    *("cloudwatch:GetMetricData", "cloudwatch:ListMetrics"),
                    "airflow:ListEnvironments",
                ),
                conditions=_in_regions(dr),
            ),
            Statement(
                ("s3:ListBucket",),
                tuple(_bucket(dr, one.backup_bucket) for one in (dr.other, dr)),
            ),
        )
    )


def _checks(dr: Place, keys: DrKeys) -> Granted:
    """What the user's own checks read, wherever they are."""
    del keys
    checks = dr.settings.detection.checks
    regions = sorted({one.region for one in checks if one.kind is CheckKind.METRIC and one.region})
    alarms = tuple(
        dr.names.arn("cloudwatch", one.region, f"alarm:{one.alarm}")
        for one in checks
        if one.kind is CheckKind.ALARM and one.region
    )
    in_regions = {"StringEquals": {"aws:RequestedRegion": regions}}
    metrics = Statement(("cloudwatch:GetMetricData",), conditions=in_regions)
    return Granted(
        (
            *((metrics,) if regions else ()),
            *((Statement(("cloudwatch:DescribeAlarms",), alarms),) if alarms else ()),
        )
    )


def _environments(dr: Place, keys: DrKeys) -> Granted:
    del keys
    environments = (one.environment_arn for one in (dr.other, dr))
    return Granted((Statement(("airflow:GetEnvironment",), tuple(environments)),))


def _read_backups(dr: Place, keys: DrKeys) -> Granted:
    bucket = _bucket(dr, dr.backup_bucket)
    return Granted(
        (
            Statement(("s3:GetObject",), (f"{bucket}/*",)),
            Statement(("s3:ListBucket",), (bucket,)),
        ),
        (Statement(KEY_READ, (keys.data,)),),
    )


def _read_control(dr: Place, keys: DrKeys) -> Granted:
    bucket = _bucket(dr, dr.backup_bucket)
    return Granted(
        (
            Statement(("s3:GetObject",), (f"{bucket}/control/*",)),
            Statement(("s3:ListBucket",), (bucket,)),
        ),
        (Statement(KEY_READ, (keys.data,)),),
    )


def _write_config(dr: Place, keys: DrKeys) -> Granted:
    return Granted(
        (Statement(("s3:PutObject",), (f"{_bucket(dr, dr.backup_bucket)}/config/*",)),),
        (Statement(KEY_WRITE, (keys.data,)),),
    )


def _write_control(dr: Place, keys: DrKeys) -> Granted:
    buckets = [_bucket(dr, one.backup_bucket) for one in (dr.other, dr)]
    return Granted(
        (
            Statement(
                ("s3:GetObject", "s3:PutObject"), tuple(f"{one}/control/*" for one in buckets)
            ),
            Statement(("s3:ListBucket",), tuple(buckets)),
            _primary_key(dr, KEY_WRITE),
        ),
        (Statement(KEY_WRITE, (keys.data,)),),
    )


def _read_code(dr: Place, keys: DrKeys) -> Granted:
    buckets = [_bucket(dr, one.dag_bucket) for one in (dr.other, dr)]
    return Granted(
        (
            Statement(READ, tuple(f"{one}/*" for one in buckets)),
            _primary_key(dr, KEY_READ),
        ),
        (Statement(KEY_READ, (keys.data,)),),
    )


def _state(dr: Place, keys: DrKeys) -> Granted:
    table = dr.names.arn("dynamodb", dr.region, f"table/{dr.names.state_table}")
    return Granted(
        (
            Statement(
                ("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"),
                (table,),
            ),
        ),
        (Statement(KEY_TABLE, (keys.data,)),),
    )


def _metrics(dr: Place, keys: DrKeys) -> Granted:
    del keys
    regions = sorted({dr.region, dr.other.region})
    return Granted(
        (
            Statement(
                ("cloudwatch:PutMetricData",),
                conditions={
                    "StringEquals": {
                        "cloudwatch:namespace": NAMESPACE,
                        "aws:RequestedRegion": regions,
                    }
                },
            ),
        )
    )


def _notify(dr: Place, keys: DrKeys) -> Granted:
    topic_key = dr.existing.topic_key_arn
    return Granted(
        (
            Statement(
                ("sns:Publish",),
                (dr.topic_arn, *((dr.escalation_arn,) if dr.escalation_arn else ())),
            ),
            Statement(
                ("events:PutEvents",),
                (dr.names.arn("events", dr.region, "event-bus/default"),),
                {"StringEquals": {"events:source": events.SOURCE}},
            ),
        ),
        (
            Statement(
                ("kms:Decrypt", "kms:GenerateDataKey"),
                (keys.data, *((topic_key,) if topic_key else ())),
            ),
        ),
    )


def _start_recovery(dr: Place, keys: DrKeys) -> Granted:
    del keys
    machine = dr.names.state_machine_arn(RECOVERY, dr.region)
    return Granted((Statement(("states:StartExecution",), (machine,)),))


def _remove_environment(dr: Place, keys: DrKeys) -> Granted:
    del keys
    scripts = f"{_bucket(dr, dr.dag_bucket)}/{startup_script(f'{IncidentKind.DRILL}-*')}"
    return Granted(
        (
            Statement(
                ("airflow:GetEnvironment", "airflow:DeleteEnvironment"),
                (dr.environment_arn,),
            ),
            Statement(("s3:DeleteObject",), (scripts,)),
        )
    )


def _ec2(dr: Place, *kinds: str) -> tuple[str, ...]:
    return tuple(dr.names.arn("ec2", dr.region, f"{kind}/*") for kind in kinds)


def _create_environment(dr: Place, keys: DrKeys) -> Granted:
    """What MWAA documents for the caller of CreateEnvironment (user guide, 'Accessing MWAA')."""
    names, bucket = dr.names, _bucket(dr, dr.dag_bucket)
    service = {"StringEquals": {"iam:PassedToService": "airflow.amazonaws.com"}}
    linked = (
        f"arn:{names.partition}:iam::{names.account}:role/aws-service-role/"
        "airflow.amazonaws.com/AWSServiceRoleForAmazonMWAA"
    )
    return Granted(
        (
            Statement(
                ("airflow:CreateEnvironment", "airflow:GetEnvironment", "airflow:TagResource"),
                (dr.environment_arn,),
            ),
            Statement(("iam:PassRole",), (execution_role_arn(dr),), service),
            Statement(
                ("iam:CreateServiceLinkedRole",),
                (linked,),
                {"StringEquals": {"iam:AWSServiceName": "airflow.amazonaws.com"}},
            ),
            Statement(READ, (f"{bucket}/*",)),
            Statement(
                ("s3:ListBucket", "s3:ListBucketVersions", "s3:GetEncryptionConfiguration"),
                (bucket,),
            ),
            Statement(("s3:PutObject",), (f"{bucket}/{STARTUP_SCRIPTS}*",)),
            Statement(
                (
                    *("ec2:DescribeSecurityGroups", "ec2:DescribeSubnets"),
                    *("ec2:DescribeVpcs", "ec2:DescribeRouteTables"),
                ),
            ),
            Statement(
                ("ec2:CreateVpcEndpoint",),
                _ec2(dr, "vpc-endpoint", "vpc", "subnet", "security-group"),
            ),
            Statement(
                ("ec2:CreateNetworkInterface",),
                _ec2(dr, "network-interface", "subnet", "security-group"),
            ),
        ),
        (
            Statement(
                (
                    *(*KEY_TABLE, "kms:GenerateDataKeyWithoutPlaintext"),
                    *("kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"),
                ),
                (keys.data,),
            ),
        ),
    )


def _rest_of(*places: Place) -> Statement:
    operators = (
        one.names.arn("airflow", one.region, f"role/{one.environment}/Op") for one in places
    )
    return Statement(("airflow:InvokeRestApi",), tuple(operators))


def _invoke_rest(dr: Place, keys: DrKeys) -> Granted:
    del keys
    if not may_be_private(dr.settings):
        return Granted((_rest_of(dr.other, dr),))
    hasten = Statement(("lambda:InvokeFunction",), (dr.names.function_arn(HASTEN, dr.region),))
    return Granted((_rest_of(dr.other), hasten))


def _invoke_rest_inside(dr: Place, keys: DrKeys) -> Granted:
    del keys
    return Granted((_rest_of(dr),))


def _network(dr: Place, keys: DrKeys) -> Granted:
    """Lambda developer guide, 'Giving Lambda functions access to resources in a VPC': Lambda uses
    these in the role's name, and the function's own code needs none of them.
    """
    del keys
    look = ("ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets")
    make = ("ec2:CreateNetworkInterface",)
    keep = (
        *("ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses"),
        "ec2:UnassignPrivateIpAddresses",
    )
    own_code = {"ArnEquals": {"lambda:SourceFunctionArn": dr.names.function_arn(HASTEN, dr.region)}}
    return Granted(
        (
            Statement(look),
            Statement(make, _ec2(dr, "network-interface", "subnet", "security-group")),
            # The guide asks for all resource ids, in this form.
            Statement(keep, (dr.names.arn("ec2", dr.region, "*/*"),)),
            Statement((*look, *make, *keep), conditions=own_code, effect="Deny"),
        )
    )


_MEANING: dict[Grant, Callable[[Place, DrKeys], Granted]] = {
    Grant.OBSERVE: _observe,
    Grant.CHECKS: _checks,
    Grant.ENVIRONMENTS: _environments,
    Grant.READ_BACKUPS: _read_backups,
    Grant.READ_CONTROL: _read_control,
    Grant.WRITE_CONFIG: _write_config,
    Grant.WRITE_CONTROL: _write_control,
    Grant.READ_CODE: _read_code,
    Grant.STATE: _state,
    Grant.METRICS: _metrics,
    Grant.NOTIFY: _notify,
    Grant.START_RECOVERY: _start_recovery,
    Grant.REMOVE_ENVIRONMENT: _remove_environment,
    Grant.CREATE_ENVIRONMENT: _create_environment,
    Grant.INVOKE_REST: _invoke_rest,
    Grant.INVOKE_REST_INSIDE: _invoke_rest_inside,
    Grant.NETWORK: _network,
}
