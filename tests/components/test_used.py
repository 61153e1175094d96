"""Every resource is there for something: nothing is made that nobody uses."""

import json
from functools import cache

import pytest

from tests.access.programs import ALL, program

OF_ANOTHER = {
    *("BucketOwnershipControls", "BucketPublicAccessBlock", "BucketPolicy", "BucketVersioning"),
    *("BucketServerSideEncryptionConfiguration", "BucketLifecycleConfiguration"),
    *("BucketObjectLockConfiguration", "BucketReplicationConfig", "TopicPolicy", "RolePolicy"),
    *("RolePolicyAttachment", "Permission", "Route", "RouteTableAssociation"),
    *("SecurityGroupIngressRule", "SecurityGroupEgressRule", "VpcEndpoint", "FlowLog"),
}
"""Types that only say something of another resource."""
BY_THEMSELVES = {
    "MetricAlarm": "tells somebody",
    "Dashboard": "for people",
    "TopicSubscription": "reaches somebody",
    "Schedule": "starts by the clock",
    "EventTarget": "takes what a rule finds",
    "BucketObjectv2": "Airflow loads it",
    "Environment": "what all of this is for",
}
"""Types that act, or are looked at, without anybody naming them."""
BY_OTHERS = {
    "region-switch-function": "a plan of ARC Region switch calls it (docs/operations.md)",
}
"""Resources that something outside of the program uses."""
ARNS = {
    "Bucket": ":::{bucket}",
    "Function": ":function:{name}",
    "Role": ":role/{name}",
    "StateMachine": ":stateMachine:{name}",
    "Table": ":table/{name}",
    "Topic": ":{name}",
    "Alias": "{name}",
}
"""How another resource names one without depending on it: by the end of its ARN."""
BY_NAME = {"Bucket", "Function", "StateMachine", "Table", "Topic"}
"""Types of which something must be called: machines wait for them whether they call them or not."""
BOTH = [one for one in ALL if one[1] != "replicated backups in one Region"]
"""Configurations of which both stacks are at hand: what one makes, the other may use."""


@cache
def texts(configuration):
    """(stack, name, inputs as text) of every resource of both stacks, and of what they ask for."""
    found = [(stack, program(stack, name)) for stack, name in ALL if name == configuration]
    return [
        *(
            (stack, one.name, json.dumps(one.inputs, default=str))
            for stack, made in found
            for one in made.resources
        ),
        *((stack, "", json.dumps(asked)) for stack, made in found for _, asked in made.invoked),
    ]


def named(stack, one, configuration):
    """Whether another resource, of either stack, names it."""
    kind = one.type.rpartition(":")[2]
    if kind not in ARNS:
        return False
    arn = ARNS[kind].format(**one.inputs)
    return any(
        arn in text
        for where, name, text in texts(configuration)
        if (where, name) != (stack, one.name)
    )


def unused(stack, configuration):
    found = program(stack, configuration)
    needed = {urn for one in found.resources for urn in one.dependencies}
    for one in found.resources:
        kind = one.type.rpartition(":")[2]
        acts = kind in OF_ANOTHER or kind in BY_THEMSELVES
        awaited = kind not in BY_NAME and one.urn in needed
        if not (acts or awaited or named(stack, one, configuration)):
            yield one.name


@pytest.mark.parametrize(("stack", "configuration"), BOTH)
def test_every_resource_is_used(stack, configuration):
    assert [name for name in unused(stack, configuration) if name not in BY_OTHERS] == []


def test_every_excuse_is_needed():
    assert set(BY_OTHERS) <= set(unused("dr", "as committed"))
