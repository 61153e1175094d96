"""Reads the settings from a stack's configuration and reports every problem at once."""

import copy
import json
from collections.abc import Iterable, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

import pulumi
import yaml
from pulumi.runtime import config as runtime_config
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from components.settings.checks import problems as cross_problems
from components.settings.section import by_alias, field_at, section_at
from components.settings.tree import Settings
from contract.sites import Site

PROJECT = "mwaa-dr"
"""The configuration's namespace: the project's name in Pulumi.yaml."""

Location = tuple[int | str, ...]
_SHOWN = 60
"""Characters of a refused value that a message repeats."""


class SettingsError(pulumi.RunError):
    """The settings cannot be used; the message has a line for each problem.

    Pulumi shows a RunError by its message, without a stack trace.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        lines = "\n".join(f"  - {problem}" for problem in self.problems)
        super().__init__(f"the settings cannot be used:\n{lines}")


def parse(raw: Mapping[str, Any]) -> Settings:
    """The settings in `raw`, whose keys are as in the stack file without the namespace.

    Raises:
        SettingsError: with every problem: of single keys, and of keys that do not go together.
    """
    try:
        settings, problems, bad = _validated(raw), [], set()
    except ValidationError as error:
        details = error.errors(include_url=False)
        problems = [_describe(detail) for detail in details]
        bad = {detail["loc"] for detail in details}
        settings = _if_valid(_without(raw, bad))
    if settings:
        problems += cross_problems(settings, {_dotted(location) for location in bad})
    if problems or not settings:
        raise SettingsError(problems)
    return settings


def in_file(stack_file: Path) -> dict[str, Any]:
    """The settings that a stack's file holds, as `parse` takes them."""
    prefix, config = f"{PROJECT}:", yaml.safe_load(stack_file.read_text())["config"]
    return {k.removeprefix(prefix): v for k, v in config.items() if k.startswith(prefix)}


def from_pulumi() -> tuple[Settings, Site]:
    """The settings of the stack that runs, and the site that its name says it is.

    Raises:
        SettingsError: the stack's name, its Region or its settings cannot be used.
    """
    config = pulumi.Config(PROJECT)
    raw = {key: _value(config, key) for key in _keys()}
    settings = parse(raw)
    stack = pulumi.get_stack()
    if stack not in tuple(Site):
        raise SettingsError(
            [f"stack {stack!r}: a stack is called `primary` or `dr`, after the site it deploys"]
        )
    site = Site(stack)
    region = pulumi.Config("aws").get("region")
    if region != settings.region(site):
        raise SettingsError(
            [
                f"aws:region: {region!r} is not allowed in stack {stack}; use "
                f"{settings.region(site)}, so that a stack never calls the other site's Region"
            ]
        )
    return settings, site


def _keys() -> list[str]:
    """Every configured key of the project.

    `pulumi.Config` can only be asked for keys one knows, and unknown ones are to be refused.
    """
    prefix = f"{PROJECT}:"
    names = {*runtime_config.CONFIG.get(), *runtime_config.get_config_env()}
    return sorted(name.removeprefix(prefix) for name in names if name.startswith(prefix))


def _value(config: pulumi.Config, key: str) -> Any:  # noqa: ANN401 - whatever YAML holds
    """Top-level scalars arrive as text, everything else as JSON."""
    field = by_alias(Settings).get(key)
    text = config.require(key)
    if field is None or text.lstrip()[:1] not in ("{", "["):
        return text
    return json.loads(text)


def _validated(raw: Mapping[str, Any]) -> Settings:
    # JSON in strict mode: "5" is no number and 1 is no truth value, but lists and enums are read.
    return Settings.model_validate_json(json.dumps(raw), strict=True)


def _if_valid(raw: Mapping[str, Any]) -> Settings | None:
    try:
        return _validated(raw)
    except ValidationError:
        return None


def _without(raw: Mapping[str, Any], locations: Iterable[Location]) -> dict[str, Any]:
    """`raw` without what was refused, so that the other values can still be compared.

    What must be there is replaced by its example; a list with a refused item goes as a whole.
    """
    rest = copy.deepcopy(dict(raw))
    for location in locations:
        path = list(takewhile(lambda part: isinstance(part, str), location))
        node: Any = rest
        for part in path[:-1]:
            node = node.get(part) if isinstance(node, dict) else None
        if isinstance(node, dict):
            node.pop(path[-1], None)
            field = field_at(Settings, tuple(path))
            if field and field.is_required():
                node[str(path[-1])] = field.examples[0]
    return rest


def _dotted(location: Location) -> str:
    return ".".join(str(part) for part in location if part != "[key]")


def _describe(detail: ErrorDetails) -> str:
    location, key = detail["loc"], _dotted(detail["loc"])
    name = f"{PROJECT}:{key}"
    if detail["type"] == "extra_forbidden":
        valid = ", ".join(sorted(by_alias(section_at(Settings, location))))
        return f"{name}: no such key; valid keys are {valid}"
    field = field_at(Settings, location)
    allowed = field.description if field else "a mapping of the keys in Pulumi.yaml"
    if detail["type"] == "missing":
        return f"{name}: is missing; give {allowed}"
    # Options and tags may hold secrets: only their keys are shown.
    value = repr(sorted(detail["input"]) if isinstance(detail["input"], dict) else detail["input"])
    shown = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}..."
    return f"{name}: {shown} is not allowed; use {allowed}"
