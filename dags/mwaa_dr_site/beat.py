"""One run of the agent: fence or sweep, prove life, read the orders."""

import logging
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from contract.names import EXPORT_DAG, IMPORT_DAG
from contract.orders import Order, OrderKind, OrderStatus
from contract.ownership import Ownership
from contract.pulse import Pulse
from contract.reruns import RerunRequest
from mwaa_dr_metadata import control, database, fencing, hold
from mwaa_dr_metadata.rerun_request import answer
from mwaa_dr_site import inbox
from mwaa_dr_site.backups import Backups
from mwaa_dr_site.knowledge import known
from mwaa_dr_site.mailbox import AWS_ERRORS, Mailbox, Received, now
from mwaa_dr_site.silence import lived_until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy.engine import Engine

    from contract.agent_config import AgentConfig

logger = logging.getLogger(__name__)

DISPATCHED = {OrderKind.EXPORT: EXPORT_DAG, OrderKind.IMPORT: IMPORT_DAG}
"""Orders that take long have a DAG of their own, so that the pulse goes on meanwhile."""


def beat(config: "AgentConfig", environ: "Mapping[str, str]") -> list[dict[str, Any]]:
    """Do one run of the agent; return the arguments of the DAG runs to trigger.

    The fence comes first: whatever else fails, a site that lost ownership must not run DAGs.
    """
    mailbox = Mailbox(config)
    engine = database.engine_from_env(environ)
    ownership = known(mailbox, engine, remember=True)
    if ownership.owned_by(config.site):
        with database.transaction(engine) as session:
            hold.release(session)
    else:
        _fence(mailbox, engine, ownership)
    counts = control.dag_counts(engine)
    mailbox.pulse(
        Pulse(
            site=config.site,
            environment=config.environment,
            at=now(),
            epoch=ownership.epoch,
            dags=counts.dags,
            active_dags=counts.active_dags,
            import_errors=counts.import_errors,
            holds=control.held_snapshot_at(engine),
        )
    )
    control.trim_own_history(engine)
    return _work_through(config, environ, mailbox, engine, ownership)


def _fence(mailbox: Mailbox, engine: "Engine", ownership: Ownership) -> None:
    """Stop whatever stirs; a report that cannot be written is logged in full."""
    hold.hold(engine)
    report = fencing.fence(engine, ownership.lost_at)
    if report.is_empty:
        return
    logger.warning(
        "epoch %s belongs to %s: stopped %s", ownership.epoch, ownership.owner, report.to_dict()
    )
    try:
        mailbox.fenced(ownership.epoch, report.to_dict())
    except AWS_ERRORS:
        logger.exception("what was stopped could not be reported")


def _work_through(
    config: "AgentConfig",
    environ: "Mapping[str, str]",
    mailbox: Mailbox,
    engine: "Engine",
    ownership: Ownership,
) -> list[dict[str, Any]]:
    at_once: dict[OrderKind, Callable[[Received], dict[str, Any] | None]] = {
        OrderKind.PAUSE: lambda _: {"paused": control.pause_all(engine)},
        OrderKind.DRAIN: lambda one: _drained(engine, one),
        OrderKind.UNPAUSE: lambda one: _unpause(config, environ, engine, ownership, one.order),
        OrderKind.RERUN: lambda one: _rerun(config, engine, ownership, one.order),
    }
    dispatch = []
    for received in mailbox.orders():
        order = received.order
        decision = inbox.decide(
            order,
            mailbox.answer_to(order.order_id),
            ownership.epoch,
            datetime.now(UTC),
            age=received.age,
        )
        if decision.action is inbox.Action.LEAVE:
            continue
        if decision.action is inbox.Action.REFUSE:
            logger.warning("order %s refused: %s", order.order_id, decision.reason)
            refusal = inbox.OrderRefusedError(decision.reason)
            mailbox.acknowledge(order, OrderStatus.FAILED, error=refusal)
            continue
        mailbox.acknowledge(order, OrderStatus.RUNNING)
        if order.kind in DISPATCHED:
            dispatch.append(
                {
                    "trigger_dag_id": DISPATCHED[order.kind],
                    "conf": {"order": asdict(order)},
                }
            )
            continue
        try:
            result = at_once[order.kind](received)
            if result is None:
                continue
        except Exception as error:
            logger.exception("order %s failed", order.order_id)
            mailbox.acknowledge(order, OrderStatus.FAILED, error=error)
        else:
            mailbox.acknowledge(order, OrderStatus.SUCCEEDED, result=result)
    return dispatch


def _unpause(
    config: "AgentConfig",
    environ: "Mapping[str, str]",
    engine: "Engine",
    ownership: Ownership,
    order: Order,
) -> dict[str, Any]:
    """Un-pause exactly what was active in the restored backup, or what a pause order paused.

    Raises:
        OrderRefusedError: this site does not own the epoch, so its DAGs must stay paused.
    """
    _only_as_owner(config, ownership, "un-pauses")
    if "dags" in order.payload:
        return asdict(control.unpause_dags(engine, order.payload["dags"]))
    backups = Backups(config, environ)
    unparked = backups.unpark(engine, order.payload)
    report = control.unpause_dags(engine, backups.active(order.payload))
    return {**asdict(report), "unparked": unparked}


def _drained(engine: "Engine", received: Received) -> dict[str, Any] | None:
    """What still runs, once nothing does or the time is up; None until then."""
    waited = received.age.total_seconds()
    left = fencing.working_runs(engine)
    if left and waited < float(received.order.payload["seconds"]):
        return None
    return {"waited_seconds": round(waited, 1), "left": left}


def _rerun(
    config: "AgentConfig", engine: "Engine", ownership: Ownership, order: Order
) -> dict[str, Any]:
    """Run interrupted runs again, as an operator asks.

    Raises:
        OrderRefusedError: this site does not own the epoch, so nothing may run here.
    """
    _only_as_owner(config, ownership, "runs anything again")
    request = RerunRequest.from_payload(order.payload)
    until = lived_until(config, request.outage_at)
    return answer(engine, replace(request, outage_at=until.isoformat() if until else ""))


def _only_as_owner(config: "AgentConfig", ownership: Ownership, what: str) -> None:
    if not ownership.owned_by(config.site):
        raise inbox.OrderRefusedError(
            f"epoch {ownership.epoch} belongs to {ownership.owner}; only an owner {what}"
        )
