"""Turns what the engine or an exported state says of resources into `graph.Resource`.

The engine gives the inputs of each resource first, one by one, and the outputs of all of them last.
In a preview an output that the program did not set looks like one that the provider will compute:
both are unknown. So the inputs are remembered, and an unknown output that could have been an input
and was not given is taken for what it is: not set.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from pulumi_policy import PolicyResource, ResourceValidationArgs
from pulumi_policy.proxy import UnknownValueError

from mwaa_dr_policy.graph import Resource
from mwaa_dr_policy.values import Unknown

_SIGNATURE = "4dabf18193072939515e22adb298388d"
"""The key with which Pulumi marks secrets, assets and other special maps in a state file."""

_UNKNOWN_IN_STATE = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

_HIDDEN = "[secret]"
"""What `pulumi preview --json` writes in place of a secret."""

_COMPUTED = frozenset({"arn", "id"})
"""Outputs that no program can give; unknown they stay unknown."""

_inputs: dict[str, Mapping[str, Any]] = {}
"""By URN; the engine starts a process of the pack for each preview and each update."""


def remember(args: ResourceValidationArgs) -> None:
    """Keep a resource's inputs for the rules of the stack."""
    _inputs[args.urn] = args.props


def of_resource(args: ResourceValidationArgs) -> Resource:
    """The resource that a rule of one resource is asked about, with its inputs."""
    return Resource(
        type=kind(args.resource_type),
        name=args.name,
        urn=args.urn,
        props=_plain(args.props, args.name),
        protect=args.opts.protect,
        provider_region=_provider_region(args),
    )


@dataclass
class _Batch:
    """The stack as the rules of one analysis see it.

    The engine gives each rule its own copy of all resources; reading them once is enough. A rule
    that asks again starts the next analysis.
    """

    urns: list[str] = field(default_factory=list)
    resources: list[Resource] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)


_batch = _Batch()


def of_stack(resources: Sequence[PolicyResource], *, asked_by: str) -> list[Resource]:
    """The resources that the rule `asked_by` is asked about, with their outputs."""
    global _batch  # noqa: PLW0603 - a process serves one analysis after the other
    urns = [resource.urn for resource in resources]
    if asked_by in _batch.asked or urns != _batch.urns:
        _batch = _Batch(urns, _of_stack(resources))
    _batch.asked.add(asked_by)
    return _batch.resources


def is_known(resource: Resource) -> bool:
    """Whether every input has its value, so that they can be written back."""
    return not _has_unknown(resource.props)


def _of_stack(resources: Iterable[PolicyResource]) -> list[Resource]:
    return [
        Resource(
            type=kind(resource.resource_type),
            name=resource.name,
            urn=resource.urn,
            props=_with_inputs(resource),
            protect=resource.opts.protect,
            provider_region=_provider_region(resource),
            links={
                prop: tuple(source.urn for source in sources)
                for prop, sources in resource.property_dependencies.items()
            },
        )
        for resource in resources
    ]


def of_export(path: str) -> list[Resource]:
    """The resources in a file that `pulumi stack export` or `pulumi preview --json` wrote.

    Raises:
        ValueError: the file is missing or is neither.
    """
    file = Path(path)
    try:
        return _read_export(file, file.stat().st_mtime_ns)
    except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(
            f"otherStack: {path!r} is not an exported stack ({error!r}); write it with "
            "`pulumi stack export --stack STACK --file FILE` and give a path that is absolute or "
            "relative to the folder of the project"
        ) from error


@lru_cache(maxsize=4)
def _read_export(file: Path, _changed_at: int) -> list[Resource]:
    """Read once per content: each rule asks for it."""
    return of_states(_states(json.loads(file.read_text())))


def of_states(states: Iterable[Mapping[str, Any]]) -> list[Resource]:
    """The resources in the states that an export lists, without what its program only reads."""
    living = [state for state in states if not (state.get("delete") or state.get("external"))]
    regions = {
        f"{state['urn']}::{state.get('id', '')}": state.get("inputs", {}).get("region")
        for state in living
        if state["type"].startswith("pulumi:providers:")
    }
    return [
        Resource(
            type=kind(state["type"]),
            name=(name := state["urn"].rsplit("::", 1)[-1]),
            urn=state["urn"],
            props=_of_state(state, name),
            protect=bool(state.get("protect")),
            provider_region=regions.get(state.get("provider", "")),
            links={
                prop: tuple(urns or ())
                for prop, urns in (state.get("propertyDependencies") or {}).items()
            },
        )
        for state in living
    ]


def _of_state(state: Mapping[str, Any], name: str) -> dict[str, Any]:
    inputs = _plain(state.get("inputs") or {}, name)
    if not state.get("outputs"):
        return inputs
    outputs = _plain(state["outputs"], name)
    return _settled(outputs, inputs) if "inputs" in state else outputs


def _states(written: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if "steps" in written:
        return [step["newState"] for step in written["steps"] if step.get("newState")]
    return written["deployment"]["resources"]


def _with_inputs(resource: PolicyResource) -> dict[str, Any]:
    """The outputs; where one is not known whole, the input, if there is one."""
    outputs = _plain(resource.props, resource.name)
    if resource.urn not in _inputs:
        return outputs
    inputs = _plain(_inputs[resource.urn], resource.name)
    return {**inputs, **_settled(outputs, inputs)}


def _settled(outputs: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The outputs; of one that is not known whole the input, or nothing if there is none."""
    found: dict[str, Any] = {}
    for key, value in outputs.items():
        if key in _COMPUTED or not _has_unknown(value):
            found[key] = value
        elif key in inputs:
            found[key] = inputs[key]
    return found


def _has_unknown(value: Any) -> bool:  # noqa: ANN401
    if isinstance(value, Mapping):
        return any(_has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(_has_unknown(item) for item in value)
    return isinstance(value, Unknown)


def kind(token: str) -> str:
    """The type token without the `V2` of the S3 types' former names."""
    module, _, name = token.rpartition(":")
    if module.startswith("aws:s3/") and module.endswith("V2") and name.endswith("V2"):
        return f"{module[:-2]}:{name[:-2]}"
    return token


def _provider_region(resource: ResourceValidationArgs | PolicyResource) -> str | Unknown | None:
    if resource.provider is None:
        return None
    return _item(resource.provider.props, "region", resource.provider.name, "region")


def _plain(value: Any, owner: str, path: str = "") -> Any:  # noqa: ANN401
    """`value` without proxies and with an `Unknown` for each unknown in it."""
    if isinstance(value, Mapping):
        if _SIGNATURE in value:
            return _special(value, owner, path)
        return {key: _item(value, key, owner, f"{path}.{key}".lstrip(".")) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_item(value, index, owner, f"{path}[{index}]") for index in range(len(value))]
    if value == _HIDDEN:
        return _secret(owner, path)
    return Unknown(f"{path} of {owner} is not known yet") if value == _UNKNOWN_IN_STATE else value


def _special(value: Mapping[str, Any], owner: str, path: str) -> Any:  # noqa: ANN401
    if "plaintext" in value:
        return _plain(json.loads(value["plaintext"]), owner, path)
    if "ciphertext" in value:
        return _secret(owner, path)
    return Unknown(f"{path} of {owner} is an asset")


def _secret(owner: str, path: str) -> Unknown:
    return Unknown(f"{path} of {owner} is a secret; export it with --show-secrets")


def _item(container: Any, key: str | int, owner: str, path: str) -> Any:  # noqa: ANN401
    try:
        value = container[key]
    except UnknownValueError:
        return Unknown(f"{path} of {owner} is not known yet")
    except (KeyError, IndexError):
        return None
    return _plain(value, owner, path)
