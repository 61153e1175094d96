"""The configuration of all rules at once: what is wrong with it is said before anything is judged.

The engine checks values against the schemas. It passes over a rule's name that it does not know, or
says `invalid enforcement level ""` of it, and knows nothing of days and reasons.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from google.protobuf import json_format
from pulumi_policy import policy as sdk

from mwaa_dr_policy import RULES

_LEVEL = "enforcementLevel"
_ALL = "all"
_BY_NAME = {rule.name: rule for rule in RULES}
_sdk: Any = sdk  # it has no place to ask before it is configured


def check(config: Mapping[str, Any]) -> None:
    """Raises ValueError, which names the rule, on what no rule takes: a name, a key, an exception.

    Args:
        config: by rule, as in the file of `--policy-pack-config`.
    """
    for name, said in config.items():
        if name == _ALL:
            continue
        rule = _BY_NAME.get(name)
        if rule is None:
            near = get_close_matches(name, _BY_NAME, n=1)
            meant = f"did you mean {near[0]}?" if near else "docs/policies.md lists them"
            raise ValueError(f"{name}: there is no such rule; {meant}")
        if isinstance(said, Mapping):
            own = {key: value for key, value in said.items() if key != _LEVEL}
            rule.settings(own)
            rule.exemptions(own)


def check_first() -> None:
    """Make the pack of this process check what the engine configures it with."""
    servicer = _sdk._PolicyAnalyzerServicer
    configure = servicer.Configure

    def checked(self: Any, request: Any, context: Any) -> Any:  # noqa: ANN401
        check(
            {
                name: json_format.MessageToDict(one.properties)
                for name, one in request.policyConfig.items()
            }
        )
        return configure(self, request, context)

    servicer.Configure = checked
