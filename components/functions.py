"""The Lambda functions: one per step of `contract.functions`, each with its own role and log."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from components.files import shown
from components.grants import DrKeys, granted
from components.iam import KEY_READ, RoleArgs, ServiceRole, Statement
from components.network import EnvironmentNetwork
from components.packaging import functions_archive
from components.plan import may_be_private
from components.schedule import REHEARSE
from components.settings import Settings
from contract.functions import FUNCTIONS, FunctionSpec
from contract.handler_config import VARIABLE
from contract.objects import ObjectRole

RUNTIME = "python3.13"
LOG_DAYS = 90
"""Long enough to look back at an incident once it is written up."""


def wanted(settings: Settings) -> tuple[FunctionSpec, ...]:
    """The functions that something calls under these settings."""
    return tuple(
        spec
        for spec in FUNCTIONS
        if spec.only in (None, settings.strategy)
        and (spec.step != REHEARSE or settings.drill.schedule)
        and (not spec.inside or may_be_private(settings))
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class FunctionsArgs:
    """What the functions share.

    Args:
        place: the DR site.
        keys: the keys that the `dr` stack made.
        config: the handlers' configuration as JSON.
        network: where a function runs that has to be in the DR environment's. All others are
            outside of every network: what they probe must not depend on one.
    """

    place: Place
    keys: DrKeys
    config: pulumi.Input[str]
    network: EnvironmentNetwork


class StepFunctions(Component):
    """All steps, from one archive.

    Produces these resources: cloudwatch.LogGroup, iam.Role, iam.RolePolicy, lambda.Function.
    """

    arns: Mapping[str, pulumi.Output[str]]

    def __init__(
        self, name: str, args: FunctionsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        self._args = args
        self._archive = pulumi.FileArchive(shown(functions_archive()))
        self.arns = {spec.step: self._function(spec) for spec in wanted(args.place.settings)}
        self.register_outputs({"arns": self.arns})

    def _function(self, spec: FunctionSpec) -> pulumi.Output[str]:
        place, keys = self._args.place, self._args.keys
        log = aws.cloudwatch.LogGroup(
            f"{spec.step}-log",
            region=place.region,
            name=place.names.function_log(spec.step),
            retention_in_days=LOG_DAYS,
            kms_key_id=keys.data,
            tags=place.tags(ObjectRole.FUNCTION),
            opts=self.child(),
        )
        role = ServiceRole(
            f"{spec.step}-access",
            RoleArgs(
                place=place,
                purpose=spec.step,
                role=ObjectRole.FUNCTION,
                services=("lambda.amazonaws.com",),
                policies=policies(spec, place, keys),
                # Lambda does not send its account when it assumes a role.
                confused_deputy=False,
            ),
            opts=self.child(),
        )
        function = aws.lambda_.Function(
            f"{spec.step}-function",
            region=place.region,
            name=place.names.function(spec.step),
            description=spec.purpose,
            role=role.arn,
            runtime=RUNTIME,
            architectures=["arm64"],
            handler=spec.handler,
            code=self._archive,
            timeout=spec.timeout_seconds,
            memory_size=spec.memory_mb,
            environment={"variables": {VARIABLE: self._args.config}},
            kms_key_arn=keys.data,
            logging_config={"log_format": "JSON", "log_group": log.name},
            tracing_config={"mode": "Active"},
            vpc_config={
                "subnet_ids": self._args.network.subnet_ids,
                "security_group_ids": self._args.network.security_group_ids,
            }
            if spec.inside
            else None,
            tags=place.tags(ObjectRole.FUNCTION),
            # A function that starts before its policies are attached fails its first calls.
            opts=self.child(depends_on=[role]),
        )
        return function.arn


def policies(spec: FunctionSpec, place: Place, keys: DrKeys) -> dict[str, list[Statement]]:
    """The statements of a function's role by concern."""
    log = place.names.arn("logs", place.region, f"log-group:{place.names.function_log(spec.step)}")
    all_granted = [granted(grant, place, keys) for grant in spec.grants]
    return {
        "access": [statement for one in all_granted for statement in one.access],
        "keys": [
            # The configuration in its variables is encrypted with the data key.
            Statement(KEY_READ, (keys.data,)),
            *(statement for one in all_granted for statement in one.keys),
        ],
        "log": [
            Statement(("logs:CreateLogStream", "logs:PutLogEvents"), (f"{log}:*",)),
            Statement(("xray:PutTraceSegments", "xray:PutTelemetryRecords")),
        ],
    }
