"""A drill leaves production as it was: every table, every call, the record, and nothing behind.

Both sites have real databases made by Airflow and the real agents; the recovery is the real one.
"""

import threading
from dataclasses import dataclass
from typing import Any

import boto3
import botocore.client
import pytest
from moto.kms.models import kms_backends

from contract import keys
from contract.agent_config import AgentConfig
from contract.names import AGENT_DAG, EXPORT_DAG, IMPORT_DAG
from contract.sites import CopyMode, Site, Strategy
from mwaa_dr_site import export, restore, sync
from mwaa_dr_site.beat import beat
from tests.handlers.conftest import fake_credentials, installation, made_clients, stage
from tests.handlers.installation import CONFIG, NAMES, REGIONS
from tests.handlers.stage import PASSIVE, Stage
from tests.metadata.conftest import cluster, new_world
from tests.metadata.metadata_world import World
from tests.site.conftest import SiteWorld

__all__ = ["cluster", "fake_credentials", "installation", "made_clients", "new_world", "stage"]
pytestmark = [pytest.mark.airflow, pytest.mark.timeout(300)]

STRATEGIES = pytest.mark.parametrize(
    "stage", [{"strategy": one} for one in Strategy], indirect=True, ids=list(Strategy)
)
READS = ("Get", "List", "Head", "Describe", "Invoke", "Decrypt")
TABLES = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname = 'public'
"""
HASH = """
SELECT md5(coalesce(string_agg(t::text, chr(10) ORDER BY t::text), '')) FROM "{table}" t
"""


@dataclass(frozen=True)
class Call:
    """One call of an AWS API that may change something."""

    region: str
    service: str
    operation: str
    subject: str


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """Every changing call of anybody, as it is made."""
    found: list[Call] = []
    original = botocore.client.BaseClient._make_api_call

    def recorded(client: Any, operation: str, arguments: dict[str, Any]) -> Any:
        if not operation.startswith(READS):
            subject = str(arguments.get("Key") or arguments.get("Name") or "")
            service = client.meta.service_model.service_name
            found.append(Call(client.meta.region_name, service, operation, subject))
        return original(client, operation, arguments)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", recorded)
    return found


def agent_config(site: Site, seal: str) -> AgentConfig:
    return AgentConfig(
        name=NAMES.name,
        site=site,
        environment=NAMES.environment(site),
        region=REGIONS[site],
        dr_region=REGIONS[Site.DR],
        local_bucket=NAMES.backup_bucket(site),
        dr_bucket=NAMES.backup_bucket(Site.DR),
        dag_bucket=NAMES.dag_bucket(site),
        seal_key=seal,
        copy_mode=CopyMode.DIRECT,
        agent_seconds=60,
        export_seconds=300,
    )


@pytest.fixture
def worlds(stage: Stage, new_world: Any) -> dict[Site, SiteWorld]:
    """Both sites with work in the primary one, and agents that act as time passes."""
    primary_region, dr_region = REGIONS[Site.PRIMARY], REGIONS[Site.DR]
    seal = boto3.client("kms", region_name=primary_region).create_key()["KeyMetadata"]["KeyId"]
    regional = kms_backends[CONFIG.account]
    regional[dr_region].keys[seal] = regional[primary_region].keys[seal]
    made = {site: SiteWorld(agent_config(site, seal), new_world()) for site in Site}
    database: World = made[Site.PRIMARY].database
    database.dag("sales")
    database.dag("archive", is_paused=True)
    database.run("sales", "done")
    database.run("sales", "live", 1, state="running", end_date=None)
    database.task("sales", "live", "work", state="running", end_date=None)
    for site in made.values():
        site.database.dag(AGENT_DAG)
    lock = threading.Lock()

    def act() -> None:
        with lock:
            for site in made.values():
                run_agent(site)

    stage.agents.act = act
    return made


def run_agent(site: SiteWorld) -> None:
    for found in beat(site.config, site.environ):
        order = found["conf"]["order"]
        run = {IMPORT_DAG: restore.run, EXPORT_DAG: export.run}[found["trigger_dag_id"]]
        run(site.config, site.environ, order)


def hashes(site: SiteWorld) -> dict[str, str]:
    """A digest of each table of a site's database."""
    return {
        table: site.database.one(HASH.format(table=table)) for (table,) in site.database.sql(TABLES)
    }


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    assert before.keys() == after.keys()
    return {table for table in before if before[table] != after[table]}


@STRATEGIES
def test_a_drill_leaves_production_and_the_record_as_they_were(
    stage: Stage, worlds: dict[Site, SiteWorld], calls: list[Call]
) -> None:
    creates = stage.runtime.config.strategy is Strategy.BACKUP_RESTORE
    primary, dr = worlds[Site.PRIMARY], worlds[Site.DR]
    export.run(primary.config, primary.environ, None)
    if not creates:
        stage.environment(Site.DR)
        sync.run(dr.config, dr.environ)
    primary.database.run("sales", "next", 2)
    export.run(primary.config, primary.environ, None)
    for site in worlds.values():
        run_agent(site)
    held = {site: hashes(one) for site, one in worlds.items()}
    record, environments = stage.runtime.state.ownership(), stage.environments
    calls.clear()

    assert stage.recover("drill", by="me") == "SUCCEEDED", stage.incident()

    assert changed(held[Site.PRIMARY], hashes(primary)) == set()
    assert [one for one in calls if one.region == REGIONS[Site.PRIMARY]] == []
    assert stage.runtime.state.ownership() == record
    assert keys.OWNERSHIP not in {one.subject for one in calls}
    assert stage.environments == environments
    orders = {one.subject for one in calls if one.subject.startswith("control/orders/")}
    assert {key.split("/")[2] for key in orders} == {"dr"}
    assert len(orders) == 1, "the import, and no other order"
    assert dr.dags() == {"sales": True, "archive": True, AGENT_DAG: False}, "nothing un-paused"
    runs = dict(dr.database.sql("SELECT run_id, state FROM dag_run WHERE dag_id = 'sales'"))
    assert runs == {"done": "success", "live": "failed", "next": "success"}, "all work parked"
    left = stage.s3().list_objects_v2(Bucket=NAMES.dag_bucket(Site.DR)).get("Contents", [])
    assert left == [], "the startup script of the environment that it made is gone with it"


@PASSIVE
def test_a_second_drill_changes_nothing_at_the_standby_either(
    stage: Stage, worlds: dict[Site, SiteWorld]
) -> None:
    stage.environment(Site.DR)
    primary, dr = worlds[Site.PRIMARY], worlds[Site.DR]
    export.run(primary.config, primary.environ, None)
    assert stage.recover("drill", by="me") == "SUCCEEDED", stage.incident()
    held = hashes(dr)
    assert stage.recover("drill", by="me") == "SUCCEEDED", stage.incident()
    assert changed(held, hashes(dr)) == set()
