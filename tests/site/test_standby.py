"""A site without the epoch: it follows, it lies still, and what it did alone is kept."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contract import keys
from contract.lifecycle import SiteState
from contract.names import AGENT_DAG
from contract.orders import Order, OrderKind, OrderStatus
from contract.ownership import INITIAL, Ownership
from contract.pulse import Pulse
from contract.sites import Site
from mwaa_dr_site import export, restore, sync
from mwaa_dr_site.backups import Backups
from mwaa_dr_site.beat import beat
from tests.metadata.metadata_world import T0, at
from tests.site.conftest import SiteWorld

pytestmark = pytest.mark.airflow

LOST_AT = (T0 + timedelta(minutes=30)).isoformat()
DR_OWNS = Ownership(
    Site.DR, 2, SiteState.ACTIVE, "failover-e0001-01", LOST_AT, SiteState.FENCE_PENDING, LOST_AT
)


def order(kind: OrderKind, site: Site, epoch: int = 1, **payload: Any) -> Order:
    now = datetime.now(UTC)
    until = (now + timedelta(minutes=5)).isoformat()
    name = f"failback-e0002-01-{kind}-{payload.get('mode', '')}"
    return Order(name, kind, site, epoch, now.isoformat(), until, "failback-e0002-01", payload)


def run_agent(site: SiteWorld) -> list[dict[str, Any]]:
    return beat(site.config, site.environ)


def back_up(site: SiteWorld) -> str:
    return export.run(site.config, site.environ, None)["backup"]


def follow(site: SiteWorld) -> dict[str, Any]:
    return sync.run(site.config, site.environ)


def pulse(site: SiteWorld) -> Pulse:
    run_agent(site)
    return Pulse.from_json(site.read(keys.pulse(site.config.site)))


def runs(site: SiteWorld) -> dict[str, str]:
    return dict(site.database.sql("SELECT run_id, state FROM dag_run WHERE dag_id = 'sales'"))


@pytest.fixture
def primary(sites: dict[Site, SiteWorld]) -> SiteWorld:
    site = sites[Site.PRIMARY]
    site.database.dag("sales")
    site.database.dag("archive", is_paused=True)
    site.database.dag(AGENT_DAG)
    site.database.run("sales", "done")
    site.database.run("sales", "live", 1, state="running", end_date=None)
    site.database.task("sales", "live", "work", state="running", end_date=None)
    return site


@pytest.fixture
def dr(sites: dict[Site, SiteWorld]) -> SiteWorld:
    site = sites[Site.DR]
    site.database.dag(AGENT_DAG)
    return site


def test_a_standby_follows_with_all_work_parked(primary: SiteWorld, dr: SiteWorld) -> None:
    back_up(primary)
    follow(dr)
    assert dr.dags() == {"sales": True, "archive": True, AGENT_DAG: False}
    assert runs(dr) == {"done": "success", "live": "failed"}
    primary.database.run("sales", "next", 2)
    primary.database.sql("DELETE FROM dag_run WHERE run_id = 'done'")
    key = back_up(primary)
    assert follow(dr)["backup"] == key
    assert runs(dr) == {"live": "failed", "next": "success"}


def test_its_pulse_says_what_it_holds(primary: SiteWorld, dr: SiteWorld) -> None:
    assert pulse(dr).holds == ""
    back_up(primary)
    before = datetime.now(UTC)
    follow(dr)
    held = datetime.fromisoformat(pulse(dr).holds)
    assert timedelta(0) < before - held < timedelta(seconds=30)
    assert pulse(primary).holds == ""


def test_with_nothing_new_there_is_nothing_to_do(primary: SiteWorld, dr: SiteWorld) -> None:
    with pytest.raises(sync.NothingNewError):
        follow(dr)
    back_up(primary)
    follow(dr)
    with pytest.raises(sync.NothingNewError):
        follow(dr)


@pytest.mark.parametrize("standby", sorted(set(SiteState) - {SiteState.STANDBY}))
def test_only_a_standby_follows(primary: SiteWorld, dr: SiteWorld, standby: SiteState) -> None:
    back_up(primary)
    with pytest.raises(sync.NotStandbyError, match="epoch 1 belongs to primary"):
        follow(primary)
    dr.own(Ownership(Site.PRIMARY, 1, SiteState.ACTIVE, updated_at=LOST_AT, standby=standby))
    with pytest.raises(sync.NotStandbyError, match=standby):
        follow(dr)


def test_a_failover_onto_what_is_held_already_still_says_what_was_cut_off(
    primary: SiteWorld, dr: SiteWorld
) -> None:
    key = back_up(primary)
    follow(dr)
    given = order(OrderKind.IMPORT, Site.DR, backup=key, mode="follow", phase="all")
    dr.give(given)
    restore.run(dr.config, dr.environ, run_agent(dr)[0]["conf"]["order"])
    result = dr.answer(given).result
    assert [run["run_id"] for run in result["interrupted"]] == ["live"]
    assert runs(dr) == {"done": "success", "live": "failed"}


def test_a_returning_owner_stops_what_it_had_begun_and_says_so(primary: SiteWorld) -> None:
    primary.database.run("sales", "stray", 45, state="running", end_date=None)
    primary.database.run("sales", "over", 5)
    primary.database.task("sales", "over", "work", start_date=at(45), end_date=at(46))
    primary.own(DR_OWNS)
    run_agent(primary)
    assert runs(primary) == {
        **{"done": "success", "live": "failed"}, "stray": "failed", "over": "success",
    }  # fmt: skip
    assert primary.dags() == {"sales": True, "archive": True, AGENT_DAG: False}
    (key,) = primary.listed(keys.fences(Site.PRIMARY, 2))
    report = primary.read_json(key)
    assert report["paused"] == ["sales"]
    assert [run["run_id"] for run in report["ended"]] == ["live", "stray"]
    worked = {run["run_id"] for run in report["started"]}
    assert worked == {"stray", "over"}, "begun, or gone on with, after the loss"
    run_agent(primary)
    assert primary.listed(keys.fences(Site.PRIMARY, 2)) == [key], "nothing more to say"


def test_a_drain_is_answered_once_nothing_runs(primary: SiteWorld) -> None:
    given = order(OrderKind.DRAIN, Site.PRIMARY, seconds=300)
    primary.give(given)
    for _ in range(2):
        run_agent(primary)
        assert primary.answer(given).status is OrderStatus.RUNNING
    primary.database.sql("UPDATE task_instance SET state = 'success'")
    run_agent(primary)
    assert primary.answer(given).status is OrderStatus.SUCCEEDED
    assert primary.answer(given).result["left"] == []


def test_a_drain_ends_at_its_limit_and_names_what_still_runs(primary: SiteWorld) -> None:
    given = order(OrderKind.DRAIN, Site.PRIMARY, seconds=0)
    primary.give(given)
    run_agent(primary)
    left = primary.answer(given).result["left"]
    assert left == [{"dag_id": "sales", "run_id": "live", "tasks": 1}]


def test_what_the_old_owner_did_alone_is_exported_kept_and_follows_from_there(
    primary: SiteWorld, dr: SiteWorld
) -> None:
    """The failback's way: divergence, reconciling, and then only what changed."""
    back_up(primary)
    follow(dr)
    primary.database.run("sales", "alone", 20)
    for site in (primary, dr):
        site.own(DR_OWNS)
    run_agent(primary)
    dr.database.run("sales", "later", 40)
    dr.database.sql("UPDATE dag_run SET state = 'success' WHERE run_id = 'live'")
    key = back_up(dr)

    kept = order(OrderKind.EXPORT, Site.PRIMARY, 2, purpose="divergence")
    primary.give(kept)
    export.run(primary.config, primary.environ, run_agent(primary)[0]["conf"]["order"])
    assert primary.answer(kept).result["backup"].startswith("divergence/backups/primary/00000002/")
    assert not primary.listed(keys.epoch_backups(Site.PRIMARY, 2)), "no recovery finds it"

    given = order(OrderKind.IMPORT, Site.PRIMARY, 2, backup=key, mode="reconcile", phase="all")
    primary.give(given)
    primary.copy_from(dr)
    restore.run(primary.config, primary.environ, run_agent(primary)[0]["conf"]["order"])
    report = primary.answer(given).result
    assert [run["run_id"] for run in report["kept"]] == ["alone"]
    assert runs(primary) == {
        **{"done": "success", "live": "success"}, "alone": "success", "later": "success",
    }  # fmt: skip

    dr.database.run("sales", "last", 50)
    final = back_up(dr)
    primary.copy_from(dr)
    last = order(OrderKind.IMPORT, Site.PRIMARY, 2, backup=final, mode="follow", phase="all")
    primary.give(last)
    restore.run(primary.config, primary.environ, run_agent(primary)[0]["conf"]["order"])
    assert primary.answer(last).result["applied"] == [final.split("/")[-2]], "only what changed"
    assert runs(primary)["alone"] == "success"
    assert runs(primary)["last"] == "success"


def test_an_owner_goes_back_to_an_older_backup_in_place(primary: SiteWorld) -> None:
    key = back_up(primary)
    primary.database.run("sales", "spoilt", 3)
    primary.database.sql("DELETE FROM dag_run WHERE run_id = 'done'")
    run_agent(primary)
    primary.give(order(OrderKind.PAUSE, Site.PRIMARY))
    run_agent(primary)
    given = order(OrderKind.IMPORT, Site.PRIMARY, backup=key, mode="replace", phase="all")
    primary.give(given)
    primary.copy_from(primary)
    restore.run(primary.config, primary.environ, run_agent(primary)[0]["conf"]["order"])
    assert runs(primary) == {"done": "success", "live": "failed"}
    primary.own(INITIAL.promoted(Site.PRIMARY, "restore-e0001-01", at(60).isoformat()))
    unpause = order(OrderKind.UNPAUSE, Site.PRIMARY, 2, backup=key, in_flight="rerun")
    primary.give(unpause)
    run_agent(primary)
    assert primary.answer(unpause).result["unpaused"] == ["sales"]
    assert runs(primary) == {"done": "success", "live": "queued"}


def test_what_the_fence_paused_is_active_again_at_the_new_owner(
    primary: SiteWorld, dr: SiteWorld
) -> None:
    """A final backup is taken when every DAG is paused already."""
    earlier = back_up(primary)
    pause = order(OrderKind.PAUSE, Site.PRIMARY)
    primary.give(pause)
    run_agent(primary)
    fence = {"at": primary.answer(pause).updated_at, "dags": primary.answer(pause).result["paused"]}
    final = back_up(primary)
    follow(dr)
    dr.own(INITIAL.promoted(Site.DR, "planned-failover-e0001-01", "t", handed_over=True))
    unpause = order(OrderKind.UNPAUSE, Site.DR, 2, backup=final, in_flight="keep", paused=fence)
    dr.give(unpause)
    run_agent(dr)
    assert dr.answer(unpause).result["unpaused"] == ["sales"]
    assert dr.dags() == {"sales": False, "archive": True, AGENT_DAG: False}

    backups = Backups(dr.config, dr.environ)
    later = datetime.fromisoformat(fence["at"]) + timedelta(seconds=5)
    before = {"backup": earlier, "paused": {"at": later.isoformat(), "dags": ["archive"]}}
    assert backups.active(before) == ["sales"], "that backup knows better than a later fence"
    assert backups.active({"backup": final, "paused": {}}) == []


def test_the_forecast_of_a_planned_move_sees_past_the_fence(
    primary: SiteWorld, dr: SiteWorld
) -> None:
    pause = order(OrderKind.PAUSE, Site.PRIMARY)
    primary.give(pause)
    run_agent(primary)
    fence = {"at": primary.answer(pause).updated_at, "dags": primary.answer(pause).result["paused"]}
    final = back_up(primary)
    backups = Backups(dr.config, dr.environ)

    def outlooks(**payload: Any) -> dict[str, str]:
        given = order(OrderKind.IMPORT, Site.DR, backup=final, in_flight="keep", **payload)
        found = restore.foretell(backups, given)
        return {dag["dag_id"]: dag["outlook"] for dag in found["dags"]}

    blind, told = outlooks(), outlooks(paused=fence)
    assert (blind["sales"], blind["archive"]) == ("paused", "paused")
    assert told["sales"] != "paused", "it runs again at the new owner"
    assert told["archive"] == "paused", "somebody had paused that one"
