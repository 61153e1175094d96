"""What a recovery leaves behind, made by the deployed functions themselves."""

import dataclasses
import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from engine_cloud import Cloud
from program_run import ACCOUNT

from contract import keys
from contract.manifest import BackupKind, BackupObject, DagOracle, Manifest, ObjectSet
from contract.names import Names
from contract.ownership import Ownership
from contract.sites import Site

INSTALLATION = "analytics"
REGION = "us-west-2"
BUCKET = Names(INSTALLATION, ACCOUNT).backup_bucket(Site.DR)


def call(cloud: Cloud, step: str, event: dict[str, Any]) -> dict[str, Any]:
    """Call a deployed function."""
    answer = cloud.client("lambda", REGION).invoke(
        FunctionName=f"{INSTALLATION}-dr-{step}", Payload=json.dumps(event)
    )
    found = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, found
    return found


def recover(cloud: Cloud, incident_id: str) -> None:
    """Have the deployed functions capture the primary and create the DR environment."""
    call(cloud, "capture", {"owner": "primary"})
    opened = call(
        cloud, "open-incident", {"kind": "failover", "owner": "primary", "epoch": 1, "by": "test"}
    )
    assert opened["incident_id"] == incident_id, opened
    call(
        cloud,
        "create-environment",
        {
            "incident_id": incident_id,
            "owner": "primary",
            "backup": {"key": _backup(cloud), "id": "b", "airflow_version": "2.10.3"},
            "mode": "restore",
            "phase": "resume",
        },
    )
    outcome = {"incident_id": incident_id, "outcome": "succeeded"}
    call(cloud, "close-incident", outcome)


def owned_by(cloud: Cloud, record: Ownership) -> None:
    """Write the ownership record into the state table and its mirror."""
    names = f"{INSTALLATION}-dr-state"
    item = {name: _attribute(value) for name, value in json.loads(record.to_json()).items()}
    table = cloud.client("dynamodb", REGION)
    table.put_item(TableName=names, Item={"pk": {"S": "ownership"}, **item})
    cloud.client("s3", REGION).put_object(
        Bucket=BUCKET,
        Key=keys.OWNERSHIP,
        Body=record.to_json(),
        ContentType="application/json",
    )


def _attribute(value: str | int) -> dict[str, str]:
    return {"N": str(value)} if isinstance(value, int) else {"S": value}


def _backup(cloud: Cloud) -> str:
    at = datetime.now(UTC)
    identifier = keys.backup_id(at)
    oracle = [DagOracle(name, False, True, None, None, None, None) for name in ("a", "b")]
    body = json.dumps([dataclasses.asdict(entry) for entry in oracle]).encode()
    sha256 = hashlib.sha256(body).hexdigest()
    manifest = Manifest(
        backup_id=identifier,
        kind=BackupKind.BASE,
        installation=INSTALLATION,
        site=Site.PRIMARY,
        epoch=1,
        environment=f"{INSTALLATION}-primary",
        airflow_version="2.10.3",
        alembic_heads={},
        system_identifier="1",
        snapshot="1:2:",
        snapshot_at=at.isoformat(),
        started_at=at.isoformat(),
        finished_at=at.isoformat(),
        seal={},
        objects=[BackupObject("oracle.json", ObjectSet.ORACLE, "", 2, len(body), sha256)],
        counts={},
    )
    prefix = keys.backup_prefix(Site.PRIMARY, 1, identifier)
    for key, content in (("oracle.json", body), (keys.MANIFEST, manifest.to_json().encode())):
        cloud.client("s3", REGION).put_object(Bucket=BUCKET, Key=prefix + key, Body=content)
    return prefix + keys.MANIFEST
