"""Replication rules and what their role needs: to deploy, or for somebody else to paste."""

from typing import Any

import pulumi

from components.base import Place
from components.iam import Conditions, Statement, by_alias
from components.replication import Route, bucket, routes
from components.settings import Settings
from contract.objects import ObjectRole

RTC_MINUTES = 15
"""The only value that S3 Replication Time Control accepts."""
_SPELLED = {"id": "ID", "replica_kms_key_id": "ReplicaKmsKeyID"}
"""Members that S3's API does not spell by the rule."""


def statements(place: Place, all_routes: list[Route]) -> list[Statement]:
    """What S3 needs to read at `place` and to write at the other site."""
    settings, names = place.settings, place.names
    kinds = sorted({route.kind for route in all_routes})
    locked = ObjectRole.BACKUPS in kinds and settings.backup.object_lock_days
    sources = [names.bucket_arn(bucket(settings, place.site, kind)) for kind in kinds]
    targets = [names.bucket_arn(bucket(settings, place.site.other, kind)) for kind in kinds]
    return [
        Statement(("s3:GetReplicationConfiguration", "s3:ListBucket"), tuple(sources)),
        Statement(
            (
                *("s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl"),
                "s3:GetObjectVersionTagging",
                *(("s3:GetObjectRetention", "s3:GetObjectLegalHold") if locked else ()),
            ),
            tuple(f"{arn}/*" for arn in sources),
        ),
        Statement(
            ("s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"),
            tuple(f"{arn}/*" for arn in targets),
        ),
    ]


def rule(settings: Settings, row: Route, priority: int, key_arn: pulumi.Input[str]) -> Any:  # noqa: ANN401
    """The rule of `row` as pulumi-aws spells it; `key_arn` is the destination's data key."""
    target = settings.names.bucket_arn(bucket(settings, row.source.other, row.kind))
    minutes = {"minutes": RTC_MINUTES}
    destination: dict[str, Any] = {
        "bucket": target,
        "encryption_configuration": {"replica_kms_key_id": key_arn},
        "metrics": {"status": "Enabled"},
    }
    if row.timed:
        destination["metrics"] = {"status": "Enabled", "event_threshold": minutes}
        destination["replication_time"] = {"status": "Enabled", "time": minutes}
    return {
        "id": row.rule,
        "status": "Enabled",
        "priority": priority,
        "filter": {"prefix": row.prefix},
        "delete_marker_replication": {"status": "Enabled" if row.deletions else "Disabled"},
        "source_selection_criteria": {
            "sse_kms_encrypted_objects": {"status": "Enabled"},
            # Both sites can change an object's metadata; without this the copies drift apart.
            "replica_modifications": {"status": "Enabled"},
        },
        "destination": destination,
    }


def dag_rules(place: Place) -> list[dict[str, Any]]:
    """The replication rules of a site's DAG bucket, as S3's API spells them."""
    settings = place.settings
    return [
        _spelled(rule(settings, row, number, _key(place.other)[0]))
        for number, row in enumerate(_dag_routes(place), start=1)
    ]


def dag_rule_statements(place: Place) -> list[dict[str, Any]]:
    """What the role of these rules needs."""
    rows = _dag_routes(place)
    if not rows:
        return []
    found = statements(place, rows)
    for at, actions in (
        (place, ("kms:Decrypt",)),
        (place.other, ("kms:Encrypt", "kms:GenerateDataKey")),
    ):
        _, resource, conditions = _key(at)
        found.append(Statement(actions, (resource,), conditions))
    return [one.to_dict() for one in found]


def _dag_routes(place: Place) -> list[Route]:
    return [
        row
        for row in routes(place.settings)
        if row.kind is ObjectRole.DAGS and row.source is place.site
    ]


def _key(place: Place) -> tuple[str, str, Conditions]:
    """A site's data key for a rule, and for a policy: by its alias where this program makes it."""
    existing = place.existing.data_key_arn
    if existing:
        return existing, existing, {}
    alias = place.names.data_alias(place.site)
    return place.names.arn("kms", place.region, alias), *by_alias(place, alias)


def _spelled(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        return {
            _SPELLED.get(key) or "".join(part.capitalize() for part in key.split("_")): _spelled(
                item
            )
            for key, item in value.items()
        }
    return value
