"""What an environment that a recovery created is in the words of a stack file."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from contract.agent_config import SECTION
from contract.created import CreatedEnvironment
from contract.metrics import TAG_INCIDENT, TAG_INSTALLATION, TAG_OBJECT, TAG_SITE

KEY = "mwaa-dr:adopted"
COPIED = (
    "AirflowVersion",
    "EnvironmentClass",
    "Schedulers",
    "MinWorkers",
    "MaxWorkers",
    "MinWebservers",
    "MaxWebservers",
    "WebserverAccessMode",
    "WeeklyMaintenanceWindowStart",
    "EndpointManagement",
    "DagS3Path",
    "PluginsS3Path",
    "PluginsS3ObjectVersion",
    "RequirementsS3Path",
    "RequirementsS3ObjectVersion",
    "StartupScriptS3Path",
    "StartupScriptS3ObjectVersion",
)
"""Members of the environment as MWAA shows it; the stack file has them with a small first letter.
Bucket, key, role and network are the stack's own and known to it."""
OURS = frozenset({TAG_INCIDENT, TAG_INSTALLATION, TAG_OBJECT, TAG_SITE})
SECRET = re.compile(
    r"passw|secret|token|api_?key|private_key|fernet|sql_alchemy_conn|broker_url|result_backend",
    re.IGNORECASE,
)
"""Names of options whose values do not belong into a file in clear."""


@dataclass(frozen=True, slots=True)
class Adoption:
    """An environment as a stack file is to have it.

    Args:
        section: the value of `mwaa-dr:adopted`.
        changed: what differs from what its recovery asked for: member -> (asked, now).
        secrets: options that are left out of the section, since they look like secrets.
    """

    section: dict[str, Any]
    changed: dict[str, tuple[Any, Any]]
    secrets: tuple[str, ...]


def adoption(
    created: CreatedEnvironment,
    live: Mapping[str, Any],
    *,
    known: Mapping[str, Any],
    set_tags: Iterable[str],
) -> Adoption:
    """What to write so that importing the environment changes nothing of it.

    Args:
        live: the `Environment` of GetEnvironment: people may have changed it since.
        known: options as the stack file has them elsewhere, where they may be encrypted.
        set_tags: names of tags that the stack gives to everything.
    """
    found: dict[str, Any] = {
        "environmentName": created.name,
        "incident": live["Tags"][TAG_INCIDENT],
    }
    found |= {_lower(name): live[name] for name in COPIED if live.get(name) not in (None, "")}
    options, secrets = _options(live.get("AirflowConfigurationOptions") or {}, known)
    if options:
        found["airflowConfigurationOptions"] = options
    logging = {
        _lower(kind): {
            _lower(name): block[name] for name in ("Enabled", "LogLevel") if name in block
        }
        for kind, block in (live.get("LoggingConfiguration") or {}).items()
        if block and "Enabled" in block
    }
    if logging:
        found["loggingConfiguration"] = logging
    without = {*OURS, *set_tags}
    tags = {
        name: value
        for name, value in sorted((live.get("Tags") or {}).items())
        if name not in without and not name.startswith("aws:")
    }
    if tags:
        found["tags"] = tags
    changed = {
        name: (created.arguments[name], live[name])
        for name in COPIED
        if name in created.arguments and live.get(name) != created.arguments[name]
    }
    return Adoption(found, changed, secrets)


def _options(
    live: Mapping[str, str], known: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The options, without those that this program sets and those that look like secrets.

    A secret that the file has elsewhere, encrypted or not, is taken from there as it stands.
    """
    found: dict[str, Any] = {}
    secrets: list[str] = []
    for name, value in sorted(live.items()):
        if name.startswith(f"{SECTION}."):
            continue
        if not SECRET.search(name) or str(known.get(name)) == value:
            found[name] = value
        elif isinstance(known.get(name), Mapping):
            found[name] = dict(known[name])
        else:
            secrets.append(name)
    return found, tuple(secrets)


def _lower(name: str) -> str:
    return name[0].lower() + name[1:]
