"""Two sites: real databases made by Airflow, and moto's S3 and KMS in this process."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from contract import keys
from contract.agent_config import AgentConfig
from contract.orders import Ack, Order
from contract.ownership import Ownership
from contract.sites import CopyMode, Site
from tests.metadata.conftest import cluster, new_world
from tests.metadata.metadata_world import World

__all__ = ["cluster", "new_world"]


@dataclass
class SiteWorld:
    """One site's environment and the buckets it works with."""

    config: AgentConfig
    database: World

    @property
    def environ(self) -> dict[str, str]:
        return {
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.database.url,
            "AIRFLOW__CORE__FERNET_KEY": self.database.key,
            "AIRFLOW_VERSION": "2.10.3",
        }

    def read(self, key: str) -> bytes:
        return self._s3.get_object(Bucket=self.config.dr_bucket, Key=key)["Body"].read()

    def write(self, key: str, text: str | bytes) -> None:
        self._s3.put_object(Bucket=self.config.local_bucket, Key=key, Body=text)

    def give(self, order: Order) -> None:
        self.write(keys.order(self.config.site, order.order_id), order.to_json())

    def own(self, ownership: Ownership) -> None:
        self.write(keys.OWNERSHIP, ownership.to_json())

    def answer(self, order: Order) -> Ack:
        return Ack.from_json(self.read(keys.ack(self.config.site, order.order_id)))

    def read_json(self, key: str) -> Any:
        return json.loads(self.read(key))

    def listed(self, prefix: str) -> list[str]:
        found = self._s3.list_objects_v2(Bucket=self.config.dr_bucket, Prefix=prefix)
        return [item["Key"] for item in found.get("Contents", [])]

    def copy_from(self, other: "SiteWorld") -> None:
        """What S3 replication does: backups in the DR bucket come into this site's own."""
        for key in other.listed(keys.BACKUPS):
            self.write(key, other.read(key))

    def dags(self) -> dict[str, bool]:
        return dict(self.database.sql("SELECT dag_id, is_paused FROM dag"))

    @property
    def _s3(self):
        return boto3.client("s3", region_name=self.config.region)


@pytest.fixture
def sites(
    new_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[Site, SiteWorld]]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        for bucket in ("data-primary-backups", "data-dr-backups", "data-dags"):
            s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket="data-dags", VersioningConfiguration={"Status": "Enabled"})
        s3.put_object(Bucket="data-dags", Key="dags/a.py", Body=b"code")
        seal = boto3.client("kms", region_name="us-east-1").create_key()["KeyMetadata"]["Arn"]
        primary = AgentConfig(
            name="data",
            site=Site.PRIMARY,
            environment="data-primary",
            region="us-east-1",
            dr_region="us-east-1",
            local_bucket="data-primary-backups",
            dr_bucket="data-dr-backups",
            dag_bucket="data-dags",
            seal_key=seal,
            copy_mode=CopyMode.DIRECT,
            agent_seconds=60,
            export_seconds=300,
        )
        dr = replace(primary, site=Site.DR, environment="data-dr", local_bucket="data-dr-backups")
        yield {config.site: SiteWorld(config, new_world()) for config in (primary, dr)}
