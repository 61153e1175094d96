# ruff: noqa: N802, ARG002 - the names and parameters are the protocol's
"""What the engine asks of a provider, over gRPC."""

import os
import signal
import sys
import threading
import time
from concurrent import futures
from importlib.metadata import version
from typing import NoReturn

import grpc
from google.protobuf import empty_pb2

from local.pulumi.protocol import (
    OPTIONS,
    Context,
    Message,
    plugin_pb2,
    provider_pb2,
    provider_pb2_grpc,
)
from local.pulumi.provider import check, compare, config, functions, lifecycle, schema
from local.pulumi.provider.catalog import RESOURCES
from local.pulumi.provider.clients import Clients, require_endpoint
from local.pulumi.provider.model import Resource, Scope
from local.pulumi.provider.replies import checked, explained, with_tags
from local.pulumi.provider.schema import Properties, ResourceSchema
from local.pulumi.provider.wire import UNKNOWN, Values, decode, encode, has_unknown

WORKERS = 128
"""Operations at once; one that waits for an environment holds a thread for half an hour."""


class UnknownTypeError(LookupError):
    """The catalog has no such resource type."""


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """One instance of the provider: one process per provider resource of a program."""

    def __init__(self) -> None:
        self._settings = check.Settings()
        self._schema = schema.load(RESOURCES)
        self._clients = Clients()
        self._cancelled = threading.Event()

    # --- the provider itself ---

    def Handshake(self, request: Message, context: Context) -> Message:
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)

    def Attach(self, request: Message, context: Context) -> Message:
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Message, context: Context) -> Message:
        return plugin_pb2.PluginInfo(version=version("pulumi-aws"))

    def Cancel(self, request: Message, context: Context) -> Message:
        self._cancelled.set()
        return empty_pb2.Empty()

    def CheckConfig(self, request: Message, context: Context) -> Message:
        return checked(request.news, list(config.failures(decode(request.news)[0])))

    def DiffConfig(self, request: Message, context: Context) -> Message:
        """Never a replacement: a changed Region replaces the resources that took it over."""
        old, new = decode(request.old_inputs)[0], decode(request.news)[0]
        changed = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME
            if changed
            else provider_pb2.DiffResponse.DIFF_NONE,
            diffs=changed,
        )

    @explained
    def Configure(self, request: Message) -> Message:
        require_endpoint()
        self._settings = config.settings(decode(request.args)[0])
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    # --- resources ---

    @explained
    def Check(self, request: Message) -> Message:
        inputs, secrets = decode(request.news)
        resource, described = self._find(request)
        found = list(check.failures(resource, described, self._schema, inputs))
        if found:
            return checked(request.news, found)
        complete = check.complete(
            resource,
            described,
            inputs,
            decode(request.olds)[0],
            name=request.name or request.urn.rsplit("::", 1)[-1],
            seed=request.randomSeed,
            settings=self._settings,
        )
        if complete.get("region", "-") == "":
            reason = "no Region: set `region`, or `aws:region` in the stack's configuration"
            return checked(request.news, [check.Failure("region", reason)])
        return provider_pb2.CheckResponse(inputs=encode(complete, with_tags(secrets)))

    @explained
    def Diff(self, request: Message) -> Message:
        resource, _ = self._find(request)
        found = compare.difference(
            resource,
            decode(request.old_inputs)[0],
            decode(request.olds)[0],
            decode(request.news)[0],
        )
        detailed = {
            name: provider_pb2.PropertyDiff(
                kind=provider_pb2.PropertyDiff.Kind.Value(
                    f"{change.kind.upper()}{'_REPLACE' if change.replaces else ''}"
                ),
                inputDiff=True,
            )
            for name, change in found.changes.items()
        }
        replaces = [name for name, change in found.changes.items() if change.replaces]
        if found.replaces and not replaces:
            replaces = ["id"]
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME
            if found.changes or found.replaces
            else provider_pb2.DiffResponse.DIFF_NONE,
            replaces=replaces,
            diffs=list(found.changes),
            detailedDiff=detailed,
            hasDetailedDiff=bool(detailed),
            deleteBeforeReplace=found.delete_first,
        )

    @explained
    def Create(self, request: Message) -> Message:
        inputs, secrets = decode(request.properties)
        resource, _ = self._find(request)
        scope = self._scope(request, inputs)
        if request.preview or has_unknown(inputs):
            outputs = lifecycle.foreseen(resource, scope, inputs)
        else:
            outputs = lifecycle.create(resource, scope, inputs)
        return provider_pb2.CreateResponse(
            id=scope.id, properties=encode(outputs, with_tags(secrets))
        )

    @explained
    def Update(self, request: Message) -> Message:
        inputs, secrets = decode(request.news)
        resource, _ = self._find(request)
        scope = self._scope(request, inputs, decode(request.olds)[0])
        if request.preview or has_unknown(inputs):
            outputs = lifecycle.foreseen(resource, scope, inputs)
        else:
            old = decode(request.old_inputs)[0]
            outputs = lifecycle.update(resource, scope, old, inputs)
        return provider_pb2.UpdateResponse(properties=encode(outputs, with_tags(secrets)))

    @explained
    def Read(self, request: Message) -> Message:
        state, secrets = decode(request.properties)
        old, more = decode(request.inputs)
        resource, described = self._find(request)
        scope = self._scope(request, {**state, **old}, {**state, **old})
        given, _, region = request.id.rpartition("@")
        if given and "region" in described.inputs.types:
            scope.id, scope.region = given, region
        actual = lifecycle.read(resource, scope)
        if actual is None:
            return provider_pb2.ReadResponse()
        if resource.has_tags:
            everywhere = self._settings.default_tags.items() - old.get("tags", {}).items()
            own = dict(actual["tagsAll"].items() - everywhere)
            if own or "tags" in state:
                actual["tags"] = dict(sorted(own.items()))
        if old:
            inputs = compare.adopt(resource, old, actual, state.get(compare.UNCONFIRMED, ()))
        else:
            inputs = compare.imported(resource, described.inputs.types, actual)
        outputs = lifecycle.worded(resource, inputs, actual)
        outputs[compare.UNCONFIRMED] = state.get(compare.UNCONFIRMED, [])
        return provider_pb2.ReadResponse(
            id=scope.id,
            properties=encode(outputs, with_tags({**secrets, **more})),
            inputs=encode(inputs, with_tags({**secrets, **more})),
        )

    @explained
    def Delete(self, request: Message) -> Message:
        state = decode(request.properties)[0]
        resource, _ = self._find(request)
        scope = self._scope(request, state, {**state, **decode(request.old_inputs)[0]})
        lifecycle.delete(resource, scope)
        return empty_pb2.Empty()

    @explained
    def Invoke(self, request: Message) -> Message:
        arguments = decode(request.args)[0]
        try:
            function = functions.find(request.tok, arguments)
        except functions.UnknownFunctionError as error:
            return provider_pb2.InvokeResponse(
                failures=[provider_pb2.CheckFailure(property="", reason=str(error))]
            )
        region = arguments.get("region") or arguments.get("name", "")
        named = region if request.tok.endswith(":getRegion") else arguments.get("region")
        scope = Scope(
            self._clients,
            function.service,
            self._schema,
            ResourceSchema(Properties({}), Properties({})),
            str(named or self._settings.region),
            self._cancelled,
        )
        answer = function.run(scope, arguments)
        response = provider_pb2.InvokeResponse()
        getattr(response, "return").CopyFrom(encode(answer))
        return response

    # --- what they share ---

    def _find(self, request: Message) -> tuple[Resource, ResourceSchema]:
        token = request.type or request.urn.split("::")[2].rsplit("$", 1)[-1]
        resource = RESOURCES.get(token)
        if resource is None:
            raise UnknownTypeError(
                f"the local `aws` provider does not have the resource type {token}; it has "
                f"{', '.join(sorted(RESOURCES))}"
            )
        return resource, self._schema.resources[token]

    def _scope(self, request: Message, inputs: Values, state: Values | None = None) -> Scope:
        resource, described = self._find(request)
        region = inputs.get("region")
        seconds = getattr(request, "timeout", 0) or resource.minutes * 60
        return Scope(
            clients=self._clients,
            service=resource.service,
            schema=self._schema,
            resource=described,
            region=str(self._settings.region if region in (None, UNKNOWN) else region),
            cancelled=self._cancelled,
            id=getattr(request, "id", ""),
            state=state or {},
            deadline=time.monotonic() + seconds,
        )


def _quit(*_: object) -> NoReturn:
    os._exit(0)


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _quit)
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=WORKERS), options=OPTIONS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    server.wait_for_termination()
