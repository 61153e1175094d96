"""`mwaa-dr code restore`: a versioned bucket goes back to what a backup saw."""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result
from moto import mock_aws

from cli.main import main
from contract import keys
from contract.manifest import BackupKind, BackupObject, Manifest, ObjectSet
from contract.names import Names
from contract.sites import Site
from mwaa_dr_site.code import object_versions

NAMES = Names("etl", "123456789012")
PRIMARY, DR = "us-east-1", "us-west-2"
BUCKET = NAMES.dag_bucket(Site.PRIMARY)
STACK = (
    "config:\n  mwaa-dr:name: etl\n  mwaa-dr:primaryRegion: us-east-1\n"
    '  mwaa-dr:drRegion: us-west-2\n  mwaa-dr:account: "123456789012"\n'
)


@pytest.fixture(autouse=True)
def buckets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Pulumi.dr.yaml").write_text(STACK)
    with mock_aws():
        s3 = boto3.client("s3", region_name=PRIMARY)
        s3.create_bucket(Bucket=BUCKET)
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        boto3.client("s3", region_name=DR).create_bucket(
            Bucket=NAMES.backup_bucket(Site.DR),
            CreateBucketConfiguration={"LocationConstraint": DR},
        )
        yield


def s3() -> Any:
    return boto3.client("s3", region_name=PRIMARY)


def put(key: str, body: str) -> str:
    return s3().put_object(Bucket=BUCKET, Key=key, Body=body.encode())["VersionId"]


def bodies() -> dict[str, str]:
    """Every file that the bucket shows, with what is in it."""
    found = s3().list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return {
        one["Key"]: s3().get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read().decode()
        for one in found
    }


def backup(age: float = 60, *, spoilt: bool = False, code: bool = True) -> str:
    """A backup that says which versions there are now, as the export says it."""
    at = datetime.now(UTC) - timedelta(seconds=age)
    identifier = keys.backup_id(at)
    prefix = keys.backup_prefix(Site.PRIMARY, 1, identifier)
    body = json.dumps(object_versions(BUCKET, PRIMARY) if code else []).encode()
    sha256 = hashlib.sha256(body).hexdigest()
    objects = [BackupObject("code.json", ObjectSet.CODE, "", 0, len(body), sha256)]
    stamp = at.isoformat()
    manifest = Manifest(
        identifier, BackupKind.BASE, "etl", Site.PRIMARY, 1, "etl-primary", "2.10.3", {}, "1",
        "1:2:", stamp, stamp, stamp, {}, objects, {},
    )  # fmt: skip
    remote = boto3.client("s3", region_name=DR)
    place = NAMES.backup_bucket(Site.DR)
    remote.put_object(Bucket=place, Key=f"{prefix}code.json", Body=b"[]" if spoilt else body)
    remote.put_object(Bucket=place, Key=prefix + keys.MANIFEST, Body=manifest.to_json().encode())
    return identifier


def run(*arguments: str, **more: Any) -> Result:
    return CliRunner().invoke(main, ["code", "restore", *arguments], **more)


@pytest.fixture
def changed() -> str:
    """A bucket whose DAGs, plugins and requirements have changed since a backup; its id."""
    put("dags/sales.py", "sales 1")
    put("dags/gone.py", "gone 1")
    put("dags/same.py", "same 1")
    put("plugins.zip", "plugins 1")
    put("requirements.txt", "pandas==2.1")
    put("dags/mwaa_dr/mwaa_dr_agent.py", "agent 1")
    put("mwaa-dr/startup.sh", "startup 1")
    identifier = backup()
    put("dags/sales.py", "sales 2")
    s3().delete_object(Bucket=BUCKET, Key="dags/gone.py")
    put("dags/new.py", "new 2")
    put("requirements.txt", "pandas==0.1")
    put("dags/mwaa_dr/mwaa_dr_agent.py", "agent 2")
    put("dags/mwaa_dr/added.py", "added 2")
    put("mwaa-dr/startup.sh", "startup 2")
    return identifier


THEN = {
    "dags/sales.py": "sales 1",
    "dags/gone.py": "gone 1",
    "dags/same.py": "same 1",
    "plugins.zip": "plugins 1",
    "requirements.txt": "pandas==2.1",
    "dags/mwaa_dr/mwaa_dr_agent.py": "agent 2",
    "dags/mwaa_dr/added.py": "added 2",
    "mwaa-dr/startup.sh": "startup 2",
}


def test_files_go_back_new_ones_go_and_our_own_stay(changed: str) -> None:
    before = len(s3().list_object_versions(Bucket=BUCKET)["Versions"])
    result = run("--to", changed, "--yes")
    assert result.exit_code == 0, result.output
    assert bodies() == THEN
    after = s3().list_object_versions(Bucket=BUCKET)["Versions"]
    assert len(after) == before + 3, "nothing is deleted for good, and same.py is left alone"
    for text in (
        "4 files changed",
        "dags/new.py",
        "requirements.txt: an environment runs the version",
    ):
        assert text in result.output


def test_twice_is_once(changed: str) -> None:
    assert run("--to", changed, "--yes").exit_code == 0
    versions = s3().list_object_versions(Bucket=BUCKET)
    again = run("--to", changed, "--yes", "--json")
    assert json.loads(again.stdout)["changes"] == []
    assert s3().list_object_versions(Bucket=BUCKET)["Versions"] == versions["Versions"]


def test_a_dry_run_says_what_and_changes_nothing(changed: str) -> None:
    before = bodies()
    found = json.loads(run("--to", changed, "--dry-run", "--json").stdout)
    assert {(one["action"], one["key"]) for one in found["changes"]} == {
        ("copy", "dags/sales.py"),
        ("copy", "dags/gone.py"),
        ("copy", "requirements.txt"),
        ("delete", "dags/new.py"),
    }
    assert (found["backup"], found["bucket"], found["dry_run"]) == (changed, BUCKET, True)
    assert "nothing was changed" in run("--to", changed, "--dry-run").stdout
    assert bodies() == before


def test_nothing_changes_without_a_yes(changed: str) -> None:
    before = bodies()
    assert run("--to", changed, input="n\n").exit_code == 1
    assert bodies() == before
    assert run("--to", changed, input="y\n").exit_code == 0
    assert bodies() == THEN


def test_a_version_that_is_gone_stops_it_before_anything_changed(changed: str) -> None:
    versions = s3().list_object_versions(Bucket=BUCKET, Prefix="dags/gone.py")["Versions"]
    s3().delete_object(Bucket=BUCKET, Key="dags/gone.py", VersionId=versions[0]["VersionId"])
    before = bodies()
    result = run("--to", changed, "--yes")
    assert result.exit_code == 1
    assert "1 of the versions" in result.stderr
    assert "dags/gone.py" in result.stderr
    assert bodies() == before


def test_a_time_names_the_backup_before_it(changed: str) -> None:
    at = datetime.now(UTC).isoformat()
    assert changed in run("--to", at, "--dry-run").stdout
    assert run("--to", "2020-01-01", "--dry-run").exit_code == 1


@pytest.mark.parametrize(
    ("how", "message"),
    [({"spoilt": True}, "is not what the manifest says"), ({"code": False}, "does not say which")],
)
def test_a_backup_that_cannot_tell_changes_nothing(how: dict[str, bool], message: str) -> None:
    put("dags/sales.py", "sales 1")
    result = run("--to", backup(**how), "--yes")
    assert result.exit_code == 1
    assert message in result.stderr
    assert bodies() == {"dags/sales.py": "sales 1"}


def test_the_primary_region_must_be_known(changed: str, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.dr.yaml").write_text(
        STACK.replace("  mwaa-dr:primaryRegion: us-east-1\n", "")
    )
    result = run("--to", changed, "--yes")
    assert result.exit_code == 2
    assert "the Region of primary is not known here" in result.stderr


def test_the_other_site_s_bucket_can_be_asked_for(changed: str) -> None:
    """Replication keeps version ids, so that a standby's bucket holds the same versions."""
    name = NAMES.dag_bucket(Site.DR)
    boto3.client("s3", region_name=DR).create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": DR}
    )
    result = run("--to", changed, "--site", "dr", "--yes")
    assert result.exit_code == 1
    assert f"are gone from {name}" in result.stderr
