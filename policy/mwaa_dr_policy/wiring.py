"""Carries rules to the engine and their judgements back."""

from collections.abc import Mapping
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyConfigSchema,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    Severity,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, UnknownValueError

from mwaa_dr_policy import sources
from mwaa_dr_policy.graph import Stack
from mwaa_dr_policy.options import OTHER_STACK
from mwaa_dr_policy.rule import (
    Judgement,
    ResourceRule,
    Rule,
    StackRule,
    judge_resource,
    judge_stack,
)


class UndecidedNotice(UnknownValueError):  # noqa: N818
    """The engine's own way to say that a rule could not run: shown as an advisory note.

    Raised after the violations of the rule were reported, so it takes none of them away.
    """

    def __init__(self, undecided: list[str]) -> None:
        super().__init__(UNKNOWN_STRING_VALUE, [])
        self.message = "; ".join(undecided)


def policy_of(rule: Rule) -> Policy:
    """The policy that the engine runs for `rule`."""
    if isinstance(rule, ResourceRule):
        return ResourceValidationPolicy(validate=_resource_validation(rule), **_common(rule))
    if isinstance(rule, StackRule):
        return StackValidationPolicy(validate=_stack_validation(rule), **_common(rule))
    raise TypeError(f"{rule.name} is neither a ResourceRule nor a StackRule")


def _common(rule: Rule) -> dict[str, Any]:
    return {
        "name": rule.name,
        "description": rule.description,
        "enforcement_level": (
            EnforcementLevel.ADVISORY if rule.advisory else EnforcementLevel.MANDATORY
        ),
        "severity": Severity(rule.severity.value),
        "remediation_steps": rule.remedy,
        "config_schema": PolicyConfigSchema(
            {
                option.key: {
                    **option.schema,
                    "default": option.default,
                    "description": option.description,
                }
                for option in rule.all_options
            }
        ),
    }


def _resource_validation(rule: ResourceRule):  # noqa: ANN202
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        sources.remember(args)
        if args.resource_type in rule.types:
            _tell(judge_resource(rule, sources.of_resource(args), args.get_config()), report)

    return validate


def _stack_validation(rule: StackRule):  # noqa: ANN202
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        config = args.get_config()
        stack = Stack(sources.of_stack(args.resources), _other(config))
        _tell(judge_stack(rule, stack, config), report)

    return validate


def _other(config: Mapping[str, Any]) -> list[sources.Resource] | None:
    path = config.get(OTHER_STACK.key)
    return sources.of_export(path) if path else None


def _tell(judgement: Judgement, report: ReportViolation) -> None:
    for violation in judgement.violations:
        report(violation.message, violation.urn)
    if judgement.undecided:
        raise UndecidedNotice(judgement.undecided)
