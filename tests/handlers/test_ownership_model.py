"""Never two sites on one epoch, whatever dies, is late or is read wrong: explored to the end."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.lifecycle import SiteState, may_move
from contract.ownership import INITIAL, Ownership
from contract.sites import Site
from handlers.core import ownership
from handlers.core.errors import OwnershipChangedError
from tests.handlers import ownership_model
from tests.handlers.ownership_model import Bounds, Rules, World, explore


def test_no_two_sites_ever_act_on_one_epoch() -> None:
    """What holds, of every world that three incidents, two at once, can lead to.

    - An epoch has one owner, for ever, and the record's epoch only grows; so do the mirrors'.
    - A site runs DAGs only on an epoch that the record gave to it, and no two on the same one.
    - A site that has read of a higher epoch never runs on a lower one again, whatever it can read
      later.

    What does not hold, on purpose: an owner that is cut off runs on until it can read of the higher
    epoch, since losing the DR Region must not stop production.
    """
    found = explore(Rules(), Bounds(moves=3, at_work=2))
    assert found.fault == "", found.way
    assert found.epochs == 4, "every incident could move the ownership"
    assert found.worlds > 20_000


def _forgetful(_remembered: Ownership, read: Ownership) -> Ownership:
    return read


def _by_its_own_count(current: Ownership, *, site: Site, epoch: int, incident_id: str, at: str):
    return replace(current.promoted(site, incident_id, at), epoch=epoch + 1)


@pytest.mark.parametrize(
    ("rules", "fault"),
    [
        (Rules(newest=_forgetful), "forgot epoch"),
        (Rules(only_as_owner=False), "two sites run on one epoch"),
        (Rules(replaces=lambda _record, _seen: True), "a mirror goes back"),
        (Rules(begin=_by_its_own_count), "the record's epoch is not the next one"),
        (Rules(newest=lambda remembered, _read: remembered), ""),
    ],
    ids=["no-memory", "un-pause-anywhere", "old-mirror-wins", "no-compare", "reads-nothing"],
)
def test_the_model_notices_a_rule_that_is_gone(rules: Rules, fault: str) -> None:
    """The last one shows that a site which never reads is late, and no danger."""
    found = explore(rules, Bounds(moves=3, at_work=2))
    assert fault in found.fault
    assert bool(found.fault) == bool(fault)


def test_a_cut_off_owner_runs_on_until_it_reads_of_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The property is not stronger than it says: two sites may run, on two epochs."""
    seen: set[tuple[int, ...]] = set()
    judge = ownership_model.fault

    def watch(before: World, after: World) -> str:
        seen.add(tuple(place.runs_on for place in after.sites))
        return judge(before, after)

    monkeypatch.setattr(ownership_model, "fault", watch)
    explore(Rules(), Bounds(moves=1, at_work=1))
    assert seen == {(1, 0), (0, 0), (1, 2), (0, 2), (2, 0)}


records = st.builds(
    Ownership,
    st.sampled_from(Site),
    st.integers(1, 5),
    st.sampled_from([SiteState.PROMOTING, SiteState.ACTIVE]),
    st.sampled_from(["", "failover-e0001-01"]),
    st.just("2026-11-26T09:00:00+00:00"),
    st.sampled_from(SiteState),
)


@given(records, st.sampled_from(SiteState))
def test_what_the_standby_does_moves_neither_owner_nor_epoch(
    record: Ownership, new: SiteState
) -> None:
    """The reason why the model may leave it out."""
    try:
        moved = ownership.standby_becomes(record, new, at="2026-11-26T10:00:00+00:00")
    except OwnershipChangedError:
        assert not may_move(record.standby, new)
    else:
        assert (moved.owner, moved.epoch, moved.state) == (record.owner, record.epoch, record.state)
        assert moved.standby is new


def test_a_planned_move_gives_the_epoch_as_a_failover_does() -> None:
    """The other reason: only what the old owner becomes tells them apart."""
    moved = [
        ownership.begin(
            INITIAL, site=Site.DR, epoch=1, incident_id=name, at="t", handed_over=handed_over
        )
        for name, handed_over in (("failover-e0001-01", False), ("planned-failover-e0001-01", True))
    ]
    same = [replace(one, incident_id="", standby=SiteState.STANDBY) for one in moved]
    assert same[0] == same[1]
    assert [one.standby for one in moved] == [SiteState.FENCE_PENDING, SiteState.STANDBY]
