"""The resource types and functions that the local provider knows; a module per area of AWS.

A new type is a row: which operations make, show, change and remove it, and which of its properties
only a replacement can change. `tests/pulumi/test_catalog.py` holds every row against AWS's own
models and against `pulumi_aws`.
"""

from local.pulumi.provider.catalog import (
    cloudwatch,
    dynamodb,
    ec2,
    ec2_logs,
    ec2_routes,
    ec2_security,
    events,
    iam,
    kms,
    lambda_functions,
    mwaa,
    s3,
    s3_objects,
    s3_settings,
    sns,
    step_functions,
)
from local.pulumi.provider.model import Resource

RESOURCES: dict[str, Resource] = {
    row.type: row
    for module in (
        cloudwatch,
        dynamodb,
        ec2,
        ec2_logs,
        ec2_routes,
        ec2_security,
        events,
        iam,
        kms,
        lambda_functions,
        mwaa,
        s3,
        s3_objects,
        s3_settings,
        sns,
        step_functions,
    )
    for row in module.RESOURCES
}
