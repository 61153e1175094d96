import datetime
import json

import boto3
import pytest

from local.gateway.asl_check import problems
from local.gateway.casing import from_response, operation_name, to_boto_parameters
from local.gateway.patching import add, put
from local.gateway.replication_rules import chosen, described, mistake, parse


@pytest.fixture(scope="module")
def sfn():
    return boto3.client(
        "stepfunctions", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    ).meta


def machine(**states):
    return json.dumps({"StartAt": next(iter(states)), "States": states})


def test_sound_definition_has_no_problems():
    definition = machine(
        A={"Type": "Choice", "Choices": [{"Next": "B"}], "Default": "C"},
        B={"Type": "Task", "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "C"}], "Next": "D"},
        C={"Type": "Fail"},
        D={
            "Type": "Parallel",
            "End": True,
            "Branches": [{"StartAt": "E", "States": {"E": {"Type": "Pass", "End": True}}}],
        },
    )
    assert problems(definition) == []


@pytest.mark.parametrize(
    ("definition", "word"),
    [
        (json.dumps({"StartAt": "X", "States": {"A": {"Type": "Fail"}}}), "X at /StartAt"),
        (machine(A={"Type": "Pass", "Next": "B"}), "B at /States/A/Next"),
        (machine(A={"Type": "Choice", "Choices": [{"Next": "B"}]}), "Choices/Next"),
        (machine(A={"Type": "Task", "End": True, "Catch": [{"Next": "B"}]}), "Catch/Next"),
        (machine(A={"Type": "Fail"}, B={"Type": "Fail"}), '"B" is not reachable'),
        (
            machine(
                A={"Type": "Map", "End": True, "ItemProcessor": {"StartAt": "Z", "States": {}}}
            ),
            "Z at /States/A/StartAt",
        ),
        ("{", "INVALID_JSON"),
    ],
)
def test_broken_definitions_are_told_where(definition, word):
    assert any(word in problem for problem in problems(definition))


def test_parameters_are_spelt_as_the_api_spells_them(sfn):
    method, parameters = to_boto_parameters(
        sfn, "startExecution", {"StateMachineArn": "arn", "Input": {"Keep": "Me"}}
    )
    assert method == "start_execution"
    assert parameters == {"stateMachineArn": "arn", "input": '{"Keep":"Me"}'}


def test_unknown_operation_is_named(sfn):
    with pytest.raises(ValueError, match="explode"):
        operation_name(sfn.service_model, "explode")


def test_responses_are_spelt_for_state_machines_with_times_as_text(sfn):
    shape = sfn.service_model.operation_model("DescribeExecution").output_shape
    moment = datetime.datetime(2026, 11, 22, 4, tzinfo=datetime.UTC)
    assert from_response({"executionArn": "a", "startDate": moment}, shape) == {
        "ExecutionArn": "a",
        "StartDate": "2026-11-22T04:00:00Z",
    }


def raw_rule(**more):
    return {
        "ID": "r",
        "Priority": "1",
        "Status": "Enabled",
        "Filter": None,
        "DeleteMarkerReplication": {"Status": "Enabled"},
        "Destination": {"Bucket": "arn:aws:s3:::target"},
        **more,
    }


def config(*rules):
    return {"Role": "role", "Rule": list(rules) if len(rules) != 1 else rules[0]}


def test_highest_priority_decides_per_destination():
    rules = parse(
        config(
            raw_rule(ID="low", Priority="1"),
            raw_rule(ID="high", Priority="10", Filter={"Prefix": "a/"}),
            raw_rule(ID="off", Priority="99", Status="Disabled"),
            raw_rule(ID="else", Destination={"Bucket": "arn:aws:s3:::other"}),
        )
    )
    assert {r.identifier for r in chosen(rules, "a/x", {})} == {"high", "else"}
    assert {r.identifier for r in chosen(rules, "b/x", {})} == {"low", "else"}


def test_tags_and_prefix_must_all_match():
    tag = {"Key": "t", "Value": "1"}
    [rule] = parse(config(raw_rule(Filter={"And": {"Prefix": "a/", "Tag": tag}})))
    assert rule.matches("a/x", {"t": "1", "u": "2"})
    assert not rule.matches("a/x", {"t": "2"})
    assert not rule.matches("b/x", {"t": "1"})


def test_described_filter_has_the_shape_of_the_api():
    tag = {"Key": "t", "Value": "1"}
    shown = described(config(raw_rule(Filter={"And": {"Prefix": "a/", "Tag": tag}})))["Rules"][0]
    assert shown["Filter"] == {"And": {"Prefix": "a/", "Tags": [tag]}}
    assert shown["Priority"] == 1


@pytest.mark.parametrize(
    ("rules", "word"),
    [
        ([raw_rule(ID="same"), raw_rule(ID="same")], "unique"),
        (
            [raw_rule(SourceSelectionCriteria={"SseKmsEncryptedObjects": {"Status": "Enabled"}})],
            "EncryptionConfiguration",
        ),
        ([raw_rule(Filter={"Tag": {"Key": "t", "Value": "1"}})], "tag-based"),
    ],
)
def test_configurations_that_s3_refuses(rules, word):
    assert word in (mistake(config(*rules)) or "")


def test_patches_complain_when_moto_has_changed():
    class Moto:
        known = 1

    with pytest.raises(AttributeError, match="another patch"):
        put(Moto, "gone", 2)
    with pytest.raises(AttributeError, match="drop the patch"):
        add(Moto, "known", 2)
