"""What needs both sites: owned by `primary`, since a rule's destination must exist before it."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from components.iam import RoleArgs, ServiceRole, Statement
from components.replication import Route, bucket, owned_routes
from components.rules import rule, statements
from contract.objects import ObjectRole
from contract.sites import Site

PURPOSE = "replication"


@dataclass(frozen=True, kw_only=True, slots=True)
class LinksArgs:
    """Both ends.

    Args:
        place: the primary site.
        data_keys: ARN of each site's data key.
        dag_buckets: names of the DAG buckets that exist, once they were checked.
        after: the primary buckets with their versioning.
    """

    place: Place
    data_keys: Mapping[Site, pulumi.Input[str]]
    dag_buckets: Mapping[Site, pulumi.Input[str]]
    after: tuple[pulumi.Resource, ...]


class ReplicationLinks(Component):
    """Replication in every direction that `components.replication` lists.

    Produces these resources: iam.Role, iam.RolePolicy, s3.BucketReplicationConfig.
    """

    def __init__(
        self, name: str, args: LinksArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        self._args = args
        by_source: dict[Site, list[Route]] = defaultdict(list)
        for route in owned_routes(args.place.settings):
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
        source = bucket(settings, first.source, first.kind)
        if first.kind is ObjectRole.DAGS:
            source = self._args.dag_buckets.get(first.source, source)
        aws.s3.BucketReplicationConfig(
            f"{name}-{first.source}-{first.kind}",
            region=settings.region(first.source),
            bucket=source,
            role=role.arn,
            rules=[rule(settings, row, number, key) for number, row in enumerate(rows, start=1)],
            opts=self.child(depends_on=[role, *self._args.after]),
        )
