"""Every resource that the program registers, against the types of the installed pulumi_aws."""

import copy
from functools import cache

import pulumi
import pytest

from local.pulumi.provider import check, schema, wire
from tests.access.programs import ALL, program


@cache
def described_types():
    return schema.load({one.type for where in ALL for one in program(*where).resources})


def misfits(kind, inputs):
    """Names, types and required properties that do not fit, in nested objects too."""
    known = described_types()
    described = known.resources[kind].inputs
    found = check.misfits(known, described, whole(inputs), kind)
    return [f"{one.property}: {one.reason}" for one in found]


def whole(value):
    """As it comes to the provider: whole numbers are integers, and files are marked maps."""
    if isinstance(value, pulumi.Asset | pulumi.Archive):
        return {wire.SIGNATURE: wire.ASSET}
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, dict):
        return {key: whole(item) for key, item in value.items()}
    return [whole(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("stack", "configuration"), ALL)
def test_every_property_is_known_has_its_type_and_none_is_missing(stack, configuration):
    for one in program(stack, configuration).resources:
        assert misfits(one.type, one.inputs) == [], one.urn


BREAKS = {
    "a misspelt name": (("versioningConfigurations",), {"status": "Enabled"}),
    "a misspelt name inside": (("versioningConfiguration", "state"), "Enabled"),
    "another type": (("versioningConfiguration",), "Enabled"),
    "another type inside": (("versioningConfiguration", "status"), ["Enabled"]),
}


@pytest.mark.parametrize("change", BREAKS)
def test_a_mistake_would_be_found(change):
    path, value = BREAKS[change]
    kind = "aws:s3/bucketVersioning:BucketVersioning"
    inputs = copy.deepcopy(program("dr").of("BucketVersioning")[0].inputs)
    assert misfits(kind, inputs) == []
    place = inputs
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert misfits(kind, inputs)


def test_a_missing_property_would_be_found():
    inputs = dict(program("dr").of("BucketVersioning")[0].inputs)
    del inputs["versioningConfiguration"]
    assert (
        "missing required property"
        in misfits("aws:s3/bucketVersioning:BucketVersioning", inputs)[0]
    )
