"""Makes what this example brings along, for a rehearsal against the local AWS.

Run it with the variables of `make -s local-env`. In a real account all of it is there already.
"""

import json
from pathlib import Path
from typing import Any

import boto3
import yaml

PREFIX = "mwaa-dr:"


def settings() -> dict[str, Any]:
    """The settings of this example."""
    config = yaml.safe_load((Path(__file__).parent / "Pulumi.dr.yaml").read_text())["config"]
    return {k.removeprefix(PREFIX): v for k, v in config.items() if k.startswith(PREFIX)}


def make_site(region: str, site: dict[str, Any]) -> None:
    """The bucket, key, role and topic of one site."""
    kms = boto3.client("kms", region_name=region)
    # Only a simulated AWS lets one choose a key's id.
    chosen = site["dataKeyArn"].rpartition("/")[2]
    kms.create_key(Tags=[{"TagKey": "_custom_id_", "TagValue": chosen}])
    s3, name = boto3.client("s3", region_name=region), site["dagBucket"]
    placed = {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=name, **(placed if region != "us-east-1" else {}))
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": site["dataKeyArn"]}
    s3.put_bucket_encryption(
        Bucket=name,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": default}]
        },
    )
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"Service": ["airflow.amazonaws.com", "airflow-env.amazonaws.com"]},
            }
        ],
    }
    boto3.client("iam", region_name=region).create_role(
        RoleName=site["executionRoleArn"].rpartition("/")[2],
        AssumeRolePolicyDocument=json.dumps(trust),
    )
    topic = site["topicArn"].rpartition(":")[2]
    boto3.client("sns", region_name=region).create_topic(Name=topic)


def make_environment(region: str, site: dict[str, Any]) -> None:
    """The primary environment as its owner made it, before this program came."""
    boto3.client("mwaa", region_name=region).create_environment(
        Name=site["environment"],
        AirflowVersion="2.10.3",
        SourceBucketArn=f"arn:aws:s3:::{site['dagBucket']}",
        DagS3Path="dags",
        ExecutionRoleArn=site["executionRoleArn"],
        KmsKey=site["dataKeyArn"],
        NetworkConfiguration={
            "SubnetIds": ["subnet-0a1b2c3d4e5f60708", "subnet-0a1b2c3d4e5f60709"],
            "SecurityGroupIds": ["sg-0a1b2c3d4e5f60708"],
        },
    )


def make_boundary(arn: str, region: str) -> None:
    """What bounds every role; a real one allows less."""
    allowed = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    boto3.client("iam", region_name=region).create_policy(
        PolicyName=arn.rpartition("/")[2],
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}),
    )


def main() -> None:
    found = settings()
    make_boundary(found["permissionsBoundary"], found["drRegion"])
    existing = found["existing"]
    make_site(found["primaryRegion"], existing["primary"])
    make_site(found["drRegion"], existing["dr"])
    make_environment(found["primaryRegion"], existing["primary"])


if __name__ == "__main__":
    main()
