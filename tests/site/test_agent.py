"""The agent, the export and the import against real databases: what recovery relies on."""

from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contract import keys
from contract.lifecycle import SiteState
from contract.names import AGENT_DAG, EXPORT_DAG, IMPORT_DAG
from contract.orders import Order, OrderKind, OrderStatus
from contract.ownership import INITIAL, Ownership
from contract.pulse import Pulse
from contract.reruns import RerunRequest, RunName
from contract.sites import Site
from mwaa_dr_metadata import BackupRefusedError, DatabaseSettingsError, TargetRefusedError
from mwaa_dr_site import export, restore
from mwaa_dr_site.beat import beat
from tests.site.conftest import SiteWorld

pytestmark = pytest.mark.airflow

DR_OWNS = Ownership(Site.DR, 2, SiteState.PROMOTING, "failover-e0001-01", "now")
PRIMARY_OWNS = Ownership(Site.PRIMARY, 3, SiteState.ACTIVE, "failback", "now")


def order(kind: OrderKind, site: Site = Site.DR, **payload: Any) -> Order:
    now = datetime.now(UTC)
    return Order(
        f"failover-e0001-01-{kind}",
        kind,
        site,
        1 if kind is OrderKind.IMPORT else 2,
        now.isoformat(),
        (now + timedelta(minutes=5)).isoformat(),
        "failover-e0001-01",
        payload,
    )


def run_agent(site: SiteWorld) -> list[dict[str, Any]]:
    return beat(site.config, site.environ)


@pytest.fixture
def primary(sites: dict[Site, SiteWorld]) -> SiteWorld:
    site = sites[Site.PRIMARY]
    site.database.dag("sales")
    site.database.dag("archive", is_paused=True)
    site.database.dag(AGENT_DAG)
    site.database.run("sales", "scheduled__1")
    return site


@pytest.fixture
def dr(sites: dict[Site, SiteWorld]) -> SiteWorld:
    site = sites[Site.DR]
    site.database.dag(AGENT_DAG)
    return site


def backup(primary: SiteWorld) -> str:
    return export.run(primary.config, primary.environ, None)["backup"]


def test_the_pulse_counts_the_owners_business_dags(primary: SiteWorld) -> None:
    assert run_agent(primary) == []
    pulse = Pulse.from_json(primary.read(keys.pulse(Site.PRIMARY)))
    assert (pulse.dags, pulse.active_dags, pulse.epoch) == (2, 1, 1)
    assert primary.dags() == {"sales": False, "archive": True, AGENT_DAG: False}


def test_a_returning_primary_pauses_everything_but_the_recovery_dags(primary: SiteWorld) -> None:
    primary.own(DR_OWNS)
    run_agent(primary)
    assert primary.dags() == {"sales": True, "archive": True, AGENT_DAG: False}


def test_a_standby_pauses_a_dag_that_started_un_paused(dr: SiteWorld) -> None:
    dr.database.dag("eager")
    run_agent(dr)
    assert dr.dags() == {"eager": True, AGENT_DAG: False}


def test_only_the_owner_exports(primary: SiteWorld, dr: SiteWorld) -> None:
    with pytest.raises(export.NotOwnerError, match="epoch 1 belongs to primary"):
        export.run(dr.config, dr.environ, None)
    primary.own(DR_OWNS)
    with pytest.raises(export.NotOwnerError, match="epoch 2 belongs to dr"):
        export.run(primary.config, primary.environ, None)


def test_long_orders_are_handed_to_their_own_dag_once(dr: SiteWorld) -> None:
    dr.own(INITIAL)
    dr.give(order(OrderKind.IMPORT, backup="backups/x/manifest.json", phase="resume"))
    (dispatched,) = run_agent(dr)
    assert dispatched["trigger_dag_id"] == IMPORT_DAG
    assert dispatched["conf"]["order"]["order_id"] == "failover-e0001-01-import"
    assert run_agent(dr) == []


def test_an_ordered_export_is_answered_with_its_backup(primary: SiteWorld) -> None:
    given = order(OrderKind.EXPORT, Site.PRIMARY)
    primary.give(given)
    (dispatched,) = run_agent(primary)
    assert dispatched["trigger_dag_id"] == EXPORT_DAG
    export.run(primary.config, primary.environ, dispatched["conf"]["order"])
    answer = primary.answer(given)
    assert answer.status is OrderStatus.SUCCEEDED
    assert primary.read(answer.result["backup"])


@pytest.mark.parametrize(
    ("work", "kind"), [(export.run, OrderKind.EXPORT), (restore.run, OrderKind.IMPORT)]
)
def test_where_the_database_is_kept_from_tasks_the_order_is_answered_with_the_reason(
    dr: SiteWorld, work: Any, kind: OrderKind
) -> None:
    given = order(kind, backup="backups/x/manifest.json", phase="resume")
    environ = {name: text for name, text in dr.environ.items() if "DATABASE" not in name}
    with pytest.raises(DatabaseSettingsError):
        work(dr.config, environ, asdict(given))
    answer = dr.answer(given)
    assert answer.status is OrderStatus.FAILED
    assert answer.error is not None
    assert answer.error["type"] == "DatabaseSettingsError"


def test_a_failover_ends_with_exactly_the_active_dags_running(
    primary: SiteWorld, dr: SiteWorld
) -> None:
    key = backup(primary)
    given = order(OrderKind.IMPORT, backup=key, phase="resume", in_flight="fail")
    dr.give(given)
    (dispatched,) = run_agent(dr)
    restore.run(dr.config, dr.environ, dispatched["conf"]["order"])
    assert dr.answer(given).status is OrderStatus.SUCCEEDED
    assert dr.dags() == {"sales": True, "archive": True, AGENT_DAG: False}
    dr.own(DR_OWNS)
    unpause = order(OrderKind.UNPAUSE, backup=key, in_flight="fail")
    dr.give(unpause)
    run_agent(dr)
    assert dr.answer(unpause).result["unpaused"] == ["sales"]
    assert dr.dags() == {"sales": False, "archive": True, AGENT_DAG: False}


def test_an_import_says_what_will_run_before_anything_does(
    primary: SiteWorld, dr: SiteWorld
) -> None:
    snapshot = datetime.now(UTC)
    database = primary.database
    schedule = {"schedule_interval": "* * * * *", "timezone": "UTC", "catchup": True}
    document = {"__version": 1, "dag": {"start_date": 1714521600.0, "tasks": [], **schedule}}
    text = {"fileloc": "sales.py", "fileloc_hash": 1, "dag_hash": "1", "last_updated": snapshot}
    database.insert("serialized_dag", {"dag_id": "sales", "data": document, **text})
    end = snapshot - timedelta(minutes=20)
    start = end - timedelta(minutes=1)
    interval = {"data_interval_start": start, "data_interval_end": end}
    database.run("sales", "latest", execution_date=start, **interval)
    database.run("sales", "cut-off", 10, state="running", end_date=None)
    given = order(
        OrderKind.IMPORT,
        backup=backup(primary),
        phase="resume",
        outage_at=(snapshot - timedelta(minutes=12)).isoformat(),
    )
    dr.give(given)
    restore.run(dr.config, dr.environ, run_agent(dr)[0]["conf"]["order"])
    found = dr.answer(given).result["forecast"]
    assert found["headline"].startswith(f"{found['totals']['runs']} runs of 1 DAGs")
    sales, archive = found["dags"]
    # A run a minute, from twenty minutes ago to one hour ahead. Those of the first ten minutes may
    # repeat: the old owner was seen twelve minutes ago, and its next pulses were due within two.
    assert sales["runs"]["count"] in (79, 80, 81)
    assert sales["repeats"]["count"] in (9, 10, 11)
    assert [run["run_id"] for run in sales["interrupted"]] == ["cut-off"]
    assert archive["outlook"] == "paused"


def test_a_forecast_that_fails_does_not_stop_a_recovery(primary: SiteWorld, dr: SiteWorld) -> None:
    given = order(OrderKind.IMPORT, backup=backup(primary), phase="resume", outage_at="then")
    dr.give(given)
    restore.run(dr.config, dr.environ, run_agent(dr)[0]["conf"]["order"])
    answer = dr.answer(given)
    assert answer.status is OrderStatus.SUCCEEDED
    assert answer.result["forecast"] == {
        "headline": "there is none: ValueError: Invalid isoformat string: 'then'"
    }


def test_a_site_that_does_not_own_the_epoch_is_not_un_paused(
    primary: SiteWorld, dr: SiteWorld
) -> None:
    unpause = order(OrderKind.UNPAUSE, backup=backup(primary))
    dr.give(unpause)
    run_agent(dr)
    answer = dr.answer(unpause)
    assert answer.status is OrderStatus.FAILED
    assert answer.error is not None
    assert answer.error["type"] == "OrderRefusedError"
    assert dr.dags()[AGENT_DAG] is False


def test_undoing_a_pause_un_pauses_what_it_paused(primary: SiteWorld) -> None:
    pause = order(OrderKind.PAUSE, Site.PRIMARY)
    primary.give(pause)
    run_agent(primary)
    assert primary.answer(pause).result == {"paused": ["sales"]}
    primary.give(order(OrderKind.UNPAUSE, Site.PRIMARY, dags=["sales"]))
    run_agent(primary)
    assert primary.dags() == {"sales": False, "archive": True, AGENT_DAG: False}


def test_a_corrupted_backup_is_refused_by_name(primary: SiteWorld, dr: SiteWorld) -> None:
    key = backup(primary)
    dr.write(key, dr.read(key).replace(b'"epoch": 1', b'"epoch": 7'))
    given = order(OrderKind.IMPORT, backup=key, phase="resume")
    dr.give(given)
    with pytest.raises(BackupRefusedError):
        restore.run(dr.config, dr.environ, run_agent(dr)[0]["conf"]["order"])
    answer = dr.answer(given)
    assert answer.status is OrderStatus.FAILED
    assert answer.error is not None
    assert answer.error["type"] == "BackupRefusedError"
    assert dr.dags() == {AGENT_DAG: False}


def test_nothing_is_imported_into_the_owners_environment(primary: SiteWorld, dr: SiteWorld) -> None:
    given = order(OrderKind.IMPORT, backup=backup(primary), phase="resume")
    dr.give(given)
    dispatched = run_agent(dr)
    dr.own(DR_OWNS)
    with pytest.raises(TargetRefusedError):
        restore.run(dr.config, dr.environ, dispatched[0]["conf"]["order"])
    assert dr.dags() == {AGENT_DAG: False}


def test_an_order_of_an_older_epoch_is_refused(dr: SiteWorld) -> None:
    dr.own(PRIMARY_OWNS)
    given = order(OrderKind.PAUSE)
    dr.give(given)
    run_agent(dr)
    assert dr.answer(given).status is OrderStatus.FAILED


def test_an_operator_has_interrupted_runs_run_again(primary: SiteWorld, dr: SiteWorld) -> None:
    primary.database.run("sales", "cut-off", 10, state="running", end_date=None)
    primary.database.task("sales", "cut-off", "t", state="running", end_date=None)
    given = order(OrderKind.IMPORT, backup=backup(primary), phase="resume")
    dr.give(given)
    restore.run(dr.config, dr.environ, run_agent(dr)[0]["conf"]["order"])
    report = dr.answer(given).result
    request = RerunRequest(report["snapshot_at"], runs=[RunName("sales", "cut-off")])
    again = order(OrderKind.RERUN, **request.to_payload())
    dr.give(again)
    run_agent(dr)
    refused = dr.answer(again)
    assert refused.status is OrderStatus.FAILED
    assert refused.error is not None
    assert "only an owner runs anything again" in refused.error["message"]
    dr.own(DR_OWNS)
    later = replace(again, order_id="failover-e0001-01-rerun-2")
    dr.give(later)
    run_agent(dr)
    answer = dr.answer(later)
    assert answer.status is OrderStatus.SUCCEEDED
    assert answer.result["report"]["runs"] == [{"dag_id": "sales", "run_id": "cut-off"}]
    assert answer.result["interrupted"] == []
    state = "SELECT state FROM dag_run WHERE run_id = 'cut-off'"
    assert dr.database.one(state) == "queued"
