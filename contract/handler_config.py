"""What the Lambda functions must know, written by the `dr` stack into one environment variable."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from contract import checks
from contract.checks import DeclaredCheck
from contract.names import Names
from contract.sites import CopyMode, InFlightRule, Site, Strategy

VARIABLE = "MWAA_DR_CONFIG"


@dataclass(frozen=True, slots=True)
class SitePlace:
    """Where a site lives and what it is called there."""

    region: str
    environment: str
    dag_bucket: str
    backup_bucket: str


@dataclass(frozen=True, slots=True)
class Detection:
    """When readings make a verdict.

    Args:
        reading_seconds: time between two readings; a divisor of 60, since EventBridge Scheduler
            starts the monitor once a minute and the machine takes 60 / reading_seconds of them.
        needed: N: so many of the last `window` readings must say DOWN.
        window: M.
        heartbeat_seconds: how far back a SchedulerHeartbeat data point counts.
        pulse_seconds: an agent pulse older than this is stale.
        backup_seconds: a newest backup older than this is stale.
        probe_seconds: time-out of each probe call.
        checks: what the user lets the monitor look at besides.
    """

    reading_seconds: int
    needed: int
    window: int
    heartbeat_seconds: int
    pulse_seconds: int
    backup_seconds: int
    probe_seconds: float
    checks: tuple[DeclaredCheck, ...] = ()

    @property
    def readings_per_minute(self) -> int:
        return 60 // self.reading_seconds


def _detection(raw: dict[str, Any]) -> Detection:
    return Detection(**{**raw, "checks": tuple(checks.from_dict(check) for check in raw["checks"])})


@dataclass(frozen=True, slots=True)
class Recovery:
    """How a recovery acts.

    Args:
        automatic: whether a DOWN verdict starts it without a person.
        in_flight: the rule for unfinished tasks.
        order_seconds: how long an agent may take to finish an order (export, import, un-pause).
        fence_seconds: how long to wait for the old owner to say that it is paused.
        create_seconds: how long CreateEnvironment may take.
        drain_seconds: how long a fenced owner that works may let running tasks end.
        approval_seconds: how long a recovery waits for a person; 0 if it does not.
        proceed_unanswered: whether it goes on when nobody answered in that time.
        escalation_seconds: after which a second circle is told of an incident; 0 for never.
    """

    automatic: bool
    in_flight: InFlightRule
    order_seconds: int
    fence_seconds: int
    create_seconds: int
    drain_seconds: int = 600
    approval_seconds: int = 0
    proceed_unanswered: bool = False
    escalation_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Target:
    """What a created environment gets in the DR Region instead of the captured regional values.

    Args:
        options: Airflow configuration options that replace or join the captured ones.
    """

    execution_role_arn: str
    kms_key_arn: str
    subnet_ids: list[str]
    security_group_ids: list[str]
    options: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HandlerConfig:
    """Everything a handler needs, with no call to find it out.

    Args:
        hastens_inside: whether only a function in the DR environment's network reaches its web
            server, as far as the settings tell.
    """

    name: str
    account: str
    partition: str
    strategy: Strategy
    copy_mode: CopyMode
    primary: SitePlace
    dr: SitePlace
    witness_region: str
    topic_arn: str
    detection: Detection
    recovery: Recovery
    target: Target
    rto_minutes: float
    rpo_minutes: float
    escalation_arn: str = ""
    hastens_inside: bool = False

    @property
    def names(self) -> Names:
        return Names(self.name, self.account, self.partition)

    def place(self, site: Site) -> SitePlace:
        return self.primary if site is Site.PRIMARY else self.dr

    def to_json(self) -> str:
        whole = asdict(self)
        whole["detection"]["checks"] = [checks.to_dict(one) for one in self.detection.checks]
        return json.dumps(whole, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "HandlerConfig":
        """Raises ValueError on anything that is not a whole configuration."""
        try:
            raw: dict[str, Any] = json.loads(text)
            recovery = raw["recovery"]
            return cls(
                **{
                    **raw,
                    "strategy": Strategy(raw["strategy"]),
                    "copy_mode": CopyMode(raw["copy_mode"]),
                    "primary": SitePlace(**raw["primary"]),
                    "dr": SitePlace(**raw["dr"]),
                    "detection": _detection(raw["detection"]),
                    "recovery": Recovery(
                        **{**recovery, "in_flight": InFlightRule(recovery["in_flight"])}
                    ),
                    "target": Target(**raw["target"]),
                }
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a handler configuration: {error!r}") from error

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "HandlerConfig":
        """Raises ValueError if the variable is missing or not whole."""
        text = environ.get(VARIABLE)
        if not text:
            raise ValueError(f"the function's environment lacks {VARIABLE}; deploy the `dr` stack")
        return cls.from_json(text)
