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
from mwaa_dr_policy.exceptions import Ledger
from mwaa_dr_policy.graph import Resource, Stack
from mwaa_dr_policy.options import OTHER_STACK
from mwaa_dr_policy.rule import (
    Judgement,
    LedgerRule,
    ResourceRule,
    Rule,
    SiteRule,
    StackRule,
    Violation,
    judge_resource,
    judge_site,
    judge_stack,
    utc_today,
)

_ledger = Ledger()
"""Of this process: the engine starts one for each preview and each update."""


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
        mend = {"remediate": _remediation(rule)} if rule.mend else {}
        return ResourceValidationPolicy(
            validate=_resource_validation(rule), **mend, **_common(rule)
        )
    return StackValidationPolicy(validate=_stack_validation(rule), **_common(rule))


def _common(rule: Rule) -> dict[str, Any]:
    return {
        "name": rule.name,
        "description": rule.description,
        "enforcement_level": EnforcementLevel(rule.level.value),
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
        config = args.get_config()
        _ledger.declare(rule.name, rule.exemptions(config))
        if sources.kind(args.resource_type) in rule.types:
            _tell(rule, judge_resource(rule, sources.of_resource(args), config), report)

    return validate


def _remediation(rule: ResourceRule):  # noqa: ANN202
    def remediate(args: ResourceValidationArgs) -> Mapping[str, Any] | None:
        if sources.kind(args.resource_type) not in rule.types or rule.mend is None:
            return None
        resource, config = sources.of_resource(args), args.get_config()
        judgement = judge_resource(rule, resource, config)
        if not judgement.violations or not sources.is_known(resource):
            return None
        return {**resource.props, **rule.mend(resource, rule.settings(config))}

    return remediate


def _stack_validation(rule: Rule):  # noqa: ANN202
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        config = args.get_config()
        _ledger.declare(rule.name, rule.exemptions(config))
        own = sources.of_stack(args.resources, asked_by=rule.name)
        _tell(rule, _judgement(rule, own, config), report)

    return validate


def _judgement(rule: Rule, own: list[Resource], config: Mapping[str, Any]) -> Judgement:
    if isinstance(rule, StackRule):
        return judge_stack(rule, Stack(own, _other(config)), config)
    if isinstance(rule, SiteRule):
        return judge_site(rule, Stack(own, _other(config)), config)
    if isinstance(rule, LedgerRule):
        remarks = _ledger.remarks(utc_today())
        return Judgement([Violation(f"{one}. {rule.remedy}", None) for one in remarks])
    raise TypeError(f"{rule.name}: no way to judge a {type(rule).__name__}")


def _other(config: Mapping[str, Any]) -> list[Resource] | None:
    path = config.get(OTHER_STACK.key)
    return sources.of_export(path) if path else None


def _tell(rule: Rule, judgement: Judgement, report: ReportViolation) -> None:
    for resource in judgement.excused:
        _ledger.use(rule.name, resource)
    for violation in judgement.violations:
        report(violation.message, violation.urn)
    if judgement.undecided:
        raise UndecidedNotice(judgement.undecided)
