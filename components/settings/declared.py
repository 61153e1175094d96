"""Checks of the user's own: systems up- and downstream that the verdict is to know of."""

import re
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import urlsplit

from pydantic import Field

from components.settings.section import REGION, Region, Section
from contract.checks import CheckKind, Comparison, DeclaredCheck, NoData

STATISTICS = ("Average", "Sum", "Minimum", "Maximum", "SampleCount")


class CheckSettings(Section):
    """One thing to look at with each reading; which keys go with it is up to its kind."""

    name: str = Field(
        pattern=r"^[a-z][a-z0-9-]{0,38}[a-z0-9]$",
        description="2 to 40 lower-case letters, digits and hyphens, starting with a letter",
        examples=["warehouse"],
    )
    kind: CheckKind = Field(description="metric, alarm or https", examples=["https"])
    counts: bool = Field(
        default=False,
        description="true if it may be the second proof, beside a stale pulse, that the owner is "
        "down",
    )
    region: Region | None = Field(default=None, description=REGION)
    namespace: str | None = Field(default=None, description="the metric's namespace")
    metric: str | None = Field(default=None, description="the metric's name")
    dimensions: dict[str, str] = Field(
        default_factory=dict, max_length=30, description="all dimensions of the metric"
    )
    statistic: str = Field(
        default="Average",
        pattern=f"^({'|'.join(STATISTICS)})$",
        description=f"one of {', '.join(STATISTICS)}",
    )
    period_seconds: int = Field(
        default=300, ge=60, le=3600, multiple_of=60, description="60 to 3600 seconds, whole minutes"
    )
    comparison: Comparison | None = Field(
        default=None, description="below or above: which side of the threshold is bad"
    )
    threshold: float | None = Field(default=None, description="a number")
    no_data: NoData = Field(
        default=NoData.UNKNOWN, description="good, bad or unknown: what no data point means"
    )
    alarm: str | None = Field(default=None, description="the name of a metric alarm")
    url: str | None = Field(default=None, max_length=500, description="an https address")
    status: int = Field(default=200, ge=100, le=599, description="an HTTP status, 100 to 599")
    pattern: str | None = Field(
        default=None, max_length=200, description="a regular expression that the answer must hold"
    )

    def to_contract(self) -> DeclaredCheck:
        """The check as the monitor reads it."""
        given = self.model_dump(exclude_none=True)
        return DeclaredCheck(**given)


ALWAYS = frozenset({"name", "kind", "counts"})
KEYS: dict[CheckKind, tuple[tuple[str, ...], tuple[str, ...]]] = {
    CheckKind.METRIC: (
        ("region", "namespace", "metric", "comparison", "threshold"),
        ("dimensions", "statistic", "period_seconds", "no_data"),
    ),
    CheckKind.ALARM: (("region", "alarm"), ()),
    CheckKind.HTTPS: (("url",), ("status", "pattern")),
}
"""By kind: the keys that it must have, and those that it may have."""


def problems(checks: Iterable[CheckSettings]) -> Iterator[str]:
    """Everything that is wrong with the checks beyond single keys."""
    names: set[str] = set()
    for index, check in enumerate(checks):
        key = f"detection.checks.{index}"
        if check.name in names:
            yield f"{key}.name: {check.name!r} is not allowed twice; name each check differently"
        names.add(check.name)
        needed, optional = KEYS[check.kind]
        for name in needed:
            if getattr(check, name) is None:
                yield f"{key}.{_alias(name)}: is missing; a check of kind {check.kind} needs it"
        for name in sorted(check.model_fields_set - ALWAYS - {*needed, *optional}):
            allowed = ", ".join(_alias(one) for one in (*needed, *optional))
            yield (
                f"{key}.{_alias(name)}: goes without kind {check.kind}; beside name, kind and "
                f"counts give {allowed}"
            )
        for name, wrong in _TEXTS.items():
            value = getattr(check, name)
            reason = wrong(value) if value is not None else ""
            if reason:
                yield f"{key}.{name}: {reason}"


def _alias(name: str) -> str:
    return CheckSettings.model_fields[name].alias or name


def _url(url: str) -> str:
    """Nothing if it can be probed; what it holds is shown to nobody, since it may be a secret."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is no address; use one like https://status.example.com/health"
    if parts.scheme != "https" or not parts.hostname:
        return "is not allowed; use an address that starts with https://"
    if parts.username is not None or parts.password is not None:
        return "holds a user or a password, which everybody could read; probe a public address"
    if parts.fragment or port == 0 or re.search(r"[\x00-\x20\x7f]", url):
        return "is not allowed; use an address without #, spaces and port 0"
    return ""


def _pattern(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        return f"{pattern!r} is no regular expression: {error}"
    return ""


_TEXTS: dict[str, Callable[[str], str]] = {"url": _url, "pattern": _pattern}
