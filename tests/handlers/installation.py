"""An installation as the stacks would have made it, and a clock that the test moves."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from botocore.stub import Stubber

from contract import keys
from contract.handler_config import Detection, HandlerConfig, Recovery, SitePlace, Target
from contract.manifest import BackupKind, BackupObject, DagOracle, Manifest, ObjectSet
from contract.names import Names
from contract.pulse import Pulse
from contract.sites import CopyMode, InFlightRule, Site, Strategy
from handlers.runtime import Runtime

NAMES = Names("etl", "123456789012")
START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
REGIONS = {Site.PRIMARY: "us-east-1", Site.DR: "us-west-2"}


def place(site: Site) -> SitePlace:
    return SitePlace(
        REGIONS[site],
        NAMES.environment(site),
        NAMES.dag_bucket(site),
        NAMES.backup_bucket(site),
    )


CONFIG = HandlerConfig(
    name=NAMES.name,
    account=NAMES.account,
    partition="aws",
    strategy=Strategy.BACKUP_RESTORE,
    copy_mode=CopyMode.DIRECT,
    primary=place(Site.PRIMARY),
    dr=place(Site.DR),
    witness_region="eu-west-1",
    topic_arn="arn:aws:sns:us-west-2:123456789012:etl-dr-alerts",
    detection=Detection(20, 2, 3, 150, 180, 600, 2.0),
    recovery=Recovery(True, InFlightRule.FAIL, 900, 120, 9000),
    target=Target(
        execution_role_arn="arn:aws:iam::123456789012:role/etl-dr-execution",
        kms_key_arn="arn:aws:kms:us-west-2:123456789012:key/dr",
        subnet_ids=["subnet-1", "subnet-2"],
        security_group_ids=["sg-1"],
        options={"mwaa_dr.site": "dr"},
        tags={"team": "data"},
    ),
    rto_minutes=60,
    rpo_minutes=10,
)


@dataclass
class Clock:
    at: datetime = START

    def __call__(self) -> datetime:
        return self.at

    def forward(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass
class Installation:
    """The AWS side of one installation."""

    runtime: Runtime
    clock: Clock
    stubs: dict[tuple[str, str], Stubber] = field(default_factory=dict)

    def s3(self, site: Site = Site.DR):
        return self.runtime.clients.s3(REGIONS[site])

    def put(self, key: str, body: str | bytes, site: Site = Site.DR, bucket: str = "") -> str:
        answer = self.s3(site).put_object(
            Bucket=bucket or NAMES.backup_bucket(site), Key=key, Body=body
        )
        return answer.get("VersionId", "")

    def text(self, key: str, site: Site = Site.DR, bucket: str = "") -> str:
        found = self.s3(site).get_object(Bucket=bucket or NAMES.backup_bucket(site), Key=key)
        return found["Body"].read().decode()

    def keys(self, prefix: str, site: Site = Site.DR) -> list[str]:
        found = self.s3(site).list_objects_v2(Bucket=NAMES.backup_bucket(site), Prefix=prefix)
        return [item["Key"] for item in found.get("Contents", [])]

    def stub(self, service: str, site: Site, *, probe: bool) -> Stubber:
        """Answers for a client that moto cannot answer, in the order they are added."""
        client = getattr(self.runtime.clients, service)(REGIONS[site], probe=probe)
        stubber = self.stubs.setdefault((service, f"{site}{probe}"), Stubber(client))
        stubber.activate()
        return stubber

    def pulse(self, age: float, site: Site = Site.PRIMARY) -> None:
        at = (self.clock.at - timedelta(seconds=age)).isoformat()
        pulse = Pulse(site, NAMES.environment(site), at, 1, 30, 30, 0)
        self.put(keys.pulse(site), pulse.to_json())

    def backup(self, age: float = 60, *, spoil: str = "", **changes) -> str:
        """Write a small backup; return its manifest key. `spoil` names an object to break."""
        at = self.clock.at - timedelta(seconds=age)
        identifier = keys.backup_id(at)
        oracle = [DagOracle(name, False, True, None, None, None, None) for name in ("a", "b")]
        bodies = {
            "resume/dag_run.zst": (ObjectSet.RESUME, "dag_run", b"rows of " + identifier.encode()),
            "history/dag_run.zst": (ObjectSet.HISTORY, "dag_run", b"old rows"),
            "oracle.json": (
                ObjectSet.ORACLE,
                "",
                json.dumps([dataclasses.asdict(entry) for entry in oracle]).encode(),
            ),
        }
        site, epoch = changes.get("site", Site.PRIMARY), changes.get("epoch", 1)
        prefix = keys.backup_prefix(site, epoch, identifier)
        objects = []
        for key, (kind, table, body) in bodies.items():
            sha256 = hashlib.sha256(body).hexdigest()
            objects.append(BackupObject(key, kind, table, 1, len(body), sha256))
            if key != spoil:
                self.put(prefix + key, body)
            elif changes.pop("altered", False):
                self.put(prefix + key, bytes(len(body)))
        manifest = Manifest(
            **{
                "backup_id": identifier,
                "kind": BackupKind.BASE,
                "installation": NAMES.name,
                "site": Site.PRIMARY,
                "epoch": 1,
                "environment": "etl-primary",
                "airflow_version": "2.10.3",
                "alembic_heads": {},
                "system_identifier": "1",
                "snapshot": "1:2:",
                "snapshot_at": at.isoformat(),
                "started_at": at.isoformat(),
                "finished_at": at.isoformat(),
                "seal": {},
                "objects": objects,
                "counts": {},
                **changes,
            }
        )
        self.put(prefix + keys.MANIFEST, manifest.to_json())
        return prefix + keys.MANIFEST


def prepare(made: Installation) -> Installation:
    """Make what the `dr` and `primary` stacks would have made."""
    made.runtime.clients.dynamodb("us-west-2").create_table(
        TableName=NAMES.state_table,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for site, region in REGIONS.items():
        s3 = made.s3(site)
        location = {} if region == "us-east-1" else {"LocationConstraint": region}
        for bucket in (NAMES.backup_bucket(site), NAMES.dag_bucket(site)):
            s3.create_bucket(
                Bucket=bucket, **({"CreateBucketConfiguration": location} if location else {})
            )
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    made.runtime.clients.sns("us-west-2").create_topic(Name="etl-dr-alerts")
    return made
