"""What the control plane asks of a site's agent, and what the agent answers."""

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from contract.sites import Site


class OrderKind(StrEnum):
    """`payload` and `result` of each kind are given with it."""

    EXPORT = "export"
    """payload {}, or {purpose: divergence} to keep what a site that lost the epoch holds;
    result {backup: manifest key}"""
    IMPORT = "import"
    """payload {backup: manifest key, mode: the engine's import mode, phase: resume | history | all,
    in_flight: rule, outage_at: the old owner's last sign of life, if it is known, paused: as of
    UNPAUSE}; result: the
    engine's import report, and unless it is of the history `forecast`: {headline, and unless it
    failed the engine's forecast, the last DAGs cut off}"""
    PAUSE = "pause"
    """payload {}; result {paused: [dag ids that this order paused]}"""
    DRAIN = "drain"
    """payload {seconds: how long to wait for running tasks}; result {waited_seconds,
    left: [{dag_id, run_id, tasks}]: runs with tasks that still run}"""
    UNPAUSE = "unpause"
    """payload {backup: manifest key, in_flight: rule, paused: {at, dags} that the old owner's
    fence paused, {} if it did not answer}, or {dags: [dag ids]} to undo a pause;
    result {unpaused: [dag ids], missing: [dag ids]}"""
    RERUN = "rerun"
    """payload: `contract.reruns.RerunRequest`; result {snapshot_at, report: what was done,
    interrupted: [...] and at_risk: [...] as they are afterwards}"""


class OrderStatus(StrEnum):
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Order:
    """One request to an agent. The same `order_id` is carried out once, however often it is read.

    Args:
        order_id: unique; it starts with the incident's id.
        kind: what to do.
        site: whose agent it is for.
        epoch: an agent that knows a higher one refuses the order.
        issued_at: ISO 8601, UTC.
        expires_at: ISO 8601, UTC; later the agent refuses the order.
        payload: see `OrderKind`.
    """

    order_id: str
    kind: OrderKind
    site: Site
    epoch: int
    issued_at: str
    expires_at: str
    incident_id: str = ""
    payload: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Order":
        """Raises ValueError on anything that is not a whole order."""
        try:
            raw = json.loads(text)
            raw["kind"] = OrderKind(raw["kind"])
            raw["site"] = Site(raw["site"])
            return cls(**raw)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not an order: {error!r}") from error

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)


@dataclass(frozen=True, slots=True)
class Ack:
    """An agent's answer; overwritten as the order goes on.

    Args:
        error: `{type, message}` when failed. `type` is an exception's name: the state machines
            choose by it (`BackupRefusedError` makes recovery take an older backup).
    """

    order_id: str
    site: Site
    status: OrderStatus
    updated_at: str
    result: dict[str, Any] = field(default_factory=dict)
    error: dict[str, str] | None = None

    @classmethod
    def from_json(cls, text: str | bytes) -> "Ack":
        """Raises ValueError on anything that is not a whole acknowledgement."""
        try:
            raw = json.loads(text)
            raw["site"] = Site(raw["site"])
            raw["status"] = OrderStatus(raw["status"])
            return cls(**raw)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not an acknowledgement: {error!r}") from error

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)
