"""Runs the whole program without an engine: strict mocks that refuse what they do not know."""

import asyncio
import json
import runpy
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pulumi
import yaml
from pulumi.runtime import rpc
from pulumi.runtime import settings as runtime_settings
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs, Mocks, set_mocks
from pulumi.runtime.stack import run_pulumi_func

from components.settings import in_file

ROOT = Path(__file__).resolve().parents[2]
PROJECT = "mwaa-dr"
ACCOUNT = "123456789012"
OURS = "mwaadr:"
LEAST_ADOPTED = {
    "environmentName": "analytics-dr",
    "incident": "failover-e0001-01",
    "airflowVersion": "2.10.3",
    "environmentClass": "mw1.medium",
    "dagS3Path": "dags",
}
"""What the setting `adopted` must hold."""


def _partition():
    return pulumi.Config(PROJECT).get("partition") or "aws"


def _arn(service, path):
    def make(inputs):
        region = "" if service == "iam" else inputs["region"]
        return {"arn": f"arn:{_partition()}:{service}:{region}:{ACCOUNT}:{path.format(**inputs)}"}

    return make


def _key(kind):
    def make(inputs):
        purpose = inputs["description"].rpartition(" ")[2]
        key = f"{kind}-{inputs['region']}-{purpose}-0000-0000-000000000000"
        return {
            "keyId": key,
            "arn": f"arn:{_partition()}:kms:{inputs['region']}:{ACCOUNT}:key/{key}",
        }

    return make


def _nothing(inputs):
    del inputs
    return {}


OUTPUTS = {
    "aws:s3/bucket:Bucket": lambda i: {"arn": f"arn:{_partition()}:s3:::{i['bucket']}"},
    "aws:s3/bucketVersioning:BucketVersioning": _nothing,
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (
        _nothing
    ),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _nothing,
    "aws:s3/bucketPolicy:BucketPolicy": _nothing,
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": _nothing,
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": _nothing,
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": _nothing,
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": _nothing,
    "aws:s3/bucketObjectv2:BucketObjectv2": lambda i: {"versionId": f"version-of-{i['key']}"},
    "aws:kms/key:Key": _key("key"),
    "aws:kms/replicaKey:ReplicaKey": _key("mrk"),
    "aws:kms/alias:Alias": _nothing,
    "aws:iam/role:Role": _arn("iam", "role/{name}"),
    "aws:iam/rolePolicy:RolePolicy": _nothing,
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": _nothing,
    "aws:dynamodb/table:Table": _arn("dynamodb", "table/{name}"),
    "aws:lambda/function:Function": _arn("lambda", "function:{name}"),
    "aws:cloudwatch/logGroup:LogGroup": _arn("logs", "log-group:{name}"),
    "aws:cloudwatch/metricAlarm:MetricAlarm": _nothing,
    "aws:cloudwatch/dashboard:Dashboard": _nothing,
    "aws:cloudwatch/eventRule:EventRule": _arn("events", "rule/{name}"),
    "aws:cloudwatch/eventTarget:EventTarget": _nothing,
    "aws:lambda/permission:Permission": _nothing,
    "aws:sfn/stateMachine:StateMachine": _arn("states", "stateMachine:{name}"),
    "aws:scheduler/schedule:Schedule": _nothing,
    "aws:scheduler/scheduleGroup:ScheduleGroup": _nothing,
    "aws:sns/topic:Topic": _arn("sns", "{name}"),
    "aws:sns/topicPolicy:TopicPolicy": _nothing,
    "aws:sns/topicSubscription:TopicSubscription": _nothing,
    "aws:mwaa/environment:Environment": lambda i: (
        _arn("airflow", "environment/{name}")(i) | {"webserverUrl": "airflow.example.com"}
    ),
    "aws:ec2/vpc:Vpc": _nothing,
    "aws:ec2/subnet:Subnet": _nothing,
    "aws:ec2/internetGateway:InternetGateway": _nothing,
    "aws:ec2/eip:Eip": _nothing,
    "aws:ec2/natGateway:NatGateway": _nothing,
    "aws:ec2/routeTable:RouteTable": _nothing,
    "aws:ec2/route:Route": _nothing,
    "aws:ec2/routeTableAssociation:RouteTableAssociation": _nothing,
    "aws:ec2/securityGroup:SecurityGroup": _nothing,
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": _nothing,
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": _nothing,
    "aws:ec2/vpcEndpoint:VpcEndpoint": _nothing,
    "aws:ec2/flowLog:FlowLog": _nothing,
}

READS = {
    "aws:s3/bucket:Bucket": lambda bucket, state: {
        "bucket": bucket,
        "bucketRegion": state["region"],
        "versioning": {"enabled": True},
    },
    "aws:mwaa/environment:Environment": lambda name, state: {
        "name": name,
        "arn": f"arn:{_partition()}:airflow:{state['region']}:{ACCOUNT}:environment/{name}",
        "dagS3Path": "dags",
    },
}
"""What is read of things that exist, besides what a test says of them."""

INVOKES = {
    "pulumi:pulumi:readStackOutputs": lambda _: {"outputs": {}},  # no update has been made yet
    "aws:index/getCallerIdentity:getCallerIdentity": lambda _: {"accountId": ACCOUNT},
    "aws:index/getAvailabilityZones:getAvailabilityZones": lambda a: {
        "names": [f"{a['region']}{zone}" for zone in "abc"]
    },
    "aws:s3/getObject:getObject": lambda _: {"body": ""},
    "aws:kms/getAlias:getAlias": lambda a: {
        "targetKeyArn": f"arn:{_partition()}:kms:{a['region']}:{ACCOUNT}:key/behind-{a['name']}"
    },
    "aws:kms/getKey:getKey": lambda _: {
        "enabled": True,
        "keyUsage": "ENCRYPT_DECRYPT",
        "customerMasterKeySpec": "SYMMETRIC_DEFAULT",
    },
}


There = Mapping[str, Mapping[str, Any]]


def plain(value):
    """`value` with secrets unwrapped."""
    if rpc.is_rpc_secret(value):
        return plain(rpc.unwrap_rpc_secret(value))
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def short(kind):
    """`s3.Bucket` of `aws:s3/bucket:Bucket`, as pulumi_aws calls it."""
    return f"{kind.partition(':')[2].partition('/')[0]}.{kind.rpartition(':')[2]}"


def shown(value):
    """`value` as a preview and the state show it: without secrets."""
    if rpc.is_rpc_secret(value):
        return "[secret]"
    if isinstance(value, dict):
        return {key: shown(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shown(item) for item in value]
    return value


@dataclass(frozen=True)
class Registered:
    """One resource as the program registered it.

    Args:
        shown: its inputs without those that are secrets.
    """

    type: str
    name: str
    inputs: dict[str, Any]
    urn: str
    parent: str
    protect: bool
    dependencies: tuple[str, ...]
    shown: dict[str, Any]


@dataclass
class Program:
    """What one run of the program asked for."""

    stack: str
    registered: list[Registered] = field(default_factory=list)
    invoked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    read: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    """Existing resources: (type, id, what was said to find them)."""
    outputs: dict[str, Any] = field(default_factory=dict)

    @property
    def resources(self) -> list[Registered]:
        return [one for one in self.registered if one.type.startswith("aws:")]

    def of(self, kind: str) -> list[Registered]:
        """The resources whose class is called `kind`."""
        return [one for one in self.resources if one.type.endswith(f":{kind}")]

    def one(self, kind: str, **inputs: Any) -> Registered:
        found = [
            one
            for one in self.of(kind)
            if all(one.inputs.get(key) == value for key, value in inputs.items())
        ]
        assert len(found) == 1, f"{len(found)} of {kind} with {inputs}"
        return found[0]


IDS = {
    "aws:ec2/subnet:Subnet": "subnet",
    "aws:ec2/securityGroup:SecurityGroup": "sg",
}
"""What ids begin with that other services of AWS look at."""


def id_of(kind: str, name: str) -> str:
    """The id that the mocks give a resource."""
    return f"{IDS[kind]}-{name.replace('-', '')}" if kind in IDS else f"{name}-id"


class StrictMocks(Mocks):
    """Knows the types and invokes that the program uses, and refuses every other.

    In a preview it gives no output that an engine would not know before the update.
    """

    def __init__(self, program: Program, *, preview: bool, there: There) -> None:
        self.program = program
        self.preview = preview
        self.there = there

    def call(self, args: MockCallArgs):
        self.program.invoked.append((args.token, args.args))
        said = self.there.get(args.args.get("keyId", ""), {})
        return {**INVOKES[args.token](args.args), **said}

    def new_resource(self, args: MockResourceArgs):
        if args.typ.startswith(OURS):
            return "", args.inputs
        if args.resource_id:
            self.program.read.append((args.typ, args.resource_id, args.inputs))
            found = READS[args.typ](args.resource_id, args.inputs)
            return args.resource_id, {**found, **self.there.get(args.resource_id, {})}
        if self.preview:
            assert args.typ in OUTPUTS
            return "", args.inputs
        return id_of(args.typ, args.name), {**args.inputs, **OUTPUTS[args.typ](args.inputs)}


class Recorder(MockMonitor):
    """Keeps what the mocks are not told: parents, protection, dependencies."""

    def __init__(self, program: Program, *, preview: bool, there: There) -> None:
        super().__init__(StrictMocks(program, preview=preview, there=there))
        self.program = program

    def RegisterResource(self, request):  # noqa: N802 - gRPC's name
        answer = super().RegisterResource(request)
        inputs = rpc.deserialize_properties(request.object, keep_unknowns=True)
        self.program.registered.append(
            Registered(
                request.type,
                request.name,
                plain(inputs),
                answer.urn,
                request.parent,
                request.protect,
                tuple(request.dependencies),
                shown(inputs),
            )
        )
        return answer


def stack_file(stack: str) -> dict[str, Any]:
    """The configuration in a stack's file, with the namespace in its keys."""
    return yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]


def settings_of(stack: str) -> dict[str, Any]:
    """The settings in a stack's file."""
    return in_file(ROOT / f"Pulumi.{stack}.yaml")


def run_program(
    stack: str,
    changes: dict[str, Any] | None = None,
    *,
    preview: bool = False,
    stack_name: str = "",
    there: There | None = None,
    region: str = "",
) -> Program:
    """Run `__main__.py` for `stack` with its committed file and `changes` to its settings.

    Args:
        there: what is said of existing things, by name or ARN.
        region: the stack's, where it is not that of its file.
    """
    config = {
        **stack_file(stack),
        **({"aws:region": region} if region else {}),
        **{f"{PROJECT}:{key}": value for key, value in (changes or {}).items()},
    }
    text = {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in config.items()
        if value is not None
    }
    program = Program(stack)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    runtime_settings.ROOT.set(None)
    monitor = Recorder(program, preview=preview, there=there or {})
    set_mocks(
        monitor.mocks, project=PROJECT, stack=stack_name or stack, preview=preview, monitor=monitor
    )
    pulumi.runtime.set_all_config(text)

    def run() -> None:
        runpy.run_path(str(ROOT / "__main__.py"))
        exported = pulumi.runtime.get_root_resource().outputs
        pulumi.Output.all(**exported).apply(program.outputs.update)

    try:
        loop.run_until_complete(run_pulumi_func(run))
    finally:
        _forget(loop)
    return program


def _forget(loop: asyncio.AbstractEventLoop) -> None:
    """A refused program leaves calls behind, which the next one would wait for and fail by."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    loop.close()
    runtime_settings.SETTINGS.rpc_manager.clear()
    runtime_settings.SETTINGS.outputs.clear()


@cache
def program(stack: str) -> Program:
    """The program as the committed file has it: run once for all tests that only look."""
    return run_program(stack)


@cache
def rehearsing(stack: str) -> Program:
    """With drills by the clock: then a stack has every function and every role that there is."""
    return run_program(stack, {"drill": {"schedule": "rate(30 days)"}})
