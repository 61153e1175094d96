"""The state table: who owns the epoch, the readings, the incidents."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from components.taking_down import guarded
from contract.objects import ObjectRole
from contract.state import PK


@dataclass(frozen=True, kw_only=True, slots=True)
class TableArgs:
    """Where the table belongs and which key encrypts it.

    Args:
        guard: the hook that its deletion goes by, if it can be deleted.
    """

    place: Place
    key_arn: pulumi.Input[str]
    guard: pulumi.ResourceHook | None = None


class StateTable(Component):
    """One item per key, kept for ever: a record of ownership that expired would free a fence.

    Produces these resources: dynamodb.Table.
    """

    name: pulumi.Output[str]
    arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: TableArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        place = args.place
        table = aws.dynamodb.Table(
            f"{name}-table",
            region=place.region,
            name=place.names.state_table,
            billing_mode="PAY_PER_REQUEST",
            hash_key=PK,
            attributes=[{"name": PK, "type": "S"}],
            point_in_time_recovery={"enabled": True},
            server_side_encryption={"enabled": True, "kms_key_arn": args.key_arn},
            deletion_protection_enabled=place.keep,
            tags=place.tags(ObjectRole.STATE),
            opts=pulumi.ResourceOptions.merge(self.child(), guarded(args.guard)),
        )
        self.name = table.name
        self.arn = table.arn
        self.register_outputs({"name": self.name, "arn": self.arn})
