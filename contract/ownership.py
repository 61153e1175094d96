"""The record that says which site may run DAGs, and how a site reads it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from contract.lifecycle import SiteState
from contract.sites import Site

RECORD_KEY = "ownership"
"""Partition key (`pk`) of the record in the state table."""


@dataclass(frozen=True, slots=True)
class Ownership:
    """Who owns which epoch.

    Args:
        owner: the site that may run DAGs.
        epoch: grows by one with each promotion, never shrinks.
        state: what the owner is doing: `PROMOTING` until its DAGs are un-paused, then `ACTIVE`.
        incident_id: the incident that made this record; empty for the first.
        updated_at: ISO 8601, UTC.
        standby: what the other site is doing. Only a `STANDBY` follows the owner; one that lost
            the epoch without handing over all it had must be reconciled first.
        lost_at: the last sign of life of the site that lost the epoch, by that site's own clock:
            what it worked on later it did alone. ISO 8601, UTC, empty for the first epoch.
    """

    owner: Site
    epoch: int
    state: SiteState
    incident_id: str = ""
    updated_at: str = ""
    standby: SiteState = SiteState.STANDBY
    lost_at: str = ""

    @classmethod
    def from_json(cls, text: str | bytes) -> "Ownership":
        """Read the mirror. Raises ValueError on anything that is not a whole record."""
        return cls.from_dict(json.loads(text))

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> "Ownership":
        """The record from its JSON values. Raises ValueError on anything that is not whole."""
        try:
            return cls(
                owner=Site(raw["owner"]),
                epoch=int(raw["epoch"]),
                state=SiteState(raw["state"]),
                incident_id=str(raw.get("incident_id", "")),
                updated_at=str(raw.get("updated_at", "")),
                standby=SiteState(raw.get("standby", SiteState.STANDBY)),
                lost_at=str(raw.get("lost_at", "")),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not an ownership record: {error!r}") from error

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    def promoted(
        self,
        site: Site,
        incident_id: str,
        at: str,
        *,
        handed_over: bool = False,
        lost_at: str = "",
    ) -> "Ownership":
        """The record that makes `site` the owner of the next epoch.

        Args:
            handed_over: whether the old owner was fenced and `site` holds all that it had.
            lost_at: see above; empty for now.
        """
        if self.owned_by(site):
            standby = self.standby
        else:
            standby = SiteState.STANDBY if handed_over else SiteState.FENCE_PENDING
        return Ownership(
            site,
            self.epoch + 1,
            SiteState.PROMOTING,
            incident_id,
            at,
            standby,
            lost_at=lost_at or at,
        )

    @property
    def rank(self) -> tuple[int, str]:
        """The record with the highest one counts, whoever read it where."""
        return self.epoch, self.updated_at

    def owned_by(self, site: Site) -> bool:
        return self.owner is site


INITIAL = Ownership(owner=Site.PRIMARY, epoch=1, state=SiteState.ACTIVE)
"""What holds until a record exists: losing the DR Region must never stop the primary site."""
