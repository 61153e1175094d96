"""The moves of the ownership record that a recovery makes."""

from dataclasses import replace

from contract.lifecycle import SiteState, may_move
from contract.ownership import Ownership
from contract.sites import Site
from contract.state import IncidentKind, kind_of
from handlers.core.errors import OwnershipChangedError


def begin(
    current: Ownership,
    *,
    site: Site,
    epoch: int,
    incident_id: str,
    at: str,
    handed_over: bool = False,
    lost_at: str = "",
) -> Ownership:
    """The record that makes `site` the owner of the epoch after `epoch`.

    Carried out twice it gives the record that is already there.

    Args:
        handed_over: see `Ownership.promoted`.
        lost_at: see there too.

    Raises:
        OwnershipChangedError: the record is not the one that the incident was opened on.
    """
    if is_promoted_by(current, site, incident_id):
        return current
    goes_back = kind_of(incident_id) is IncidentKind.RESTORE
    if current.epoch != epoch or current.owned_by(site) != goes_back:
        raise OwnershipChangedError(
            f"incident {incident_id} was opened on epoch {epoch} to promote {site}, but epoch "
            f"{current.epoch} belongs to {current.owner} (incident {current.incident_id or 'none'})"
        )
    return current.promoted(site, incident_id, at, handed_over=handed_over, lost_at=lost_at)


def finish(current: Ownership, *, site: Site, incident_id: str, at: str) -> Ownership:
    """The record that says that the new owner runs its DAGs.

    Raises:
        OwnershipChangedError: the incident does not hold the record.
    """
    if not is_promoted_by(current, site, incident_id):
        raise OwnershipChangedError(
            f"incident {incident_id} does not hold epoch {current.epoch}: it belongs to "
            f"{current.owner} (incident {current.incident_id or 'none'})"
        )
    if not may_move(current.state, SiteState.ACTIVE):
        return current
    return replace(current, state=SiteState.ACTIVE, updated_at=at)


def standby_becomes(current: Ownership, new: SiteState, *, at: str) -> Ownership:
    """The record that says what the site without the epoch is doing; the same if it says so.

    Raises:
        OwnershipChangedError: the lifecycle does not allow the move.
    """
    if current.standby is new:
        return current
    if not may_move(current.standby, new):
        raise OwnershipChangedError(
            f"{current.owner.other} is {current.standby} and cannot become {new}"
        )
    return replace(current, standby=new, updated_at=at)


def is_promoted_by(current: Ownership, site: Site, incident_id: str) -> bool:
    """Whether the incident has made `site` the owner: from then on there is only forward."""
    return current.owned_by(site) and current.incident_id == incident_id


def is_newer(record: Ownership, mirror: Ownership) -> bool:
    """Whether `record` may replace `mirror`: a mirror never goes back."""
    return record.rank > mirror.rank
