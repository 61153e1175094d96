"""What a site has read of the ownership it never forgets, whatever it can read later."""

import json
from dataclasses import replace

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import keys
from contract.lifecycle import SiteState
from contract.names import AGENT_DAG
from contract.ownership import INITIAL, Ownership
from contract.pulse import Pulse
from contract.sites import Site
from mwaa_dr_metadata import notes
from mwaa_dr_site import export
from mwaa_dr_site.beat import beat
from mwaa_dr_site.knowledge import newest
from tests.site.conftest import SiteWorld

DR_OWNS = Ownership(
    Site.DR, 2, SiteState.ACTIVE, "failover-e0001-01", "2026-11-26T09:00:00+00:00",
    lost_at="2026-11-26T09:00:00+00:00",
)  # fmt: skip

records = st.builds(
    Ownership,
    st.sampled_from(Site),
    st.integers(1, 9),
    st.sampled_from([SiteState.PROMOTING, SiteState.ACTIVE]),
    updated_at=st.sampled_from(["", "2026-11-26T09:00:00+00:00", "2026-11-26T10:00:00+00:00"]),
)


@given(st.lists(records, min_size=1))
def test_the_highest_epoch_counts_and_of_one_epoch_the_latest_word(found: list[Ownership]) -> None:
    best = newest(*found)
    assert best in found
    assert all(
        one.epoch < best.epoch or (one.epoch == best.epoch and one.updated_at <= best.updated_at)
        for one in found
    )


def lose_mirrors(site: SiteWorld) -> None:
    """The mirrors cannot be read any more: to the agent no different from a lost Region."""
    s3 = boto3.client("s3", region_name=site.config.region)
    for bucket in (site.config.local_bucket, site.config.dr_bucket):
        s3.delete_object(Bucket=bucket, Key=keys.OWNERSHIP)


def epoch_of(site: SiteWorld) -> int:
    return Pulse.from_json(site.read(keys.pulse(site.config.site))).epoch


@pytest.mark.airflow
def test_a_fenced_site_stays_fenced_when_it_cannot_read_any_more(
    sites: dict[Site, SiteWorld],
) -> None:
    primary = sites[Site.PRIMARY]
    primary.database.dag("sales")
    primary.own(DR_OWNS)
    beat(primary.config, primary.environ)
    lose_mirrors(primary)
    primary.database.dag("eager")
    beat(primary.config, primary.environ)
    assert primary.dags() == {"sales": True, "eager": True}
    assert epoch_of(primary) == 2
    with pytest.raises(export.NotOwnerError, match="epoch 2 belongs to dr"):
        export.run(primary.config, primary.environ, None)


@pytest.mark.airflow
def test_an_owner_goes_on_when_it_cannot_read_any_more(sites: dict[Site, SiteWorld]) -> None:
    """Without a memory the DR site would think of the first epoch, and stop production."""
    dr = sites[Site.DR]
    dr.own(DR_OWNS)
    beat(dr.config, dr.environ)
    dr.database.dag("sales")
    dr.database.dag(AGENT_DAG)
    dr.database.run("sales", "scheduled__1", state="running")
    lose_mirrors(dr)
    beat(dr.config, dr.environ)
    assert dr.dags() == {"sales": False, AGENT_DAG: False}
    assert dr.database.one("SELECT state FROM dag_run WHERE dag_id = 'sales'") == "running"
    assert epoch_of(dr) == 2


@pytest.mark.airflow
@pytest.mark.parametrize("note", ["{}", "nonsense", json.dumps({"owner": "nobody"})])
def test_a_memory_that_cannot_be_read_is_none(sites: dict[Site, SiteWorld], note: str) -> None:
    primary = sites[Site.PRIMARY]
    primary.database.insert(
        "variable", {"key": notes.OWNERSHIP, "val": note, "is_encrypted": False}
    )
    beat(primary.config, primary.environ)
    assert epoch_of(primary) == INITIAL.epoch
    primary.own(replace(DR_OWNS, epoch=3))
    beat(primary.config, primary.environ)
    lose_mirrors(primary)
    beat(primary.config, primary.environ)
    assert epoch_of(primary) == 3
