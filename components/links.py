"""What needs both sites: owned by `primary`, since a rule's destination must exist before it."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from components.iam import RoleArgs, ServiceRole, Statement
from components.replication import Route, bucket, routes
from contract.objects import ObjectRole
from contract.sites import Site

PURPOSE = "replication"
RTC_MINUTES = 15
"""The only value that S3 Replication Time Control accepts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LinksArgs:
    """Both ends.

    Args:
        place: the primary site.
        data_keys: ARN of each site's data key.
        after: the primary buckets with their versioning.
    """

    place: Place
    data_keys: Mapping[Site, pulumi.Input[str]]
    after: tuple[pulumi.Resource, ...]


class ReplicationLinks(Component):
    """Replication in every direction that `components.replication` lists."""

    def __init__(
        self, name: str, args: LinksArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        self._args = args
        by_source: dict[Site, list[Route]] = defaultdict(list)
        for route in routes(args.place.settings):
            by_source[route.source].append(route)
        for source, all_routes in by_source.items():
            role = self._role(name, source, all_routes)
            for kind in sorted({route.kind for route in all_routes}):
                self._config(name, role, [one for one in all_routes if one.kind is kind])
        self.register_outputs({})

    def _role(self, name: str, source: Site, all_routes: list[Route]) -> ServiceRole:
        args, place = self._args, Place(self._args.place.settings, source)
        return ServiceRole(
            f"{name}-{source}-access",
            RoleArgs(
                place=place,
                purpose=PURPOSE,
                role=ObjectRole.REPLICATION,
                services=("s3.amazonaws.com",),
                policies={
                    "access": statements(place, all_routes),
                    "keys": [
                        Statement(("kms:Decrypt",), (args.data_keys[source],)),
                        Statement(
                            ("kms:Encrypt", "kms:GenerateDataKey"),
                            (args.data_keys[source.other],),
                        ),
                    ],
                },
                # S3 does not send its account when it assumes a replication role.
                confused_deputy=False,
            ),
            opts=self.child(),
        )

    def _config(self, name: str, role: ServiceRole, rows: list[Route]) -> None:
        settings, first = self._args.place.settings, rows[0]
        key = self._args.data_keys[first.source.other]
        aws.s3.BucketReplicationConfig(
            f"{name}-{first.source}-{first.kind}",
            region=settings.region(first.source),
            bucket=bucket(settings, first.source, first.kind),
            role=role.arn,
            rules=[
                _rule(
                    settings.names.bucket_arn(bucket(settings, row.source.other, row.kind)),
                    priority,
                    row,
                    key,
                )
                for priority, row in enumerate(rows, start=1)
            ],
            opts=self.child(depends_on=[role, *self._args.after]),
        )


def statements(place: Place, all_routes: list[Route]) -> list[Statement]:
    """What S3 needs to read at `place` and to write at the other site."""
    settings, names = place.settings, place.names
    kinds = sorted({route.kind for route in all_routes})
    sources = [names.bucket_arn(bucket(settings, place.site, kind)) for kind in kinds]
    targets = [names.bucket_arn(bucket(settings, place.site.other, kind)) for kind in kinds]
    return [
        Statement(("s3:GetReplicationConfiguration", "s3:ListBucket"), tuple(sources)),
        Statement(
            (
                *("s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl"),
                "s3:GetObjectVersionTagging",
            ),
            tuple(f"{arn}/*" for arn in sources),
        ),
        Statement(
            ("s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"),
            tuple(f"{arn}/*" for arn in targets),
        ),
    ]


def _rule(target: str, priority: int, row: Route, key_arn: pulumi.Input[str]) -> Any:  # noqa: ANN401
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
