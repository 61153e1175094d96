"""What the state machines call, against botocore's own models."""

import re
from functools import cache

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from components.machines import FOLDER, load
from contract.machines import MACHINES, substitutions
from tests.handlers.installation import CONFIG

RESOURCE = re.compile(
    r"arn:aws:states:::(aws-sdk:)?(?P<service>[a-z0-9]+):(?P<action>\w+)"
    r"(\.sync(:2)?|\.waitForTaskToken)?"
)
MODELS = {"states": "stepfunctions", "sfn": "stepfunctions"}
"""boto3's names of services that Step Functions calls otherwise."""


@cache
def model(service):
    name = MODELS.get(service, service)
    return ServiceModel(Loader().load_service_model(name, "service-2"), name)


def tasks(definition, path=""):
    for name, state in definition["States"].items():
        if state["Type"] == "Task":
            yield name, state
        for inner in (*state.get("Branches", ()), *filter(None, [state.get("ItemProcessor")])):
            yield from tasks(inner, f"{path}/{name}")


def operation(resource):
    """The operation that an integration calls; Step Functions writes its first letter small."""
    found = RESOURCE.fullmatch(resource)
    assert found, f"{resource} is no integration of Step Functions"
    name = found["action"][0].upper() + found["action"][1:]
    assert name in model(found["service"]).operation_names, resource
    return model(found["service"]).operation_model(name)


def given(state):
    """Parameters as the API spells them, whatever their first letter."""
    arguments = state.get("Parameters") or state.get("Arguments") or {}
    return {key.removesuffix(".$").lower() for key in arguments}


ALL = [
    (machine, name, state)
    for machine in MACHINES
    for name, state in tasks(load(machine, substitutions(CONFIG)))
]


@pytest.mark.parametrize(
    ("machine", "name", "state"), ALL, ids=[f"{machine}-{name}" for machine, name, _ in ALL]
)
def test_a_task_calls_an_operation_with_its_parameters(machine, name, state):
    shape = operation(state["Resource"]).input_shape
    known = {member.lower() for member in shape.members}
    required = {member.lower() for member in shape.required_members}
    assert given(state) <= known, f"{machine}: {name}"
    assert required <= given(state), f"{machine}: {name}"


def test_every_machine_has_tasks():
    assert {machine for machine, _, _ in ALL} == set(MACHINES)
    assert {path.stem.removesuffix(".asl") for path in FOLDER.glob("*.asl.json")} == set(MACHINES)


@pytest.mark.parametrize(
    "resource",
    ["arn:aws:states:::sqs:sendMessages", "arn:aws:states:::lambda", "arn:aws:lambda:::invoke"],
)
def test_a_mistake_would_be_found(resource):
    with pytest.raises(AssertionError):
        operation(resource)
