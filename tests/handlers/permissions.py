"""A step's function on stage may call what the role that the stack gives it may, and no more.

The policies are the program's own; what a call needs and what they say is judged as the local AWS
judges it. Buckets, table and topic count as encrypted, each with its site's key.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from botocore.exceptions import ClientError

import components.iam
from components.base import Place
from components.functions import policies
from components.grants import DrKeys
from components.settings import parse
from contract.functions import BY_STEP
from contract.names import Names
from contract.sites import Site
from handlers.adapters.clients import Clients
from handlers.runtime import Runtime
from local.gateway.access import policy
from local.gateway.access.callers import Caller
from local.gateway.access.deployed import Deployed
from local.gateway.access.needs import Call, Need, needs
from local.gateway.access.policy import Ask, Policies, Statement
from tests.components.program_run import settings_of
from tests.handlers.installation import CONFIG, REGIONS

NAMES = Names(CONFIG.name, CONFIG.account)
Regions = tuple[str, str]
"""The primary site's and the DR site's."""


def keys_in(regions: Regions) -> dict[Site, str]:
    """The ARN of each site's data key."""
    places = zip((Site.PRIMARY, Site.DR), regions, strict=True)
    return {site: NAMES.arn("kms", region, f"key/{site}") for site, region in places}


KEYS = keys_in((REGIONS[Site.PRIMARY], REGIONS[Site.DR]))
SIGNED = {"cloudwatch": "monitoring", "mwaa": "airflow", "stepfunctions": "states"}
"""What a service signs with, by its name in boto3."""
ALLOWED: set[tuple[str, str]] = set()
"""(step, action) of every call that was let through."""


class Encrypted(Deployed):
    """What the stacks encrypt is encrypted, though moto here has no keys."""

    def __init__(self, keys: Mapping[Site, str]) -> None:
        super().__init__(CONFIG.account)
        self._keys = keys

    def _key_of(self, name: str) -> str:
        site = next((one for one in Site if f"-{one}-" in name), Site.DR)
        return self._keys[site]

    def bucket_key(self, name: str) -> str:
        return self._key_of(name)

    def object_key(self, bucket: str, key: str, version: str | None) -> str:
        return self._key_of(bucket) if self.has_object(bucket, key, version) else ""

    def table_key(self, region: str, table: str) -> str:
        del region
        return self._key_of(table)

    def topic_key(self, arn: str) -> str:
        return self._key_of(arn)

    def key(self, region: str, key: str | bytes) -> str:
        del region
        return str(key)


def place_of(name: str, regions: Regions | None = None) -> Place:
    """The DR site of an installation with this name."""
    settings = {**settings_of("dr"), "name": name, "account": CONFIG.account}
    if regions:
        settings |= {"primaryRegion": regions[0], "drRegion": regions[1]}
    return Place(parse(settings), Site.DR)


@cache
def statements(step: str, regions: Regions) -> tuple[Statement, ...]:
    """What the role of a step's function may do."""
    keys = DrKeys(data=keys_in(regions)[Site.DR])
    concerns = policies(BY_STEP[step], place_of(CONFIG.name, regions), keys)
    return tuple(
        one
        for concern, own in concerns.items()
        for one in policy.parse(
            json.dumps({"Statement": [item.to_dict() for item in own]}), concern
        )
    )


def make_role(
    iam: Any, name: str, service: str, concerns: Mapping[str, Sequence[components.iam.Statement]]
) -> str:
    """Make a role as the stack makes it; its ARN."""
    trust = components.iam.Statement(
        ("sts:AssumeRole",), (), principals={"Service": f"{service}.amazonaws.com"}
    )
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_document([trust]))
    for concern, own in concerns.items():
        iam.put_role_policy(RoleName=name, PolicyName=concern, PolicyDocument=_document(own))
    return made["Role"]["Arn"]


def _document(own: Sequence[components.iam.Statement]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [one.to_dict() for one in own]})


def refusal(step: str, regions: Regions, call: Call, need: Need) -> str | None:
    context = {
        "aws:requestedregion": (call.region,),
        "aws:securetransport": ("true",),
        **{key.lower(): (value,) for key, value in need.context.items()},
    }
    verdict = policy.Verdict(False)
    for resource in need.resources or (None,):
        keys = keys_in(regions)
        aliases = [NAMES.data_alias(site) for site, arn in keys.items() if arn == resource]
        known = {**context, "kms:resourcealiases": tuple(aliases)} if aliases else context
        ask = Ask(need.action, resource, known)
        own = Policies(identity=statements(step, regions))
        verdict = policy.judge(ask, Caller(role=NAMES.role(Site.DR, step)), own, CONFIG.account)
        if verdict.allowed:
            ALLOWED.add((step, need.action))
            return None
    return f"{step} may not do {need.action} on {need.resources} {verdict.reason}"


@dataclass(frozen=True)
class Watched:
    """A client in whose place stands one that refuses what the step's role may not do."""

    step: str
    regions: Regions
    service: str
    client: Any

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.client, name)
        operation = self.client.meta.method_to_api_mapping.get(name)
        if name == "get_paginator":
            return lambda method: Paginated(self, method, found(method))
        if operation is None:
            return found

        def call(**params: Any) -> Any:
            self.check(operation, params)
            return found(**params)

        return call

    def check(self, operation: str, params: Mapping[str, Any]) -> None:
        region = self.client.meta.region_name
        service = SIGNED.get(self.service, self.service)
        call = Call(service, operation, params, region, CONFIG.account)
        for need in needs(call, Encrypted(keys_in(self.regions))):
            refused = refusal(self.step, self.regions, call, need)
            if refused:
                raise ClientError(
                    {
                        "Error": {"Code": "AccessDeniedException", "Message": refused},
                        "ResponseMetadata": {"HTTPStatusCode": 403},  # pyright: ignore
                    },
                    operation,
                )


@dataclass(frozen=True)
class Paginated:
    watched: Watched
    method: str
    paginator: Any

    def paginate(self, **params: Any) -> Any:
        operation = self.watched.client.meta.method_to_api_mapping[self.method]
        self.watched.check(operation, params)
        return self.paginator.paginate(**params)


class WatchedClients(Clients):
    """The clients of one step."""

    def __init__(self, step: str, regions: Regions, clients: Clients) -> None:
        super().__init__(clients.probe_seconds)
        self._step, self._regions, self._clients = step, regions, clients

    def _get(self, service: str, region: str, probe: bool) -> Any:
        client = self._clients._get(service, region, probe)
        return Watched(self._step, self._regions, service, client)


def as_role_of(step: str, runtime: Runtime) -> Runtime:
    """The means of a step's function when it acts as its role."""
    config = runtime.config
    regions = (config.primary.region, config.dr.region)
    return replace(runtime, clients=WatchedClients(step, regions, runtime.clients))
