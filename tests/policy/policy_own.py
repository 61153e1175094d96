"""This project's own two stacks as the rules see them: the program's resources, as a state."""

import copy
from functools import cache

from policy_judge import judge_resources
from tests.components.program_run import OUTPUTS, program

from mwaa_dr_policy import sources


def _state(registered):
    outputs = OUTPUTS[registered.type](registered.inputs)
    return {
        "type": registered.type,
        "urn": registered.urn,
        "protect": registered.protect,
        "inputs": registered.inputs,
        "outputs": {"id": f"{registered.name}-id", **registered.inputs, **outputs},
    }


@cache
def _stack(stack):
    return tuple(_state(one) for one in program(stack).resources)


def own_stack(stack):
    """The states of a stack's resources, to be changed at will."""
    return copy.deepcopy(list(_stack(stack)))


def judged(states, other=None, config=None):
    """`(violations, undecided)` by rule, of a program with these states."""
    return judge_resources(
        sources.of_states(states),
        sources.of_states(other) if other is not None else None,
        config or {},
    )
