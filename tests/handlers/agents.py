"""Both sites' agents, played for the machines: each order is answered once, when time passes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from contract import keys
from contract.orders import Ack, Order, OrderKind, OrderStatus
from contract.sites import Site
from mwaa_dr_site import inbox

if TYPE_CHECKING:
    from tests.handlers.stage import Stage

Answer = tuple[dict[str, Any], str] | None
"""An agent's result and the name of its error; None: it does not answer."""


@dataclass
class Agents:
    """Both sites' agents: they answer each order once, when time passes."""

    stage: "Stage"
    silent: set[Site] = field(default_factory=set)
    slow: float = 0
    """Seconds from an order to its answer."""
    skew: dict[Site, float] = field(default_factory=dict)
    """Seconds that a site's clock is ahead of everybody else's."""
    answers: dict[tuple[Site | None, OrderKind], Callable[[Order], Answer]] = field(
        default_factory=dict
    )
    done: list[Order] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    exports: list[str] = field(default_factory=list)

    def on(self, kind: OrderKind, answer: Callable[[Order], Answer], site: Site | None = None):
        self.answers[site, kind] = answer

    @property
    def exported(self) -> str:
        """The newest backup that an agent was ordered to take."""
        return self.exports[-1] if self.exports else ""

    def kinds(self, site: Site | None = None) -> list[str]:
        return [one.kind.value for one in self.done if site in (None, one.site)]

    def act(self) -> None:
        for site in sorted(set(Site) - self.silent):
            for key in self.stage.keys(keys.orders(site), site):
                if key not in self.seen:
                    self._answer(key, Order.from_json(self.stage.text(key, site)))

    def _answer(self, key: str, order: Order) -> None:
        usual = self.answers.get((None, order.kind), self._usual)
        if self.stage.age(order.issued_at) < self.slow:
            return
        epoch = self.stage.ownership.epoch
        lies = self.stage.clock.at - datetime.fromisoformat(order.issued_at)
        here = self.stage.clock.at + timedelta(seconds=self.skew.get(order.site, 0))
        if inbox.decide(order, None, epoch, here, age=lies).action is inbox.Action.REFUSE:
            self.seen.add(key)
            return
        found = self.answers.get((order.site, order.kind), usual)(order)
        if found is None:
            return
        self.seen.add(key)
        result, error = found
        status = OrderStatus.FAILED if error else OrderStatus.SUCCEEDED
        fault = {"type": error, "message": "said the agent"} if error else None
        at = here.isoformat()
        ack = Ack(order.order_id, order.site, status, at, result=result, error=fault)
        self.stage.put(keys.ack(order.site, order.order_id), ack.to_json())
        self.done.append(order)

    def _usual(self, order: Order) -> Answer:
        if order.kind is OrderKind.EXPORT:
            if order.payload.get("purpose"):
                return {"backup": f"{keys.DIVERGENCE}{order.order_id}"}, ""
            age = -self.skew.get(order.site, 0)
            self.exports.append(self.stage.backup(age, site=order.site, epoch=order.epoch))
            return {"backup": self.exported}, ""
        if order.kind is OrderKind.PAUSE:
            return {"paused": ["sales", "stock"]}, ""
        if order.kind is OrderKind.DRAIN:
            return {"waited_seconds": 12.0, "left": []}, ""
        return {"rows": 1}, ""
