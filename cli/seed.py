"""`mwaa-dr code seed`: carries what was in the DAG bucket before there was replication."""

import uuid
from typing import Any

import boto3
import click

from cli import show
from cli.place import BOUNDED, Place, pass_place
from contract.keys import BATCH_REPORTS
from contract.names import SEED
from contract.sites import Site


def job(place: Place) -> dict[str, Any]:
    """The arguments of CreateJob: S3 lists by itself what has never been replicated, or failed."""
    names, bucket = place.names, place.dag_bucket(Site.PRIMARY)
    role = names.role(Site.PRIMARY, SEED)
    return {
        "AccountId": place.account,
        "ConfirmationRequired": False,
        "Operation": {"S3ReplicateObject": {}},
        "ManifestGenerator": {
            "S3JobManifestGenerator": {
                "ExpectedBucketOwner": place.account,
                "SourceBucket": names.bucket_arn(bucket),
                "EnableManifestOutput": False,
                "Filter": {
                    "EligibleForReplication": True,
                    "ObjectReplicationStatuses": ["NONE", "FAILED"],
                },
            }
        },
        "Report": {
            "Bucket": names.bucket_arn(names.backup_bucket(Site.PRIMARY)),
            "Prefix": BATCH_REPORTS.rstrip("/"),
            "Format": "Report_CSV_20180820",
            "Enabled": True,
            "ReportScope": "FailedTasksOnly",
        },
        "Priority": 10,
        "RoleArn": f"arn:{names.partition}:iam::{place.account}:role/{role}",
        "Description": f"{place.name}: code that was there before replication",
    }


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--json", "json_", is_flag=True, help="Print JSON instead of a line.")
@pass_place
def seed(place: Place, *, yes: bool, json_: bool) -> None:
    """Replicate the primary DAG bucket's objects that were there before replication.

    Replication carries new objects only. This starts a job of S3 Batch Operations, with the role
    that `code.seed: true` makes; S3 charges per job and object. `mwaa-dr code check --wait 900`
    says when both sites are equal.
    """
    if not place.code_replicated:
        raise click.UsageError("code.replication is false; use `mwaa-dr code deploy`")
    bucket = place.dag_bucket(Site.PRIMARY)
    if not yes:
        click.confirm(f"Replicate what was in {bucket} before?", abort=True, err=True)
    client = boto3.client("s3control", region_name=place.region_of(Site.PRIMARY), config=BOUNDED)
    made = client.create_job(**job(place), ClientRequestToken=str(uuid.uuid4()))["JobId"]
    if json_:
        show.as_json({"job": made, "bucket": bucket})
    else:
        show.line(f"job {made} replicates {bucket}; failures are reported in {BATCH_REPORTS}")
