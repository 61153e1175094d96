"""The role of `mwaa-dr code seed`: a batch job carries what replication alone does not."""

from dataclasses import dataclass

import pulumi

from components.base import Component, Place
from components.iam import KEY_WRITE, RoleArgs, ServiceRole, Statement
from contract.keys import BATCH_REPORTS
from contract.names import SEED
from contract.objects import ObjectRole


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedArgs:
    """The primary site and its data key, which encrypts the job's report."""

    place: Place
    key_arn: pulumi.Input[str]


class SeedRole(Component):
    """What S3 documents for a batch replication whose manifest it makes itself.

    Produces these resources: iam.Role, iam.RolePolicy.
    """

    def __init__(
        self, name: str, args: SeedArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        place = args.place
        dags = place.names.bucket_arn(place.dag_bucket)
        reports = f"{place.names.bucket_arn(place.backup_bucket)}/{BATCH_REPORTS}*"
        ServiceRole(
            f"{name}-access",
            RoleArgs(
                place=place,
                purpose=SEED,
                role=ObjectRole.REPLICATION,
                services=("batchoperations.s3.amazonaws.com",),
                policies={
                    "access": [
                        Statement(("s3:InitiateReplication",), (f"{dags}/*",)),
                        Statement(
                            ("s3:GetReplicationConfiguration", "s3:PutInventoryConfiguration"),
                            (dags,),
                        ),
                        Statement(("s3:PutObject",), (reports,)),
                    ],
                    "keys": [Statement(KEY_WRITE, (args.key_arn,))],
                },
                # AWS does not document that batch jobs send their account.
                confused_deputy=False,
            ),
            opts=self.child(),
        )
        self.register_outputs({})
