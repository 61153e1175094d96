"""What a program says of its own recovery: the configuration that its functions carry."""

import json
from collections.abc import Mapping
from typing import Any

from contract.handler_config import VARIABLE
from mwaa_dr_policy.graph import Stack
from mwaa_dr_policy.kinds import FUNCTION
from mwaa_dr_policy.options import RPO_MINUTES
from mwaa_dr_policy.rule import Settings
from mwaa_dr_policy.values import UndecidedError

DEFAULT_RPO_MINUTES = 60


def handler_config(stack: Stack) -> Mapping[str, Any]:
    """The one configuration that all functions of a recovery share; empty if there is none.

    Raises:
        UndecidedError: there is one, and it is not known yet.
    """
    undecided: UndecidedError | None = None
    for function in stack.of(FUNCTION):
        try:
            found = _parsed(function.get(f"environment.variables.{VARIABLE}"))
        except UndecidedError as error:
            undecided = undecided or error
            continue
        if found:
            return found
    if undecided is not None:
        raise undecided
    return {}


def _parsed(text: Any) -> Mapping[str, Any]:  # noqa: ANN401
    """Empty for what is no configuration: the rule about functions says so."""
    try:
        found = json.loads(text)
    except (ValueError, TypeError):
        return {}
    return found if isinstance(found, Mapping) and "detection" in found else {}


def objective_minutes(stack: Stack, settings: Settings) -> float:
    """The recovery point objective."""
    if settings[RPO_MINUTES.key]:
        return settings[RPO_MINUTES.key]
    return handler_config(stack).get("rpo_minutes") or DEFAULT_RPO_MINUTES
