"""Values on the wire, in AWS's shapes and in archives."""

import io
import zipfile

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.pulumi.provider.assets import asset_bytes
from local.pulumi.provider.shapes import UnsupportedPropertyError, parameters, to_aws
from local.pulumi.provider.wire import (
    ARCHIVE,
    ASSET,
    SECRET,
    SIGNATURE,
    UNKNOWN,
    UNKNOWN_TEXT,
    decode,
    encode,
    has_unknown,
)

NAMES = st.text("abcXYZ", min_size=1, max_size=5)
SCALARS = st.booleans() | st.integers(-(2**50), 2**50) | st.text(max_size=5) | st.just(UNKNOWN)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


def shape(service, operation):
    model = botocore.session.get_session().get_service_model(service)
    return model.operation_model(operation).input_shape


@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_values_come_back_from_the_wire_as_they_were(values):
    assert decode(encode(values)) == (values, {})


def test_an_unknown_is_the_protocols_text_at_every_depth():
    message = encode({"a": [{"b": UNKNOWN}]})
    text = message.fields["a"].list_value.values[0].struct_value.fields["b"].string_value
    assert text == UNKNOWN_TEXT
    assert has_unknown(decode(message)[0])


def test_a_secret_inside_an_object_is_the_only_part_that_is_marked():
    message = encode({"e": {"open": "x", "hidden": "y"}}, {"e": {"hidden": True}})
    fields = message.fields["e"].struct_value.fields
    assert fields["open"].string_value == "x"
    assert fields["hidden"].struct_value.fields[SIGNATURE].string_value == SECRET
    assert decode(message) == ({"e": {"open": "x", "hidden": "y"}}, {"e": {"hidden": True}})


def test_a_list_with_a_secret_is_secret_as_a_whole():
    secret = {SIGNATURE: SECRET, "value": "y"}
    values, secrets = decode(encode({"list": ["x", secret]}))
    assert values == {"list": ["x", "y"]}
    assert secrets == {"list": True}
    assert decode(encode(values, secrets)) == (values, secrets)


def test_an_archive_of_the_same_files_is_the_same_bytes(tmp_path):
    (tmp_path / "b.py").write_text("b")
    (tmp_path / "a.py").write_text("a")
    archive = {
        SIGNATURE: ARCHIVE,
        "assets": {
            "lib": {SIGNATURE: ARCHIVE, "path": str(tmp_path)},
            "note.txt": {SIGNATURE: ASSET, "text": "hi"},
        },
    }
    first, second = asset_bytes(archive), asset_bytes(archive)
    assert first == second
    with zipfile.ZipFile(io.BytesIO(first)) as opened:
        assert opened.namelist() == ["lib/a.py", "lib/b.py", "note.txt"]
        assert opened.read("note.txt") == b"hi"


def test_a_remote_asset_is_refused():
    with pytest.raises(ValueError, match=r"https://x/y.*use a file"):
        asset_bytes({SIGNATURE: ASSET, "uri": "https://x/y"})


def test_a_map_becomes_pairs_where_aws_has_pairs():
    made = parameters(shape("cloudwatch", "PutMetricAlarm"), {"dimensions": {"A": "b"}}, {})
    assert made == {"Dimensions": [{"Name": "A", "Value": "b"}]}


def test_one_object_becomes_a_list_where_aws_has_a_list():
    rules = shape("s3", "PutBucketOwnershipControls").members["OwnershipControls"]
    made = to_aws(rules, {"rule": {"objectOwnership": "X"}}, {"rule": "Rules"})
    assert made == {"Rules": [{"ObjectOwnership": "X"}]}


def test_a_nested_property_without_a_place_is_an_error_that_names_it():
    target = {"arn": "a", "ecsParameters": {"placementStrategies": []}}
    with pytest.raises(UnsupportedPropertyError, match=r"'placementStrategies'.*PlacementStrategy"):
        to_aws(shape("scheduler", "CreateSchedule").members["Target"], target, {})
