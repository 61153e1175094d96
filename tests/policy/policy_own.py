"""This project's own two stacks as the rules see them: the program's resources, as a state."""

import copy
import json
from functools import cache

from policy_judge import judge_resources

from mwaa_dr_policy import sources
from tests.components.program_run import OUTPUTS, id_of, program, run_program


def _state(registered):
    outputs = OUTPUTS[registered.type](registered.inputs)
    return {
        "type": registered.type,
        "urn": registered.urn,
        "protect": registered.protect,
        "inputs": registered.inputs,
        "outputs": {
            "id": id_of(registered.type, registered.name),
            **registered.inputs,
            **outputs,
        },
    }


@cache
def _stack(stack, region="", there="{}", **changes):
    said = {key: json.loads(text) for key, text in changes.items()}
    made = (
        run_program(stack, said, region=region, there=json.loads(there))
        if changes
        else program(stack)
    )
    resources = made.resources
    own = [id_of(one.type, one.name) for one in resources]
    ids = {identifier: f"{stack}-{identifier}" for identifier in own}
    return tuple(_renamed(_state(one), ids) for one in resources)


def _renamed(value, ids):
    """The mocks give the same id to resources of one name in both stacks; AWS does not."""
    if isinstance(value, dict):
        return {key: _renamed(item, ids) for key, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, ids) for item in value]
    return ids.get(value, value) if isinstance(value, str) else value


def own_stack(stack, *, region="", there=None, **changes):
    """The states of a stack's resources, to be changed at will.

    Args:
        region: other than in the committed file.
        there: what is said of existing things, by name or ARN.
        changes: settings other than in the committed file; None for one that is left out.
    """
    hashed = {key: json.dumps(value) for key, value in changes.items()}
    return copy.deepcopy(list(_stack(stack, region, json.dumps(there or {}), **hashed)))


def judged(states, other=None, config=None):
    """`(violations, undecided)` by rule, of a program with these states."""
    return judge_resources(
        sources.of_states(states),
        sources.of_states(other) if other is not None else None,
        config or {},
    )
