"""Every row of the catalog, held against `pulumi_aws` and against AWS's own models."""

import botocore.session
import pytest

from local.pulumi.provider import schema
from local.pulumi.provider.catalog import RESOURCES
from local.pulumi.provider.regular import BEFORE_AWS, Creates, Updates
from local.pulumi.provider.shapes import member_of

ROWS = pytest.mark.parametrize("row", RESOURCES.values(), ids=lambda row: row.type)
MADE_BY_ONE_CALL = pytest.mark.parametrize(
    "row",
    [row for row in RESOURCES.values() if isinstance(row.create, Creates)],
    ids=lambda row: row.type,
)
SESSION = botocore.session.get_session()
NOT_IN_THE_CREATE_CALL = {
    # Given by `adapt`, which builds AWS's nested objects.
    "aws:cloudwatch/metricAlarm:MetricAlarm": {"metricQueries"},
    "aws:lambda/function:Function": {
        *("code", "imageUri", "s3Bucket", "s3Key", "s3ObjectVersion"),
        "sourceCodeHash",  # a fingerprint for the program's own use
    },
    # The MWAA API has it for updates only.
    "aws:mwaa/environment:Environment": {"workerReplacementStrategy"},
    # Only says how a made-up name begins.
    **{
        token: {name for name in row.fixed if name.endswith("Prefix")}
        for token, row in RESOURCES.items()
        if any(name.endswith("Prefix") for name in row.fixed)
    },
}
REARRANGED = {"aws:sfn/stateMachine:StateMachine": {"loggingConfiguration.logDestination"}}
"""Nested properties that `before` puts into AWS's form."""


@pytest.fixture(scope="module")
def known():
    return schema.load(RESOURCES)


def input_shape(service, operation):
    return SESSION.get_service_model(service).operation_model(operation).input_shape


@ROWS
def test_a_row_only_names_properties_that_pulumi_aws_has(row, known):
    described = known.resources[row.type]
    named = {
        *row.supported,
        *row.chosen,
        *row.extended,
        *row.json,
        *row.ordered,
        *row.unread,
        *row.identity,
        *row.fixed_members,
        *(name.partition(".")[0] for name in row.defaults),
        *([row.naming.property] if row.naming else []),
    }
    assert named - {"region", "tagsAll"} <= described.inputs.types.keys()
    assert set(row.volatile) <= described.outputs.types.keys()


@ROWS
def test_what_a_row_assumes_is_among_what_it_supports(row):
    for names in (row.chosen, row.extended, row.json, row.ordered, row.unread, row.identity):
        assert set(names) <= row.supported
    assert {name.partition(".")[0] for name in row.defaults} <= row.supported
    assert set(row.fixed).isdisjoint(row.updatable)


@ROWS
def test_every_property_that_a_program_must_give_is_supported(row, known):
    assert set(known.resources[row.type].inputs.required) <= row.supported


@MADE_BY_ONE_CALL
def test_the_create_call_takes_every_property_that_is_said_to_be_written_by_it(row):
    shape = input_shape(row.service, row.create.operation)
    written = {*row.fixed, *(n for part in row.parts if part.created for n in part.properties)}
    written -= BEFORE_AWS | NOT_IN_THE_CREATE_CALL.get(row.type, set())
    assert {n for n in written if member_of(shape, n, row.create.names) is None} == set()


@ROWS
def test_the_update_calls_take_every_property_that_is_said_to_be_updatable(row):
    for part in row.parts:
        if not isinstance(part.write, Updates):
            continue
        shape = input_shape(row.service, part.write.operation)
        handled = {"metricQueries"} if part.write.adapt.__name__ == "_metrics" else set()
        missing = {n for n in part.properties if member_of(shape, n, part.write.names) is None}
        assert missing <= handled


@MADE_BY_ONE_CALL
def test_every_nested_property_has_its_place_in_the_call(row, known):
    shape = input_shape(row.service, row.create.operation)
    names = row.create.names
    skipped = BEFORE_AWS | NOT_IN_THE_CREATE_CALL.get(row.type, set())

    def lost(shape, kind, path):
        while shape.type_name == "list":
            shape = shape.member
        kind = kind.strip("[]")
        if not kind.startswith("#"):
            return
        for name, inner in known.objects[kind[1:]].types.items():
            member = member_of(shape, name, names)
            if member is None:
                yield f"{path}.{name}"
            else:
                yield from lost(shape.members[member], inner, f"{path}.{name}")

    found = set()
    for name, kind in known.resources[row.type].inputs.types.items():
        member = member_of(shape, name, names) if name in row.supported - skipped else None
        if member is not None:
            found |= set(lost(shape.members[member], kind, name))
    refused = {path for path in found if any(path.startswith(start) for start in row.refused)}
    assert found - refused == REARRANGED.get(row.type, set())
    assert all(any(path.startswith(start) for path in found) for start in row.refused)
