"""The table of permissions: which actions an operation needs, on which resources.

Sources: Service Authorization Reference (actions and resource types); S3 user guide, "Required
permissions for Amazon S3 API operations", "Conditional writes" and, on KMS, "Protecting data with
server-side encryption"; DynamoDB developer guide, "Encryption at rest"; SNS developer guide, "Key
management"; MWAA user guide, "Accessing an Amazon MWAA environment"; STS API reference,
GetCallerIdentity.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

MWAA = "airflow.amazonaws.com"
PREFIXES = {"monitoring": "cloudwatch"}
"""Prefix of a service's actions where it is not the name it signs with."""


@dataclass(frozen=True, slots=True)
class Row:
    """A need of an operation.

    Args:
        resource: template of an ARN: `{Name}` is a parameter, `{some words}` are looked up;
            where it comes out empty there is no need.
        when: parameter that must be given.
        unless: parameter that must not be given.
        context: values of condition keys, as templates.
    """

    action: str
    resource: str = "*"
    when: str = ""
    unless: str = ""
    context: Mapping[str, str] = field(default_factory=dict)


_BUCKET = "arn:{partition}:s3:::{Bucket}"
_OBJECT = "arn:{partition}:s3:::{Bucket}/{Key}"
_ENVIRONMENT = "arn:{partition}:airflow:{region}:{account}:environment/{Name}"
_EC2 = "arn:{partition}:ec2:{region}:{account}:"
_READ = (
    Row("s3:GetObject", _OBJECT, unless="VersionId"),
    Row("s3:GetObjectVersion", _OBJECT, when="VersionId"),
    # Without it S3 does not say that an object is missing: it answers 403.
    Row("s3:ListBucket", "{bucket without the object}"),
    Row("kms:Decrypt", "{key of the object}"),
)
_COMPARE = (Row("s3:GetObject", _OBJECT, when="IfMatch"),)
"""A write on condition reads what is there ("Conditional writes")."""
_PARTS = (
    Row("s3:PutObject", _OBJECT),
    Row("kms:GenerateDataKey", "{key of the bucket}"),
    # The parts are read again when they are put together.
    Row("kms:Decrypt", "{key of the bucket}"),
)
_COPY = (
    Row("s3:GetObject", "{source}", unless="{source version}"),
    Row("s3:GetObjectVersion", "{source}", when="{source version}"),
    Row("kms:Decrypt", "{key of the source}"),
)
_STATES = {
    name: (Row(f"states:{name}", arn),)
    for name, arn in (
        ("StartExecution", "{stateMachineArn}"),
        ("DescribeStateMachine", "{stateMachineArn}"),
        ("ListExecutions", "{stateMachineArn}"),
        ("DescribeExecution", "{executionArn}"),
        ("GetExecutionHistory", "{executionArn}"),
        ("StopExecution", "{executionArn}"),
    )
}
_ITEMS = {
    name: (Row(f"dynamodb:{name}", "{table}"), Row("kms:Decrypt", "{key of the table}"))
    for name in ("GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan")
}
_NO_RESOURCE = {
    "monitoring": ("GetMetricData", "GetMetricStatistics", "ListMetrics"),
    "airflow": ("ListEnvironments",),
    "ec2": ("DescribeSubnets", "DescribeSecurityGroups", "DescribeVpcs", "DescribeRouteTables"),
    "logs": ("DescribeLogGroups",),
}
ROWS: dict[str, dict[str, tuple[Row, ...]]] = {
    "s3": {
        "GetObject": _READ,
        "HeadObject": _READ,
        "PutObject": (
            Row("s3:PutObject", _OBJECT),
            *_COMPARE,
            Row("s3:PutObjectTagging", _OBJECT, when="Tagging"),
            Row("kms:GenerateDataKey", "{key of the bucket}"),
        ),
        "CopyObject": (
            *_COPY,
            Row("s3:PutObject", _OBJECT),
            Row("kms:GenerateDataKey", "{key of the bucket}"),
        ),
        "CreateMultipartUpload": (
            Row("s3:PutObject", _OBJECT),
            Row("kms:GenerateDataKey", "{key of the bucket}"),
        ),
        "UploadPart": _PARTS,
        "UploadPartCopy": (*_COPY, *_PARTS),
        "CompleteMultipartUpload": (*_PARTS, *_COMPARE),
        "AbortMultipartUpload": (Row("s3:AbortMultipartUpload", _OBJECT),),
        "ListParts": (Row("s3:ListMultipartUploadParts", _OBJECT),),
        "ListMultipartUploads": (Row("s3:ListBucketMultipartUploads", _BUCKET),),
        "DeleteObject": (
            Row("s3:DeleteObject", _OBJECT, unless="VersionId"),
            Row("s3:DeleteObjectVersion", _OBJECT, when="VersionId"),
        ),
        "GetObjectTagging": (Row("s3:GetObjectTagging", _OBJECT),),
        "PutObjectTagging": (Row("s3:PutObjectTagging", _OBJECT),),
        "ListObjects": (Row("s3:ListBucket", _BUCKET, context={"s3:prefix": "{Prefix}"}),),
        "ListObjectsV2": (Row("s3:ListBucket", _BUCKET, context={"s3:prefix": "{Prefix}"}),),
        "ListObjectVersions": (
            Row("s3:ListBucketVersions", _BUCKET, context={"s3:prefix": "{Prefix}"}),
        ),
        "HeadBucket": (Row("s3:ListBucket", _BUCKET),),
        "GetBucketLocation": (Row("s3:GetBucketLocation", _BUCKET),),
        "GetBucketVersioning": (Row("s3:GetBucketVersioning", _BUCKET),),
        "GetBucketEncryption": (Row("s3:GetEncryptionConfiguration", _BUCKET),),
        "ListBuckets": (Row("s3:ListAllMyBuckets"),),
    },
    "airflow": {
        "GetEnvironment": (Row("airflow:GetEnvironment", _ENVIRONMENT),),
        "DeleteEnvironment": (Row("airflow:DeleteEnvironment", _ENVIRONMENT),),
        "CreateCliToken": (Row("airflow:CreateCliToken", _ENVIRONMENT),),
        "UpdateEnvironment": (
            Row("airflow:UpdateEnvironment", _ENVIRONMENT),
            Row("iam:PassRole", "{ExecutionRoleArn}", context={"iam:PassedToService": MWAA}),
        ),
        "CreateEnvironment": (
            Row("airflow:CreateEnvironment", _ENVIRONMENT),
            Row("airflow:TagResource", _ENVIRONMENT, when="Tags"),
            Row("iam:PassRole", "{ExecutionRoleArn}", context={"iam:PassedToService": MWAA}),
            Row("s3:GetEncryptionConfiguration", "{SourceBucketArn}"),
            Row("ec2:CreateNetworkInterface", f"{_EC2}network-interface/*"),
            Row("ec2:CreateNetworkInterface", f"{_EC2}subnet/*"),
            Row("ec2:CreateNetworkInterface", f"{_EC2}security-group/*"),
            Row("ec2:CreateVpcEndpoint", f"{_EC2}vpc-endpoint/*"),
            Row("ec2:CreateVpcEndpoint", f"{_EC2}vpc/*"),
            Row("ec2:CreateVpcEndpoint", f"{_EC2}subnet/*"),
            Row("ec2:CreateVpcEndpoint", f"{_EC2}security-group/*"),
            Row("kms:DescribeKey", "{key}", when="KmsKey"),
            Row("kms:CreateGrant", "{key}", when="KmsKey"),
        ),
    },
    "dynamodb": _ITEMS,
    "states": _STATES,
    "lambda": {"Invoke": (Row("lambda:InvokeFunction", "{function}"),)},
    "sns": {
        "Publish": (
            Row("sns:Publish", "{TopicArn}"),
            Row("kms:GenerateDataKey", "{key of the topic}"),
            Row("kms:Decrypt", "{key of the topic}"),
        ),
    },
    "sqs": {
        name: (Row(f"sqs:{name}", "{queue}"),)
        for name in ("SendMessage", "ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
    },
    "kms": {
        "DescribeKey": (Row("kms:DescribeKey", "{key}"),),
        "Decrypt": (Row("kms:Decrypt", "{key}"),),
        "Encrypt": (Row("kms:Encrypt", "{key}"),),
        "GenerateDataKey": (Row("kms:GenerateDataKey", "{key}"),),
    },
    "monitoring": {
        "PutMetricData": (
            Row("cloudwatch:PutMetricData", context={"cloudwatch:namespace": "{Namespace}"}),
        ),
    },
    # "No permissions are required to perform this operation."
    "sts": {"GetCallerIdentity": ()},
    "xray": {name: (Row(f"xray:{name}"),) for name in ("PutTraceSegments",)},
}
for _service, _operations in _NO_RESOURCE.items():
    for _operation in _operations:
        ROWS.setdefault(_service, {})[_operation] = (
            Row(f"{PREFIXES.get(_service, _service)}:{_operation}"),
        )
