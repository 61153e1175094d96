"""What a site can be doing, and which moves are allowed: one table for ASL, command and docs."""

from enum import StrEnum


class SiteState(StrEnum):
    STANDBY = "STANDBY"
    PROMOTING = "PROMOTING"
    ACTIVE = "ACTIVE"
    FENCE_PENDING = "FENCE_PENDING"
    FENCED = "FENCED"
    RECONCILING = "RECONCILING"
    DRILL = "DRILL"


MEANING: dict[SiteState, str] = {
    SiteState.STANDBY: "ready to take over; runs no business DAG",
    SiteState.PROMOTING: "owns the new epoch; DAGs are being un-paused; only forward from here",
    SiteState.ACTIVE: "owns the epoch and runs the DAGs",
    SiteState.FENCE_PENDING: "lost ownership but has not yet said that its DAGs are paused",
    SiteState.FENCED: "lost ownership and its DAGs are paused; it may hold rows of its own",
    SiteState.RECONCILING: "a fenced site's own rows are being exported and merged",
    SiteState.DRILL: "rehearses a recovery; never un-pauses, never owns",
}

TRANSITIONS: dict[SiteState, frozenset[SiteState]] = {
    SiteState.STANDBY: frozenset({SiteState.PROMOTING, SiteState.DRILL}),
    SiteState.DRILL: frozenset({SiteState.STANDBY}),
    SiteState.PROMOTING: frozenset({SiteState.ACTIVE}),
    SiteState.ACTIVE: frozenset({SiteState.FENCE_PENDING}),
    SiteState.FENCE_PENDING: frozenset({SiteState.FENCED, SiteState.ACTIVE}),
    SiteState.FENCED: frozenset({SiteState.RECONCILING, SiteState.STANDBY, SiteState.ACTIVE}),
    SiteState.RECONCILING: frozenset({SiteState.STANDBY}),
}


def may_move(old: SiteState, new: SiteState) -> bool:
    """Whether the table allows a site to go from `old` to `new`."""
    return new in TRANSITIONS[old]
