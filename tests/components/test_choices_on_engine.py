"""What exists, a closed network and locked backups: with the real engine and the local provider."""

import json
from collections.abc import Iterator

import pytest
import yaml
from botocore.exceptions import ClientError
from engine_cloud import Cloud, cloud_in
from program_run import ACCOUNT, ROOT

from contract.names import Names
from contract.sites import Site
from local.pulumi.environment import STACKS

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

EXAMPLE = ROOT / "examples" / "bring-your-own-everything"
EXISTING = yaml.safe_load((EXAMPLE / "Pulumi.dr.yaml").read_text())["config"]["mwaa-dr:existing"]
NAMES = Names("analytics", ACCOUNT)
FOREIGN = {
    "ID": "to-archive",
    "Status": "Enabled",
    "Priority": 1,
    "Filter": {"Prefix": "logs/"},
    "DeleteMarkerReplication": {"Status": "Disabled"},
    "Destination": {"Bucket": "arn:aws:s3:::acme-archive"},
}


REGION = {Site.PRIMARY: "us-east-1", Site.DR: "us-west-2"}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory) -> Iterator[Cloud]:
    with cloud_in(tmp_path_factory.mktemp("choices")) as made:
        yield made


@pytest.fixture(scope="module")
def deployed(cloud: Cloud) -> Cloud:
    """The example on top of what it brings along."""
    cloud.run_python(str(EXAMPLE / "prepare.py"))
    for stack in STACKS:
        cloud.must("up", "--yes", "--skip-preview", *example(stack))
    return cloud


def example(stack: str) -> tuple[str, ...]:
    return ("-s", stack, "--config-file", str(EXAMPLE / f"Pulumi.{stack}.yaml"))


def test_what_exists_is_used_and_its_policies_are_left_as_they_are(deployed):
    for site in Site:
        here = EXISTING[site.value]
        s3, bucket = deployed.client("s3", REGION[site]), here["dagBucket"]
        with pytest.raises(ClientError, match="NoSuchBucketPolicy"):
            s3.get_bucket_policy(Bucket=bucket)
        with pytest.raises(ClientError, match="NoSuchLifecycleConfiguration"):
            s3.get_bucket_lifecycle_configuration(Bucket=bucket)
        iam, role = deployed.client("iam", REGION[site]), here["executionRoleArn"]
        assert not iam.list_role_policies(RoleName=role.rpartition("/")[2])["PolicyNames"]
        sns = deployed.client("sns", REGION[site])
        topic = sns.get_topic_attributes(TopicArn=here["topicArn"])["Attributes"]
        assert "cloudwatch" not in topic["Policy"]
    copied = deployed.versions(EXISTING["dr"]["dagBucket"], REGION[Site.DR])
    assert "dags/mwaa_dr/mwaa_dr_agent.py" in copied, "replication carries the recovery DAGs"


def test_the_owner_is_told_what_to_add_until_it_is_there(deployed):
    said = deployed.must("preview", *example("primary"))
    assert "lacks the Airflow options mwaa_dr.agent_seconds" in said
    add = json.loads(deployed.must("stack", "output", "ownersAdd", "--json", "-s", "primary"))
    options = add["environment"]["airflowConfigurationOptions"]
    mwaa, name = deployed.client("mwaa", REGION[Site.PRIMARY]), EXISTING["primary"]["environment"]
    found = mwaa.get_environment(Name=name)["Environment"]
    kept = {key: found[key] for key in ("SourceBucketArn", "DagS3Path", "ExecutionRoleArn")}
    mwaa.create_environment(
        Name=name,
        AirflowConfigurationOptions=options,
        NetworkConfiguration=found["NetworkConfiguration"],
        **kept,
    )
    assert "lacks the Airflow options" not in deployed.must("preview", *example("primary"))


def test_rules_of_somebody_else_are_not_overwritten(deployed):
    bucket = EXISTING["primary"]["dagBucket"]
    s3 = deployed.client("s3", REGION[Site.PRIMARY])
    archive = FOREIGN["Destination"]["Bucket"].rpartition(":")[2]
    s3.create_bucket(Bucket=archive)
    s3.put_bucket_versioning(Bucket=archive, VersioningConfiguration={"Status": "Enabled"})
    before = s3.get_bucket_replication(Bucket=bucket)["ReplicationConfiguration"]
    theirs = {"Role": before["Role"], "Rules": [FOREIGN]}
    s3.put_bucket_replication(Bucket=bucket, ReplicationConfiguration=theirs)
    try:
        done = deployed.pulumi("up", "--yes", "--skip-preview", *example("primary"))
        assert done.returncode != 0
        said = " ".join((done.stdout + done.stderr).split())
        assert "has replication rules already (to-archive)" in said
        assert '"ID": "dags-primary-to-dr"' in said
        held = s3.get_bucket_replication(Bucket=bucket)["ReplicationConfiguration"]["Rules"]
        assert [rule["ID"] for rule in held] == ["to-archive"]
    finally:
        s3.put_bucket_replication(Bucket=bucket, ReplicationConfiguration=before)


def test_a_closed_network_and_locked_backups_are_made_and_stay_as_they_are(tmp_path_factory):
    with cloud_in(tmp_path_factory.mktemp("closed")) as cloud:
        source = ROOT / "examples" / "private-webserver" / "Pulumi.dr.yaml"
        chosen = (
            "-s",
            "dr",
            "--config-file",
            cloud.stack_file(source, {"backup.objectLockDays": 7}),
        )
        cloud.must("up", "--yes", "--skip-preview", *chosen)
        cloud.must("up", "--yes", "--skip-preview", "--expect-no-changes", *chosen)
        ec2 = cloud.client("ec2", REGION[Site.DR])
        mine = [{"Name": "tag:mwaa-dr:installation", "Values": ["analytics"]}]
        endpoints = ec2.describe_vpc_endpoints(Filters=mine)["VpcEndpoints"]
        assert "com.amazonaws.us-west-2.secretsmanager" in {one["ServiceName"] for one in endpoints}
        assert not ec2.describe_nat_gateways()["NatGateways"]
        (vpc,) = {one["VpcId"] for one in endpoints}
        logged = ec2.describe_flow_logs()["FlowLogs"]
        assert [(one["ResourceId"], one["TrafficType"]) for one in logged] == [(vpc, "ALL")]
        s3 = cloud.client("s3", REGION[Site.DR])
        lock = s3.get_object_lock_configuration(Bucket=NAMES.backup_bucket(Site.DR))
        rule = lock["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
        assert (rule["Mode"], rule["Days"]) == ("GOVERNANCE", 7)
