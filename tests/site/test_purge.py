"""The purge that follows a base: only what is in that base goes."""

from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import pytest

from contract.manifest import BackupKind, Manifest
from contract.orders import Order, OrderKind
from contract.sites import Site
from mwaa_dr_site import export, purge, restore
from tests.metadata.metadata_world import World
from tests.site.conftest import SiteWorld

pytestmark = pytest.mark.airflow


@pytest.fixture
def primary(sites: dict[Site, SiteWorld]) -> SiteWorld:
    """Four runs of two years ago, one of three weeks ago, one of yesterday."""
    site = sites[Site.PRIMARY]
    site.database.dag("sales")
    for n in range(4):
        run(site.database, f"old_{n}", 700 - n)
    run(site.database, "three_weeks", 21)
    run(site.database, "yesterday", 1)
    return replace(site, config=replace(site.config, purge_days=30))


def run(world: World, name: str, days: float) -> None:
    when = datetime.now(UTC) - timedelta(days=days)
    world.run("sales", name, execution_date=when, start_date=when, end_date=when)
    world.task("sales", name, "t", start_date=when, end_date=when)


def names(world: World) -> set[str]:
    return {name for (name,) in world.sql("SELECT run_id FROM dag_run")}


def test_what_a_purge_takes_comes_back_from_the_base_before_it(
    primary: SiteWorld, sites: dict[Site, SiteWorld]
) -> None:
    exported = export.run(primary.config, primary.environ, None)
    before = names(primary.database)
    done = purge.run(primary.config, primary.environ, exported)
    assert before - names(primary.database) == {"old_0", "old_1", "old_2", "old_3"}
    assert done["rows"] == {"dag_run": 4, "task_instance": 4}
    assert done["complete"]

    dr, now = sites[Site.DR], datetime.now(UTC)
    payload = {"backup": exported["backup"], "phase": "all"}
    order = Order("drill-1", OrderKind.IMPORT, Site.DR, 1, now.isoformat(),
                  (now + timedelta(minutes=5)).isoformat(), "drill-1", payload)  # fmt: skip
    restore.run(dr.config, dr.environ, asdict(order))
    assert names(dr.database) == before


def test_the_age_of_a_row_is_told_from_the_snapshot(primary: SiteWorld) -> None:
    exported = export.run(primary.config, primary.environ, None)
    earlier = datetime.fromisoformat(exported["snapshot_at"]) - timedelta(days=672)
    done = purge.run(
        primary.config, primary.environ, {**exported, "snapshot_at": earlier.isoformat()}
    )
    assert done["rows"] == {}
    assert datetime.fromisoformat(done["older_than"]) == earlier - timedelta(days=30)


def test_nothing_is_purged_after_an_incremental(primary: SiteWorld) -> None:
    before = names(primary.database)
    with pytest.raises(purge.NotDueError, match="a purge follows a base"):
        purge.run(primary.config, primary.environ, {"kind": "incremental", "backup": "b"})
    assert names(primary.database) == before


def test_the_next_incremental_knows_that_the_purge_was_meant(primary: SiteWorld) -> None:
    exported = export.run(primary.config, primary.environ, None)
    done = purge.run(primary.config, primary.environ, exported)
    after = export.run(primary.config, primary.environ, None)
    manifest = Manifest.from_json(primary.read(after["backup"]))
    assert manifest.kind is BackupKind.INCREMENTAL
    assert manifest.deleted["dag_run"] == 4
    assert manifest.purged == done["rows"]
    later = export.run(primary.config, primary.environ, None)
    assert Manifest.from_json(primary.read(later["backup"])).purged == {}
