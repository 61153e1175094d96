"""`mwaa-dr code deploy`, `check` and `seed`: the same DAGs at both sites."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
import pytest
import yaml
from botocore.stub import Stubber
from click.testing import CliRunner, Result
from moto import mock_aws

from cli.main import main
from cli.place import Place
from cli.seed import job
from contract.names import Names
from contract.sites import Site
from local.paths import ROOT

ACCOUNT = "123456789012"
NAMES = Names("etl", ACCOUNT)
REGION = {Site.PRIMARY: "us-east-1", Site.DR: "us-west-2"}
BUCKET = {site: NAMES.dag_bucket(site) for site in Site}
WORKFLOW = ROOT / ".github" / "workflows" / "deploy-dags.yml"


def stack_file(folder: Path, **more: Any) -> None:
    config = {
        "name": "etl",
        "account": ACCOUNT,
        "primaryRegion": REGION[Site.PRIMARY],
        "drRegion": REGION[Site.DR],
        **more,
    }
    text = yaml.safe_dump({"config": {f"mwaa-dr:{key}": value for key, value in config.items()}})
    (folder / "Pulumi.dr.yaml").write_text(text)


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    stack_file(tmp_path, code={"replication": False})
    with mock_aws():
        for site in Site:
            make_bucket(site, BUCKET[site])
        yield


def make_bucket(site: Site, name: str) -> None:
    where = {"CreateBucketConfiguration": {"LocationConstraint": REGION[site]}}
    s3(site).create_bucket(Bucket=name, **(where if REGION[site] != "us-east-1" else {}))
    s3(site).put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})


def s3(site: Site) -> Any:
    return boto3.client("s3", region_name=REGION[site])


@pytest.fixture
def dags(tmp_path: Path) -> Path:
    folder = tmp_path / "dags"
    (folder / "team").mkdir(parents=True)
    (folder / "__pycache__").mkdir()
    (folder / "report.py").write_text("report")
    (folder / "team" / "load.py").write_text("load")
    (folder / ".airflowignore").write_text("lib\n")
    (folder / "__pycache__" / "report.pyc").write_text("x")
    return folder


def bodies(site: Site, bucket: str = "") -> dict[str, str]:
    name = bucket or BUCKET[site]
    found = s3(site).list_objects_v2(Bucket=name).get("Contents", [])
    return {
        one["Key"]: s3(site).get_object(Bucket=name, Key=one["Key"])["Body"].read().decode()
        for one in found
    }


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["code", *arguments], catch_exceptions=False)


def answer(*arguments: str) -> dict[str, Any]:
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


ALL = {"dags/.airflowignore": "lib\n", "dags/report.py": "report", "dags/team/load.py": "load"}


def test_a_deployment_brings_the_same_files_to_both_sites(dags):
    assert run("deploy", str(dags)).exit_code == 0
    assert bodies(Site.PRIMARY) == bodies(Site.DR) == ALL
    assert "both sites hold the same files" in run("check").output


def test_only_what_changed_is_written_again(dags):
    answer("deploy", str(dags))
    (dags / "report.py").write_text("change")
    (dags / "team" / "load.py").unlink()
    expected = {"uploaded": ["dags/report.py"], "deleted": ["dags/team/load.py"]}
    said = answer("deploy", str(dags))
    assert said["primary"] == said["dr"] == expected
    assert bodies(Site.DR) == {"dags/.airflowignore": "lib\n", "dags/report.py": "change"}
    said = answer("deploy", str(dags))
    assert said["primary"] == said["dr"] == {"uploaded": [], "deleted": []}


def test_the_recoverys_own_dags_and_other_files_are_left_alone(dags):
    for site in Site:
        for key in ("dags/mwaa_dr/mwaa_dr_agent.py", "requirements.txt"):
            s3(site).put_object(Bucket=BUCKET[site], Key=key, Body=b"ours")
    answer("deploy", str(dags))
    kept = {"dags/mwaa_dr/mwaa_dr_agent.py": "ours", "requirements.txt": "ours"}
    assert bodies(Site.PRIMARY) == bodies(Site.DR) == {**ALL, **kept}


def test_a_file_among_the_recovery_dags_is_refused(dags):
    (dags / "mwaa_dr").mkdir()
    (dags / "mwaa_dr" / "mine.py").write_text("x")
    done = run("deploy", str(dags))
    assert done.exit_code == 2
    assert "is in the folder of the recovery DAGs; move it" in done.output
    assert not bodies(Site.DR)


def test_a_dry_run_changes_nothing(dags):
    said = answer("deploy", str(dags), "--dry-run")
    assert sorted(said["dr"]["uploaded"]) == sorted(ALL)
    assert not bodies(Site.PRIMARY)
    assert not bodies(Site.DR)


def test_where_s3_carries_the_code_only_the_primary_bucket_is_written(dags, tmp_path):
    stack_file(tmp_path)
    assert set(answer("deploy", str(dags))) == {"primary", "dry_run"}
    assert bodies(Site.PRIMARY) == ALL
    assert not bodies(Site.DR)


def test_existing_buckets_are_found_by_their_own_names(dags, tmp_path):
    own = {site.value: {"dagBucket": f"acme-{site}"} for site in Site}
    stack_file(tmp_path, code={"replication": False}, existing=own)
    for site in Site:
        make_bucket(site, f"acme-{site}")
    answer("deploy", str(dags))
    assert bodies(Site.PRIMARY, "acme-primary") == bodies(Site.DR, "acme-dr") == ALL


@pytest.mark.parametrize(
    ("site", "key", "body", "found"),
    [
        (Site.DR, "dags/report.py", b"other!", ("different", "both")),
        (Site.DR, "dags/report.py", b"longer than it was", ("different", "both")),
        (Site.DR, "dags/extra.py", b"x", ("only here", "dr")),
        (Site.PRIMARY, "requirements.txt", b"x", ("only here", "primary")),
    ],
)
def test_a_difference_is_found_and_named(dags, site, key, body, found):
    answer("deploy", str(dags))
    s3(site).put_object(Bucket=BUCKET[site], Key=key, Body=body)
    kind, at = found
    done = run("check", "--json")
    assert done.exit_code == 1
    said = json.loads(done.output)
    assert said == {"equal": False, "differences": [{"key": key, "kind": kind, "site": at}]}
    done = run("check")
    assert done.exit_code == 1
    assert key in done.output


def test_files_that_others_uploaded_are_compared_by_what_is_in_them():
    for site, extra in ((Site.PRIMARY, {}), (Site.DR, {"ChecksumAlgorithm": "SHA256"})):
        s3(site).put_object(Bucket=BUCKET[site], Key="dags/a.py", Body=b"same", **extra)
    assert run("check").exit_code == 0


def test_a_start_up_script_of_a_recovery_is_no_difference():
    s3(Site.DR).put_object(Bucket=BUCKET[Site.DR], Key="mwaa-dr/startup.sh", Body=b"x")
    assert run("check").exit_code == 0


def test_the_check_waits_for_replication():
    s3(Site.PRIMARY).put_object(Bucket=BUCKET[Site.PRIMARY], Key="dags/a.py", Body=b"a")

    def replicate(_: float) -> None:
        s3(Site.DR).put_object(Bucket=BUCKET[Site.DR], Key="dags/a.py", Body=b"a")

    with patch("cli.deploy.time.sleep", replicate):
        assert run("check", "--wait", "60").exit_code == 0


def step(name: str) -> dict[str, Any]:
    (job_,) = yaml.safe_load(WORKFLOW.read_text())["jobs"].values()
    return next(one for one in job_["steps"] if one.get("name") == name)


def test_the_workflow_runs_commands_that_exist(dags, tmp_path, monkeypatch):
    text = WORKFLOW.read_text()
    inputs = yaml.safe_load(text)[True]["workflow_call"]["inputs"]
    used = {part.split(" ")[0] for part in text.split("${{ inputs.")[1:]}
    assert used == set(inputs)
    values = {"NAME": "etl", "PRIMARY": "us-east-1", "DR": "us-west-2", "REPLICATION": "false"}
    environ = {**values, "SETTINGS": "", "RUNNER_TEMP": str(tmp_path), "PATH": "/usr/bin:/bin"}
    where = step("Say where both sites are")
    assert where["env"].keys() <= environ.keys()
    subprocess.run(["bash", "-e", "-c", where["run"]], env=environ, check=True)
    monkeypatch.chdir(tmp_path / "place")
    for name in ("Deploy to both sites", "Check that both sites are equal"):
        line = step(name)["run"].replace('"$GITHUB_WORKSPACE/$DAGS"', str(dags))
        program, code, *rest = line.split()
        assert (program, code) == ('"$RUNNER_TEMP/tool/bin/mwaa-dr"', "code")
        assert run(*rest).exit_code == 0
    assert bodies(Site.PRIMARY) == bodies(Site.DR) == ALL


def test_a_seed_is_a_job_that_s3_accepts_and_that_lists_objects_itself(tmp_path):
    stack_file(tmp_path)
    client = boto3.client("s3control", region_name="us-east-1")
    place = Place("etl", ACCOUNT, "us-west-2", primary_region="us-east-1")
    assert job(place)["RoleArn"] == f"arn:aws:iam::{ACCOUNT}:role/etl-primary-seed"
    with Stubber(client) as stub, patch("cli.seed.boto3.client", return_value=client) as made:
        stub.add_response("create_job", {"JobId": "job-1"})
        done = run("seed", "--yes", "--json")
        stub.assert_no_pending_responses()
    assert json.loads(done.output) == {"job": "job-1", "bucket": BUCKET[Site.PRIMARY]}
    assert made.call_args.args == ("s3control",)
    assert made.call_args.kwargs["region_name"] == "us-east-1"


def test_a_seed_is_refused_where_no_replication_carries_code():
    done = run("seed", "--yes")
    assert done.exit_code == 2
    assert "code.replication is false; use `mwaa-dr code deploy`" in done.output
