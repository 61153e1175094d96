"""Both sites' agents, played for the machines: each order is answered once, when time passes."""

from collections.abc import Callable
from dataclasses import dataclass, field
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
        if inbox.decide(order, None, epoch, self.stage.clock.at).action is inbox.Action.REFUSE:
            self.seen.add(key)
            return
        found = self.answers.get((order.site, order.kind), usual)(order)
        if found is None:
            return
        self.seen.add(key)
        result, error = found
        status = OrderStatus.FAILED if error else OrderStatus.SUCCEEDED
        fault = {"type": error, "message": "said the agent"} if error else None
        at = self.stage.runtime.at()
        ack = Ack(order.order_id, order.site, status, at, result=result, error=fault)
        self.stage.put(keys.ack(order.site, order.order_id), ack.to_json())
        self.done.append(order)

    def _usual(self, order: Order) -> Answer:
        if order.kind is OrderKind.EXPORT:
            if order.payload.get("purpose"):
                return {"backup": f"{keys.DIVERGENCE}{order.order_id}"}, ""
            self.exports.append(self.stage.backup(0, site=order.site, epoch=order.epoch))
            return {"backup": self.exported}, ""
        if order.kind is OrderKind.PAUSE:
            return {"paused": ["sales", "stock"]}, ""
        if order.kind is OrderKind.DRAIN:
            return {"waited_seconds": 12.0, "left": []}, ""
        return {"rows": 1}, ""
