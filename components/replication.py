"""Which objects S3 carries to the other site: rows for both the rules and their alarms."""

from dataclasses import dataclass

from components.base import Place
from components.settings import Settings
from components.settings.existing import OWNER
from contract.keys import BACKUPS, site_backups
from contract.objects import ObjectRole
from contract.sites import CopyMode, Site


@dataclass(frozen=True, slots=True)
class Route:
    """One replication rule.

    Args:
        source: the site that it copies from; the destination is the other site's bucket of the
            same kind.
        kind: `BACKUPS` or `DAGS`.
        prefix: the keys it is about; empty for all.
        timed: with Replication Time Control: where a recovery depends on the copy.
        deletions: whether delete markers are carried: a DAG that is removed must go at both
            sites, a backup that is removed at one must stay at the other.
    """

    source: Site
    kind: ObjectRole
    prefix: str
    timed: bool
    deletions: bool

    @property
    def rule(self) -> str:
        return f"{self.kind}-{self.source}-to-{self.source.other}"


def routes(settings: Settings) -> tuple[Route, ...]:
    """Every rule of an installation: one writer and one direction per object."""
    code = (
        (
            Route(Site.PRIMARY, ObjectRole.DAGS, "", timed=True, deletions=True),
            Route(Site.DR, ObjectRole.DAGS, "", timed=False, deletions=True),
        )
        if settings.code.replication
        else ()
    )
    return (*code, *_BACKUPS[settings.backup.copy_mode])


def owned_routes(settings: Settings) -> tuple[Route, ...]:
    """Those of them that this program keeps itself."""
    return tuple(
        route
        for route in routes(settings)
        if route.kind is not ObjectRole.DAGS
        or settings.existing.of(route.source).replication_rules != OWNER
    )


def bucket(settings: Settings, site: Site, kind: ObjectRole) -> str:
    place = Place(settings, site)
    return place.dag_bucket if kind is ObjectRole.DAGS else place.backup_bucket


def dimensions(settings: Settings, route: Route) -> dict[str, str]:
    """Of S3's replication metrics: failures in the source's Region, lag in the destination's."""
    return {
        "SourceBucket": bucket(settings, route.source, route.kind),
        "DestinationBucket": bucket(settings, route.source.other, route.kind),
        "RuleId": route.rule,
    }


_BACKUPS = {
    # Exports are written into the DR bucket; only the second copy travels.
    CopyMode.DIRECT: (Route(Site.DR, ObjectRole.BACKUPS, BACKUPS, timed=False, deletions=False),),
    # Each site writes its own backups into its own bucket.
    CopyMode.REPLICATE: tuple(
        Route(
            site,
            ObjectRole.BACKUPS,
            site_backups(site),
            timed=site is Site.PRIMARY,
            deletions=False,
        )
        for site in Site
    ),
}
